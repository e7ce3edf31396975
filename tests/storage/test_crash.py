"""Killed with -9 at random instants, the database opens at the last complete block, every time."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from chain.importer import Importer
from chain.primitives.units import Millis
from chain.views import ChainView
from storage.chain_store import ChainStore
from storage.leveldb import open_level
from tests.helpers.forge import FakeRules
from tests.helpers.networks import address_of, small_genesis

GENESIS = small_genesis()
ROUNDS = 6

WRITER = Path(__file__).parent.parent / "helpers" / "crash_writer.py"


@pytest.mark.slow
def test_a_killed_writer_leaves_the_last_complete_block(tmp_path: Path) -> None:
    rng = Random(5)
    head_before = 0
    for _ in range(ROUNDS):
        acknowledged = _write_and_kill(tmp_path, blocks=rng.randrange(3, 40), delay_ms=rng.random() * 3)
        head = _check(tmp_path)
        assert head >= acknowledged, "a block told to be imported is there after the crash"
        assert head > head_before
        head_before = head


def _write_and_kill(path: Path, *, blocks: int, delay_ms: float) -> int:
    """Let a process import blocks, kill it a moment after it told of some; return the last height it told."""
    environment = {**os.environ, "PYTHONPATH": str(WRITER.parent.parent.parent)}
    with subprocess.Popen(
        [sys.executable, str(WRITER), str(path)], stdout=subprocess.PIPE, text=True, env=environment
    ) as writer:
        assert writer.stdout is not None
        told = [int(writer.stdout.readline()) for _ in range(blocks)]
        if delay_ms > 1:  # at another point of the writer's work than just behind its line
            told.append(int(writer.stdout.readline()))
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().split()
    return max(told[-1], *(int(line) for line in rest[:-1]), 0)


def _check(path: Path) -> int:
    """Open the database and walk the whole chain; return the height of its head."""
    store = open_level(path)
    chain = ChainStore(store)
    importer = Importer(GENESIS.params, GENESIS, chain, FakeRules())
    view = ChainView(chain, GENESIS.params, importer)
    block = importer.head()
    assert view.header_at(block.height + 1) is None
    while block.height:
        assert view.header_at(block.height) == block
        assert view.state(block).nonce(address_of(0)) == block.height
        (tx,) = view.transactions(block)
        place = view.place(tx.hash)
        assert place is not None
        assert (place.block_id, len(view.receipts(block))) == (block.id, 1)
        parent = view.header(block.header.parent_id)
        assert parent is not None
        block = parent
    importer.ripen(Millis(importer.head().time + 10**9))
    height = importer.head().height
    store.close()
    return height
