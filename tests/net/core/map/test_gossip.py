"""The gossip machine: what spreads, what costs a ban, what is limited."""

from dataclasses import replace
from random import Random

import pytest

from chain.primitives.errors import Penalty
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.guard.limits import ALLOWANCES
from net.core.map import _origins, _pulls, _recent, _spread
from net.core.map._flows import CROSSING
from net.core.map._origins import RECORD_BURST, RECORD_MIN_INTERVAL
from net.core.map._pulls import PULL_AFTER, PULL_AGAIN
from net.core.map._recent import Seen
from net.core.map._spread import FLUSH_EVERY, GOSSIP_BUDGET, NAMES_EVERY, PUSH_PATIENCE
from net.core.map.peer_map import RECORD_LIFETIME
from net.core.map.refusal import Refusal
from net.core.wire.fault import Spent
from net.core.wire.frame import FrameKind
from net.core.wire.gossip import (
    RecordsWant,
    Turn,
    decode_equivocation,
    decode_have,
    decode_records,
    decode_want,
    encode_equivocation,
    encode_have,
    encode_want,
    record_name,
)
from net.core.wire.record import Direction, Record, encode_record
from tests.helpers.gossip_node import A, B, C, faults, frames, give, node, sent
from tests.helpers.map_world import START, Node, identity, record

# --- taking and passing on -------------------------------------------------------------------------------------------


def test_a_new_record_goes_to_all_but_its_sender_after_half_a_second() -> None:
    one = node(A, B, C)
    news = record(identity(1))
    effects = give(one, A, news)
    assert [effect for effect in effects if isinstance(effect, Spent)] == [Spent(A, argon2=1, signatures=1)]
    assert one.gossip.deadline() == START + 500
    assert one.gossip.tick(Millis(START + 499)) == []
    assert sorted(sent(one.gossip.tick(Millis(START + 500))), key=lambda item: item[0]) == sorted(
        [(B, news), (C, news)], key=lambda item: item[0]
    )
    assert news.peer in one.map


def test_while_healing_records_go_at_once() -> None:
    one = node(A, B)
    one.gossip.set_healing(True)
    give(one, A, record(identity(1)))
    assert len(sent(one.gossip.tick(START))) == 1


def test_repetition_costs_no_check_and_no_frame() -> None:
    one = node(A, B)
    news = record(identity(1))
    give(one, A, news)
    assert give(one, B, news) == []
    assert one.gossip.statistics().signatures == 1
    assert sent(one.gossip.tick(Millis(START + 500))) == []


def test_links_that_repeat_turn_lazy_and_back_by_a_pull() -> None:
    one = node(A, B)
    for number in range(1, 4):
        give(one, A, record(identity(number)))
        turned = give(one, B, record(identity(number)))
    (want,) = frames(turned, FrameKind.RECORDS_WANT)
    assert (want.peer, decode_want(want.body)) == (B, RecordsWant(Turn.LAZY, ()))
    assert one.gossip.spread.flows.eager() == [A]
    news = record(identity(9))
    give(one, A, news)
    effects = one.gossip.tick(Millis(START + 5_000))
    assert sent(effects) == []
    (have,) = frames(effects, FrameKind.RECORDS_HAVE)
    assert decode_have(have.body) == [record_name(news.peer[:12], news.seq)]
    wish = encode_want(RecordsWant(Turn.EAGER, tuple(decode_have(have.body))))
    assert sent(one.gossip.receive(B, FrameKind.RECORDS_WANT, wish, Millis(START + 5_000))) == [(B, news)]
    assert one.gossip.spread.flows.eager() == [A, B]


def test_a_lazy_link_is_reminded_before_what_comes_whole_is_waste() -> None:
    one = node(A, B)
    news = [record(identity(number)) for number in range(1, 9)]
    for each in news:
        give(one, A, each)
    turned = [give(one, B, each, now=START) for each in news[:3]]
    assert [len(frames(effects, FrameKind.RECORDS_WANT)) for effects in turned] == [0, 0, 1]
    assert frames(give(one, B, news[3], now=START + 1_000), FrameKind.RECORDS_WANT) == []
    assert frames(give(one, B, news[4], now=START + CROSSING), FrameKind.RECORDS_WANT) == []
    (want,) = frames(give(one, B, news[5], now=START + 1_000 + CROSSING), FrameKind.RECORDS_WANT)
    assert decode_want(want.body) == RecordsWant(Turn.LAZY, ())
    assert one.gossip.spread.flows.conduct(B) == (0, 0)
    give(one, B, news[6], now=START + 2_000 + CROSSING)
    assert one.gossip.spread.flows.conduct(B) == (0, 0)
    give(one, B, news[7], now=START + 1_000 + 2 * CROSSING)
    assert one.gossip.spread.flows.conduct(B) == (0, 1)


