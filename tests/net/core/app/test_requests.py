"""Requests between two neighbours: answers, refusals, silence, bounds."""

import pytest

from chain.primitives.errors import Malformed
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.app.requests import ANSWER_LIMIT, Outcome, Requests
from net.core.app.topics import TopicSpec
from net.core.effects import Priority, Requested, RequestFailed, Responded
from net.core.wire.app import PART_MAX, encode_parts
from net.core.wire.frame import FrameKind, ToPeer

TOPIC = TopicSpec(1, "test", 100_000, Priority.BULK, max_pending=3)
ANNA, BERT, CARL = (PeerId(letter * 32) for letter in (b"a", b"b", b"c"))
NOW = Millis(0)


def pair() -> tuple[Requests, Requests]:
    anna, bert = Requests({1: TOPIC}, timeout=Millis(10_000)), Requests({1: TOPIC}, timeout=Millis(10_000))
    anna.linked(BERT)
    bert.linked(ANNA)
    return anna, bert


def carry(to: Requests, sender: PeerId, outcomes: list[Outcome], now: Millis = NOW) -> list[Outcome]:
    frames = [one for one in outcomes if isinstance(one, ToPeer)]
    return [more for frame in frames for more in to.receive(sender, frame.kind, frame.body, now)]


def test_a_request_of_many_parts_is_answered_in_many_parts() -> None:
    anna, bert = pair()
    number, frames = anna.request(BERT, 1, bytes(50_000), NOW)
    (requested,) = carry(bert, ANNA, frames)
    assert isinstance(requested, Requested)
    assert requested.payload == bytes(50_000)
    assert carry(anna, BERT, bert.respond(requested.request, b"yes" * 20_000)) == [
        Responded(number, 1, BERT, b"yes" * 20_000)
    ]
    assert anna.deadline() is None
    assert bert.deadline() is None


def test_a_refusal_comes_with_its_reason() -> None:
    anna, bert = pair()
    number, frames = anna.request(BERT, 1, b"?", NOW)
    (requested,) = carry(bert, ANNA, frames)
    assert isinstance(requested, Requested)
    assert carry(anna, BERT, bert.refuse(requested.request, "not now")) == [RequestFailed(number, 1, BERT, "not now")]


def test_silence_fails_a_request_and_a_late_answer_changes_nothing() -> None:
    anna, bert = pair()
    number, frames = anna.request(BERT, 1, b"?", NOW)
    (requested,) = carry(bert, ANNA, frames)
    assert isinstance(requested, Requested)
    assert anna.tick(Millis(10_000)) == [RequestFailed(number, 1, BERT, "no answer in time")]
    assert carry(anna, BERT, bert.respond(requested.request, b"late")) == []


def test_a_lost_link_fails_what_was_asked_over_it_and_forgets_what_was_taken() -> None:
    anna, bert = pair()
    number, frames = anna.request(BERT, 1, b"?", NOW)
    (requested,) = carry(bert, ANNA, frames)
    assert isinstance(requested, Requested)
    assert anna.unlinked(BERT) == [RequestFailed(number, 1, BERT, "the link is gone")]
    assert bert.unlinked(ANNA) == []
    assert bert.respond(requested.request, b"too late") == []


def test_a_request_to_a_stranger_fails_at_once() -> None:
    anna, _ = pair()
    number, outcomes = anna.request(PeerId(b"x" * 32), 1, b"?", NOW)
    assert outcomes == [RequestFailed(number, 1, PeerId(b"x" * 32), "no link")]


def test_more_requests_than_may_wait_are_refused() -> None:
    anna, bert = pair()
    outcomes = [carry(bert, ANNA, anna.request(BERT, 1, b"?", NOW)[1]) for _ in range(5)]
    assert [type(one[0]) for one in outcomes] == [Requested] * 3 + [ToPeer] * 2
    refusals = [one[0] for one in outcomes[3:]]
    assert all(isinstance(one, ToPeer) and one.kind is FrameKind.REFUSE for one in refusals)


def test_requests_the_application_never_answers_are_forgotten() -> None:
    anna, bert = pair()
    for _ in range(3):
        carry(bert, ANNA, anna.request(BERT, 1, b"?", NOW)[1])
    bert.tick(ANSWER_LIMIT)
    assert [type(one) for one in carry(bert, ANNA, anna.request(BERT, 1, b"?", ANSWER_LIMIT)[1])] == [Requested]


def test_unfinished_requests_are_bounded_and_dropped_when_they_stall() -> None:
    anna, bert = pair()
    for _ in range(10):
        _, frames = anna.request(BERT, 1, bytes(100_000), NOW)
        carry(bert, ANNA, frames[:1])
    assert len(bert._requests._partials) <= 3
    bert.tick(Millis(10_000))
    assert bert.deadline() is None
    assert not bert._open_of


def test_a_link_that_breaks_amid_a_request_leaves_nothing_behind() -> None:
    _, bert = pair()
    for _ in range(TOPIC.max_pending + 1):
        anna = Requests({1: TOPIC}, timeout=Millis(10_000))  # started anew: its numbers begin anew too
        anna.linked(BERT)
        _, frames = anna.request(BERT, 1, bytes(50_000), NOW)
        assert carry(bert, ANNA, frames[:1]) == []
        bert.unlinked(ANNA)
        bert.linked(ANNA)
    assert bert.deadline() is None


def test_parts_of_no_open_request_leave_nothing_behind() -> None:
    anna, bert = pair()
    _, frames = anna.request(BERT, 1, bytes(50_000), NOW)
    assert carry(bert, ANNA, frames[1:]) == []
    assert bert._open_of == {}


def test_parts_that_complete_nothing_do_not_keep_a_request_open() -> None:
    anna, _ = pair()
    number, _ = anna.request(BERT, 1, b"?", NOW)
    later = encode_parts(number, 1, bytes(2 * PART_MAX))[1]
    assert anna.receive(BERT, FrameKind.RESPONSE, later, Millis(9_000)) == []
    assert anna.tick(Millis(10_000)) == [RequestFailed(number, 1, BERT, "no answer in time")]


def test_a_number_counts_once_on_a_link_whatever_its_topic() -> None:
    """Else a question on a topic that is answered at once frees the place of the same number on a slow one."""
    quick, slow = TopicSpec(1, "quick", 100, Priority.BULK, max_pending=3), TopicSpec(2, "slow", 100, Priority.BULK)
    bert = Requests({1: quick, 2: slow}, timeout=Millis(10_000))
    bert.linked(ANNA)
    bert.linked(CARL)
    for number in range(slow.max_pending):
        (taken,) = bert.receive(ANNA, FrameKind.REQUEST, encode_parts(number, 2, b"?")[0], NOW)
        assert isinstance(taken, Requested)
    for number in range(slow.max_pending):
        with pytest.raises(Malformed):
            bert.receive(ANNA, FrameKind.REQUEST, encode_parts(number, 1, b"?")[0], NOW)
        (taken,) = bert.receive(CARL, FrameKind.REQUEST, encode_parts(number, 1, b"?")[0], NOW)
        assert isinstance(taken, Requested)
        bert.respond(taken.request, b"!")
    (refused,) = bert.receive(ANNA, FrameKind.REQUEST, encode_parts(1_000, 2, b"?")[0], NOW)
    assert isinstance(refused, ToPeer)
    assert len(bert._taken) == slow.max_pending
