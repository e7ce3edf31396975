"""LevelDB under damage, full disks and losses of power: what was acknowledged stays, or its loss is told."""

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from random import Random
from shutil import copytree

import pytest

from chain.primitives.errors import StorageError
from storage.leveldb import LevelStore, open_level, repair_level

SECTOR = 512

FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from chain.primitives.errors import StorageError
from storage.leveldb import open_level

def write(store, key, size):
    try:
        store.write({key: bytes(size)}, durable=True)
        print(key.decode(), flush=True)
    except StorageError as error:
        print(str(error), file=sys.stderr)

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = open_level(Path(sys.argv[1]))
write(store, b"before", 100)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
write(store, b"failed", 100_000)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
for number in range(3):
    write(store, b"after%d" % number, 100)
store.close()
"""
"""Tells the keys whose write was acknowledged; the file cannot grow for a while, then there is room again."""


def _keys(store: LevelStore) -> list[str]:
    return [key.decode() for key, _ in store.iterate(b"")]


def _filled(path: Path, count: int, size: int, seed: int = 1) -> dict[bytes, bytes]:
    rng = Random(seed)
    pairs = {b"n%05d" % number: rng.randbytes(size) for number in range(count)}
    store = open_level(path)
    for key, value in pairs.items():
        store.write({key: value}, durable=False)
    store.close()
    return pairs


def _flip(file: Path, at: int) -> None:
    raw = bytearray(file.read_bytes())
    raw[at] ^= 1
    file.write_bytes(raw)


@pytest.mark.slow
def test_what_is_acknowledged_behind_a_failed_write_is_there(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, timeout=60, check=True
    )
    acknowledged = done.stdout.split()
    assert acknowledged[0] == "before"
    store = open_level(tmp_path)
    assert _keys(store) == sorted(acknowledged), done.stderr
    store.write({b"again": b""}, durable=True)
    store.close()
    again = open_level(tmp_path)
    assert "again" in _keys(again)
    again.close()


def test_a_byte_damaged_in_the_log_is_told_and_repaired(tmp_path: Path) -> None:
    pairs = _filled(tmp_path, 100, 2_000)
    (log,) = tmp_path.glob("*.log")
    _flip(log, 70_000)
    with pytest.raises(StorageError, match=r"damaged .*db repair"):
        open_level(tmp_path)
    assert list(tmp_path.glob("*.log")) == [log], "nothing is lost by trying"
    repair_level(tmp_path)
    store = open_level(tmp_path)
    left = dict(store.iterate(b""))
    assert 80 < len(left) < 100
    assert left.items() <= pairs.items()
    store.close()


def test_a_damaged_byte_does_not_become_a_value_when_tables_are_compacted(tmp_path: Path) -> None:
    pairs = _filled(tmp_path, 1_000, 200)
    open_level(tmp_path).close()  # the log becomes a table
    (table,) = tmp_path.glob("*.ldb")
    _flip(table, table.read_bytes().index(pairs[b"n00500"]) + 100)
    store = open_level(tmp_path)
    with pytest.raises(StorageError, match=r"damaged .*db repair"):
        store.compact()
    with pytest.raises(StorageError, match="damaged"):
        store.get(b"n00500")
    store.close()
    repair_level(tmp_path)
    store = open_level(tmp_path)
    left = dict(store.iterate(b""))
    assert len(left) > 900, "what lies in other blocks is saved"
    assert left.items() <= pairs.items()
    store.compact()
    store.close()


@pytest.mark.slow
@pytest.mark.parametrize("size", [100, 3_000, 40_000])
@pytest.mark.parametrize("seed", range(4))
def test_a_write_that_a_power_cut_tore_is_passed_over(tmp_path: Path, size: int, seed: int) -> None:
    """Sectors of the last write that did not come to the disk read as zeros; the file may be shorter as well."""
    rng = Random(seed)
    store = open_level(tmp_path)
    for number in range(8):
        store.write({b"k%02d" % number: rng.randbytes(size)}, durable=True)
    (log,) = tmp_path.glob("*.log")
    synced = log.stat().st_size
    store.write({b"torn": rng.randbytes(size)}, durable=False)
    store.close()
    raw = bytearray(log.read_bytes())
    ends = sorted({synced, *range(synced - synced % SECTOR + SECTOR, len(raw), SECTOR), len(raw)})
    sectors = list(pairwise(ends))
    lost = rng.sample(sectors, rng.randrange(1, len(sectors) + 1))
    for begin, end in lost:
        raw[begin:end] = bytes(end - begin)
    log.write_bytes(raw)
    store = open_level(tmp_path)
    assert _keys(store) == [f"k{number:02d}" for number in range(8)]
    store.write({b"next": b""}, durable=True)
    store.close()
    store = open_level(tmp_path)
    assert len(_keys(store)) == 9
    store.close()


def test_sectors_lost_before_what_was_acknowledged_are_damage(tmp_path: Path) -> None:
    _filled(tmp_path, 100, 2_000)
    (log,) = tmp_path.glob("*.log")
    raw = bytearray(log.read_bytes())
    raw[40_960:41_472] = bytes(SECTOR)
    log.write_bytes(raw)
    with pytest.raises(StorageError, match=r"damaged .*db repair"):
        open_level(tmp_path)


def test_a_byte_damaged_in_the_last_record_is_no_torn_write(tmp_path: Path) -> None:
    _filled(tmp_path, 3, 2_000)
    (log,) = tmp_path.glob("*.log")
    _flip(log, log.stat().st_size - 10)
    with pytest.raises(StorageError, match=r"damaged .*db repair"):
        open_level(tmp_path)


@pytest.mark.parametrize("bit", range(8 * 7))
def test_any_bit_damaged_in_the_head_of_a_record_is_told(tmp_path: Path, bit: int) -> None:
    """LevelDB takes a length that leads beyond the end of the log for a write that was cut short."""
    pairs = _filled(tmp_path, 5, 100)
    (log,) = tmp_path.glob("*.log")
    raw = bytearray(log.read_bytes())
    record = len(raw) // 5
    raw[2 * record + bit // 8] ^= 1 << bit % 8
    log.write_bytes(raw)
    with pytest.raises(StorageError, match=r"damaged .*db repair"):
        open_level(tmp_path)
    repair_level(tmp_path)
    store = open_level(tmp_path)
    assert dict(store.iterate(b"")).items() <= pairs.items()
    store.close()


@pytest.mark.slow
def test_a_log_that_ends_anywhere_is_no_damage(tmp_path: Path) -> None:
    _filled(tmp_path / "whole", 3, 20)
    (log,) = (tmp_path / "whole").glob("*.log")
    size = log.stat().st_size
    for length in range(2 * size // 3, size):
        path = tmp_path / str(length)
        copytree(tmp_path / "whole", path)
        os.truncate(path / log.name, length)
        store = open_level(path)
        assert _keys(store) == ["n00000", "n00001"]
        store.close()