def test_outdated_records_are_waste_once_all_must_have_the_newer() -> None:
    one = node(A, B)
    born = START - 100_000
    give(one, A, record(identity(1), seq=START, born=born))
    give(one, B, record(identity(1), seq=START - 60_000, born=born), now=START + CROSSING - 1)
    assert one.gossip.spread.flows.conduct(B) == (0, 0)
    give(one, B, record(identity(1), seq=START - 50_000, born=born), now=START + CROSSING)
    assert one.gossip.spread.flows.conduct(B) == (0, 1)


def test_a_named_record_is_pulled_when_it_does_not_come() -> None:
    one = node(A, B)
    name = record_name(identity(5).peer[:12], START % (1 << 32))
    for sender in (A, B):
        one.gossip.receive(sender, FrameKind.RECORDS_HAVE, encode_have([name]), START)
    asked = frames(one.gossip.tick(Millis(START + PULL_AFTER)), FrameKind.RECORDS_WANT)
    assert [(frame.peer, decode_want(frame.body).names) for frame in asked] == [(A, (name,))]
    effects = one.gossip.tick(Millis(START + PULL_AFTER + PULL_AGAIN))
    assert [frame.peer for frame in frames(effects, FrameKind.RECORDS_WANT)] == [B]
    assert faults(effects) == [], "to be slow is no fault"
    give(one, B, record(identity(5)), now=START + 6_000)
    assert faults(one.gossip.tick(Millis(START + 20_000))) == []


# --- what costs a ban ------------------------------------------------------------------------------------------------


def test_forgeries_cost_a_ban_and_stale_records_nothing() -> None:
    one = node(A, B)
    good = record(identity(1), born=START - 1000)
    give(one, A, good)
    assert faults(
        give(one, B, replace(record(identity(1), seq=START + 9, born=START - 1000), signature=bytes(64)))
    ) == [Penalty.BAN]
    assert faults(give(one, B, record(identity(1), seq=START - 9, born=START - 1000))) == []
    assert faults(give(one, B, record(identity(2), seq=START + 10**6))) == []
    assert faults(give(one, B, record(identity(2), seq=START - RECORD_LIFETIME, born=0))) == []
    stranger = replace(record(identity(3)), network=type(good.network)(bytes(32)))
    assert faults(give(one, B, stranger)) == [Penalty.BAN]
    assert faults(one.gossip.receive(B, FrameKind.RECORDS, b"junk", START)) == [Penalty.BAN]
    assert one.gossip.statistics().refused[Refusal.FUTURE] == 1
    assert one.map.ids() == [good.peer]


def test_an_invalid_proof_of_work_costs_a_ban_and_is_checked_once_per_epoch() -> None:
    one = node(A)
    who = identity(1)
    give(one, A, record(who))
    give(one, A, record(who, seq=START + 1))
    assert one.gossip.statistics().proofs == 1
    bad = next(
        bare
        for nonce in range(100)
        if not one.gossip._checks.proof(who.peer, nonce, who.proof.epoch)
        for bare in [who.proven(replace(who.proof, nonce=nonce))]
    )
    assert faults(give(one, A, record(bad, seq=START + 2))) == [Penalty.BAN]
    assert one.map.seq(who.peer) == START + 1


def test_a_batch_ends_at_its_first_forgery() -> None:
    one = node(A)
    forged = [replace(record(identity(number)), signature=bytes(64)) for number in range(1, 20)]
    effects = give(one, A, *forged)
    assert faults(effects) == [Penalty.BAN]
    assert one.gossip.statistics().signatures == 1


# --- rates -----------------------------------------------------------------------------------------------------------


def test_an_origin_is_slowed_down_and_its_last_state_kept() -> None:
    one = node(A, B)
    who = identity(1)
    for step in range(20):
        give(one, A, record(who, seq=START + step), now=START + step)
    assert one.map.seq(who.peer) == START + RECORD_BURST - 1
    assert one.gossip.statistics().held == 1
    now = START
    while one.gossip.statistics().held:
        at = one.gossip.deadline()
        assert at is not None
        assert at - START <= RECORD_MIN_INTERVAL
        now = at
        one.gossip.tick(Millis(now))
    assert one.map.seq(who.peer) == START + 19


