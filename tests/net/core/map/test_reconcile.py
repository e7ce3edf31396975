"""Reconciliation: joiners, lasting differences, budgets, liars."""

from dataclasses import replace
from itertools import pairwise

import pytest

from chain.primitives.errors import Penalty
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.map import _serving, reconcile
from net.core.map._fingerprints import SPLIT_INTO, Fingerprints, equal_parts, merged
from net.core.map.effects import MapEffect
from net.core.map.horizon import NO_FINGERPRINT
from net.core.map.reconcile import ANSWER_TIMEOUT, EQUAL_FOR, FETCHES_PER_LINK, GAP, MISMATCH_FOR, PARTS, QUESTIONS_MAX
from net.core.wire.fault import Fault
from net.core.wire.frame import FrameKind, ToPeer
from net.core.wire.gossip import decode_records, decode_want
from net.core.wire.reconcile import (
    HEAD_MAX,
    WHOLE,
    Busy,
    Compare,
    Differences,
    Fetch,
    Item,
    Items,
    Range,
    Records,
    Summary,
    decode_range_answer,
    decode_range_ask,
    encode_range_answer,
    encode_range_ask,
)
from net.core.wire.record import encode_record
from tests.helpers.map_world import START, Node, World, identity, record, remembering_checks

A, B, C = (identity(number).peer for number in (101, 102, 103))


def filled(number: int, records: range, *, joining: bool = False) -> Node:
    """Return a node that holds checked records of these test peers."""
    node = Node(identity(number), remembering_checks(), joining=joining)
    node.gossip.start(START)
    for each in records:
        one = record(identity(each))
        assert node.map.apply(one, START).refusal is None
        node.archive.put(one.peer, encode_record(one))
    return node


def talk(left: Node, right: Node, first: list[MapEffect], now: Millis = START) -> int:
    """Carry frames between two nodes until both are silent; return how many bytes went."""
    queue = [(left, right, effect) for effect in first]
    size = 0
    while queue:
        sender, receiver, effect = queue.pop(0)
        if not isinstance(effect, ToPeer):
            assert not isinstance(effect, Fault), effect
            continue
        size += len(effect.body)
        machine = receiver.reconciler if effect.kind in (FrameKind.RANGE, FrameKind.RANGE_ASK) else receiver.gossip
        answers = machine.receive(sender.peer, effect.kind, effect.body, now)
        queue += [(receiver, sender, answer) for answer in answers]
    return size


def test_a_neighbour_that_asks_on_and_on_leaves_half_of_the_sums_to_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_serving, "HASH_BURST", 400)
    monkeypatch.setattr(_serving, "HASH_RATE", 1)
    server = filled(0, range(300, 340))

    def answers(asker: int, salts: range, now: int) -> list[type]:
        kinds = []
        for salt in salts:
            ask = encode_range_ask(Compare(1, bytes((salt,)) * 16, (Summary(WHOLE, 0, 0),)))
            (effect,) = server.reconciler.receive(identity(asker).peer, FrameKind.RANGE_ASK, ask, Millis(now))
            assert isinstance(effect, ToPeer)
            kinds.append(type(decode_range_answer(effect.body)))
        return kinds

    assert answers(50, range(10), START) == [Differences] * 5 + [Busy] * 5
    assert [kind for asker in range(51, 55) for kind in answers(asker, range(1), START)] == [Differences] * 4
    assert answers(50, range(10, 12), START + _serving.DREW_LATELY) == [Differences, Busy]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("left", "right"),
    [
        (range(200, 260), range(200, 260)),
        (range(200, 260), range(200, 259)),
        (range(200, 203), range(250, 600)),
        (range(200, 600), range(200, 200)),
        (range(200, 580), range(230, 600)),
    ],
)
def test_both_sides_end_up_with_the_union(left: range, right: range) -> None:
    one, other = filled(0, left), filled(1, right)
    older = record(identity(240), seq=START + 77)
    if 240 in left and 240 in right:
        one.map.apply(older, START)
        one.archive.put(older.peer, encode_record(older))
    one.reconciler.link_up(other.peer, START)
    other.reconciler.link_up(one.peer, START)
    one.reconciler._comparisons.clear()
    size = talk(one, other, one.reconciler.compare(other.peer, START))
    assert one.map.fingerprint == other.map.fingerprint
    assert set(one.map.ids()) == {identity(number).peer for number in {*left, *right}}
    assert one.reconciler._comparisons == {}
    if left == right:
        assert size < 2000 if 240 in left else 200


