"""Peers that lie: about their work, their headers, their bodies; each costs them the link and nobody else anything."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from chain.block import Block, SealedHeader, encode_body, header_id
from chain.exchange.asks import Asks, Tags
from chain.exchange.compact import CompactBlock, encode_compact, make_compact
from chain.exchange.effects import Judgement
from chain.exchange.messages import (
    Bodies,
    Headers,
    Response,
    Status,
    decode_response,
    encode_response,
)
from chain.exchange.neighbours import Neighbours
from chain.exchange.policy import ExchangePolicy
from chain.exchange.topics import Topic
from chain.exchange.work import split_body
from chain.primitives.canonical import pack
from chain.primitives.errors import Penalty
from chain.primitives.hashing import blake2b_128
from chain.primitives.peer import PeerId
from chain.primitives.units import Hash32, Millis
from chain.rules import Rule
from chain.transaction import SignedTransaction
from chain.verified import VerifiedBlock
from tests.helpers.exchange_chain import FORBIDDEN, GENESIS, PARAMS, SmallRules, grow, next_block
from tests.helpers.exchange_world import Node, World, small
from tests.helpers.transactions import key_of, sign


def rewriting(change: Callable[[Response], Response]) -> Callable[[bytes], bytes]:
    return lambda payload: encode_response(change(decode_response(payload)))


def paying(node: Node, count: int, value: int = 1) -> tuple[SignedTransaction, ...]:
    """Put blocks with one payment each on a node's chain."""
    chain = small(node)
    payments = tuple(sign(key_of(1), to=GENESIS.header.miner, nonce=nonce, value=value) for nonce in range(count))
    parent = chain.head()
    for signed in payments:
        block = next_block(parent, (signed,))
        parent = chain.rules.chain(block.sealed, parent)
        if value == FORBIDDEN:
            chain._chained[parent.id] = parent
            chain._bodies[parent.id] = encode_body(block.transactions)
            chain._canonical.append(parent.id)
        else:
            chain.add(VerifiedBlock(block.sealed, (signed,), parent.time), Millis(1 << 52))
    return payments


def world_with_liar(seed: int, length: int = 40) -> tuple[World, list[Node], Node, Node]:
    """Return a world of two honest nodes with a chain, a liar with a longer one, and a newcomer that is not linked."""
    world = World(seed)
    honest = [world.node(), world.node()]
    for node in honest:
        grow(small(node), length)
    liar = world.node()
    grow(small(liar), length + 20, extra=b"liar")
    newcomer = world.node()
    world.now = Millis(world.now + 3_600_000)
    world.mesh(honest)
    return world, honest, liar, newcomer


def join(world: World, newcomer: Node, liar: Node, honest: list[Node]) -> None:
    """Link the newcomer to the liar first."""
    world.link(newcomer, liar)
    world.run(1_000)
    for node in honest:
        world.link(newcomer, node)
    world.run(180_000)


@pytest.mark.parametrize("share", [1, 4, 16])
def test_false_claims_ban_and_the_catch_up_goes_on_with_others(share: int) -> None:
    world, honest, liar, newcomer = world_with_liar(share)

    def forge(response: Response) -> Response:
        if not isinstance(response, Headers):
            return response
        forged: list[SealedHeader] = []
        for index, sealed in enumerate(response.sealed):
            # the claim says nothing of the interval here: low bits alone are false
            forged.append(replace(sealed, pow=sealed.pow ^ 1) if index % share == share - 1 else sealed)
        return Headers(tuple(forged))

    liar.rewrite = rewriting(forge)
    join(world, newcomer, liar, honest)
    assert world.bans() == {liar.peer}
    assert newcomer.head.id == honest[0].head.id


def test_a_peer_that_only_claims_work_is_left() -> None:
    world, honest, liar, newcomer = world_with_liar(5)
    liar.chain = honest[0].chain

    def boast(response: Response) -> Response:
        if isinstance(response, Status):
            return Status(Hash32(b"\x01" * 32), 10_000, 1 << 100)
        return Headers(()) if isinstance(response, Headers) else response

    liar.rewrite = rewriting(boast)
    join(world, newcomer, liar, honest)
    assert newcomer.head.id == honest[0].head.id
    strikes = [fault for fault in world.faults if fault.peer == liar.peer]
    assert strikes
    assert all(fault.penalty is Penalty.STRIKE for fault in strikes)


