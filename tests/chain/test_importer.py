"""The one writer: what it accepts, refuses, stores and adopts."""

from collections.abc import Collection, Mapping
from dataclasses import replace

import pytest

from chain.block import Header, header_id
from chain.branches import AHEAD_MAX
from chain.importer import KNOWN_INVALID_MAX, Importer
from chain.primitives.errors import StorageError
from chain.primitives.units import Gas, Hash32, Millis, Wei
from chain.rules import InvalidBlock, Rule
from chain.state import State
from chain.verified import ImportResult, ImportStatus, VerifiedBlock
from storage.chain_store import ChainStore
from storage.memory import MemoryStore
from tests.helpers.forge import INTERVAL, FakeRules, Forge
from tests.helpers.networks import RECEIVER, payment, small_genesis

GENESIS = small_genesis(epoch_length=3)


class Node:
    """A forge, and an importer over a store in memory that takes its blocks when they arrive."""

    def __init__(self, memory: MemoryStore | None = None) -> None:
        self.forge = Forge(GENESIS)
        self.memory = memory or MemoryStore()
        self.store = ChainStore(self.memory)
        self.importer = Importer(GENESIS.params, GENESIS, self.store, FakeRules())

    def take(self, block: VerifiedBlock, *, now: int | None = None) -> ImportResult:
        return self.importer.add(block, Millis(block.arrived if now is None else now))

    def take_all(self, blocks: list[VerifiedBlock]) -> None:
        for block in blocks:
            assert self.take(block).status is ImportStatus.ADOPTED

    def restarted(self) -> "Node":
        node = Node(self.memory.reopen())
        node.forge = self.forge
        return node


@pytest.fixture
def node() -> Node:
    return Node()


def test_an_empty_store_begins_with_genesis(node: Node) -> None:
    assert node.importer.head() == GENESIS.chained
    assert node.store.canonical_id(0) == GENESIS.chained.id
    assert node.importer.ripen(Millis(10**15)).move is None


def test_a_ripe_child_becomes_the_head_with_its_transactions(node: Node) -> None:
    tx = payment(GENESIS, 0, 0)
    block = node.forge.block(node.forge.root, tx)
    result = node.take(block)
    head = node.importer.head()
    assert result.status is ImportStatus.ADOPTED
    assert result.move is not None
    assert result.move.apply == (head.id,)
    assert [done.transactions for done in result.applied] == [(tx,)]
    place = node.store.transaction_place(tx.tx.hash)
    assert place is not None
    assert (place.block_id, place.height, place.index) == (head.id, 1, 0)
    assert node.take(block).status is ImportStatus.KNOWN


def test_an_unripe_block_waits_executed_and_is_adopted_at_its_time(node: Node) -> None:
    block = node.forge.block(node.forge.root)
    time = node.forge.chained(block).time
    assert node.take(block, now=time - 1).status is ImportStatus.UNRIPE
    assert node.importer.head().height == 0
    assert node.importer.deadline() == time
    assert node.importer.unripe_children(GENESIS.chained.id) == (node.forge.chained(block),)
    assert node.importer.ripen(Millis(time - 1)).move is None
    result = node.importer.ripen(time)
    assert [done.chained.id for done in result.applied] == [node.importer.head().id]
    assert node.importer.deadline() is None
    assert node.take(block).status is ImportStatus.KNOWN


def test_a_block_far_ahead_is_dropped_without_blame_and_welcome_later(node: Node) -> None:
    block = node.forge.block(node.forge.root, interval=AHEAD_MAX + 1)
    assert node.take(block, now=GENESIS.chained.time).status is ImportStatus.DROPPED
    assert node.store.chained(node.forge.chained(block).id) is None
    assert node.take(block, now=GENESIS.chained.time + 1).status is ImportStatus.UNRIPE


def test_of_unripe_siblings_the_best_two_are_kept(node: Node) -> None:
    first, second, third = (node.forge.block(node.forge.root, interval=interval) for interval in (3000, 2000, 1000))
    now = GENESIS.chained.time
    assert [node.take(block, now=now).status for block in (first, second)] == [ImportStatus.UNRIPE] * 2
    worse = node.forge.block(node.forge.root, interval=3001)
    assert node.take(worse, now=now).status is ImportStatus.DROPPED
    assert node.take(third, now=now).status is ImportStatus.UNRIPE
    best = (node.forge.chained(third), node.forge.chained(second))
    assert node.importer.unripe_children(GENESIS.chained.id) == best
    node.importer.ripen(Millis(now + 10_000))
    assert node.importer.head() == best[0]