def test_tables_of_origins_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_origins, "ORIGINS_MAX", 5)
    monkeypatch.setattr(_origins, "HELD_MAX", 3)
    one = node(A)
    for number in range(1, 13):
        for step in range(6):
            give(one, A, record(identity(number), seq=START + step))
    watched, held = one.gossip._origins.sizes()
    assert (watched, held) == (5, 3)
    assert len(one.map) == 12


def test_the_filter_is_bounded_by_number_and_age(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_recent, "GENERATION_MAX", 5)
    seen = Seen(bytes(16))
    for number in range(54):
        seen.enter(bytes((number,)))
        assert len(seen) < 10
    assert bytes((45,)) in seen
    assert bytes((44,)) not in seen
    seen.age()
    assert (len(seen), bytes((53,)) in seen) == (4, True)
    seen.age()
    assert len(seen) == 0


def test_wanted_names_are_bounded_per_link_and_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pulls, "WANTED_MAX", 30)
    monkeypatch.setattr(_pulls, "WANTED_PER_LINK", 20)
    one = node(A, B)
    for at, sender in enumerate((A, B)):
        names = [record_name(bytes((at, number)) * 6, 1) for number in range(100)]
        one.gossip.receive(sender, FrameKind.RECORDS_HAVE, encode_have(names), START)
        assert len(one.gossip.pulls) == (20, 30)[at]
    now = START
    while (at_time := one.gossip.pulls.deadline()) is not None:
        now = at_time
        one.gossip.tick(Millis(now))
    assert len(one.gossip.pulls) == 0
    assert one.gossip.pulls._per_link == {}


def test_outboxes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_spread, "PUSH_MAX", 4)
    monkeypatch.setattr(_spread, "NAMES_WAITING_MAX", 3)
    one = node(A, B, C)
    one.gossip.spread.flows.turn(C, RecordsWant(Turn.LAZY, ()))
    sides = {0: 0, 1: 0}
    for number in range(1, 21):
        give(one, A, record(identity(number)))
        sides[identity(number).peer[-1] & 1] += 1
    assert min(sides.values()) > 3
    assert one.gossip.statistics().waiting == 4 + 2 * 3
    assert len(sent(one.gossip.tick(Millis(START + 500)))) == 4


def test_what_a_neighbour_claims_to_hold_is_remembered_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_spread, "HOLDS_MAX", 30)
    monkeypatch.setattr(_recent, "GENERATION_MAX", 10)
    one = node(A, B)
    for start in range(0, 200, 20):
        names = [record_name(bytes((1, number)) * 6, 1) for number in range(start, start + 20)]
        one.gossip.receive(A, FrameKind.RECORDS_HAVE, encode_have(names), START)
    assert len(one.gossip.spread._links[A].holds) == 40
    give(one, A, record(identity(1)))
    for _ in range(2):
        one.gossip.spread.flush(START, all_of_it=True)
    assert not one.gossip.spread._links[A].holds | one.gossip.spread._links[A].held
    for number in range(1, 40):
        give(one, A, record(identity(number)))
        assert len(one.gossip._names) < 20


def test_what_a_neighbour_was_sent_or_sent_itself_is_remembered_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_spread, "HOLDS_MAX", 5)
    one = node(A, B)
    for number in range(1, 21):
        give(one, A, record(identity(number)))
    assert {len(link.holds) for link in one.gossip.spread._links.values()} == {5}
    assert len(sent(one.gossip.tick(Millis(START + 500)))) == 20


def test_a_link_between_two_that_are_served_begins_lazy() -> None:
    one = node(A, B, C)
    peers = [identity(number).peer for number in range(1, 8)]
    ring = [(peers[at], peers[(at + step) % 7]) for at in range(7) for step in (1, 2)]
    for at in range(7):
        links = {other: Direction.OUT for origin, other in ring if origin == peers[at]}
        links |= {origin: Direction.IN for origin, other in ring if other == peers[at]}
        give(one, A, record(identity(at + 1), links))
    assert one.gossip.map.degree(peers[0]) == 4
    (want,) = frames(one.gossip.link_up(peers[0], START), FrameKind.RECORDS_WANT)
    assert (want.peer, decode_want(want.body)) == (peers[0], RecordsWant(Turn.LAZY, ()))
    newcomer = identity(9).peer
    assert frames(one.gossip.link_up(newcomer, START), FrameKind.RECORDS_WANT) == []
    assert one.gossip.spread.flows.eager() == [A, B, C, newcomer]


