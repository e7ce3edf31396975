"""Several exchanges together: they converge, whatever some of them do."""

from itertools import pairwise

import pytest

from chain.exchange import branch
from chain.exchange.effects import SyncPhase
from chain.exchange.messages import PartsRequest
from chain.primitives.errors import Penalty
from chain.primitives.units import Hash32, Millis
from chain.transaction import SignedTransaction
from tests.helpers.exchange_chain import GENESIS, grow, next_block
from tests.helpers.exchange_world import Node, World, small
from tests.helpers.transactions import key_of, sign


def mine(world: World, nodes: list[Node], count: int, transactions: tuple[SignedTransaction, ...] = ()) -> None:
    """Let the nodes find blocks in turn, each when its head is new, and time pass until they are ripe."""
    for turn in range(count):
        miner = nodes[turn % len(nodes)]
        block = next_block(miner.head, transactions if turn == 0 else (), extra=bytes((miner.number,)))
        miner.found(block)
        world.run(19_000)


def heads(world: World) -> set[Hash32]:
    return {node.head.id for node in world.nodes}


def test_found_blocks_reach_everybody() -> None:
    world = World(1)
    nodes = [world.node() for _ in range(4)]
    for one, other in pairwise(nodes):
        world.link(one, other)
    mine(world, nodes, 6)
    assert [node.head.height for node in nodes] == [6, 6, 6, 6]
    assert len(heads(world)) == 1
    assert not world.faults


def test_a_block_is_not_relayed_before_its_time() -> None:
    world = World(2)
    one, other = world.node(), world.node()
    world.link(one, other)
    block = next_block(GENESIS)
    ripe = one.chain.rules.chain(block.sealed, GENESIS).time
    one.found(block)
    world.run(ripe - 600 - world.now)
    assert not other.seen
    world.run(400)
    assert other.seen


def test_transactions_spread_and_blocks_travel_compact() -> None:
    world = World(3)
    nodes = [world.node() for _ in range(3)]
    world.mesh(nodes)
    payments = tuple(sign(key_of(1), to=GENESIS.header.miner, nonce=nonce) for nonce in range(3))
    for signed in payments:
        nodes[0].send(signed)
        world.run(300)
    assert all(node.pool.statistics().pending == 3 for node in nodes)
    world.run(4_000)
    mine(world, nodes[:1], 1, payments)
    assert len(heads(world)) == 1
    assert all(node.pool.statistics().pending == 0 for node in nodes)
    assert sum(node.exchange.statistics().parts_from_pool for node in nodes[1:]) == 6
    assert sum(node.exchange.statistics().bodies_fetched for node in nodes) == 0


def test_what_a_pool_lacks_is_fetched() -> None:
    world = World(4)
    one, other = world.node(), world.node()
    payments = tuple(sign(key_of(1), to=GENESIS.header.miner, nonce=nonce) for nonce in range(8))
    for signed in payments:
        one.pool.add(signed, world.now, local=False)  # others' transactions: own ones would be published at link-up
    for signed in payments[:6]:
        other.pool.add(signed, world.now, local=False)
    world.run(4_000)
    world.link(one, other)
    mine(world, [one], 1, payments)
    assert len(heads(world)) == 1
    assert other.exchange.statistics().parts_fetched == 2


def test_own_transactions_that_nobody_knows_to_be_here_are_fetched_with_a_block_like_others() -> None:
    """After a restart the pool holds own ones alone: whoever serves the rest of a block would see whose they are."""
    world = World(4)
    one, other = world.node(), world.node()
    payments = tuple(sign(key_of(1), to=GENESIS.header.miner, nonce=nonce) for nonce in range(8))
    for number, signed in enumerate(payments):
        one.pool.add(signed, world.now, local=False)
        if number < 6 and number != 2:
            other.pool.add(signed, world.now, local=False)
    world.run(4_000)
    world.link(one, other)
    other.pool.add(payments[2], world.now, local=True)
    mine(world, [one], 1, payments)
    assert len(heads(world)) == 1
    asked = [request.indexes for _, _, _, request in world.asked if isinstance(request, PartsRequest)]
    assert asked == [(2, 6, 7)]
    assert other.pool.statistics().pending == 0