@pytest.mark.slow
def test_few_differences_cost_few_bytes() -> None:
    one, other = filled(0, range(200, 599)), filled(1, range(201, 600))
    one.reconciler.link_up(other.peer, START)
    one.reconciler._comparisons.clear()
    size = talk(one, other, one.reconciler.compare(other.peer, START))
    assert one.map.fingerprint == other.map.fingerprint
    assert size < 6_000  # 400 records are 70 kB


@pytest.mark.slow
def test_a_joiner_fetches_from_several_and_is_witnessed_by_two_others() -> None:
    world = World()
    old = [world.add(number, joining=False) for number in range(3)]
    for number in range(300, 500):
        one = record(identity(number))
        for node in old:
            node.map.apply(one, START)
            node.archive.put(one.peer, encode_record(one))
    joiner = world.add(3)
    for node in old:
        world.link(joiner, node)
    world.run(15_000)  # the old ones' own records come by name, of which a lazy link's second end tells after 7 s
    sources = {part.source for part in joiner.reconciler._parts}
    assert sources == {node.peer for node in old}
    assert joiner.reconciler.joined
    assert joiner.reconciler.witnessed
    for part in joiner.reconciler._parts:
        assert part.source not in part.witnesses
        assert len(part.witnesses) == 2
    assert len(joiner.map) == 204
    assert all(joiner.map.checked(peer) for peer in joiner.map.ids())


@pytest.mark.slow
def test_what_a_source_hides_its_witnesses_show() -> None:
    world = World()
    old = [world.add(number, joining=False) for number in range(3)]
    for number in range(300, 400):
        one = record(identity(number))
        for node in old[1:] if number % 2 else old:  # the first hides every second peer
            node.map.apply(one, START)
            node.archive.put(one.peer, encode_record(one))
    joiner = world.add(3)
    for node in old:
        world.link(joiner, node)
    world.run(20_000)
    assert {identity(number).peer for number in range(300, 400)} <= set(joiner.map.ids())


def test_a_forged_range_costs_its_sender_the_link_and_goes_to_another() -> None:
    joiner = filled(0, range(0), joining=True)
    joiner.gossip.set_interest(frozenset({identity(300).peer}), frozenset(), frozenset())
    asked = joiner.reconciler.link_up(A, START)
    joiner.reconciler.link_up(B, START)
    assert len(asked) == FETCHES_PER_LINK
    head = int.from_bytes(identity(300).peer[:8], "big")
    part = next(part for part in joiner.reconciler._parts if part.range.low <= head <= part.range.last)
    part.source, part.session = A, 77
    forged = encode_record(replace(record(identity(300)), signature=bytes(64)))
    answer = encode_range_answer(Records(77, final=True, rest=None, records=(forged,)))
    effects = joiner.reconciler.receive(A, FrameKind.RANGE, answer, START)
    assert [effect.penalty for effect in effects if isinstance(effect, Fault)] == [Penalty.BAN]
    assert not part.fetched
    assert all(each.source != A for each in joiner.reconciler._parts)
    assert A not in joiner.reconciler._links


def test_records_outside_their_range_and_ranges_without_end_cost_a_ban() -> None:
    joiner = filled(0, range(0), joining=True)
    joiner.reconciler.link_up(A, START)
    part = joiner.reconciler._parts[0]
    assert part.session is not None
    for rest in (part.low, part.range.last + 1):
        part.source, part.session = A, 9
        answer = encode_range_answer(Records(9, final=True, rest=rest, records=()))
        effects = joiner.reconciler.receive(A, FrameKind.RANGE, answer, START)
        assert any(isinstance(effect, Fault) and effect.penalty is Penalty.BAN for effect in effects)


def test_a_silent_source_is_given_up() -> None:
    joiner = filled(0, range(0), joining=True)
    joiner.reconciler.link_up(A, START)
    joiner.reconciler.link_up(B, START)
    assert {part.source for part in joiner.reconciler._parts} == {A, B, None}
    late = joiner.reconciler.deadline()
    assert late == START + ANSWER_TIMEOUT
    assert joiner.reconciler.tick(late) == []
    assert {part.source for part in joiner.reconciler._parts} == {None}
    asked = joiner.reconciler.link_up(C, late)
    assert [effect.peer for effect in asked if isinstance(effect, ToPeer)] == [C] * FETCHES_PER_LINK
    again = joiner.reconciler.tick(Millis(late + ANSWER_TIMEOUT))
    assert {effect.peer for effect in again if isinstance(effect, ToPeer)} >= {A, B}