def test_a_clock_that_is_set_back_makes_no_later_block_ripe_early(node: Node) -> None:
    # Until the time is agreed on, the mesh clock is this machine's and may be an hour ahead.
    first = node.forge.block(node.forge.root)
    head = node.forge.chained(first)
    assert node.take(first, now=head.time + 3_600_000).status is ImportStatus.ADOPTED
    child = node.forge.block(head)
    time = node.forge.chained(child).time
    assert node.take(child, now=time - 1).status is ImportStatus.UNRIPE
    assert node.importer.head() == head, "what was ripe stays ripe"
    assert node.importer.deadline() == time
    node.importer.ripen(time)
    assert node.importer.head() == node.forge.chained(child)


def test_a_block_that_was_adopted_early_stays_when_the_clock_is_set_back(node: Node) -> None:
    first = node.forge.block(node.forge.root)
    head = node.forge.chained(first)
    node.take(first, now=head.time)
    node.importer.ripen(Millis(head.time - 500))
    assert node.importer.head() == head
    better = node.forge.block(node.forge.root, interval=INTERVAL - 100)
    assert node.take(better, now=head.time - 400).status is ImportStatus.UNRIPE
    node.importer.ripen(node.forge.chained(better).time)
    assert node.importer.head() == node.forge.chained(better)


def test_children_of_unripe_blocks_ripen_in_their_turn(node: Node) -> None:
    blocks = node.forge.run(node.forge.root, 3)
    now = GENESIS.chained.time
    assert [node.take(block, now=now).status for block in blocks] == [ImportStatus.UNRIPE] * 3
    heights = []
    while (deadline := node.importer.deadline()) is not None:
        node.importer.ripen(deadline)
        heights.append(node.importer.head().height)
    assert heights == [1, 2, 3]


def test_an_orphan_tells_its_missing_ancestor_and_connects(node: Node) -> None:
    blocks = node.forge.run(node.forge.root, 4)
    ids = [node.forge.chained(block).id for block in blocks]
    assert node.take(blocks[3]).missing_parent == ids[2]
    assert node.take(blocks[2]).missing_parent == ids[1]
    again = node.take(blocks[3])
    assert (again.status, again.missing_parent) == (ImportStatus.ORPHAN, ids[1])
    assert node.take(blocks[0]).connected == ()
    result = node.take(blocks[1], now=blocks[3].arrived)
    assert result.connected == (ids[2], ids[3])
    assert result.move is not None
    assert result.move.apply == tuple(ids[1:])
    assert node.importer.statistics().orphans == 0


def test_invalid_orphans_are_reported_with_their_descendants(node: Node) -> None:
    parent = node.forge.block(node.forge.root)
    bad = node.forge.block(
        node.forge.chained(parent), munge=lambda header: replace(header, state_root=Hash32(b"?" * 32))
    )
    good = node.forge.block(node.forge.chained(parent), extra=b"good")
    bad_id = _id(bad)
    below = node.forge.block(
        node.forge.chained(good), munge=lambda header: replace(header, parent_id=bad_id, extra=b"below")
    )
    for block in (below, bad, good):
        assert node.take(block).status is ImportStatus.ORPHAN
    result = node.take(parent, now=below.arrived)
    assert [(rejected.block_id, rejected.error.rule) for rejected in result.rejected] == [
        (bad_id, Rule.STATE_ROOT),
        (_id(below), Rule.INVALID_PARENT),
    ]
    assert node.importer.head() == node.forge.chained(good)


def test_a_heavier_branch_undoes_and_applies_in_one_batch(node: Node) -> None:
    root = node.forge.root
    shared = payment(GENESIS, 0, 0)
    only_old = payment(GENESIS, 1, 0)
    old = node.forge.block(root, shared, only_old)
    node.take(old)
    old_id = node.importer.head().id
    new = node.forge.block(root, shared, extra=b"new", interval=INTERVAL + 1)
    assert node.take(new).status is ImportStatus.SIDE
    top = node.forge.block(node.forge.chained(new), payment(GENESIS, 2, 0))
    result = node.take(top)
    assert result.status is ImportStatus.ADOPTED
    assert result.move is not None
    assert (result.move.undo, len(result.move.apply)) == ((old_id,), 2)
    assert [block.transactions for block in result.undone] == [(shared, only_old)]
    assert node.store.transaction_place(only_old.tx.hash) is None
    place = node.store.transaction_place(shared.tx.hash)
    assert place is not None
    assert place.block_id == node.forge.chained(new).id
    assert node.store.ids_at(1) == tuple(sorted((old_id, place.block_id)))
    statistics = node.importer.statistics()
    assert (statistics.reorganisations, statistics.deepest_reorganisation, statistics.head_moves) == (1, 1, 2)