def test_a_late_node_catches_up() -> None:
    world = World(5)
    nodes = [world.node() for _ in range(3)]
    world.mesh(nodes)
    payments = tuple(sign(key_of(1), to=GENESIS.header.miner, nonce=nonce) for nonce in range(3))
    mine(world, nodes, 30, payments)
    late = world.node()
    for node in nodes:
        world.link(late, node)
    world.run(5_000)
    assert late.head.id == nodes[0].head.id
    assert late.imports == list(range(1, 31))
    assert late.progress[-1].phase is SyncPhase.DONE
    assert late.progress[-1].height == 30
    assert not world.faults


def test_a_node_that_was_away_catches_up() -> None:
    world = World(6)
    nodes = [world.node() for _ in range(3)]
    world.mesh(nodes)
    mine(world, nodes, 3)
    away = nodes[2]
    for other in nodes[:2]:
        world.unlink(away, other)
    mine(world, nodes[:2], 20)
    assert away.head.height == 3
    back = world.node(away.chain)
    for other in nodes[:2]:
        world.link(back, other)
    world.run(5_000)
    assert back.head.id == nodes[0].head.id


def test_two_branches_meet_and_the_heavier_one_wins() -> None:
    world = World(7)
    nodes = [world.node() for _ in range(4)]
    left, right = nodes[:2], nodes[2:]
    world.link(*left)
    world.link(*right)
    mine(world, left, 5)
    for _ in range(8):
        right[0].found(next_block(right[0].head, extra=b"right"))
        world.run(19_000)
    world.link(left[0], right[0])
    world.run(10_000)
    assert len(heads(world)) == 1
    assert nodes[0].head.height == 8
    assert not world.faults


def test_a_lossy_bus_delays_but_does_not_divide() -> None:
    world = World(8, loss=0.2)
    nodes = [world.node() for _ in range(5)]
    world.mesh(nodes)
    for turn in range(12):
        miner = nodes[turn % 5]
        miner.found(next_block(miner.head, extra=bytes((miner.number,))))
        world.run(19_000)
    world.loss = 0.0
    world.run(60_000)
    assert len(heads(world)) == 1
    assert nodes[0].head.height >= 10
    assert all(fault.penalty is not Penalty.BAN for fault in world.faults)


def test_a_silent_best_peer_does_not_stop_a_catch_up() -> None:
    world = World(9)
    nodes = [world.node() for _ in range(3)]
    world.mesh(nodes)
    mine(world, nodes, 10)
    late = world.node()
    for node in nodes:
        world.link(late, node)
    nodes[0].is_silent = True
    world.run(120_000)
    assert late.head.id == nodes[1].head.id
    assert nodes[0].peer not in world.bans()


def test_time_does_not_run_hot() -> None:
    world = World(10)
    nodes = [world.node() for _ in range(3)]
    world.mesh(nodes)
    mine(world, nodes, 3)
    before = world.ticks
    world.run(60_000)
    statuses = 3 * 2 * (60_000 // 3_000)
    assert world.ticks - before < 3 * statuses
    assert world.now > Millis(0)


@pytest.mark.slow
def test_the_peer_that_claimed_the_branch_may_leave_in_the_middle() -> None:
    world = World(11)
    nodes = [world.node() for _ in range(3)]
    for node in nodes:
        grow(small(node), 1_500)
    world.now = Millis(world.now + 30_000_000)
    late = world.node()
    for node in nodes:
        world.link(late, node)
    for node in nodes[:2]:
        world.run(500)
        assert late.head.height < 1_500
        world.unlink(late, node)
    world.run(10_000)
    assert late.head.id == nodes[2].head.id
    assert not world.faults


def test_a_long_way_is_gone_in_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(branch, "SEGMENT_MAX", 64)
    world = World(12)
    node, late = world.node(), world.node()
    grow(small(node), 200)
    grow(small(late), 40, extra=b"lost")
    world.now = Millis(world.now + 10_000_000)
    world.link(node, late)
    world.run(20_000)
    assert late.head.id == node.head.id
    assert late.exchange.statistics().syncs_completed == 4
    assert not world.faults


def test_a_chain_in_the_future_of_a_late_clock_blames_nobody() -> None:
    world = World(13)
    node, late = world.node(), world.node()
    grow(small(node), 30)
    world.now = Millis(node.chain.head().header.parent_time - 200_000)
    world.link(node, late)
    world.run(60_000)
    assert 10 < late.head.height < 29
    assert not world.faults
    world.run(400_000)
    assert late.head.id == node.head.id
