"""A backup is whole or not there: what is copied, what is refused, and what an interruption leaves."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from chain.genesis import load_genesis
from chain.importer import Importer
from chain.primitives.errors import ConfigError, StorageError
from cli.backup import copying
from cli.backup.contents import secrets_of, survey
from cli.backup.copying import BackedUp, back_up
from cli.datadir import DataDir
from cli.private_files import write_private
from cli.staking.keys import write_validator_key
from storage.bucket import Bucket
from storage.chain_store import ChainStore
from storage.journal import Journal
from storage.leveldb import hold_level, open_level
from storage.migrations import claim
from tests.helpers.forge import FakeRules, Forge
from tests.helpers.transactions import key_of

GENESIS = load_genesis("devnet")
PARAMS = GENESIS.params
HEIGHT = 3


@pytest.fixture
def datadir(tmp_path: Path) -> DataDir:
    place = DataDir(tmp_path / "node")
    store, forge = open_level(place.database), Forge(GENESIS)
    claim(store, PARAMS.network_id, PARAMS.name)
    importer = Importer(PARAMS, GENESIS, ChainStore(store), FakeRules())
    for block in forge.run(forge.root, HEIGHT):
        importer.add(block, block.arrived)
    Bucket(store).put("bans", b"somebody")
    Journal(store).append(1, b"a payment")
    store.close()
    write_private(place.identity_file, b"the identity")
    write_private(place.token_file, b"the token")
    (place.root / "node.log").write_text("a line")
    (place.root / "node.log").chmod(0o644)
    (place.root / "keys").mkdir()
    write_validator_key(place.root / "keys" / "validator.json", key_of(7), "password", work=2)
    return place


def taken(datadir: DataDir, target: Path) -> BackedUp:
    return back_up(datadir, target, PARAMS, lambda _done, _total: None)


def test_everything_is_copied_and_readable_by_its_owner_alone(datadir: DataDir, tmp_path: Path) -> None:
    before = {path for path in datadir.root.rglob("*") if not path.is_relative_to(datadir.database)}
    done = taken(datadir, tmp_path / "copy")
    copy = DataDir(tmp_path / "copy")
    assert done.head_height == HEIGHT
    for path in before:
        other = copy.root / path.relative_to(datadir.root)
        assert path.is_dir() or other.read_bytes() == path.read_bytes()
    assert all(stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 for path in (copy.root, *copy.root.rglob("*")))
    assert stat.S_IMODE(copy.identity_file.stat().st_mode) == 0o600
    contents: list[dict[bytes, bytes]] = []
    for place in (datadir, copy):
        store = open_level(place.database)
        contents.append(dict(store.iterate(b"")))
        assert Bucket(store).get("bans") == b"somebody"
        assert list(Journal(store).records()) == [(1, b"a payment")]
        store.close()
    assert contents[0] == contents[1]
    assert not list(tmp_path.glob("*.partial"))


def test_what_is_secret_is_told(datadir: DataDir) -> None:
    write_private(datadir.root / "validator.password", b"password")
    told = secrets_of(datadir, survey(datadir))
    assert set(told) == {"identity.key", "rpc.token", "validator.password", "keys/validator.json"}
    assert told["keys/validator.json"] == "a validator key, under its password"
    assert told["validator.password"] == "readable by its owner alone"


def test_a_destination_that_exists_or_lies_inside_is_refused(datadir: DataDir, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "left.partial").mkdir()
    (tmp_path / "door").symlink_to(datadir.root)
    for name, text in (
        ("there", "nothing was overwritten"),
        ("dangling", "nothing was overwritten"),
        ("left", "interrupted"),
        ("no/where", "there is no folder"),
        ("node/copy", "in the data directory itself"),
        ("door/copy", "in the data directory itself"),
    ):
        with pytest.raises(ConfigError, match=text):
            taken(datadir, tmp_path / name)
    assert not any((tmp_path / "there").iterdir())
    with pytest.raises(ConfigError, match="nothing was overwritten"):
        taken(datadir, Path("/"))


def test_links_are_not_followed(datadir: DataDir, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("not the node's")
    for name in ("notes", "keys/notes"):
        link = datadir.root / name
        link.symlink_to(tmp_path / "elsewhere")
        with pytest.raises(StorageError, match="symbolic link"):
            taken(datadir, tmp_path / "copy")
        link.unlink()
    datadir.database.rename(tmp_path / "big disk")
    datadir.database.symlink_to(tmp_path / "big disk")
    with pytest.raises(StorageError, match="symbolic link"):
        taken(datadir, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_pipe_is_not_read(datadir: DataDir, tmp_path: Path) -> None:
    os.mkfifo(datadir.root / "pipe")
    with pytest.raises(StorageError, match="neither a file nor a folder"):
        taken(datadir, tmp_path / "copy")


def test_a_directory_that_is_itself_reached_by_a_link_is_copied(datadir: DataDir, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(datadir.root)
    assert taken(DataDir(tmp_path / "link"), tmp_path / "copy").head_height == HEIGHT


def test_a_full_disk_is_told_before_anything_is_written(
    datadir: DataDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "SPARE_BYTES", 1 << 60)
    with pytest.raises(StorageError, match="does not fit"):
        taken(datadir, tmp_path / "copy")
    assert not list(tmp_path.glob("copy*"))


def _flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)


def _interrupt(_path: Path) -> None:
    raise KeyboardInterrupt


def _fill(_path: Path) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("harm", "error"),
    [(_flip, "not what was written"), (_interrupt, "^$"), (_fill, "No space left")],
    ids=["flipped", "interrupted", "full"],
)
def test_a_copy_that_failed_is_not_left(
    datadir: DataDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: Callable[[Path], None], error: str
) -> None:
    whole = copying._digest

    def harmed(path: Path) -> bytes:
        if path.name == "identity.key":
            harm(path)
        return whole(path)

    monkeypatch.setattr(copying, "_digest", harmed)
    with pytest.raises((StorageError, KeyboardInterrupt), match=error):
        taken(datadir, tmp_path / "copy")
    assert not list(tmp_path.glob("copy*"))
    monkeypatch.undo()
    assert taken(datadir, tmp_path / "copy").head_height == HEIGHT


def test_a_database_that_moved_on_meanwhile_is_not_taken_for_the_same(
    datadir: DataDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heads = iter([(GENESIS.chained.id, 0)])
    real = copying._head_of
    monkeypatch.setattr(copying, "_head_of", lambda place, params: next(heads, None) or real(place, params))
    with pytest.raises(StorageError, match="changed while it was copied"):
        taken(datadir, tmp_path / "copy")
    assert not list(tmp_path.glob("copy*"))


def test_a_database_in_use_of_another_network_or_without_chain_is_refused(datadir: DataDir, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="belongs to network devnet"):
        back_up(datadir, tmp_path / "copy", load_genesis("testnet").params, lambda _done, _total: None)
    store = open_level(datadir.database)
    with pytest.raises(StorageError, match="in use"):
        taken(datadir, tmp_path / "copy")
    store.close()
    empty = DataDir(tmp_path / "empty")
    store = open_level(empty.database)
    claim(store, PARAMS.network_id, PARAMS.name)
    store.close()
    with pytest.raises(StorageError, match="holds no chain"):
        taken(empty, tmp_path / "copy")


@pytest.mark.slow
def test_the_lock_keeps_a_node_out_while_files_are_copied(datadir: DataDir) -> None:
    opening = (
        "import sys; from pathlib import Path; from storage.leveldb import open_level; open_level(Path(sys.argv[1]))"
    )
    words = [sys.executable, "-c", opening, str(datadir.database)]
    with hold_level(datadir.database):
        kept_out = subprocess.run(words, capture_output=True, text=True, check=False)
        assert "in use by another process" in kept_out.stderr
    assert subprocess.run(words, capture_output=True, check=False).returncode == 0


def test_folders_nested_without_end_are_refused_before_anything_is_written(datadir: DataDir, tmp_path: Path) -> None:
    """What walks and removes the copy goes down by recursion: it would end half way and leave the secrets there."""
    here = os.open(datadir.root, os.O_RDONLY)
    for _ in range(1_100):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    try:
        with pytest.raises(StorageError, match="65 folders deep"):
            taken(datadir, tmp_path / "copy")
        assert not list(tmp_path.glob("copy*"))
    finally:  # nor would what tidies up after tests get to the end
        subprocess.run(["rm", "-rf", str(datadir.root / "d"), str(tmp_path / "copy.partial")], check=True)


@pytest.mark.slow
def test_a_second_name_of_the_lock_does_not_open_the_door(datadir: DataDir, tmp_path: Path) -> None:
    """A process loses its lock on a file with the first descriptor that it closes, by whichever name."""
    (datadir.root / "old").mkdir()
    os.link(datadir.database / "LOCK", datadir.root / "old" / "LOCK")
    opening = (
        "import sys; from pathlib import Path; from storage.leveldb import open_level; open_level(Path(sys.argv[1]))"
    )
    words = [sys.executable, "-c", opening, str(datadir.database)]
    told: list[int] = []

    def look(done: int, total: int) -> None:
        if done == total:
            told.append(subprocess.run(words, capture_output=True, check=False).returncode)

    back_up(datadir, tmp_path / "copy", PARAMS, look)
    assert told
    assert 0 not in told