def test_the_byte_budget_sends_what_matters_first_and_the_rest_later() -> None:
    one = node(A)
    one.gossip.spread._raw_of = one.archive.get  # the records are none, and on no map
    numbers = range(1, 1001)
    ids = [PeerId(Random(number).randbytes(32)) for number in numbers]
    for peer in ids:
        one.archive.put(peer, bytes(300))
        one.gossip.spread.offer(peer, START, None, None, START)
    first, second, third = frozenset(ids[:10]), frozenset(ids[20:30]), frozenset(ids[40:50])
    one.gossip.set_interest(first, second, third)
    total, now = 0, START + 500
    batches = []
    while one.gossip.spread.waiting() and (due := one.gossip.spread.deadline()) is not None:
        now = due
        size = sum(len(frame.body) for frame in one.gossip.spread.flush(Millis(now)))
        batches.append(size)
        total += size
        assert total <= GOSSIP_BUDGET * 105 // 100 * (1 + (now - START) // 1000)
    assert batches[0] <= GOSSIP_BUDGET * 105 // 100
    assert len(batches) >= 4
    assert total >= 300_000


def test_the_order_under_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_spread, "GOSSIP_BUDGET", 1000)
    one = node(A)
    for number in range(1, 31):
        give(one, B, record(identity(number)), now=START + number)
    one.gossip.spread._budget.level = 600  # three records of 175 bytes
    one.gossip.set_interest(frozenset({identity(5).peer}), frozenset({identity(9).peer}), frozenset())
    got = [each.peer for _, each in sent(one.gossip.tick(Millis(START + 531)))]
    assert got == [identity(5).peer, identity(9).peer, identity(30).peer]


def test_what_finds_no_room_for_long_is_told_by_name() -> None:
    one = node(A)
    one.gossip.spread._raw_of = one.archive.get  # the records are none, and on no map
    ids = [PeerId(Random(number).randbytes(32)) for number in range(2_000)]
    for peer in ids:
        one.archive.put(peer, bytes(300))
        one.gossip.spread.offer(peer, START, None, None, START)
    whole, named, last = 0, list[bytes](), START
    while one.gossip.spread.waiting() and (due := one.gossip.spread.deadline()) is not None:
        last = due
        for frame in one.gossip.spread.flush(due):
            if frame.kind is FrameKind.RECORDS:
                whole += len(decode_records(frame.body))
            else:
                named += decode_have(frame.body)
    assert 900 < whole < 1_500, "three seconds of the budget"
    assert whole + len(named) == len(set(named)) + whole == len(ids)
    assert last <= START + PUSH_PATIENCE + FLUSH_EVERY + NAMES_EVERY
    assert one.gossip.spread.waiting() == 0


# --- contradictions --------------------------------------------------------------------------------------------------


def test_equivocation_is_told_once_and_expels() -> None:
    one = node(A, B, C)
    first, second = record(identity(1)), record(identity(1), uplink=9)
    give(one, A, first)
    effects = give(one, B, second)
    told = frames(effects, FrameKind.EQUIVOCATION)
    assert sorted(frame.peer for frame in told) == sorted((A, C))
    assert set(decode_equivocation(told[0].body)) == {first, second}
    assert first.peer not in one.map
    assert first.peer not in one.archive.records
    assert give(one, A, record(identity(1), seq=START + 10)) == []
    assert first.peer not in one.map
    assert one.gossip.receive(C, FrameKind.EQUIVOCATION, told[0].body, START) == []


def test_two_births_are_an_equivocation() -> None:
    one = node(A, B)
    give(one, A, record(identity(1)))
    assert frames(give(one, A, record(identity(1), seq=START + 9, born=START + 1)), FrameKind.EQUIVOCATION)
    assert len(one.map) == 0


def test_a_received_proof_is_checked_before_it_counts() -> None:
    one = node(A, B)
    first, second = record(identity(1)), record(identity(1), uplink=9)
    give(one, A, first)
    forged = encode_equivocation(encode_record(first), encode_record(replace(second, signature=bytes(64))))
    assert faults(one.gossip.receive(B, FrameKind.EQUIVOCATION, forged, START)) == [Penalty.BAN]
    assert first.peer in one.map
    true = encode_equivocation(encode_record(first), encode_record(second))
    effects = one.gossip.receive(B, FrameKind.EQUIVOCATION, true, START)
    assert [frame.peer for frame in frames(effects, FrameKind.EQUIVOCATION)] == [A]
    assert first.peer not in one.map
    later = Millis(START + 15 * 24 * 3600 * 1000)
    assert one.gossip.receive(B, FrameKind.EQUIVOCATION, true, later) == []
    assert not one.map.expelled(first.peer, later)


