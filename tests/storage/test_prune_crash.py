"""Killed with -9 at random instants of a prune, the database opens, verifies and runs; the next prune finishes."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from chain.verified import ImportStatus
from storage import prune as pruning
from storage.leveldb import open_level
from storage.memory import MemoryStore
from storage.prune import prune
from storage.verify import verify
from tests.helpers.branching import LATER, Tree
from tests.helpers.crash_pruner import KEEP
from tests.helpers.forge import FakeRules
from tests.helpers.networks import small_genesis

GENESIS = small_genesis(epoch_length=3)
ROUNDS = 5
PRUNER = Path(__file__).parent.parent / "helpers" / "crash_pruner.py"


@pytest.mark.slow
def test_a_killed_prune_leaves_a_database_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "KEEP_MIN", KEEP)
    rng, tree = Random(8), Tree(GENESIS)
    tree.random(rng, 90)
    whole, original = MemoryStore(), tmp_path / "original"
    tree.fill(whole)
    database = open_level(original)
    database.write(dict(whole.iterate(b"")), durable=True)
    database.close()
    floor = prune(whole, GENESIS.params, FakeRules(), keep=KEEP, dry_run=False, progress=lambda _text: None).state_floor
    aim = dict(whole.iterate(b""))
    stages = set()
    for number in range(ROUNDS):
        path = Path(shutil.copytree(original, tmp_path / str(number)))
        stages.add(_prune_and_kill(path, lines=rng.randrange(1, 260)))
        store = open_level(path)
        assert not verify(store, GENESIS.chained.id, GENESIS.params, lambda _height, _head: None).faults
        copy = MemoryStore()
        copy.write(dict(store.iterate(b"")), durable=True)
        importer, _ = tree.open(copy)
        for parent in [block for block in tree.stored(store) if block.height >= floor]:
            assert importer.add(tree.child_of(parent), LATER).status in (ImportStatus.SIDE, ImportStatus.ADOPTED)
        prune(store, GENESIS.params, FakeRules(), keep=KEEP, dry_run=False, progress=lambda _text: None)
        assert dict(store.iterate(b"")) == aim
        store.close()
    assert len(stages) > 1, "killed at several kinds of work"


def _prune_and_kill(path: Path, *, lines: int) -> str:
    """Let a process prune, and kill it behind a line that it told; return what it was doing."""
    environment = {**os.environ, "PYTHONPATH": str(PRUNER.parent.parent.parent)}
    with subprocess.Popen(
        [sys.executable, str(PRUNER), str(path)], stdout=subprocess.PIPE, text=True, env=environment
    ) as pruner:
        assert pruner.stdout is not None
        told = ""
        for _ in range(lines):
            told = pruner.stdout.readline() or told
        pruner.send_signal(signal.SIGKILL)
    return told.partition(":")[0]
