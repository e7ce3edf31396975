"""Whatever a peer can make grow has a limit: each of them is filled here."""

from dataclasses import replace

from chain.block import Block, SealedHeader, header_id
from chain.exchange.announced import FORMS_MAX
from chain.exchange.blocks import ANNOUNCED_BYTES_MAX, ANNOUNCED_PER_PEER, WAITING_LIFETIME, WAITING_PER_PEER
from chain.exchange.bounded import RecentBodies, RecentHashes
from chain.exchange.budget import TokenBucket
from chain.exchange.compact import CompactBlock, encode_compact, make_compact
from chain.exchange.contest import RECENT_MAX, Contest
from chain.exchange.effects import (
    CheckBody,
    CheckSeals,
    Effect,
    Import,
    Judgement,
    Penalise,
    RecoverSenders,
    Refuse,
    Reply,
    Verdict,
)
from chain.exchange.exchange import Exchange
from chain.exchange.held import HELD_MAX, Held, HeldBlocks
from chain.exchange.messages import (
    BodiesRequest,
    Headers,
    HeadersRequest,
    PartsRequest,
    Status,
    decode_response,
    encode_request,
    encode_response,
)
from chain.exchange.neighbours import SEAL_BURST
from chain.exchange.topics import FEATURES, Topic
from chain.exchange.transactions import BATCHES_MAX, QUEUE_MAX, REJECTED_MAX
from chain.primitives.hashing import blake2b_128, keccak256
from chain.primitives.peer import PeerId
from chain.primitives.units import GWEI, Hash32, Millis
from chain.verified import ImportStatus
from tests.helpers.exchange_chain import GENESIS, SmallChain, grow, next_block, seal_of
from tests.helpers.exchange_world import START, Node, World, peer_of, small
from tests.helpers.transactions import key_of, sign

PEER = peer_of(99)


def alone(seed: int = 1) -> tuple[Node, Exchange]:
    """Return a node whose one neighbour is the test."""
    node = World(seed).node()
    node.exchange.link_up(PEER, START, features=FEATURES)
    return node, node.exchange


def announcement(sealed: SealedHeader) -> bytes:
    return encode_compact(make_compact(sealed, header_id(sealed.header), (), lambda _: True))


def verdicts(effects: list[Effect]) -> list[Judgement]:
    return [effect.judgement for effect in effects if isinstance(effect, Verdict)]


def validate(exchange: Exchange, payload: bytes, now: Millis = START, sender: PeerId = PEER) -> list[Effect]:
    return exchange.validate(Topic.BLOCK, blake2b_128(payload), payload, sender, now)


def better_and_better(count: int) -> list[Block]:
    """Return siblings, each with a lower hash claimed than the one before: what a flood would send."""
    return [next_block(GENESIS, nonce=nonce, claim=(count - nonce) << 200) for nonce in range(count)]


def test_a_flood_of_claims_costs_a_bounded_number_of_seals() -> None:
    _, exchange = alone()
    effects = [effect for block in better_and_better(200) for effect in validate(exchange, announcement(block.sealed))]
    checks = [effect for effect in effects if isinstance(effect, CheckSeals)]
    assert len(checks) == ANNOUNCED_PER_PEER
    assert verdicts(effects) == [Judgement.IGNORE] * (200 - ANNOUNCED_PER_PEER)


def test_the_links_budget_bounds_seals_over_time() -> None:
    node, exchange = alone()
    checks = 0
    for turn, block in enumerate(better_and_better(200)):
        # each is checked and found true, so that the table never fills
        for effect in validate(exchange, announcement(block.sealed), Millis(START + turn)):
            if isinstance(effect, CheckSeals):
                checks += 1
                exchange.seals_checked(effect.tag, (None,), Millis(START + turn))
                exchange.tick(Millis(START + turn))
        node.exchange._blocks._blocks.clear()
    assert checks == SEAL_BURST


def test_a_claim_that_beats_nobody_is_not_checked() -> None:
    _, exchange = alone()
    best = next_block(GENESIS, claim=1 << 200)
    (check,) = [effect for effect in validate(exchange, announcement(best.sealed)) if isinstance(effect, CheckSeals)]
    (body,) = [item for item in exchange.seals_checked(check.tag, (None,), START) if isinstance(item, CheckBody)]
    (handed,) = [item for item in exchange.body_checked(body.tag, (), START) if isinstance(item, Import)]
    exchange.imported(handed.tag, ImportStatus.UNRIPE, START)
    worse = next_block(GENESIS, nonce=7, claim=1 << 250)
    assert verdicts(validate(exchange, announcement(worse.sealed))) == [Judgement.IGNORE]
    better = next_block(GENESIS, nonce=8, claim=1 << 199)
    assert any(isinstance(effect, CheckSeals) for effect in validate(exchange, announcement(better.sealed)))


