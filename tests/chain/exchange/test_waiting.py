"""What neighbours are told of the pool: what everybody has, one list for all who ask, nothing that names an origin."""

import pytest

from chain.exchange import waiting
from chain.exchange.effects import Judgement, Penalise, Publish, Reply, Verdict
from chain.exchange.messages import (
    Picked,
    PickRequest,
    Response,
    Waiting,
    WaitingRequest,
    decode_response,
    encode_request,
    name_of,
)
from chain.exchange.serve import BUSY
from chain.exchange.topics import FEATURES, Topic
from chain.exchange.transactions import REPUBLISH_INTERVAL, REPUBLISH_MAX, SHOWN_AFTER, TELL_AFTER
from chain.exchange.waiting import FRESH_FOR, LISTS_MAX
from chain.primitives.hashing import keccak256
from chain.primitives.peer import PeerId
from chain.primitives.units import GWEI, Hash32, Millis, Wei
from tests.helpers.exchange_chain import grow
from tests.helpers.exchange_world import Node, World, peer_of, small
from tests.helpers.pool_world import hashes, joined, payments


def served(node: Node, request: WaitingRequest | PickRequest, asker: PeerId) -> Response:
    (effect,) = node.exchange.requested(1, Topic.SYNC, asker, encode_request(request), node.world.now)
    assert isinstance(effect, Reply), effect
    return decode_response(effect.payload)


def listed(node: Node, asker: PeerId, now: Millis | None = None) -> set[Hash32]:
    """Return what a node names to a neighbour: it may be any of what the world knows."""
    if now is not None:
        node.world.now = now
    answer = served(node, WaitingRequest(), asker)
    assert isinstance(answer, Waiting)
    named = {name_of(answer.salt, tx_hash): tx_hash for tx_hash in node.pool.hashes()}
    return {named[name] for name in answer.names}


ASKER = peer_of(90)


def test_what_came_a_moment_ago_is_not_told() -> None:
    world = World(30)
    node = world.node()
    node.exchange.link_up(ASKER, world.now, features=FEATURES)
    (signed,) = payments(1)
    node.pool.add(signed, world.now, local=False)
    assert not listed(node, ASKER, Millis(world.now + SHOWN_AFTER - 1))
    assert listed(node, ASKER, Millis(world.now + FRESH_FOR)) == {signed.tx.hash}


