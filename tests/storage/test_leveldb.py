"""Opening, damage and the errors an operator sees."""

import os
import subprocess
import sys
from pathlib import Path
from random import Random

import plyvel
import pytest

from chain.primitives.errors import StorageError
from storage.leveldb import explain, open_level, repair_level
from tests.helpers.held_store import held_by_another_process


def test_pairs_survive_a_restart(tmp_path: Path) -> None:
    first = open_level(tmp_path / "new" / "db")
    first.write({b"a": b"1"}, durable=True)
    first.close()
    second = open_level(tmp_path / "new" / "db")
    assert second.get(b"a") == b"1"
    second.close()


def test_a_second_store_in_this_process_is_refused_with_the_directory(tmp_path: Path) -> None:
    first = open_level(tmp_path)
    with pytest.raises(StorageError, match=r"in use .*cannot share") as refused:
        open_level(tmp_path)
    assert str(tmp_path) in str(refused.value)
    first.close()


@pytest.mark.slow
def test_a_store_held_by_another_process_is_refused(tmp_path: Path) -> None:
    refused = pytest.raises(StorageError, match=r"in use by another process: stop that node first")
    with held_by_another_process(tmp_path), refused:
        open_level(tmp_path)
    open_level(tmp_path).close()


def test_a_damaged_database_is_kept_and_can_be_repaired(tmp_path: Path) -> None:
    store = open_level(tmp_path)
    store.write({b"a": b"1"}, durable=True)
    store.close()
    open_level(tmp_path).close()  # the log becomes a table
    for manifest in tmp_path.glob("MANIFEST-*"):
        manifest.write_bytes(b"no manifest")
    before = {path.name for path in tmp_path.glob("*.ldb")}
    with pytest.raises(StorageError, match=r"damaged .*db repair`; nothing was deleted"):
        open_level(tmp_path)
    assert {path.name for path in tmp_path.glob("*.ldb")} == before
    repair_level(tmp_path)
    again = open_level(tmp_path)
    assert again.get(b"a") == b"1"
    again.close()


def test_a_value_damaged_on_disk_is_an_error_and_no_other_value(tmp_path: Path) -> None:
    store = open_level(tmp_path)
    store.write({b"key": b"value" * 100}, durable=True)
    store.close()
    open_level(tmp_path).close()
    (table,) = tmp_path.glob("*.ldb")
    raw = bytearray(table.read_bytes())
    raw[:40] = bytes(40)
    table.write_bytes(raw)
    damaged = open_level(tmp_path)
    with pytest.raises(StorageError, match="damaged"):
        damaged.get(b"key")
    damaged.close()


def test_repair_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="there is no database"):
        repair_level(tmp_path / "absent")


def test_a_file_in_place_of_the_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "db").write_text("hello")
    with pytest.raises(StorageError, match="is not a directory"):
        open_level(tmp_path / "db")
    assert (tmp_path / "db").read_text() == "hello"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_without_permission_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="no permission"):
        open_level(tmp_path / "db")


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (plyvel.IOError(b"IO error: /d/000012.log: No space left on device"), "disk .* is full: free some space"),
        (plyvel.IOError(b"IO error: /d/000012.log: File too large"), "ulimit -f"),
        (plyvel.IOError(b"IO error: /d/LOCK: Permission denied"), "no permission to write"),
        (plyvel.IOError(b"IO error: lock /d/LOCK: Resource temporarily unavailable"), "in use by another process"),
        (plyvel.IOError(b"IO error: /d/1.ldb: Read-only file system"), "read-only file system"),
        (plyvel.IOError(b"IO error: /d/1.ldb: Input/output error"), "disk .* fails"),
        (plyvel.IOError(b"IO error: /d/1.ldb: Too many open files"), "ulimit"),
        (plyvel.CorruptionError(b"Corruption: block checksum mismatch"), "damaged .*repair"),
        (plyvel.Error(b"something new"), "cannot be used: something new"),
        (OSError(28, "No space left on device"), "disk .* is full"),
    ],
)
def test_errors_are_one_line_that_names_the_directory(error: Exception, advice: str) -> None:
    told = explain(Path("/data/db"), error)
    assert told.args[0].count("\n") == 0
    assert "/data/db" in str(told)
    with pytest.raises(StorageError, match=advice):
        raise told


def test_compacting_gives_the_space_of_what_was_deleted_back(tmp_path: Path) -> None:
    rng = Random(1)
    store = open_level(tmp_path)
    pairs = {b"n" + rng.randbytes(32): rng.randbytes(200) for _ in range(5_000)}
    store.write(pairs, durable=False)
    store.close()
    store = open_level(tmp_path)
    store.write({}, list(pairs)[:4_000], durable=False)
    store.compact()
    store.close()
    left = sum(file.stat().st_size for file in tmp_path.iterdir())
    assert left < 400_000, "1,000 of 5,000 entries with 233 bytes stay"


@pytest.mark.slow
def test_closing_waits_for_readers_in_other_threads_and_stops_them(tmp_path: Path) -> None:
    """In a process of its own: reading what LevelDB has let go of would kill it."""
    script = (
        "import os, sys, threading; from pathlib import Path\n"
        "from chain.primitives.errors import StorageError; from storage.leveldb import open_level\n"
        "store = open_level(Path(sys.argv[1]))\n"
        "store.write({b'k%05d' % number: os.urandom(200) for number in range(5_000)}, durable=False)\n"
        "store.close(); ended = []\n"
        "def read(store, begun):\n"
        "    try:\n"
        "        while True:\n"
        "            for key, _ in store.iterate(b'k'):\n"
        "                store.get(key); begun.set()\n"
        "    except StorageError as error: ended.append(str(error))\n"
        "for _ in range(10):\n"
        "    store = open_level(Path(sys.argv[1]))\n"
        "    begun = [threading.Event() for _ in range(4)]\n"
        "    readers = [threading.Thread(target=read, args=(store, event)) for event in begun]\n"
        "    for reader in readers: reader.start()\n"
        "    for event in begun: event.wait()\n"
        "    store.close()\n"
        "    for reader in readers: reader.join()\n"
        "assert len(ended) == 40 and all('is closed' in text for text in ended), ended\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
