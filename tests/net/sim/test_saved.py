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
