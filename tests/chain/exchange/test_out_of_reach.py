"""A node that removed old states: what forks off below them is left alone, without blame, crash or endless asking."""

from chain.block import ChainedHeader, header_id
from chain.exchange.compact import encode_compact, make_compact
from chain.exchange.effects import Judgement
from chain.exchange.sync import REST_OUT_OF_REACH
from chain.exchange.topics import Topic
from chain.primitives.units import Millis
from tests.helpers.exchange_chain import GENESIS, grow, next_block
from tests.helpers.exchange_world import Node, World, small

HEIGHT = 20
FLOOR = 10
START = Millis(GENESIS.time + 100 * 18_000)
"""A moment at which all chains of these tests are ripe."""


def with_chain(world: World, fork: int = HEIGHT, length: int = 0) -> Node:
    """Return a node with the first blocks of the common chain, and others on them."""
    node = world.node()
    common = grow(small(node), fork)
    grow(small(node), length, extra=b"rival", at=common[-1])
    return node


def pruned(world: World) -> Node:
    """Return a node on the common chain that has states from FLOOR on."""
    node = with_chain(world)
    small(node).floor = FLOOR
    return node


def test_a_heavier_branch_from_below_is_told_and_left_alone() -> None:
    world = World(1, start=START)
    node, rival, friend = pruned(world), with_chain(world, FLOOR - 1, 30), with_chain(world)
    head = node.head
    world.link(node, rival)
    world.run(5_000)
    (told,) = node.out_of_reach
    assert (told.peer, told.fork_height, told.state_floor, told.height) == (rival.peer, FLOOR - 1, FLOOR, FLOOR + 29)
    assert node.head == head
    assert not node.imports
    world.link(node, friend)
    block = next_block(head, extra=b"next")
    friend.found(block)
    world.run(30_000)
    assert node.head.header == block.sealed.header, "it goes on with those it agrees with"
    world.run(REST_OUT_OF_REACH - 60_000)
    assert len(node.out_of_reach) == 1
    seals = small(node).rules.seals_checked
    world.run(120_000)
    assert len(node.out_of_reach) == 2, "it looks again, but rarely"
    assert small(node).rules.seals_checked <= seals + 32
    assert rival.peer in node.links
    assert not world.faults


def test_a_heavier_branch_from_the_floor_is_followed() -> None:
    world = World(2, start=START)
    node, rival = pruned(world), with_chain(world, FLOOR, 30)
    world.link(node, rival)
    world.run(10_000)
    assert node.head == rival.head
    assert not node.out_of_reach
    assert not world.faults


def early_child(parent: ChainedHeader) -> bytes:
    """Return the announcement of a block so early that it beats any sibling there is."""
    block = next_block(parent, extra=b"early", claim=0)
    return encode_compact(make_compact(block.sealed, header_id(block.sealed.header), (), lambda _hash: True))


def test_an_announced_block_from_below_costs_nothing() -> None:
    world = World(3, start=START)
    node, other = pruned(world), with_chain(world)
    world.link(node, other)
    world.run(1_000)
    for height, judgement in ((FLOOR - 1, Judgement.IGNORE), (node.head.height - 1, Judgement.REJECT)):
        parent = small(node).chained(small(node).canonical_id(height) or GENESIS.id)
        assert parent is not None
        seals = small(node).rules.seals_checked
        payload = early_child(parent)
        node.deliver(Topic.BLOCK, payload, other)
        world.run(1_000)
        (verdict,) = [verdict for key, verdict in node.verdicts.items() if node.seen[key] == payload]
        assert verdict.judgement is judgement
        assert small(node).rules.seals_checked == seals + (height >= FLOOR)
