"""What neighbours owe: an honest slow one's answers, a staller's silence, and how much is remembered of either."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.primitives.errors import Penalty
from chain.primitives.peer import PREFIX_BYTES
from chain.primitives.units import Millis
from net.core.map._owed import DOUBT_EVERY, OWED_MAX, PATIENCE, PER_RECORD, PROVEN_FOR, Account, Owed
from net.core.map._pulls import ANNOUNCERS_MAX, PULL_AFTER, PULL_AGAIN
from net.core.wire.frame import FrameKind
from net.core.wire.gossip import RecordName, Turn, decode_want, encode_have, record_name
from net.core.wire.record import Record, encode_record, seq_of
from tests.helpers.gossip_node import A, B, C, faults, frames, give, node
from tests.helpers.map_world import START, identity, record

NEWS = record(identity(5))
NAME = record_name(NEWS.peer[:PREFIX_BYTES], NEWS.seq)


def names(count: int) -> list[RecordName]:
    return [record_name(number.to_bytes(PREFIX_BYTES, "big"), 1) for number in range(count)]


def test_an_answer_that_another_overtook_is_an_answer() -> None:
    one = node(A, B)
    for sender in (A, B):
        one.gossip.receive(sender, FrameKind.RECORDS_HAVE, encode_have([NAME]), START)
    one.gossip.tick(Millis(START + PULL_AFTER))
    effects = one.gossip.tick(Millis(START + PULL_AFTER + PULL_AGAIN))
    assert [frame.peer for frame in frames(effects, FrameKind.RECORDS_WANT)] == [B]
    give(one, B, NEWS, now=START + 5_000)
    before = one.gossip.spread.flows.conduct(A)
    effects = give(one, A, NEWS, now=START + 20_000)
    assert frames(effects, FrameKind.RECORDS_WANT) == [], "nothing turns the link lazy"
    one.gossip.tick(Millis(START + 10 * PATIENCE))
    assert one.gossip.pulls.conduct(A) == Account(late=1, handed=1)
    assert one.gossip.pulls.conduct(B) == Account(handed=1)
    assert one.gossip.spread.flows.conduct(A) == before


def test_silence_counts_after_the_patience_and_costs_no_strike() -> None:
    one = node(A)
    one.gossip.receive(A, FrameKind.RECORDS_HAVE, encode_have([NAME]), START)
    asked = START + PULL_AFTER
    one.gossip.tick(Millis(asked))
    assert faults(one.gossip.tick(Millis(asked + PATIENCE - 1))) == []
    assert one.gossip.pulls.conduct(A) == Account()
    assert faults(one.gossip.tick(Millis(asked + PATIENCE))) == []
    assert one.gossip.pulls.conduct(A) == Account(kept_back=1)


def test_whose_link_is_gone_owes_nothing() -> None:
    one = node(A)
    one.gossip.receive(A, FrameKind.RECORDS_HAVE, encode_have([NAME]), START)
    one.gossip.tick(Millis(START + PULL_AFTER))
    one.gossip.link_down(A, Millis(START + 5_000))
    one.gossip.link_up(A, Millis(START + 6_000))
    assert faults(one.gossip.tick(Millis(START + PULL_AFTER + PATIENCE))) == []
    assert one.gossip.pulls.conduct(A) == Account()


def test_who_is_asked_for_much_has_time_for_it() -> None:
    owed = Owed()
    owed.asked(A, names(1_000), START)
    owed.judge(Millis(START + PATIENCE + 499 * PER_RECORD))
    assert owed.conduct(A) == Account(kept_back=500)
    owed.judge(Millis(START + PATIENCE + 1_000 * PER_RECORD))
    assert owed.conduct(A) == Account(kept_back=1_000)


def test_what_is_owed_is_bounded_and_the_forgotten_counts_as_nothing() -> None:
    owed = Owed()
    for start in range(0, 4 * OWED_MAX, 256):
        owed.asked(A, names(4 * OWED_MAX)[start : start + 256], START)
        assert len(owed._neighbours[A].asked) <= OWED_MAX
    owed.asked(B, names(3), START)
    owed.judge(Millis(START + PATIENCE + OWED_MAX * PER_RECORD))
    assert owed.conduct(A) == Account(kept_back=OWED_MAX)
    assert owed.conduct(B) == Account(kept_back=3)
    owed.link_down(A)
    assert list(owed._neighbours) == [B]


def test_a_question_repeated_waits_no_longer() -> None:
    owed = Owed()
    for step in range(10):
        owed.asked(A, names(1), Millis(START + 3_000 * step))
    owed.judge(Millis(START + PATIENCE))
    assert owed.conduct(A) == Account(kept_back=1)


def test_announcers_of_one_record_are_bounded_and_asked_in_turn() -> None:
    peers = [identity(200 + number).peer for number in range(3 * ANNOUNCERS_MAX)]
    one = node(*peers)
    for peer in peers:
        one.gossip.receive(peer, FrameKind.RECORDS_HAVE, encode_have([NAME]), START)
    (entry,) = one.gossip.pulls._wanted.values()
    assert list(entry.announcers) == peers[:ANNOUNCERS_MAX]
    asked = []
    while (at := one.gossip.pulls.deadline()) is not None:
        asked += [frame.peer for frame in frames(one.gossip.tick(at), FrameKind.RECORDS_WANT) if frame.peer in peers]
    assert asked == peers[:ANNOUNCERS_MAX]
    assert len(one.gossip.pulls) == 0


def test_who_is_never_in_time_to_be_asked_is_asked_on_purpose_until_it_has_answered_once() -> None:
    """A names a record every 10 s, which B brings a second later: A is never the way it comes."""
    one, asked = node(A, B), []
    answers_from = START + 300_000
    for second in range(0, 900, 10):
        now, news = Millis(START + second * 1_000), record(identity(1_000 + second))
        body = encode_have([record_name(news.peer[:PREFIX_BYTES], news.seq)])
        one.gossip.receive(A, FrameKind.RECORDS_HAVE, body, now)
        wants = frames(one.gossip.tick(now), FrameKind.RECORDS_WANT)
        assert {frame.peer for frame in wants} <= {A}
        assert all(decode_want(frame.body).turn is Turn.KEEP for frame in wants)
        asked += [second] * len(wants)
        if wants and now >= answers_from:
            give(one, A, news, now=now + 300)
        give(one, B, news, now=now + 1_000)
    every = DOUBT_EVERY // 1_000
    assert asked == list(range(every, 300 + every, every)), "from its first names on, and no more once it has answered"
    assert one.gossip.pulls.conduct(A) == Account(handed=1, kept_back=len(asked) - 1)
    later = Millis(START + 300_000 + PROVEN_FOR + 60_000)
    one.gossip.receive(A, FrameKind.RECORDS_HAVE, encode_have([NAME]), later)
    assert [frame.peer for frame in frames(one.gossip.tick(later), FrameKind.RECORDS_WANT)] == [A]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 6), st.integers(0, 40_000)), max_size=60))
def test_every_record_asked_for_ends_as_answered_forgotten_or_kept_back(steps: list[tuple[int, int, int]]) -> None:
    owed, now, asked, answered, raws = Owed(), int(START), 0, 0, [encode_record(record(identity(n))) for n in range(7)]
    prefixes = [identity(n).peer[:PREFIX_BYTES] for n in range(7)]
    for step, which, wait in steps:
        now += wait
        owed.judge(Millis(now))
        before = set(owed._neighbours[C].asked) if C in owed._neighbours else set()
        if step < 2:
            owed.asked(C, [record_name(prefixes[which], 1)], Millis(now))
            asked += prefixes[which] not in before
        else:
            assert owed.answered(C, [raws[which]], [], Millis(now)) == (prefixes[which] in before)
            answered += prefixes[which] in before
    account = owed.conduct(C)
    waiting = len(owed._neighbours[C].asked) if C in owed._neighbours else 0
    assert account.late == account.handed == answered
    assert asked == answered + account.kept_back + waiting


def test_an_older_record_is_no_answer_and_an_equal_or_newer_one_is() -> None:
    def heard(seq: int) -> Account:
        owed = Owed()
        owed.asked(A, [record_name(NEWS.peer[:PREFIX_BYTES], START + 1_000)], START)
        owed.answered(A, [encode_record(record(identity(5), seq=seq))], {NEWS.peer[:PREFIX_BYTES]}, START)
        owed.judge(Millis(START + 2 * PATIENCE))
        return owed.conduct(A)

    assert heard(START + 999) == Account(kept_back=1)
    assert heard(START + 1_000) == heard(START + 5_000) == Account(handed=1)


@pytest.mark.parametrize(
    "invented",
    [
        pytest.param(replace(NEWS, seq=Millis(START + 10**6)), id="signed ahead of now"),
        pytest.param(replace(NEWS, epoch=NEWS.epoch + 5), id="of another epoch"),
        pytest.param(replace(NEWS, born=Millis(START - 1), seq=Millis(START + 9)), id="of another birth"),
        pytest.param(replace(NEWS, seq=Millis(START + 4)), id="older than the one that came meanwhile"),
    ],
)
def test_what_nobody_signed_is_no_answer_also_when_it_is_of_no_use(invented: Record) -> None:
    """Else who keeps back all that it names answers with inventions that are thrown away unread, and owes nothing."""
    one = node(A, B)
    one.gossip.receive(A, FrameKind.RECORDS_HAVE, encode_have([NAME]), START)
    one.gossip.tick(Millis(START + PULL_AFTER))
    give(one, B, record(identity(5), seq=START + 5), now=START + 5_000)
    effects = give(one, A, invented, now=START + 6_000)
    assert faults(effects) == [Penalty.BAN]
    assert one.map.seq(NEWS.peer) == START + 5


def test_a_signed_answer_that_is_of_no_use_is_an_answer() -> None:
    one = node(A)
    one.gossip.receive(A, FrameKind.RECORDS_HAVE, encode_have([NAME]), START)
    one.gossip.tick(Millis(START + PULL_AFTER))
    assert faults(give(one, A, record(identity(5), seq=START + 10**6), now=START + 3_000)) == []
    assert one.gossip.pulls.conduct(A) == Account(handed=1)


def test_what_ended_weeks_ago_is_no_answer() -> None:
    """Names hold the low half of a number of milliseconds: after 25 days an old one looks newer."""
    owed, old = Owed(), START - (1 << 31) - 1
    owed.asked(A, [record_name(NEWS.peer[:PREFIX_BYTES], START)], START)
    assert owed.answered(A, [encode_record(record(identity(5), seq=old, born=0))], set(), START) == 0
    owed.judge(Millis(START + 2 * PATIENCE))
    assert owed.conduct(A) == Account(kept_back=1)


def test_own_records_show_nothing_and_those_of_others_are_asked_for() -> None:
    own, later = record(identity(6)), Millis(START + DOUBT_EVERY)
    me = own.peer
    owed = Owed()
    assert not owed.doubtful(me, START)
    owed.asked(me, [record_name(me[:PREFIX_BYTES], own.seq)], START)
    assert owed.answered(me, [encode_record(own)], {me[:PREFIX_BYTES]}, START) == 0
    assert owed.conduct(me) == Account()
    assert owed.doubtful(me, later)
    owed.asked(me, [NAME], later)
    owed.answered(me, [encode_record(NEWS)], {NEWS.peer[:PREFIX_BYTES]}, later)
    assert not owed.doubtful(me, Millis(later + DOUBT_EVERY))
    owed.judge(Millis(later + 2 * PATIENCE))
    assert owed.conduct(me) == Account(handed=1)


@given(st.binary(max_size=120))
def test_bytes_that_are_no_record_answer_nothing_and_raise_nothing(raw: bytes) -> None:
    owed = Owed()
    owed.asked(A, [NAME], START)
    assert owed.answered(A, [raw, *([raw] * 3)], set(), START) == 0
    assert seq_of(raw) >= 0


@given(st.integers(0, (1 << 48) - 1), st.integers(0, (1 << 48) - 1))
def test_the_seq_of_a_records_bytes(born: int, more: int) -> None:
    seq = min(born + more, (1 << 48) - 1)
    assert seq_of(encode_record(replace(NEWS, born=Millis(born), seq=Millis(seq)))) == seq