def test_a_block_too_far_ahead_is_dropped_without_blame() -> None:
    _, exchange = alone()
    block = next_block(GENESIS, claim=(1 << 256) - 1)
    effects = validate(exchange, announcement(block.sealed), Millis(START - 60_000))
    assert verdicts(effects) == [Judgement.IGNORE]
    assert not any(isinstance(effect, Penalise) for effect in effects)


def test_blocks_without_a_parent_wait_bounded_and_not_for_ever() -> None:
    _, exchange = alone()
    orphans = [next_block(replace(GENESIS, id=Hash32(bytes((number,)) * 32))) for number in range(20)]
    effects = [effect for block in orphans for effect in validate(exchange, announcement(block.sealed))]
    assert exchange.statistics().blocks_waiting == WAITING_PER_PEER
    assert verdicts(effects) == [Judgement.IGNORE] * (20 - WAITING_PER_PEER)
    late = exchange.tick(Millis(START + WAITING_LIFETIME))
    assert verdicts(late) == [Judgement.IGNORE] * WAITING_PER_PEER
    assert exchange.statistics().blocks_waiting == 0


def test_garbage_on_the_block_topic_bans() -> None:
    _, exchange = alone()
    effects = validate(exchange, b"garbage")
    assert verdicts(effects) == [Judgement.REJECT]
    assert [effect.peer for effect in effects if isinstance(effect, Penalise)] == [PEER]


def test_held_blocks_are_bounded_the_furthest_gives_way() -> None:
    held = HeldBlocks()
    for number in range(HELD_MAX):
        assert held.put(Held(keccak256(bytes((number,))), b"", None), Millis(1_000 + number)) is None
    far = Held(keccak256(b"far"), b"", None)
    assert held.put(far, Millis(9_999)) == far
    assert held.put(Held(keccak256(b"near"), b"", None), Millis(1)) == Held(
        keccak256(bytes((HELD_MAX - 1,))), b"", None
    )
    assert len(held) == HELD_MAX
    assert held.deadline() == 1
    assert len(held.due(Millis(1_001))) == 3


def test_the_contest_is_bounded() -> None:
    contest = Contest(SmallChain())
    rules = SmallChain().rules
    for nonce in range(RECENT_MAX + 10):
        contest.enter(rules.chain(next_block(GENESIS, nonce=nonce).sealed, GENESIS))
    assert len(contest) == RECENT_MAX


def test_memories_forget_their_oldest() -> None:
    hashes = RecentHashes(most=2, lifetime=Millis(10))
    one, two, three = (keccak256(bytes((number,))) for number in range(3))
    for digest in (one, two, three):
        hashes.add(digest, Millis(0))
    assert [hashes.has(digest, Millis(9)) for digest in (one, two, three)] == [False, True, True]
    assert not hashes.has(two, Millis(10))
    bodies = RecentBodies(most=1)
    bodies.put(one, (b"1",))
    bodies.put(two, (b"2",))
    assert (bodies.get(one), bodies.get(two), len(bodies)) == (None, (b"2",), 1)


def test_a_bucket_refills_and_may_be_overdrawn_once() -> None:
    bucket = TokenBucket(10, Millis(0))
    assert bucket.take(40, Millis(0))
    assert not bucket.take(1, Millis(0))
    assert bucket.take(1, Millis(100))
    bucket.charge(100, Millis(1_100))
    assert not bucket.is_open(Millis(10_000))
    assert bucket.is_open(Millis(10_200))


def test_transactions_queue_is_bounded_and_workers_are_not_flooded() -> None:
    _, exchange = alone()
    effects: list[Effect] = []
    for nonce in range(900):
        raw = sign(key_of(1), to=GENESIS.header.miner, nonce=nonce).tx.raw
        effects += exchange.validate(Topic.TRANSACTION, blake2b_128(raw), raw, PEER, START)
    work = [effect for effect in effects if isinstance(effect, RecoverSenders)]
    assert len(work) == BATCHES_MAX
    # the budget of one neighbour is under the queue's bound
    assert verdicts(effects) == [Judgement.IGNORE] * 100
    assert QUEUE_MAX >= 900 - 100