def test_a_reorganisation_to_a_shorter_heavier_branch_clears_the_index_above(node: Node) -> None:
    node.take_all(node.forge.run(node.forge.root, 3))
    giant = node.forge.block(node.forge.root, work=1000, interval=3 * INTERVAL)
    child = node.forge.block(node.forge.chained(giant))
    assert node.take(giant, now=child.arrived).status is ImportStatus.ADOPTED
    assert [node.store.canonical_id(height) is None for height in range(4)] == [False, False, True, True]


def test_a_deep_reorganisation_raises_the_alarm(node: Node) -> None:
    node.take_all(node.forge.run(node.forge.root, 21))
    rival = node.forge.run(node.forge.root, 22, extra=b"rival")
    for block in rival:
        node.take(block)
    statistics = node.importer.statistics()
    assert (statistics.deep_reorganisations, statistics.deepest_reorganisation) == (1, 21)
    assert node.importer.head() == node.forge.chained(rival[-1])


def test_a_better_sibling_in_time_moves_the_tip_and_a_late_one_does_not(node: Node) -> None:
    limit = GENESIS.params.block_time // 24
    tip = node.forge.block(node.forge.root, interval=5000)
    node.take(tip, now=GENESIS.chained.time + 5400)
    late = node.forge.block(node.forge.root, interval=4900, lag=limit + 1)
    assert node.take(late).status is ImportStatus.SIDE
    in_time = node.forge.block(node.forge.root, interval=4950, lag=limit)
    assert node.take(in_time).status is ImportStatus.ADOPTED
    assert node.importer.head() == node.forge.chained(in_time)


def _id(block: VerifiedBlock) -> Hash32:
    return header_id(block.sealed.header)


BROKEN: dict[Rule, dict[str, object]] = {
    Rule.VERSION: {"version": 2},
    Rule.HEIGHT: {"height": 7},
    Rule.PARENT_TIME: {"parent_time": Millis(1)},
    Rule.BAD_MIX: {"mix": Hash32(b"m" * 32)},
    Rule.BAD_STAKES: {"stakes": Hash32(b"s" * 32)},
    Rule.BASE_FEE: {"base_fee": Wei(5)},
    Rule.TRANSACTIONS_ROOT: {"transactions_root": Hash32(b"t" * 32)},
    Rule.GAS_USED: {"gas_used": Gas(1)},
    Rule.RECEIPTS_ROOT: {"receipts_root": Hash32(b"r" * 32)},
    Rule.STATE_ROOT: {"state_root": Hash32(b"x" * 32)},
}


@pytest.mark.parametrize("rule", BROKEN, ids=lambda rule: rule.name)
def test_each_broken_rule_is_named_and_leaves_no_trace(node: Node, rule: Rule) -> None:
    node.take_all(node.forge.run(node.forge.root, 2))
    head = node.importer.head()
    before = list(node.memory.iterate(b""))

    def munge(header: Header) -> Header:
        return replace(header, **BROKEN[rule])  # type: ignore[arg-type]  # the table pairs names with their types

    block = node.forge.block(head, payment(GENESIS, 0, 0), munge=munge)
    with pytest.raises(InvalidBlock) as refused:
        node.take(block)
    assert refused.value.rule is rule
    assert node.importer.head() is head
    assert list(node.memory.iterate(b"")) == before
    assert node.importer.statistics().invalid == 1
    good = node.forge.block(head, payment(GENESIS, 0, 0))
    assert node.take(good).status is ImportStatus.ADOPTED


def test_a_block_with_an_unpayable_transaction_is_invalid(node: Node) -> None:
    block = node.forge.block(node.forge.root, payment(GENESIS, 0, 0))
    jumped = replace(block, transactions=(payment(GENESIS, 0, 1),))
    with pytest.raises(InvalidBlock) as refused:
        node.take(jumped)
    assert refused.value.rule is Rule.TRANSACTIONS_ROOT


def test_a_known_invalid_block_and_its_children_are_refused_unseen(node: Node) -> None:
    bad = node.forge.block(node.forge.root, munge=lambda header: replace(header, state_root=Hash32(b"?" * 32)))
    for _ in range(2):
        with pytest.raises(InvalidBlock) as refused:
            node.take(bad)
        assert refused.value.rule is Rule.STATE_ROOT
    child = node.forge.block(node.forge.root, munge=lambda header: replace(header, parent_id=_id(bad)))
    with pytest.raises(InvalidBlock) as refused:
        node.take(child)
    assert refused.value.rule is Rule.INVALID_PARENT
    assert node.importer.statistics().invalid == 1