def test_a_busy_neighbour_is_asked_later() -> None:
    joiner = filled(0, range(0), joining=True)
    asks = joiner.reconciler.link_up(A, START)
    session = decode_range_ask(asks[0].body).session if isinstance(asks[0], ToPeer) else 0
    busy = encode_range_answer(Busy(session, Millis(2_000)))
    assert joiner.reconciler.receive(A, FrameKind.RANGE, busy, START) == []
    assert joiner.reconciler.deadline() == START + 2_000
    assert len(joiner.reconciler.tick(Millis(START + 2_000))) == FETCHES_PER_LINK


def test_serving_has_a_byte_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_serving, "SERVE_BURST", 3_000)
    server = filled(0, range(300, 340))
    ask = encode_range_ask(Fetch(1, WHOLE))

    def answers(now: int) -> list[object]:
        effects = server.reconciler.receive(A, FrameKind.RANGE_ASK, ask, Millis(now))
        return [decode_range_answer(effect.body) for effect in effects if isinstance(effect, ToPeer)]

    first = answers(START)
    assert sum(len(each.records) for each in first if isinstance(each, Records)) == 40
    assert isinstance(answers(START)[0], Busy)
    assert isinstance(answers(START + 10_000)[0], Records)


def test_serving_has_a_budget_of_sums_and_keeps_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_serving, "HASH_BURST", 100)
    monkeypatch.setattr(_serving, "HASH_RATE", 1)
    server = filled(0, range(300, 340))
    kinds = []
    for number in range(10):
        asker = identity(number + 50).peer
        ask = encode_range_ask(Compare(1, bytes((number,)) * 16, (Summary(WHOLE, 0, 0),)))
        (effect,) = server.reconciler.receive(asker, FrameKind.RANGE_ASK, ask, START)
        assert isinstance(effect, ToPeer)
        kinds.append(type(decode_range_answer(effect.body)))
    assert kinds == [Differences] * 3 + [Busy] * 7
    assert len(server.reconciler._serving._sums) <= _serving.FINGERPRINTS_MAX
    at = server.reconciler.deadline()
    assert at is not None
    server.reconciler.tick(at)
    assert server.reconciler._serving._sums == {}


@pytest.mark.slow
def test_a_comparison_without_end_is_ended() -> None:
    one = filled(0, range(300, 340))
    one.reconciler.link_up(A, START)
    one.reconciler._comparisons.clear()
    effects = one.reconciler.compare(A, START)
    asked = 0
    while effects:
        effect = effects.pop(0)
        if not isinstance(effect, ToPeer) or effect.kind is not FrameKind.RANGE_ASK:
            continue
        asked += 1
        ask = decode_range_ask(effect.body)
        lie = Differences(ask.session, tuple(Summary(part, 9, 9) for part in equal_parts(16)), ())
        effects += one.reconciler.receive(A, FrameKind.RANGE, encode_range_answer(lie), START)
    assert asked <= QUESTIONS_MAX + reconcile.OPEN_QUESTIONS
    assert one.reconciler._comparisons == {}


def test_lasting_differences_of_fingerprints_begin_a_comparison_now_and_then() -> None:
    one = filled(0, range(300, 310))
    one.reconciler.link_up(A, START)
    one.reconciler._comparisons.clear()
    begun = []
    for second in range(0, 300, 5):
        now = Millis(START + second * 1000)
        if one.reconciler.heard_fingerprint(A, bytes([1]) * 16, now):
            begun.append(second * 1000)
            one.reconciler._comparisons.clear()
    assert begun[0] == MISMATCH_FOR
    assert one.reconciler.compared == len(begun) + 1, "and one as a witness of the map from disk"
    assert all(after - before >= GAP for before, after in pairwise(begun))
    later = Millis(START + 10**6)
    assert one.reconciler.heard_fingerprint(A, one.gossip.fingerprint(later), later) == []


def test_who_has_lately_told_of_an_equal_map_is_not_compared_with() -> None:
    one = filled(0, range(300, 310))
    one.reconciler.link_up(A, START)
    one.reconciler._comparisons.clear()

    began = Millis(START + 60_000)  # the records are older than the mark that fingerprints speak of

    def told(fingerprint: bytes, at: int) -> None:
        assert one.reconciler.heard_fingerprint(A, fingerprint, Millis(at)) == []

    told(one.gossip.fingerprint(began), began)
    assert one.reconciler.compare(A, Millis(began + EQUAL_FOR - 1)) == []
    assert one.reconciler.compare(A, Millis(began + EQUAL_FOR)) != [], "it has been silent for long"
    for other in (bytes([1]) * 16, NO_FINGERPRINT):
        one.reconciler._comparisons.clear()
        told(one.gossip.fingerprint(began), began)
        told(other, began + 1)
        assert one.reconciler.compare(A, Millis(began + 2)) != [], "its map is another one by now"
    one.reconciler._comparisons.clear()
    told(one.gossip.fingerprint(began), began)
    one.reconciler.link_down(A, began)
    assert one.reconciler.compare(A, Millis(began + 2)) != [], "who says so over a link that is gone may be anybody"