def test_another_signature_of_the_same_content_is_no_equivocation() -> None:
    one = node(A, B)
    first = record(identity(1))
    give(one, A, first)
    again = replace(first, signature=identity(1).sign("other", b"", bytes(32)))
    assert give(one, B, again) == []
    assert first.peer in one.map


# --- ranges and time -------------------------------------------------------------------------------------------------


def test_forged_records_in_a_range_are_found_later_and_taint_their_sender() -> None:
    one = node(A, B)
    honest = [record(identity(number)) for number in range(1, 10)]
    forged = [replace(record(identity(number)), signature=bytes(64)) for number in range(10, 40)]
    span = (0, (1 << 64) - 1)
    one.gossip._rng = Random(7)
    _, good = one.gossip.take_ranged(B, [encode_record(each) for each in honest], span, START)
    assert good
    for each in forged:
        raw = encode_record(each)
        effects, good = one.gossip.take_ranged(A, [raw], span, START)
        if not good:
            assert faults(effects) == [Penalty.BAN]
            break
    now, banned = START, not good
    while (due := one.gossip.backlog.deadline()) is not None:
        now = due
        banned |= Penalty.BAN in faults(one.gossip.tick(Millis(now)))
    assert banned
    assert set(one.map.ids()) == {each.peer for each in honest}
    assert all(one.map.checked(each.peer) for each in honest)
    assert set(one.archive.records) == set(one.map.ids())


def test_records_of_interest_are_checked_at_once() -> None:
    one = node(A)
    forged = replace(record(identity(5)), signature=bytes(64))
    one.gossip.set_interest(frozenset(), frozenset({forged.peer}), frozenset())
    effects, good = one.gossip.take_ranged(A, [encode_record(forged)], (0, (1 << 64) - 1), START)
    assert not good
    assert faults(effects) == [Penalty.BAN]
    assert forged.peer not in one.map


def test_expired_peers_leave_map_and_archive() -> None:
    one = node(A)
    give(one, A, record(identity(1)))
    now = Millis(START + RECORD_LIFETIME)
    one.gossip.tick(now)
    assert len(one.map) == 0
    assert one.archive.records == {}


def unchecked(one: Node, sender: PeerId, *records: Record) -> None:
    """Have a node take records of a range without a look at their signatures, as 99 of 100 are."""
    one.gossip._rng = Random(2)
    raws = [encode_record(each) for each in records]
    _, honest = one.gossip.take_ranged(sender, raws, (0, (1 << 64) - 1), START)
    assert honest
    assert not any(one.map.checked(each.peer) for each in records)


def test_a_forged_record_of_a_range_is_not_passed_on_in_place_of_a_true_one() -> None:
    one = node(A, B)
    news = record(identity(1))
    give(one, A, news)
    others = [record(identity(number)) for number in range(2, 20)]  # keep the background checks busy
    unchecked(one, C, *others, replace(news, seq=Millis(START + 1)))
    assert sent(one.gossip.tick(Millis(START + 500))) == []


def test_a_forged_record_of_a_range_is_not_shown_to_the_one_it_is_of() -> None:
    one, news = node(A, B), record(identity(101))
    unchecked(one, C, replace(news, seq=Millis(START + 1)))
    assert sent(give(one, A, news)) == []


def test_what_one_neighbour_draws_by_name_is_bounded() -> None:
    one = node(A, B)
    give(one, B, *[record(identity(number)) for number in range(1, 9)])
    names = tuple(record_name(identity(number).peer[:12], START) for number in range(1, 9)) * 64
    wish = encode_want(RecordsWant(Turn.KEEP, names))

    def drawn(peer: PeerId, now: int, times: int) -> int:
        answers = [one.gossip.receive(peer, FrameKind.RECORDS_WANT, wish, Millis(now)) for _ in range(times)]
        return sum(len(frame.body) for answer in answers for frame in frames(answer, FrameKind.RECORDS))

    allowed = ALLOWANCES[FrameKind.RECORDS]
    assert 4_000_000 < drawn(A, START, 200) <= allowed.byte_burst
    assert drawn(B, START, 200) > 4_000_000
    assert 0 < drawn(A, START + 10_000, 200) <= 10 * allowed.bytes_second