def test_a_foreign_body_does_not_spoil_an_honest_header(node: Node) -> None:
    block = node.forge.block(node.forge.root, payment(GENESIS, 0, 0))
    stuffed = replace(block, transactions=(payment(GENESIS, 0, 0), payment(GENESIS, 0, 1)))
    with pytest.raises(InvalidBlock):
        node.take(stuffed)
    assert node.take(block).status is ImportStatus.ADOPTED


def test_the_memory_of_invalid_blocks_is_bounded(node: Node) -> None:
    template = node.forge.block(node.forge.root, munge=lambda header: replace(header, state_root=Hash32(b"?" * 32)))
    sealed = template.sealed
    for number in range(KNOWN_INVALID_MAX + 2):
        header = replace(sealed.header, parent_time=Millis(0), nonce=number.to_bytes(8, "big"))
        with pytest.raises(InvalidBlock):
            node.take(replace(template, sealed=replace(sealed, header=header)))
    assert len(node.importer._invalid) == KNOWN_INVALID_MAX


def test_a_restart_finds_the_head_the_side_blocks_and_the_unripe_ones(node: Node) -> None:
    tip = node.forge.block(node.forge.root)
    side = node.forge.block(node.forge.root, extra=b"side", interval=INTERVAL + 1)
    unripe = node.forge.block(node.forge.chained(side))
    for block in (tip, side):
        node.take(block)
    assert node.take(unripe, now=side.arrived).status is ImportStatus.UNRIPE
    again = node.restarted()
    assert again.importer.head() == node.forge.chained(tip)
    time = node.forge.chained(unripe).time
    assert again.importer.deadline() is not None
    result = again.importer.ripen(time)
    assert again.importer.head() == node.forge.chained(unripe)
    assert [len(result.undone), len(result.applied)] == [1, 2]


def test_a_reorganisation_after_a_restart_recovers_senders(node: Node) -> None:
    tx = payment(GENESIS, 0, 0)
    node.take(node.forge.block(node.forge.root, tx))
    again = node.restarted()
    side = node.forge.block(node.forge.root, extra=b"side", interval=INTERVAL + 1)
    again.take(side)
    result = again.take(node.forge.block(node.forge.chained(side)))
    assert [block.transactions for block in result.undone] == [(tx,)]


def test_another_chains_store_is_refused(node: Node) -> None:
    other = small_genesis(epoch_length=4)
    with pytest.raises(StorageError, match="another chain"):
        Importer(other.params, other, ChainStore(node.memory.reopen()), FakeRules())


class FullDisk(MemoryStore):
    """Refuses writes when told to."""

    full = False

    def write(self, puts: Mapping[bytes, bytes], deletes: Collection[bytes] = (), *, durable: bool) -> None:
        if self.full:
            raise StorageError("the disk is full")
        super().write(puts, deletes, durable=durable)


def test_a_failed_write_changes_nothing_and_can_be_tried_again() -> None:
    memory = FullDisk()
    node = Node(memory)
    node.take_all(node.forge.run(node.forge.root, 2))
    head = node.importer.head()
    block = node.forge.block(head)
    memory.full = True
    with pytest.raises(StorageError, match="full"):
        node.take(block)
    assert node.importer.head() is head
    memory.full = False
    assert node.take(block).status is ImportStatus.ADOPTED


def test_balances_follow_the_branch(node: Node) -> None:
    first = node.forge.block(node.forge.root, payment(GENESIS, 0, 0, value=5))
    node.take(first)
    side = node.forge.block(node.forge.root, payment(GENESIS, 0, 0, value=7), interval=INTERVAL + 1)
    node.take(side)
    node.take(node.forge.block(node.forge.chained(side)))
    head = node.importer.head()
    assert State(node.store, head.header.state_root).balance(RECEIVER) == 7
    assert State(node.store, node.forge.chained(first).header.state_root).balance(RECEIVER) == 5


def test_statistics_count(node: Node) -> None:
    node.take_all(node.forge.run(node.forge.root, 3))
    node.take(node.forge.block(node.importer.head()), now=node.importer.head().time)
    statistics = node.importer.statistics()
    assert (statistics.imported, statistics.ripe, statistics.unripe, statistics.head_moves) == (4, 3, 1, 3)


def test_a_block_that_changes_nothing_does_not_swallow_the_ripening_of_another(node: Node) -> None:
    waiting = node.forge.block(node.forge.root)
    child = node.forge.chained(waiting)
    node.take(waiting, now=child.time - 1)
    assert node.take(waiting, now=child.time).status is ImportStatus.KNOWN
    assert node.importer.deadline() == child.time
    assert node.importer.unripe_children(GENESIS.chained.id) == (child,)
    assert node.importer.ripen(child.time).move is not None
    assert node.importer.head() == child
    assert node.importer.deadline() is None
