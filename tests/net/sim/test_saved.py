"""Worlds written to disk go on exactly as they would have."""

from pathlib import Path

import pytest

from chain.primitives.errors import ConfigError
from net.sim.saved import load, save
from net.sim.scenarios.growth import build
from net.sim.world import World


@pytest.mark.slow
def test_a_loaded_world_goes_on_as_the_saved_one(tmp_path: Path) -> None:
    world = World(7)
    build(world, 8, join_every=200)
    world.run_for(6_000)
    save(world, tmp_path / "world")
    other = load(tmp_path / "world")
    assert other.now == world.now
    for one in (world, other):
        one.run_for(6_000)
        one.nodes[3].crash()
        one.run_for(20_000)
    assert other.delivered == world.delivered
    assert other.digest == world.digest
    assert [n.mesh.neighbours() for n in other.nodes] == [n.mesh.neighbours() for n in world.nodes]


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "world"
    for content in (b"", b"mappemonde world 0 python 3.11\nrest", b"\x80\x05x"):
        path.write_bytes(content)
        with pytest.raises(ConfigError, match="no world of this version"):
            load(path)


def test_another_version_is_named(tmp_path: Path) -> None:
    path = tmp_path / "world"
    path.write_bytes(b"mappemonde world 0 python 3.11\nrest")
    with pytest.raises(ConfigError, match=r"it is mappemonde world 0 python 3\.11, not mappemonde world \d+ python"):
        load(path)


def test_a_damaged_world_is_refused_wherever_the_damage_is(tmp_path: Path) -> None:
    """A changed byte gave another run without a word, a lost one a traceback."""
    path = tmp_path / "world"
    world = World(7)
    build(world, 1, join_every=200)
    world.run_for(100)
    save(world, path)
    content = path.read_bytes()
    body = content.index(b"\n") + 1
    for at in (body, body + 40, len(content) // 2, len(content) - 2):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(ConfigError, match="damaged or was cut short"):
            load(path)
    for end in (body, body + 20, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:end])
        with pytest.raises(ConfigError, match="damaged or was cut short"):
            load(path)
    path.write_bytes(content)
    assert load(path).now == world.now


def test_a_world_that_cannot_be_written_leaves_the_old_one_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk left a part of the new one behind."""

    def full(_number: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "world"
    path.write_bytes(b"the old one")
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        save(World(1), path)
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("world", b"the old one")]
