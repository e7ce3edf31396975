"""Pools at link-up: a joiner has what waited before it came, and asks few for it."""

import pytest

from chain.exchange import reconcile, transactions
from chain.exchange.effects import Verdict
from chain.exchange.messages import (
    Picked,
    Status,
    WaitingRequest,
    encode_request,
)
from chain.exchange.reconcile import ASK_AFTER, AWAY_BLOCKS, ROUNDS, VISITS_MAX
from chain.exchange.topics import Topic
from chain.mempool.policy import MempoolPolicy
from chain.primitives.errors import Penalty
from chain.primitives.units import GWEI, Millis
from tests.helpers.exchange_chain import GENESIS, grow
from tests.helpers.exchange_world import World, small
from tests.helpers.pool_world import TO, asks, fill, hashes, joined, lists_by, payments, picks_by, rewriting
from tests.helpers.transactions import key_of, sign

# what a joiner gets


def test_a_joiner_has_what_waited_before_it_came() -> None:
    some = payments(300)
    world, (host,), joiner = joined(1, some)
    watcher = world.node()
    watcher.features = 0
    world.link(joiner, watcher)
    world.run(1_000)
    world.link(joiner, host)
    world.run(ASK_AFTER - 100)
    assert not hashes(joiner)
    world.run(3_000)
    assert hashes(joiner) == hashes(host)
    assert not world.faults
    counts = joiner.exchange.statistics()
    assert (counts.pools_asked, counts.pools_reconciled) == (1, 1)
    assert counts.pool_transactions_fetched == counts.pool_transactions_gained == 300
    assert counts.pool_bytes_fetched == sum(len(signed.tx.raw) for signed in some)
    served = host.exchange.statistics()
    assert (served.pools_served, served.pool_transactions_served) == (1, 300)
    # nothing of it is relayed: whoever lacks it asks too
    assert not watcher.seen
    assert not hashes(watcher)


def test_only_what_is_lacking_is_fetched() -> None:
    some = payments(40)
    world, (host,), joiner = joined(2, some)
    fill(joiner, some[:30])
    fill(joiner, payments(5, first_key=100))
    world.link(joiner, host)
    world.run(20_000)
    assert hashes(joiner) == hashes(host)
    assert len(hashes(host)) == 45
    assert joiner.exchange.statistics().pool_transactions_fetched == 10
    assert host.exchange.statistics().pool_transactions_fetched == 5