def test_a_peer_with_an_endless_chain_of_its_own_has_its_turn_and_no_more() -> None:
    """Its true but light blocks outweigh the little that a newcomer has, again and again, whatever more it claims."""
    world = World(19)
    honest, liar, newcomer = world.node(), world.node(), world.node()
    grow(small(honest), 300)
    grow(small(liar), 10, extra=b"own")
    world.now = Millis(world.now + 10**8)

    def lead_on(response: Response) -> Response:
        if isinstance(response, Headers) and small(liar).head().height < 250:
            grow(small(liar), 2, extra=b"own")
        return Status(Hash32(b"\x01" * 32), 10_000, 1 << 100) if isinstance(response, Status) else response

    liar.rewrite = rewriting(lead_on)
    world.link(newcomer, liar)
    world.run(1_000)
    world.link(newcomer, honest)
    world.run(20_000)
    assert newcomer.head.id == honest.head.id
    assert len(newcomer.imports) < 300 + 50, "most of what it had to tell was never asked for"


def test_who_comes_back_has_no_more_turns_than_who_stayed() -> None:
    node = World(20).node()
    neighbours = Neighbours(ExchangePolicy(), node.chain, Asks(Tags()))
    stays, leaves = (PeerId(bytes(31) + bytes((number,))) for number in (1, 2))
    for peer in (stays, leaves):
        neighbours.add(peer, Millis(0), features=0)
    for neighbour in neighbours.all():
        neighbour.turns = 3
    neighbours.remove(leaves)
    neighbours.add(leaves, Millis(0), features=0)
    assert [neighbour.turns for neighbour in neighbours.all()] == [3, 3]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda sealed: sealed[::-1], id="reversed"),
        pytest.param(lambda sealed: (sealed[0], *sealed[2:]), id="gap"),
        pytest.param(lambda sealed: sealed * 2, id="twice"),
        pytest.param(
            lambda sealed: (*sealed[:-1], replace(sealed[-1], header=replace(sealed[-1].header, height=9_999))),
            id="height",
        ),
    ],
)
def test_headers_that_do_not_fit_cost_the_link(
    change: Callable[[tuple[SealedHeader, ...]], tuple[SealedHeader, ...]],
) -> None:
    world, honest, liar, newcomer = world_with_liar(6)

    def bend(response: Response) -> Response:
        is_full = isinstance(response, Headers) and len(response.sealed) > 2
        return Headers(change(response.sealed)) if isinstance(response, Headers) and is_full else response

    liar.rewrite = rewriting(bend)
    join(world, newcomer, liar, honest)
    assert newcomer.head.id == honest[0].head.id
    assert liar.peer in {fault.peer for fault in world.faults}
    assert not {node.peer for node in honest} & {fault.peer for fault in world.faults}


def test_garbage_answers_ban() -> None:
    world, honest, liar, newcomer = world_with_liar(7)
    liar.rewrite = lambda payload: payload[:-1]
    join(world, newcomer, liar, honest)
    assert world.bans() == {liar.peer}
    assert newcomer.head.id == honest[0].head.id


def world_that_pays(seed: int) -> tuple[World, Node, Node, Node]:
    """Return a world with two nodes of the same 30 blocks with payments, and an hour later one that has none yet."""
    world = World(seed)
    honest, liar, newcomer = world.node(), world.node(), world.node()
    paying(honest, 30)
    paying(liar, 30)
    world.now = Millis(world.now + 3_600_000)
    return world, honest, liar, newcomer


def test_a_false_body_bans_its_sender_alone() -> None:
    world, honest, liar, newcomer = world_that_pays(8)
    liar.rewrite = rewriting(
        lambda response: (
            Bodies(tuple(encode_body(()) for _ in response.bodies)) if isinstance(response, Bodies) else response
        )
    )
    world.link(newcomer, liar)
    world.link(newcomer, honest)
    world.run(60_000)
    assert world.bans() == {liar.peer}
    assert newcomer.head.id == honest.head.id
    assert newcomer.imports == list(range(1, 31))


