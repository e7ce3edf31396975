"""Whatever comes in, at any entry, is answered by effects: nothing a peer sends raises."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.exchange.effects import AddTransaction, Ask, Effect, RecoverSenders, Tag
from chain.exchange.exchange import Exchange
from chain.exchange.messages import (
    Bodies,
    Headers,
    Parts,
    Picked,
    Status,
    Waiting,
    WaitingRequest,
    encode_request,
    encode_response,
    name_of,
)
from chain.exchange.reconcile import ASK_AFTER
from chain.exchange.topics import FEATURES, Topic
from chain.exchange.work import recover_senders
from chain.primitives.hashing import blake2b_128, keccak256
from chain.primitives.units import Hash32, Millis
from tests.helpers.exchange_chain import GENESIS, SmallChain, grow
from tests.helpers.exchange_world import START, Node, World, peer_of
from tests.helpers.transactions import key_of, sign

BRANCH = grow(SmallChain(), 6)
SALT = bytes(16)
RAWS = [
    *(sign(key_of(1), to=GENESIS.header.miner, nonce=nonce).tx.raw for nonce in range(3)),
    sign(key_of(1), to=GENESIS.header.miner, gas=20_000).tx.raw,
    b"",
    b"garbage",
]
NAMES = [name_of(SALT, keccak256(raw)) for raw in RAWS]
hashes = st.sampled_from([GENESIS.id, *(item.id for item in BRANCH), Hash32(bytes(32))])
statuses = st.builds(Status, hashes, st.integers(0, 10), st.sampled_from([0, 1_000, 6_000, 1 << 200]))
headers = st.lists(st.sampled_from([item.sealed for item in BRANCH]), max_size=6).map(
    lambda some: encode_response(Headers(tuple(some)))
)
answers = (
    st.binary(max_size=40)
    | statuses.map(encode_response)
    | headers
    | st.just(encode_response(Headers(tuple(item.sealed for item in BRANCH))))
    | st.lists(st.none() | st.binary(max_size=9), max_size=9).map(lambda some: encode_response(Bodies(tuple(some))))
    | st.just(encode_response(Parts(None)))
    | st.lists(st.binary(max_size=9), max_size=3).map(lambda some: encode_response(Parts(tuple(some))))
    | st.lists(st.sampled_from(NAMES), max_size=4, unique=True).map(
        lambda some: encode_response(Waiting(SALT, tuple(some)))
    )
    | st.lists(st.none() | st.sampled_from(RAWS), max_size=4).map(lambda some: encode_response(Picked(tuple(some))))
    | st.just(encode_response(Picked(None)))
)
one_step = (
    st.tuples(st.just("status"), statuses.map(encode_request) | st.just(encode_request(WaitingRequest())))
    | st.tuples(st.just("request"), st.binary(max_size=40))
    | st.tuples(st.just("block"), st.binary(max_size=40))
    | st.tuples(st.just("transaction"), st.binary(max_size=200))
    | st.tuples(st.just("answer"), answers)
    | st.tuples(st.just("fail"), st.sampled_from([b"busy", b"no answer in time", b"gone"]))
    | st.tuples(st.just("time"), st.integers(0, 90_000).map(lambda ms: ms.to_bytes(3, "big")))
    | st.tuples(st.just("work"), st.just(b""))
    | st.tuples(st.just("down"), st.just(b""))
)
steps = st.lists(one_step, max_size=30)


def do(exchange: Exchange, kind: str, data: bytes, now: Millis, asked: list[Tag], peer: int) -> list[Effect]:
    sender = peer_of(peer)
    match kind:
        case "status" | "request":
            return exchange.requested(1, Topic.SYNC, sender, data, now)
        case "block":
            return exchange.validate(Topic.BLOCK, blake2b_128(data), data, sender, now)
        case "transaction":
            return exchange.validate(Topic.TRANSACTION, blake2b_128(data), data, sender, now)
        case "answer":
            return exchange.responded(asked.pop(0), data, now) if asked else []
        case "fail":
            return exchange.request_failed(asked.pop(0), data.decode(), now) if asked else []
        case "down":
            return [*exchange.link_down(sender, now), *exchange.link_up(sender, now, features=FEATURES)]
        case _:
            return exchange.tick(now)


def work(node: Node, waiting: list[Effect], now: Millis) -> list[Effect]:
    """Do the oldest piece of work."""
    match waiting.pop(0) if waiting else None:
        case RecoverSenders(tag, transactions):
            return node.exchange.senders_recovered(tag, recover_senders(transactions), now)
        case AddTransaction(tag, signed):
            return node.exchange.transaction_added(tag, node._try_add(signed, now), now)
        case _:
            return []


def linked(seed: int) -> tuple[Node, list[Tag]]:
    """Return a node whose neighbours are the test, and its open questions."""
    node = World(seed).node()
    asked: list[Tag] = []
    for number in (50, 51):
        effects = node.exchange.link_up(peer_of(number), START, features=FEATURES)
        asked += [effect.tag for effect in effects if isinstance(effect, Ask)]
    return node, asked


def go(node: Node, asked: list[Tag], run: list[tuple[str, bytes]], choice: int, now: Millis) -> None:
    """Let a run of messages come, and hold every step against what must always be so."""
    waiting: list[Effect] = []
    for index, (kind, data) in enumerate(run):
        if kind == "time":
            now = Millis(now + int.from_bytes(data, "big"))
        if kind == "work":
            effects = work(node, waiting, now)
        else:
            effects = do(node.exchange, kind, data, now, asked, 50 + (choice >> index % 16 & 1))
        asked += [effect.tag for effect in effects if isinstance(effect, Ask)]
        waiting += [effect for effect in effects if isinstance(effect, RecoverSenders | AddTransaction)]
        deadline = node.exchange.deadline()
        assert deadline is not None
        if kind == "time":
            assert deadline > now, "tick has done all that was due"


@pytest.mark.slow
@settings(max_examples=120, deadline=None)
@given(steps, st.integers(0, 2**16))
def test_any_run_of_messages_gives_effects(run: list[tuple[str, bytes]], choice: int) -> None:
    node, asked = linked(choice)
    go(node, asked, run, choice, START)


named = st.lists(st.sampled_from(NAMES), max_size=6, unique=True).map(
    lambda some: ("answer", encode_response(Waiting(SALT, tuple(some))))
)
given_away = st.lists(st.none() | st.sampled_from(RAWS), max_size=6).map(
    lambda some: ("answer", encode_response(Picked(tuple(some))))
)
true_answers = st.integers(1, len(RAWS)).map(
    lambda count: [
        ("answer", encode_response(Waiting(SALT, tuple(NAMES[:count])))),
        ("answer", encode_response(Picked(tuple(RAWS[:count])))),
    ]
)


@pytest.mark.slow
@settings(max_examples=120, deadline=None)
@given(st.just([]) | named.map(lambda one: [one]) | true_answers, st.lists(named | given_away | one_step, max_size=20))
def test_any_answers_about_pools_give_effects(first: list[tuple[str, bytes]], run: list[tuple[str, bytes]]) -> None:
    node, asked = linked(1)
    for tag in asked:
        node.do(node.exchange.responded(tag, encode_response(Status(GENESIS.id, 0, 0)), START))
    now = Millis(START + ASK_AFTER)
    questions = [effect.tag for effect in node.exchange.tick(now) if isinstance(effect, Ask)]
    assert node.exchange.statistics().pools_asked == 1
    go(node, questions[-1:], [*first, *run], 0, now)