def test_dependent_transactions_come_in_an_order_that_leaves_no_gap() -> None:
    poor_then_rich = [sign(key_of(1), to=TO, nonce=nonce, tip=GWEI // 2 + nonce) for nonce in range(8)]
    rich_then_poor = [sign(key_of(2), to=TO, nonce=nonce, tip=GWEI - nonce) for nonce in range(8)]
    waits_for_its_first = [sign(key_of(3), to=TO, nonce=nonce) for nonce in (3, 2, 1)]
    world, (host,), joiner = joined(3, [*poor_then_rich, *rich_then_poor, *waits_for_its_first])
    world.link(joiner, host)
    world.run(20_000)
    arrived = [joiner.pool.get(tx_hash) for tx_hash in joiner.pool.hashes()]
    nonces = [(signed.sender, signed.tx.nonce) for signed in arrived if signed is not None]
    assert len(nonces) == 19
    for sender in {sender for sender, _ in nonces}:
        own = [nonce for who, nonce in nonces if who == sender]
        assert own == sorted(own)
    assert {sender for sender, _ in nonces[16:]} == {waits_for_its_first[0].sender}, "what cannot be mined comes last"
    assert joiner.pool.statistics().pending == 16


def test_the_best_paying_come_first_when_there_is_not_room_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "PICKS_PER_ASK", 16)
    some = payments(200)
    world = World(4)
    host, joiner = world.node(), world.node(pool=MempoolPolicy(max_transactions=32))
    fill(host, some[::-1])
    world.link(joiner, host)
    world.run(20_000)
    assert hashes(joiner) == {signed.tx.hash for signed in some[:32]}
    # the third batch brought nothing
    assert len(picks_by(world, joiner)) == 3
    assert not world.faults


def test_what_comes_by_relay_meanwhile_is_judged_once() -> None:
    some = payments(20)
    world, (host,), joiner = joined(5, some)
    world.link(joiner, host)
    world.run(ASK_AFTER + 60)
    for signed in some[::2]:
        joiner.deliver(Topic.TRANSACTION, signed.tx.raw, host)
    world.run(5_000)
    assert hashes(joiner) == hashes(host)
    assert not world.faults


def test_what_was_published_just_before_the_link_came_up_is_not_missed() -> None:
    """Another asker may have had a list made that does not show it yet, and the joiner may be given that one."""
    (signed,) = payments(1)
    for delay in range(0, int(ASK_AFTER) + 1_000, 500):
        world = World(5)
        host, other, joiner = world.node(), world.node(), world.node()
        other.features = 0
        world.link(host, other)
        host.send(signed)
        world.run(1)
        world.link(joiner, host)
        world.run(delay)
        host.exchange.requested(0, Topic.SYNC, other.peer, encode_request(WaitingRequest()), world.now)
        world.run(ASK_AFTER + 1_000 - delay)
        assert hashes(joiner) == {signed.tx.hash}, delay


def test_what_is_fetched_takes_no_place_of_what_is_published(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "QUEUE_MAX", 10)
    some, published = payments(40), payments(30, first_key=100)
    world, (host,), joiner = joined(18, [])
    world.link(joiner, host)
    world.run(1_000)

    def queued() -> int:
        """Return how many published ones find room while the workers do nothing."""
        effects = [
            effect
            for signed in published
            for effect in joiner.exchange.validate(
                Topic.TRANSACTION, signed.tx.hash, signed.tx.raw, host.peer, world.now
            )
        ]
        return len(published) - len([effect for effect in effects if isinstance(effect, Verdict)])

    _, effects = joiner.exchange._transactions.take([signed.tx.raw for signed in some], host.peer, world.now)
    joiner.do(effects)
    world.run(1_000)
    assert len(hashes(joiner)) == 40
    joiner.exchange._transactions.take([signed.tx.raw for signed in payments(20, 200)], host.peer, world.now)
    assert queued() == 10


# who is asked, and when


def test_three_neighbours_are_asked_and_then_none_until_all_links_were_lost() -> None:
    some = payments(10)
    world, hosts, joiner = joined(6, some, hosts=6)
    for host in hosts[:5]:
        world.link(joiner, host)
    world.run(30_000)
    assert len(set(lists_by(world, joiner))) == len(lists_by(world, joiner)) == ROUNDS
    assert len(picks_by(world, joiner)) == 1
    world.link(joiner, hosts[5])
    world.run(60_000)
    assert len(lists_by(world, joiner)) == ROUNDS
    for host in hosts:
        world.unlink(joiner, host)
    late = payments(3, first_key=50)
    for host in hosts:
        fill(host, late)
    world.link(joiner, hosts[0])
    world.run(20_000)
    assert len(lists_by(world, joiner)) == ROUNDS + 1
    assert hashes(joiner) >= {signed.tx.hash for signed in late}


@pytest.mark.parametrize("missed", [AWAY_BLOCKS - 1, AWAY_BLOCKS])
def test_a_node_that_missed_blocks_has_missed_transactions_too(missed: int) -> None:
    some = payments(10)
    world, (host,), joiner = joined(17, some)
    world.link(joiner, host)
    world.run(120_000)
    assert lists_by(world, joiner) == [host.peer]
    # behind a partition others mined and published, and no link of this node was lost
    grow(small(host), missed)
    late = payments(3, first_key=50)
    fill(host, late)
    world.run(30_000)
    assert joiner.head.id == host.head.id
    again = missed >= AWAY_BLOCKS
    assert len(lists_by(world, joiner)) == 1 + again
    assert (hashes(joiner) == hashes(host)) == again


def test_a_node_that_has_far_to_go_does_not_ask_before_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "ASK_AFTER", Millis(500))
    monkeypatch.setattr(reconcile, "LOOK_AGAIN", Millis(500))
    world, (host,), joiner = joined(7, payments(10))
    grow(small(host), 1_500)
    world.now = Millis(world.now + 30_000_000)
    world.link(joiner, host)
    world.run(1_000)
    assert 0 < joiner.head.height < 1_500
    assert not lists_by(world, joiner)
    while not lists_by(world, joiner):
        world.run(100)
    assert joiner.head.height == 1_500
    world.run(5_000)
    assert hashes(joiner) == hashes(host)


def test_a_neighbour_that_is_far_behind_is_not_asked() -> None:
    world, (host,), joiner = joined(8, payments(10))
    joiner.is_silent = True  # so that the neighbour stays where it is
    grow(small(joiner), 3)
    world.now = Millis(world.now + 100_000)
    world.link(joiner, host)
    world.run(30_000)
    assert joiner.exchange.statuses()[host.peer] == Status(GENESIS.id, 0, 0)
    assert not lists_by(world, joiner)
    joiner.is_silent = False
    world.run(60_000)
    assert host.head.id == joiner.head.id
    assert lists_by(world, joiner) == [host.peer]