def test_sessions_are_bounded() -> None:
    one = filled(0, range(300, 310))
    for number in range(20):
        peer = identity(number + 30).peer
        one.reconciler.link_up(peer, START)
        one.reconciler.compare(peer, START)
    assert len(one.reconciler._comparisons) == reconcile.SESSIONS_MAX


def test_a_part_knows_two_witnesses_however_many_are_compared_with_and_none_is_its_source() -> None:
    one, other = filled(0, range(300, 310)), filled(1, range(300, 310))
    for part in one.reconciler._parts:
        part.source, part.fetched = A, True
    for number in range(30, 40):
        other.peer = A if number == 30 else identity(number).peer
        asked = one.reconciler.link_up(other.peer, START)
        talk(one, other, asked + one.reconciler.compare(other.peer, START))
        assert one.reconciler.witnessed == (number > 31), "the source itself is no witness"
        one.reconciler.link_down(other.peer, START)
    assert {len(part.witnesses) for part in one.reconciler._parts} == {2}


def test_answers_to_nothing_are_ignored() -> None:
    one = filled(0, range(300, 310))
    for answer in (Records(5, final=True, rest=None, records=()), Differences(5, (), ())):
        assert one.reconciler.receive(A, FrameKind.RANGE, encode_range_answer(answer), START) == []
    effects = one.reconciler.receive(A, FrameKind.RANGE, b"junk", START)
    assert [effect.penalty for effect in effects if isinstance(effect, Fault)] == [Penalty.BAN]


def test_records_on_their_way_call_for_no_comparison_and_a_lost_one_does() -> None:
    one, other = filled(0, range(300, 305)), filled(1, range(300, 305))
    one.reconciler.link_up(other.peer, START)
    one.reconciler._comparisons.clear()
    for part in one.reconciler._parts:
        part.witnesses = {A, B}
    for second in range(1, 240):
        now = Millis(START + 1_000 * second)
        news = record(identity(300 + second % 5), seq=now)
        other.map.apply(news, now)
        if second > 4:  # what was signed four seconds ago arrives
            one.map.apply(record(identity(300 + (second - 4) % 5), seq=now - 4_000), now)
        lost = second == 120
        if lost:
            other.map.apply(record(identity(310), seq=now), now)
        begun = one.reconciler.heard_fingerprint(other.peer, other.gossip.fingerprint(now), now)
        assert one.map.fingerprint != other.map.fingerprint
        if begun:
            break
    assert 120 + 20 + MISMATCH_FOR // 1_000 <= second <= 120 + 30 + MISMATCH_FOR // 1_000


def test_sums_of_parts_and_wholes() -> None:
    node = filled(0, range(300, 360))
    sums = Fingerprints(node.map, bytes(16))
    parts = equal_parts(PARTS)
    assert parts[0].low == 0
    assert parts[-1].last == HEAD_MAX
    assert merged(parts) == [WHOLE]
    assert merged([parts[0], parts[2]]) == [parts[0], parts[2]]
    split = sums.split(WHOLE)
    assert len(split) <= SPLIT_INTO
    whole = sums.summary(WHOLE)
    for pieces in (split, [sums.summary(part) for part in parts]):
        assert sum(piece.count for piece in pieces) == whole.count == 60
        assert sum(piece.fingerprint for piece in pieces) % (1 << 64) == whole.fingerprint
        assert merged([piece.range for piece in pieces]) == [WHOLE]
    other = Fingerprints(node.map, bytes(15) + b"x")
    assert other.summary(WHOLE).fingerprint != whole.fingerprint
    assert sums.summary(Range(5, 5)).count == 0


def test_ids_in_ascending_order_give_the_ids_back() -> None:
    node = filled(0, range(300, 320))
    assert [PeerId(peer) for peer in node.map.ids()] == sorted(identity(number).peer for number in range(300, 320))


def test_a_neighbour_that_lists_everything_again_and_again_gets_no_map_again_and_again() -> None:
    one = filled(0, range(300, 340))
    one.reconciler.link_up(A, START)
    one.reconciler._comparisons.clear()
    (asked,) = one.reconciler.compare(A, START)
    assert isinstance(asked, ToPeer)
    ask = decode_range_ask(asked.body)
    lie = encode_range_answer(Differences(ask.session, (), tuple(Items(WHOLE, ()) for _ in range(100))))
    effects = one.reconciler.receive(A, FrameKind.RANGE, lie, START)
    given = [record for effect in effects if isinstance(effect, ToPeer) for record in decode_records(effect.body)]
    assert len(given) == len(set(given)) == 40