def test_a_body_with_an_empty_transaction_more_spoils_no_block() -> None:
    world, honest, liar, newcomer = world_that_pays(17)

    def pad(body: bytes | None) -> bytes | None:
        return None if body is None else pack([*split_body(body, PARAMS), b""])

    liar.rewrite = rewriting(
        lambda response: Bodies(tuple(map(pad, response.bodies))) if isinstance(response, Bodies) else response
    )
    world.link(newcomer, honest)
    world.link(newcomer, liar)
    world.run(60_000)
    assert world.bans() == {liar.peer}
    assert newcomer.head.id == honest.head.id


def test_a_compact_form_with_an_empty_transaction_more_spoils_no_block() -> None:
    world = World(18)
    node, liar, honest = world.node(), world.node(), world.node()
    block = next_block(GENESIS)
    block_id = header_id(block.sealed.header)
    honest.chain.add(VerifiedBlock(block.sealed, (), world.now), world.now)
    world.link(node, liar)
    world.link(node, honest)
    world.run(1_000)
    announce(node, liar, encode_compact(CompactBlock(block.sealed, (), ((0, b""),))))
    world.run(30_000)
    assert node.exchange.statistics().blocks_invalid == 0
    assert node.head.id == block_id


def test_bodies_that_nobody_gives_end_the_catch_up() -> None:
    world = World(9)
    liar, newcomer = world.node(), world.node()
    paying(liar, 30)
    world.now = Millis(world.now + 3_600_000)
    liar.rewrite = rewriting(
        lambda response: Bodies(tuple(None for _ in response.bodies)) if isinstance(response, Bodies) else response
    )
    world.link(newcomer, liar)
    world.run(200_000)
    assert newcomer.head.height == 0
    assert {fault.reason for fault in world.faults} == {"nobody has what it claims"}


def test_a_chain_on_an_invalid_block_bans_who_claims_it() -> None:
    world = World(10)
    honest, liar, newcomer = world.node(), world.node(), world.node()
    paying(honest, 10)
    paying(liar, 20, FORBIDDEN)
    world.now = Millis(world.now + 3_600_000)
    world.link(newcomer, liar)
    world.run(1_000)
    world.link(newcomer, honest)
    world.run(60_000)
    assert world.bans() == {liar.peer}
    assert newcomer.head.id == honest.head.id


def announce(node: Node, sender: Node, payload: bytes) -> bytes:
    """Let a block arrive at a node; return the relay's key."""
    node.deliver(Topic.BLOCK, payload, sender)
    return blake2b_128(payload)


def test_a_false_claim_bans_and_does_not_keep_the_truth_out() -> None:
    world = World(11)
    node, liar, honest = world.node(), world.node(), world.node()
    world.link(node, liar)
    world.link(node, honest)
    block = next_block(GENESIS)
    false = replace(block.sealed, pow=0)
    block_id = header_id(block.sealed.header)
    lie = announce(node, liar, encode_compact(make_compact(false, block_id, (), lambda _: True)))
    truth = announce(node, honest, encode_compact(make_compact(block.sealed, block_id, (), lambda _: True)))
    world.run(30_000)
    assert node.verdicts[lie].judgement is Judgement.REJECT
    assert node.verdicts[truth].judgement is Judgement.ACCEPT
    assert world.bans() == {liar.peer}
    assert node.head.id == block_id


def test_an_announced_block_with_an_invalid_body_blames_no_relayer() -> None:
    world = World(12)
    nodes = [world.node() for _ in range(3)]
    world.link(nodes[0], nodes[1])
    world.link(nodes[1], nodes[2])
    signed = sign(key_of(1), to=GENESIS.header.miner, value=FORBIDDEN)
    block = next_block(GENESIS, (signed,))
    world.run(20_000)
    compact = make_compact(block.sealed, header_id(block.sealed.header), block.transactions, lambda _: False)
    announce(nodes[1], nodes[0], encode_compact(compact))
    world.run(20_000)
    assert [node.head.height for node in nodes] == [0, 0, 0]
    assert nodes[2].exchange.statistics().blocks_invalid == 1
    assert not world.faults