@pytest.mark.parametrize("older", ["host", "joiner"])
def test_a_neighbour_that_does_not_know_the_question_is_not_asked(older: str) -> None:
    world, (host,), joiner = joined(9, payments(10))
    (host if older == "host" else joiner).features = 0
    world.link(joiner, host)
    world.run(60_000)
    assert not asks(world, WaitingRequest)
    assert not hashes(joiner)
    assert not world.faults


def test_an_empty_pool_is_no_answer_that_counts() -> None:
    world, (host,), joiner = joined(10, payments(10))
    empty = [world.node() for _ in range(4)]
    for node in empty:
        world.link(joiner, node)
    world.run(30_000)
    world.link(joiner, host)
    world.run(15_000)
    assert hashes(joiner) == hashes(host)
    assert joiner.exchange.statistics().pools_reconciled == 1


def test_visits_are_bounded_whatever_the_neighbours_do() -> None:
    world, hosts, joiner = joined(11, payments(4), hosts=12)
    for host in hosts:
        host.rewrite = rewriting(lambda answer: Picked(None) if isinstance(answer, Picked) else answer)
        world.link(joiner, host)
    world.run(60_000)
    assert len(lists_by(world, joiner)) == VISITS_MAX
    assert not world.faults


# what a neighbour gives


def test_a_spent_budget_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "PICKS_PER_ASK", 4)
    world, (host,), joiner = joined(12, payments(64))
    world.link(joiner, host)
    neighbour = host.exchange._neighbours.get(joiner.peer)
    assert neighbour is not None
    world.run(ASK_AFTER + 500)
    neighbour.bytes.charge(6_000_000, world.now)
    assert 0 < len(hashes(joiner)) < 64
    world.run(10_000)
    assert hashes(joiner) == hashes(host)
    assert not world.faults


def test_a_neighbour_that_is_busy_for_ever_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "PICKS_PER_ASK", 4)
    world, (host,), joiner = joined(13, payments(64))
    world.link(joiner, host)
    neighbour = host.exchange._neighbours.get(joiner.peer)
    assert neighbour is not None
    world.run(ASK_AFTER + 500)
    neighbour.bytes.charge(1 << 40, world.now)
    before = len(picks_by(world, joiner))
    world.run(120_000)
    # the first refusal is that of a question which was on its way
    assert len(picks_by(world, joiner)) - before == reconcile.PAUSES_MAX
    assert not world.faults


def test_a_silent_neighbour_gets_a_strike_and_another_is_asked() -> None:
    world, (silent, host), joiner = joined(14, payments(10), hosts=2)
    world.link(joiner, silent)
    world.run(ASK_AFTER - 100)
    silent.is_silent = True
    world.run(200)
    world.link(joiner, host)
    world.run(30_000)
    assert hashes(joiner) == hashes(host)
    assert {(fault.peer, fault.penalty) for fault in world.faults} == {(silent.peer, Penalty.STRIKE)}


def test_a_neighbour_that_leaves_in_the_middle_leaves_the_rest_to_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "PICKS_PER_ASK", 8)
    world, (gone, host), joiner = joined(15, payments(200), hosts=2)
    world.link(joiner, gone)
    world.run(ASK_AFTER + 1_000)
    assert 0 < len(hashes(joiner)) < 200
    world.link(joiner, host)
    world.unlink(joiner, gone)
    world.run(30_000)
    assert hashes(joiner) == hashes(host)
    assert not world.faults


def test_bytes_and_transactions_of_a_visit_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    some = payments(100)
    size = len(some[0].tx.raw)
    monkeypatch.setattr(reconcile, "PICKS_PER_ASK", 10)
    monkeypatch.setattr(reconcile, "VISIT_BYTES", 25 * size)
    monkeypatch.setattr(reconcile, "TOTAL_COUNT", 55)
    world, hosts, joiner = joined(16, some, hosts=4)
    for host in hosts:
        world.link(joiner, host)
    world.run(60_000)
    assert [picks_by(world, joiner).count(host.peer) for host in hosts if host.peer in picks_by(world, joiner)] == [
        3,
        3,
    ]
    assert hashes(joiner) == {signed.tx.hash for signed in some[:55]}
