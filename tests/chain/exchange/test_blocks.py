"""Announced and own blocks: their order, their relay, their bodies."""

from chain.block import encode_body, header_id
from chain.exchange.assembly import FIRST_PAUSE
from chain.exchange.compact import encode_compact, make_compact
from chain.exchange.effects import Ask, CheckBody, CheckSeals, Effect, Import, Judgement, Publish, Verdict
from chain.exchange.topics import Topic
from chain.exchange.work import check_body
from chain.primitives.hashing import blake2b_128
from chain.primitives.units import Hash32, Millis
from chain.rules import InvalidBlock, Rule
from chain.transaction import SignedTransaction
from tests.helpers.exchange_chain import GENESIS, PARAMS, SmallRules, next_block
from tests.helpers.exchange_world import START, World
from tests.helpers.transactions import key_of, sign


def test_a_child_that_comes_before_its_parent_is_judged_when_that_is_imported() -> None:
    world = World(1)
    node, sender = world.node(), world.node()
    world.link(node, sender)
    parent = next_block(GENESIS)
    placed = SmallRules().chain(parent.sealed, GENESIS)
    child = next_block(placed)
    keys = []
    world.run(placed.time - world.now + 5_000)
    for block in (child, parent):
        block_id = header_id(block.sealed.header)
        payload = encode_compact(make_compact(block.sealed, block_id, (), lambda _: True))
        sender.seen[blake2b_128(payload)] = payload
        keys.append(blake2b_128(payload))
        node.deliver(Topic.BLOCK, payload, sender)
        world.run(5)
    assert keys[0] not in node.verdicts
    world.run(30_000)
    assert [node.verdicts[key].judgement for key in keys] == [Judgement.ACCEPT, Judgement.ACCEPT]
    assert node.head.id == header_id(child.sealed.header)


def test_of_two_own_siblings_only_the_better_is_published() -> None:
    world = World(2)
    node, other = world.node(), world.node()
    world.link(node, other)
    rules = SmallRules()
    siblings = sorted(
        (next_block(GENESIS, nonce=nonce) for nonce in range(6)),
        key=lambda block: (rules.chain(block.sealed, GENESIS).time, block.sealed.pow),
        reverse=True,
    )
    for block in siblings:
        node.found(block)
        world.run(10)
    world.run(30_000)
    assert node.exchange.statistics().blocks_published == 1
    assert other.head.id == header_id(siblings[-1].sealed.header)


def test_a_worse_sibling_found_later_is_dropped() -> None:
    world = World(3)
    node = world.node()
    rules = SmallRules()
    good, bad = sorted(
        (next_block(GENESIS, nonce=nonce) for nonce in range(2)),
        key=lambda block: (rules.chain(block.sealed, GENESIS).time, block.sealed.pow),
    )
    node.found(good)
    world.run(10)
    assert node.exchange.found(bad, world.now) == []


def test_an_own_block_on_a_parent_that_is_gone_is_dropped() -> None:
    node = World(4).node()
    block = next_block(GENESIS)
    child = next_block(SmallRules().chain(block.sealed, GENESIS))
    assert node.exchange.found(child, START) == []


def test_the_seal_is_checked_before_relay_and_the_body_after() -> None:
    world = World(5)
    node, sender = world.node(), world.node()
    world.link(node, sender)
    exchange = node.exchange
    signed = sign(key_of(1), to=GENESIS.header.miner)
    block = next_block(GENESIS, (signed,))
    compact = make_compact(block.sealed, header_id(block.sealed.header), block.transactions, lambda _: False)
    now = Millis(START + 60_000)
    first = exchange.validate(Topic.BLOCK, b"key", encode_compact(compact), sender.peer, now)
    (check,) = [effect for effect in first if isinstance(effect, CheckSeals)]
    assert not any(isinstance(effect, Verdict) for effect in first)
    sealed = exchange.seals_checked(check.tag, (None,), now)
    assert sealed[0] == Verdict(b"key", Judgement.ACCEPT, "")
    (body,) = [effect for effect in sealed if isinstance(effect, CheckBody)]
    checked = exchange.body_checked(body.tag, (signed,), now)
    (handed,) = [effect for effect in checked if isinstance(effect, Import)]
    assert handed.block.transactions == (signed,)
    assert handed.block.arrived == now


def test_a_body_that_another_form_completed_is_not_looked_at_again_and_again() -> None:
    world = World(7)
    node, sender = world.node(), world.node()
    world.link(node, sender)
    exchange = node.exchange
    block = next_block(GENESIS, (sign(key_of(1), to=GENESIS.header.miner),))
    block_id = header_id(block.sealed.header)
    lacking = encode_compact(make_compact(block.sealed, block_id, block.transactions, lambda _: True))
    whole = encode_compact(make_compact(block.sealed, block_id, block.transactions, lambda _: False))
    now = Millis(START + 1_000)
    (check,) = [
        effect
        for effect in exchange.validate(Topic.BLOCK, b"one", lacking, sender.peer, now)
        if isinstance(effect, CheckSeals)
    ]
    (ask,) = [effect for effect in exchange.seals_checked(check.tag, (None,), now) if isinstance(effect, Ask)]
    exchange.request_failed(ask.tag, "refused", now)
    again = Millis(now + FIRST_PAUSE)
    assert exchange.deadline() == again
    effects = exchange.validate(Topic.BLOCK, b"two", whole, sender.peer, now)
    assert any(isinstance(effect, CheckBody) for effect in effects)
    exchange.tick(again)
    deadline = exchange.deadline()
    assert deadline is not None
    assert deadline > again, "the body is being checked: there is nothing to do"


def test_own_transactions_are_published_again_until_mined() -> None:
    world = World(6)
    node, other = world.node(), world.node()
    world.link(node, other)
    node.send(sign(key_of(1), to=GENESIS.header.miner))
    world.run(590_000)
    again: list[Effect] = []
    for step in range(4):
        again += node.exchange.tick(Millis(world.now + step * 10_000))
    assert [effect.topic for effect in again if isinstance(effect, Publish)] == [Topic.TRANSACTION]


def test_a_body_is_judged_by_its_root_and_known_transactions_are_not_recovered_again() -> None:
    known = [sign(key_of(1), to=GENESIS.header.miner, nonce=nonce) for nonce in range(3)]
    header = next_block(GENESIS, known).sealed.header
    body = encode_body([signed.tx for signed in known])
    asked: list[Hash32] = []

    def lookup(digest: Hash32) -> SignedTransaction | None:
        asked.append(digest)
        return next(signed for signed in known if signed.tx.hash == digest)

    result = check_body(PARAMS, header, body, lookup)
    assert isinstance(result, tuple)
    assert all(mine is theirs for mine, theirs in zip(result, known, strict=True))
    assert len(asked) == 3
    assert check_body(PARAMS, header, body, lambda _: None) == tuple(known)
    for other in (encode_body(()), b"garbage", encode_body([signed.tx for signed in reversed(known)])):
        wrong = check_body(PARAMS, header, other, lambda _: None)
        assert isinstance(wrong, InvalidBlock)
        assert wrong.rule is Rule.TRANSACTIONS_ROOT