def test_an_own_transaction_is_not_told_before_it_was_published() -> None:
    world = World(31)
    node = world.node()
    (signed,) = payments(1)
    # taken while nobody was there to be told of it, as what the journal gives back after a restart
    node.pool.add(signed, world.now, local=True)
    node.do(node.exchange.submit(signed.tx, world.now))
    node.exchange.link_up(ASKER, world.now, features=FEATURES)
    assert node.exchange._transactions.is_secret(signed.tx.hash)
    assert not listed(node, ASKER, Millis(world.now + REPUBLISH_INTERVAL - 1))
    node.do(node.exchange.tick(Millis(world.now + 1)))
    assert not node.exchange._transactions.is_secret(signed.tx.hash)
    assert not listed(node, ASKER, Millis(world.now + FRESH_FOR // 3))
    assert listed(node, ASKER, Millis(world.now + 2 * FRESH_FOR)) == {signed.tx.hash}


def test_what_was_sent_without_a_link_goes_out_soon_after_the_first_one_whatever_its_number() -> None:
    world = World(34)
    node = world.node()
    some = payments(REPUBLISH_MAX + 10)
    for signed in some:
        node.pool.add(signed, world.now, local=True)
        node.exchange.submit(signed.tx, world.now)
    transactions, at, published = node.exchange._transactions, world.now, list[bytes]()
    world.now = Millis(world.now + REPUBLISH_INTERVAL // 4)
    node.exchange.link_up(ASKER, world.now, features=FEATURES)
    for _ in range(2):
        due = transactions.deadline()
        assert due is not None
        assert due - max(at, world.now) <= TELL_AFTER
        at = due
        published += [effect.payload for effect in transactions.tick(due) if isinstance(effect, Publish)]
    assert sorted(published) == sorted(signed.tx.raw for signed in some)
    later = transactions.deadline()
    assert later is not None
    assert later - at > TELL_AFTER or not transactions.tick(later)


def test_without_a_link_nobody_is_told_and_the_next_link_brings_it_forward() -> None:
    world = World(35)
    node = world.node()
    (signed,) = payments(1)
    node.pool.add(signed, world.now, local=True)
    node.exchange.submit(signed.tx, world.now)
    node.exchange._transactions.tick(Millis(world.now + REPUBLISH_INTERVAL))
    assert node.exchange._transactions.is_secret(signed.tx.hash)
    up = Millis(world.now + REPUBLISH_INTERVAL + 1_000)
    node.exchange.link_up(ASKER, up, features=FEATURES)
    assert node.exchange._transactions.deadline() == up + TELL_AFTER


def test_an_own_transaction_is_told_when_the_relay_has_brought_it_to_all() -> None:
    world = World(32)
    node = world.node()
    node.exchange.link_up(ASKER, world.now, features=FEATURES)
    (signed,) = payments(1)
    node.send(signed)
    assert not listed(node, ASKER, Millis(world.now + SHOWN_AFTER - 1))
    assert listed(node, ASKER, Millis(world.now + FRESH_FOR)) == {signed.tx.hash}


def test_own_transactions_that_nobody_knows_to_be_here_are_asked_for_like_others() -> None:
    """Whoever lists a whole pool and sees what is not asked for would know whose they are."""
    some = payments(20)
    world, (host,), joiner = joined(33, some)
    world.link(joiner, host)
    joiner.pool.add(some[7], world.now, local=True)
    world.run(20_000)
    picked = [
        request for _, who, _, request in world.asked if who == joiner.number and isinstance(request, PickRequest)
    ]
    assert [request.places for request in picked] == [tuple(range(20))]
    assert hashes(joiner) == hashes(host)


def test_an_own_transaction_that_a_neighbour_gave_is_told_like_others() -> None:
    """After a restart the pool holds own ones alone: what is fetched and then not told would be known for one's own."""
    some = payments(20)
    world, (host,), joiner = joined(40, some)
    world.link(joiner, host)
    joiner.pool.add(some[7], world.now, local=True)
    world.run(20_000)
    assert hashes(joiner) == hashes(host)
    assert listed(joiner, host.peer) == {signed.tx.hash for signed in some}
    assert not joiner.exchange._transactions.is_secret(some[7].tx.hash)


def test_an_own_transaction_that_a_neighbour_publishes_is_taken_like_others() -> None:
    """Else whoever publishes what it wants to know the origin of sees who does not pass it on."""
    (own, other) = payments(2)
    world, (host,), joiner = joined(41, [])
    watcher = world.node()
    world.link(joiner, host)
    world.link(joiner, watcher)
    joiner.pool.add(own, world.now, local=True)
    world.run(1_000)
    for signed in (own, other):
        joiner.deliver(Topic.TRANSACTION, signed.tx.raw, host)
    world.run(SHOWN_AFTER + FRESH_FOR)
    assert hashes(watcher) == {own.tx.hash, other.tx.hash}
    assert listed(joiner, host.peer) == {own.tx.hash, other.tx.hash}
    before = joiner.exchange.statistics().transactions_accepted
    key = own.tx.hash[:16]
    (verdict,) = joiner.exchange.validate(Topic.TRANSACTION, key, own.tx.raw, host.peer, world.now)
    assert isinstance(verdict, Verdict)
    assert verdict.judgement is Judgement.IGNORE, "once"
    assert joiner.exchange.statistics().transactions_accepted == before


def test_a_list_is_made_once_for_all_who_ask_and_anew_when_the_head_moves() -> None:
    world, (node,), _ = joined(34, payments(5))
    node.exchange.link_up(ASKER, world.now, features=FEATURES)
    first = served(node, WaitingRequest(), ASKER)
    assert served(node, WaitingRequest(), ASKER) == first
    grow(small(node), 1)
    second = served(node, WaitingRequest(), ASKER)
    assert isinstance(first, Waiting)
    assert isinstance(second, Waiting)
    assert first.salt != second.salt
    assert len(first.names) == len(second.names) == 5
    picked = served(node, PickRequest(first.salt, (1, 4)), ASKER)
    assert isinstance(picked, Picked)
    assert picked.raws is not None
    assert [name_of(first.salt, keccak256(raw)) for raw in picked.raws if raw is not None] == [
        first.names[1],
        first.names[4],
    ]
    for _ in range(LISTS_MAX):
        world.now = Millis(world.now + FRESH_FOR)
        served(node, WaitingRequest(), ASKER)
    assert served(node, PickRequest(first.salt, (1,)), ASKER) == Picked(None)
    assert served(node, PickRequest(bytes(16), (1,)), ASKER) == Picked(None)


def test_a_place_beyond_the_list_and_one_that_is_gone_are_answered() -> None:
    some = payments(3)
    world, (node,), _ = joined(35, some)
    node.exchange.link_up(ASKER, world.now, features=FEATURES)
    answer = served(node, WaitingRequest(), ASKER)
    assert isinstance(answer, Waiting)
    assert served(node, PickRequest(answer.salt, (1, 3)), ASKER) == Picked(None)
    node.accounts.nonces[some[0].sender] = 1
    node.pool.head_changed([some[0]], (), accounts=node.accounts, base_fee=Wei(GWEI), now=world.now)
    picked = served(node, PickRequest(answer.salt, (0, 1)), ASKER)
    assert isinstance(picked, Picked)
    assert picked.raws is not None
    assert picked.raws[0] is None
    assert picked.raws[1] is not None


def test_a_long_pool_is_listed_as_far_as_a_list_goes_the_best_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "NAMES_MAX", 5)
    some = payments(9)
    world, (node,), _ = joined(38, some[::-1])
    node.exchange.link_up(ASKER, world.now, features=FEATURES)
    answer = served(node, WaitingRequest(), ASKER)
    assert isinstance(answer, Waiting)
    assert answer.names == tuple(name_of(answer.salt, signed.tx.hash) for signed in some[:5])


def test_an_answer_holds_what_fits_and_the_rest_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    some = payments(40)
    size = len(some[0].tx.raw)
    monkeypatch.setattr(waiting, "PICKED_BYTES", 10 * size)
    world, (node,), joiner = joined(39, some)
    world.link(joiner, node)
    world.run(20_000)
    assert hashes(joiner) == hashes(node)
    asked = [request.places[0] for _, _, _, request in world.asked if isinstance(request, PickRequest)]
    assert asked == [0, 10, 20, 30]
    monkeypatch.setattr(waiting, "PICKED_BYTES", 1)
    node.exchange.link_up(ASKER, world.now, features=FEATURES)
    answer = served(node, WaitingRequest(), ASKER)
    assert isinstance(answer, Waiting)
    picked = served(node, PickRequest(answer.salt, (0, 1)), ASKER)
    assert isinstance(picked, Picked)
    assert picked.raws is not None
    assert len(picked.raws) == 1, "the first one always fits"


def test_lists_are_charged_to_the_askers_budget() -> None:
    world, (node,), _ = joined(36, payments(5))
    node.exchange.link_up(ASKER, world.now, features=FEATURES)
    neighbour = node.exchange._neighbours.get(ASKER)
    assert neighbour is not None
    neighbour.bytes.charge(4_000_000 - 10, world.now)
    before = node.exchange.statistics().served_bytes
    assert isinstance(served(node, WaitingRequest(), ASKER), Waiting)
    assert node.exchange.statistics().served_bytes - before == 5 * 6 + 16 + 2 + 2 + 2
    (effect,) = node.exchange.requested(2, Topic.SYNC, ASKER, encode_request(WaitingRequest()), world.now)
    assert getattr(effect, "reason", None) == BUSY


def test_nothing_is_given_to_who_is_no_neighbour() -> None:
    world, (node,), _ = joined(37, payments(5))
    (effect,) = node.exchange.requested(1, Topic.SYNC, ASKER, encode_request(WaitingRequest()), world.now)
    assert not isinstance(effect, Reply | Penalise)