def test_rejected_transactions_are_remembered_and_not_looked_at_again() -> None:
    _, exchange = alone()
    raw = sign(key_of(1), to=GENESIS.header.miner, gas=20_000).tx.raw
    first = exchange.validate(Topic.TRANSACTION, b"1", raw, PEER, START)
    again = exchange.validate(Topic.TRANSACTION, b"2", raw, PEER, START)
    cheap = sign(key_of(1), to=GENESIS.header.miner, tip=1, max_fee=2 * GWEI).tx.raw
    policy = exchange.validate(Topic.TRANSACTION, b"3", cheap, PEER, START)
    assert verdicts(first + again + policy) == [Judgement.REJECT, Judgement.IGNORE, Judgement.IGNORE]
    assert REJECTED_MAX > 0


def ask(exchange: Exchange, payload: bytes, now: Millis = START) -> Effect:
    return exchange.requested(1, Topic.SYNC, PEER, payload, now)[0]


def test_requests_beyond_the_budget_are_refused_and_later_answered() -> None:
    node, exchange = alone()
    grow(small(node), 600)
    everything = encode_request(HeadersRequest((GENESIS.id,), 512))
    answers = [ask(exchange, everything) for _ in range(60)]
    served = [effect for effect in answers if isinstance(effect, Reply)]
    assert 0 < len(served) < 60
    assert all(effect == Refuse(1, "busy") for effect in answers if not isinstance(effect, Reply))
    assert sum(len(effect.payload) for effect in served) < 5 * 1_000_000
    assert isinstance(ask(exchange, everything, Millis(START + 10_000)), Reply)


def test_a_stranger_and_garbage_are_refused() -> None:
    _, exchange = alone()
    status = encode_request(Status(GENESIS.id, 0, 0))
    assert exchange.requested(1, Topic.SYNC, peer_of(77), status, START) == [Refuse(1, "not a neighbour")]
    effects = exchange.requested(2, Topic.SYNC, PEER, b"garbage", START)
    assert isinstance(effects[0], Refuse)
    assert isinstance(effects[1], Penalise)


def test_answers_are_what_was_asked() -> None:
    node, exchange = alone()
    chain = grow(small(node), 5)

    def answer(request: HeadersRequest | BodiesRequest | PartsRequest) -> object:
        effect = ask(exchange, encode_request(request))
        assert isinstance(effect, Reply)
        return decode_response(effect.payload)

    unknown = Hash32(bytes(32))
    assert repr(answer(HeadersRequest((unknown, chain[1].id, GENESIS.id), 2))) == repr(
        decode_response(_headers(chain[2].sealed, chain[3].sealed))
    )
    bodies = answer(BodiesRequest((chain[0].id, unknown)))
    assert repr(bodies) == "Bodies(bodies=(b'\\x90', None))"
    assert repr(answer(PartsRequest(chain[0].id, (0,)))) == "Parts(raws=None)"


def _headers(*sealed: SealedHeader) -> bytes:
    return encode_response(Headers(sealed))


def test_own_true_seals_are_true() -> None:
    assert next_block(GENESIS).sealed.pow == seal_of(next_block(GENESIS).sealed.header)


def test_long_announcements_are_bounded_by_their_bytes() -> None:
    _, exchange = alone()
    taken = 0
    for number in range(24):
        block = next_block(replace(GENESIS, id=Hash32(bytes((number,)) * 32)))
        filler = tuple((index, bytes(120_000)) for index in range(9))
        payload = encode_compact(CompactBlock(block.sealed, (), filler))
        exchange.link_up(peer_of(number), START, features=FEATURES)
        taken += not validate(exchange, payload, sender=peer_of(number))
    assert taken == ANNOUNCED_BYTES_MAX // 1_080_500


def test_forms_of_one_header_are_bounded() -> None:
    _, exchange = alone()
    sealed = next_block(GENESIS).sealed
    effects: list[Effect] = []
    for number in range(20):
        payload = encode_compact(CompactBlock(sealed, (), ((0, bytes((number,))),)))
        effects += validate(exchange, payload)
    assert len([effect for effect in effects if isinstance(effect, CheckSeals)]) == 1
    assert verdicts(effects) == [Judgement.IGNORE] * (20 - FORMS_MAX)
