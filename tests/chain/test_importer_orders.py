"""Random trees of blocks in random orders: nodes that know the same end on the same head."""

from collections.abc import Collection, Mapping
from contextlib import suppress
from random import Random
from threading import Thread

import pytest

from chain.block import ChainedHeader
from chain.branches import UNRIPE_PER_PARENT
from chain.fork_choice import outweighs
from chain.importer import Importer
from chain.primitives.errors import StorageError
from chain.primitives.units import Millis
from chain.verified import ImportStatus, VerifiedBlock
from storage.chain_store import ChainStore
from storage.memory import MemoryStore
from tests.helpers.forge import FakeRules, Forge
from tests.helpers.networks import payment, small_genesis

GENESIS = small_genesis(epoch_length=3)
AGES_LATER = Millis(GENESIS.chained.time + 10**9)


def _importer() -> tuple[Importer, ChainStore]:
    store = ChainStore(MemoryStore())
    return Importer(GENESIS.params, GENESIS, store, FakeRules()), store


def _tree(rng: Random, size: int) -> tuple[Forge, list[VerifiedBlock]]:
    forge = Forge(GENESIS)
    parents: list[tuple[ChainedHeader, int]] = [(forge.root, 0)]
    children: dict[bytes, int] = {}
    blocks = []
    for index in range(size):
        # mostly the newest, so that branches grow long
        at = len(parents) - 1 if rng.random() < 0.6 else rng.randrange(len(parents))
        parent, nonce = parents[at]
        if children.get(parent.id, 0) == UNRIPE_PER_PARENT:
            continue
        children[parent.id] = children.get(parent.id, 0) + 1
        paid = (payment(GENESIS, 0, nonce, value=index + 1),) if rng.random() < 0.3 else ()
        block = forge.block(
            parent, *paid, interval=rng.randrange(6000, 30_000), work=rng.randrange(80, 120), extra=bytes((index,))
        )
        parents.append((forge.chained(block), nonce + len(paid)))
        blocks.append(block)
    return forge, blocks


@pytest.mark.parametrize("seed", range(12))
def test_any_order_ends_at_a_branch_that_nothing_outweighs(seed: int) -> None:
    rng = Random(seed)
    forge, blocks = _tree(rng, 24)
    chained = [forge.chained(block) for block in blocks]
    leaders = [tip for tip in chained if not any(outweighs(other, tip) for other in chained)]
    heads = set()
    for _ in range(4):
        importer, store = _importer()
        for block in rng.sample(blocks, len(blocks)):
            importer.add(block, AGES_LATER)
        head = importer.head()
        heads.add(head.id)
        siblings = {block.header.parent_id for block in leaders}
        assert head in leaders or head.header.parent_id in siblings
        assert importer.statistics().imported == len(blocks)
        assert importer.statistics().orphans == 0
        _check_index(store, head)
    if len(leaders) == 1:
        assert heads == {leaders[0].id}


@pytest.mark.parametrize("seed", range(8))
def test_blocks_known_before_their_time_ripen_to_the_same_head_everywhere(seed: int) -> None:
    rng = Random(100 + seed)
    forge, blocks = _tree(rng, 16)
    last = max(forge.chained(block).time for block in blocks)
    walks = set()
    for _ in range(3):
        importer, _ = _importer()
        for block in rng.sample(blocks, len(blocks)):
            status = importer.add(block, GENESIS.chained.time).status
            assert status in (ImportStatus.UNRIPE, ImportStatus.ORPHAN)
        walk = []
        while (deadline := importer.deadline()) is not None:
            importer.ripen(deadline)
            walk.append(importer.head().id)
        assert importer.head().time <= last
        walks.add(tuple(walk))
    assert len(walks) == 1


class FailingStore(MemoryStore):
    """Fails at one write, and at all later ones: where a process is killed, seen from the disk."""

    def __init__(self, writes: int) -> None:
        super().__init__()
        self.left = writes

    def write(self, puts: Mapping[bytes, bytes], deletes: Collection[bytes] = (), *, durable: bool) -> None:
        self.left -= 1
        if self.left < 0:
            raise StorageError("killed")
        super().write(puts, deletes, durable=durable)


@pytest.mark.parametrize("seed", range(3))
def test_a_node_killed_before_any_of_its_writes_comes_back_whole(seed: int) -> None:
    rng = Random(200 + seed)
    forge, blocks = _tree(rng, 14)
    chained = [forge.chained(block) for block in blocks]
    order = rng.sample(blocks, len(blocks))
    for writes in range(1, len(blocks) + 1):
        disk = FailingStore(writes)
        with suppress(StorageError):
            importer = Importer(GENESIS.params, GENESIS, ChainStore(disk), FakeRules())
            for block in order:
                importer.add(block, AGES_LATER)
        store = ChainStore(disk.reopen())
        again = Importer(GENESIS.params, GENESIS, store, FakeRules())
        _check_index(store, again.head())
        again.ripen(AGES_LATER)
        for block in order:
            again.add(block, AGES_LATER)
        head = again.head()
        _check_index(store, head)
        assert not any(outweighs(other, head) for other in chained if other.header.parent_id != head.header.parent_id)


def test_other_threads_may_ask_while_blocks_are_imported() -> None:
    forge, blocks = _tree(Random(1), 40)
    importer, _ = _importer()
    failures: list[Exception] = []
    done = False

    def ask() -> None:
        while not done:
            try:
                importer.deadline()
                head = importer.marks().head
                importer.unripe_children(head.id)
                importer.epoch_stake(head)
                importer.statistics()
            except Exception as error:  # noqa: BLE001  # whatever it is, the test tells it
                failures.append(error)

    askers = [Thread(target=ask) for _ in range(2)]
    for asker in askers:
        asker.start()
    for block in blocks:
        importer.add(block, forge.chained(block).header.parent_time)
        importer.ripen(forge.chained(block).time)
    done = True
    for asker in askers:
        asker.join()
    assert failures == []


def _check_index(store: ChainStore, head: ChainedHeader) -> None:
    """The canonical index holds the head's branch and nothing else."""
    block = head
    assert store.canonical_id(head.height + 1) is None
    while block.height:
        assert store.canonical_id(block.height) == block.id
        parent = store.chained(block.header.parent_id)
        assert parent is not None
        block = parent