def test_a_comparison_mends_no_more_than_a_link_may_carry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "MENDED_MAX", 10)
    one = filled(0, range(300, 340))
    one.reconciler.link_up(A, START)
    one.reconciler._comparisons.clear()
    (asked,) = one.reconciler.compare(A, START)
    assert isinstance(asked, ToPeer)
    heads = sorted(identity(number).peer[:12] for number in range(400, 430))
    listed = Items(WHOLE, tuple(Item(head, START) for head in heads))
    answer = Differences(decode_range_ask(asked.body).session, (), (listed,))
    effects = one.reconciler.receive(A, FrameKind.RANGE, encode_range_answer(answer), START)
    frames = [effect for effect in effects if isinstance(effect, ToPeer)]
    given = [one for frame in frames if frame.kind is FrameKind.RECORDS for one in decode_records(frame.body)]
    wanted = [
        name for frame in frames if frame.kind is FrameKind.RECORDS_WANT for name in decode_want(frame.body).names
    ]
    assert (len(given), len(wanted)) == (10, 10)


def test_a_source_that_delivers_crumbs_is_given_up_too() -> None:
    joiner = filled(0, range(0), joining=True)
    joiner.reconciler.link_up(A, START)
    sessions = [part.session for part in joiner.reconciler._parts if part.session is not None]
    assert len(sessions) == FETCHES_PER_LINK
    for second in range(0, 600, 10):
        now = Millis(START + second * 1_000)
        for session in sessions:
            crumb = encode_range_answer(Records(session, final=False, rest=None, records=()))
            joiner.reconciler.receive(A, FrameKind.RANGE, crumb, now)
        due = joiner.reconciler.deadline()
        if due is not None and due <= now:
            joiner.reconciler.tick(now)
    assert all(part.session not in sessions for part in joiner.reconciler._parts)


def test_a_comparison_that_goes_on_by_crumbs_is_given_up_too() -> None:
    one = filled(0, range(300, 340))
    one.reconciler.link_up(A, START)
    one.reconciler._comparisons.clear()
    effects = one.reconciler.compare(A, START)
    ask = decode_range_ask(effects[0].body) if isinstance(effects[0], ToPeer) else None
    assert ask is not None
    lie = encode_range_answer(Differences(ask.session, (Summary(WHOLE, 9, 9),) * 8, ()))
    for second in range(0, 600, 10):
        now = Millis(START + second * 1_000)
        one.reconciler.receive(A, FrameKind.RANGE, lie, now)
        due = one.reconciler.deadline()
        if due is not None and due <= now:
            one.reconciler.tick(now)
    assert ask.session not in one.reconciler._comparisons


def test_a_neighbour_that_pings_most_is_not_the_only_one_compared_with() -> None:
    one = filled(0, range(300, 310))
    for peer in (A, B, C):
        one.reconciler.link_up(peer, START)
    one.reconciler._comparisons.clear()
    compared = []
    for second in range(600):
        now = Millis(START + second * 1000)
        for peer in (A, B, C) if second % 5 == 0 else (A,):
            begun = one.reconciler.heard_fingerprint(peer, bytes([1]) * 16, now)
            compared += [effect.peer for effect in begun if isinstance(effect, ToPeer)]
            one.reconciler._comparisons.clear()
    times = [compared.count(peer) for peer in (A, B, C)]
    assert max(times) - min(times) <= 1 < min(times)


def test_records_that_are_not_served_are_not_looked_at_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_serving, "FETCH_BYTES", 10 * _serving.PASSED_OVER)
    server = filled(0, range(300, 300))
    for number in range(300, 360):
        assert server.map.apply(record(identity(number)), START, checked=False).refusal is None
    looked: list[PeerId] = []
    checked = server.map.checked

    def look(peer: PeerId) -> bool:
        looked.append(peer)
        return checked(peer)

    monkeypatch.setattr(server.map, "checked", look)
    (first,) = server.reconciler.receive(A, FrameKind.RANGE_ASK, encode_range_ask(Fetch(1, WHOLE)), START)
    assert len(looked) <= 12
    answer = decode_range_answer(first.body) if isinstance(first, ToPeer) else None
    assert isinstance(answer, Records)
    assert answer.rest == int.from_bytes(server.map.ids()[len(looked)][:8], "big")
    assert server.reconciler._serving._bytes.level <= _serving.SERVE_BURST - len(looked) * _serving.PASSED_OVER