def test_a_compact_form_of_other_transactions_is_mended_by_the_whole_body() -> None:
    world = World(13)
    node, sender = world.node(), world.node()
    signed = sign(key_of(1), to=GENESIS.header.miner)
    other = sign(key_of(1), to=GENESIS.header.miner, value=5)
    block = next_block(GENESIS, (signed,))
    block_id = header_id(block.sealed.header)
    sender.chain.add(VerifiedBlock(block.sealed, (signed,), world.now), world.now)
    world.link(node, sender)
    announce(node, sender, encode_compact(make_compact(block.sealed, block_id, (other.tx,), lambda _: False)))
    world.run(30_000)
    assert node.head.id == block_id
    assert node.exchange.statistics().bodies_fetched == 1
    assert not world.bans()


def siblings_of_which_the_better_pays() -> tuple[Block, Block]:
    """Return a block with a payment and an empty sibling that ripens later."""
    rules = SmallRules()
    signed = sign(key_of(1), to=GENESIS.header.miner)
    better = next_block(GENESIS, (signed,))
    time = rules.chain(better.sealed, GENESIS).time
    later = (next_block(GENESIS, nonce=nonce) for nonce in range(100))
    return better, next(block for block in later if rules.chain(block.sealed, GENESIS).time > time + 1_000)


def withhold(world: World) -> tuple[Node, Node, Block]:
    """Return a node that knows the best header and cannot get its body, a neighbour, and the next best block."""
    node, thief, honest = world.node(), world.node(), world.node()
    world.link(node, thief)
    world.link(node, honest)
    world.run(1_000)
    thief.is_silent = True
    better, next_best = siblings_of_which_the_better_pays()
    compact = make_compact(better.sealed, header_id(better.sealed.header), better.transactions, lambda _: True)
    announce(node, thief, encode_compact(compact))
    world.run(1_000)
    assert node.exchange.statistics().blocks_pending == 1
    return node, honest, next_best


def test_a_withheld_body_keeps_no_other_block_out() -> None:
    world = World(14)
    node, honest, next_best = withhold(world)
    block_id = header_id(next_best.sealed.header)
    key = announce(node, honest, encode_compact(make_compact(next_best.sealed, block_id, (), lambda _: True)))
    world.run(30_000)
    assert node.verdicts[key].judgement is Judgement.ACCEPT
    assert node.head.id == block_id


def test_a_withheld_body_keeps_no_own_block_out() -> None:
    world = World(15)
    node, honest, next_best = withhold(world)
    node.found(next_best)
    world.run(30_000)
    assert node.head.id == header_id(next_best.sealed.header)
    assert node.exchange.statistics().blocks_published == 1
    assert honest.head.id == node.head.id


def test_parts_that_another_form_brought_meanwhile_blame_nobody() -> None:
    world = World(16)
    node, liar, honest = world.node(), world.node(), world.node()
    payments = tuple(sign(key_of(1), to=GENESIS.header.miner, nonce=nonce) for nonce in range(8))
    block = next_block(GENESIS, payments)
    block_id = header_id(block.sealed.header)
    honest.chain.add(VerifiedBlock(block.sealed, payments, world.now), world.now)
    world.link(node, liar)
    world.link(node, honest)
    world.run(1_000)
    lacking = [signed.tx.hash for signed in payments[:3]]
    first = make_compact(block.sealed, block_id, block.transactions, lambda tx_hash: tx_hash in lacking)
    other = make_compact(block.sealed, block_id, block.transactions, lambda tx_hash: tx_hash in lacking[1:])
    announce(node, honest, encode_compact(first))
    world.run(10)
    assert node.exchange.statistics().blocks_pending == 1
    announce(node, liar, encode_compact(other))
    world.run(30_000)
    assert not world.bans()
    assert node.head.id == block_id


def test_a_miner_is_told_when_its_own_block_is_refused() -> None:
    world = World(14)
    node = world.node()
    signed = sign(key_of(1), to=GENESIS.header.miner, value=FORBIDDEN)
    block = next_block(GENESIS, (signed,))
    world.run(20_000)
    node.found(block)
    node.found(next_block(GENESIS, claim=1))
    header = next_block(GENESIS).sealed.header
    node.found(replace(block, sealed=replace(block.sealed, header=replace(header, height=7))))
    world.run(20_000)
    assert [(refused.parent_id, refused.height) for refused in node.refused] == [
        (GENESIS.id, 7),
        (GENESIS.id, 1),
        (GENESIS.id, 1),
    ]
    assert {refused.error.rule for refused in node.refused} >= {Rule.HEIGHT}
    assert node.head.height == 0
