"""Floods of headers: what they cost the node against what they cost the sender (rule 10)."""

from dataclasses import replace

from chain.block import Block, SealedHeader, header_id
from chain.exchange.blocks import ANNOUNCED_PER_PEER
from chain.exchange.compact import encode_compact, make_compact
from chain.exchange.effects import Judgement
from chain.exchange.topics import Topic
from chain.primitives.units import Millis
from tests.helpers.exchange_chain import GENESIS, grow, next_block, seal_of
from tests.helpers.exchange_world import POLICY, Node, World, small

IDS = 4
"""Identities of the attacker: each cost him 2^18 hashes on mainnet (DESIGN 3.1)."""
HEADERS = 100
"""Headers that each of them sends."""


def send(node: Node, sender: Node, sealed: SealedHeader) -> None:
    payload = encode_compact(make_compact(sealed, header_id(sealed.header), (), lambda _: True))
    node.deliver(Topic.BLOCK, payload, sender)


def under_attack(seed: int) -> tuple[World, Node, Node, list[Node]]:
    """Return a world of a node, an honest neighbour and attackers, shortly before the next block is ripe."""
    world = World(seed)
    node, honest = world.node(), world.node()
    attackers = [world.node() for _ in range(IDS)]
    for other in (honest, *attackers):
        world.link(node, other)
    world.run(20_000)
    return world, node, honest, attackers


def siblings(count: int, first: int = 0) -> list[Block]:
    return [next_block(GENESIS, nonce=first + number) for number in range(count)]


def test_false_claims_cost_a_handful_of_hashes_and_the_link() -> None:
    world, node, honest, attackers = under_attack(1)
    for index, attacker in enumerate(attackers):
        for number, block in enumerate(siblings(HEADERS, index * HEADERS)):
            send(node, attacker, replace(block.sealed, pow=number))
    good = next_block(GENESIS, nonce=10**6)
    send(node, honest, good.sealed)
    world.run(20_000)
    assert world.bans() == {attacker.peer for attacker in attackers}
    assert small(node).rules.seals_checked <= IDS * ANNOUNCED_PER_PEER + 1
    assert node.head.id == header_id(good.sealed.header)


def test_headers_that_break_a_cheap_rule_cost_no_hash() -> None:
    world, node, _, attackers = under_attack(2)
    for index, attacker in enumerate(attackers):
        for block in siblings(HEADERS, index * HEADERS):
            header = replace(block.sealed.header, parent_time=Millis(GENESIS.time - 1))
            send(node, attacker, SealedHeader(header, seal_of(header), None))
    world.run(20_000)
    assert world.bans() == {attacker.peer for attacker in attackers}
    assert small(node).rules.seals_checked == 0


def test_true_but_poor_siblings_are_checked_only_while_they_improve() -> None:
    world, node, honest, attackers = under_attack(3)
    best = min(siblings(HEADERS), key=lambda block: block.sealed.pow)
    send(node, honest, best.sealed)
    world.run(100)
    before = small(node).rules.seals_checked
    for attacker in attackers:
        for block in siblings(HEADERS):
            send(node, attacker, block.sealed)
    world.run(20_000)
    assert small(node).rules.seals_checked == before
    assert not world.faults
    assert [verdict.judgement for verdict in node.verdicts.values()].count(Judgement.ACCEPT) == 1


def test_improving_true_siblings_cost_their_sender_exponentially_more() -> None:
    """Each header that is checked and relayed must beat the best: of n true hashes only about ln(n) do."""
    world, node, _, attackers = under_attack(4)
    for block in siblings(HEADERS * IDS):
        send(node, attackers[0], block.sealed)
        world.run(20)
    assert small(node).rules.seals_checked < 16
    assert not world.faults


def test_headers_far_in_the_future_cost_no_hash_and_no_link() -> None:
    world, node, _, attackers = under_attack(5)
    world.now = Millis(GENESIS.time - 60_000)
    for attacker in attackers:
        for number, block in enumerate(siblings(HEADERS)):
            send(node, attacker, replace(block.sealed, pow=(1 << 256) - 1 - number))
    assert small(node).rules.seals_checked == 0
    assert not world.faults
    assert {verdict.judgement for verdict in node.verdicts.values()} == {Judgement.IGNORE}


def test_side_branches_far_behind_are_not_stored_block_by_block() -> None:
    """One good block on an old one must not give its author a tree of poor ones, each the first of its parent."""
    world, node, honest, attackers = under_attack(6)
    grow(small(node), 20)
    first = small(node).chained(small(node).canonical_id(1) or GENESIS.id)
    assert first is not None
    better = next(block for block in siblings(10_000) if block.sealed.pow < first.sealed.pow)
    send(node, attackers[0], better.sealed)
    world.run(1_000)
    before = len(node.imports)
    parent = small(node).rules.chain(better.sealed, GENESIS)
    for number in range(15):
        block = next_block(parent, nonce=number)
        send(node, attackers[number % IDS], block.sealed)
        world.run(1_000)
        parent = small(node).rules.chain(block.sealed, parent)
    assert len(node.imports) - before == 0
    assert not world.faults
    block = next_block(node.head)
    world.now = small(node).rules.chain(block.sealed, node.head).time
    send(node, honest, block.sealed)
    world.run(1_000)
    assert node.head.id == header_id(block.sealed.header)


def test_poor_siblings_that_come_long_before_their_time_are_not_stored() -> None:
    """Sent worst first, each of them beats the ones before; their author makes them with a handful of hashes each."""
    world, node, honest, attackers = under_attack(7)
    world.now = Millis(GENESIS.time - 30_000)
    for block in sorted(siblings(HEADERS), key=lambda block: -block.sealed.pow):
        send(node, attackers[0], block.sealed)
        world.run(100)
    assert not node.imports
    assert not world.faults
    good = next_block(GENESIS, nonce=10**6)
    world.now = Millis(small(node).rules.chain(good.sealed, GENESIS).time - POLICY.pre_relay)
    send(node, honest, good.sealed)
    world.run(20_000)
    assert node.head.id == header_id(good.sealed.header)
