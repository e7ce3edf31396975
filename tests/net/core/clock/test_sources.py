"""Whom the clock asks: turns of all drawn ids, the sure way after a silence, bounded questions."""

from random import Random

import numpy as np
import numpy.typing as npt

from chain.primitives.peer import PeerId
from chain.primitives.siphash import KEY_BYTES
from chain.primitives.units import Millis
from net.core.clock.mesh_clock import TRIP_MAX
from net.core.clock.sources import ASK_EVERY, DRAW_EVERY, OPEN_MAX, SOURCES, Question, Sources
from net.core.map.view import MapView

START = Millis(1_750_000_000_000)
ME = PeerId(bytes(32))


class Ids:
    """All that `Sources` asks of a `MapView`."""

    def __init__(self, count: int) -> None:
        self.held = {PeerId((1 + number).to_bytes(32, "big")) for number in range(count)} | {ME}

    def names(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        ids = np.frombuffer(b"".join(sorted(self.held)), dtype=np.uint8).reshape(-1, 32)
        return ids, np.zeros(len(ids), dtype=np.int64)

    def __contains__(self, peer: PeerId) -> bool:
        return peer in self.held


def make(ids: Ids, secret: bytes = bytes(KEY_BYTES)) -> Sources:
    view: MapView = ids  # type: ignore[assignment]
    sources = Sources(secret, view, ME)
    sources.start(START)
    return sources


def ask(sources: Sources, count: int, now: int, *, answer: bool) -> tuple[list[Question], int]:
    """Ask `count` questions at their times and answer them a moment later, or not; return them and the time."""
    asked: list[Question] = []
    for _ in range(count):
        now = max(now, sources.deadline() or now)
        name = Random(now).randbytes(16)
        question = sources.next(name, Millis(now), agreed=True)
        assert question is not None
        asked.append(question)
        if answer:
            assert sources.answered(name, question.peer, Millis(now)) == now
    return asked, now


def test_all_drawn_ids_are_asked_in_turns_though_they_are_drawn_again_in_between() -> None:
    sources = make(Ids(300))
    first, now = ask(sources, SOURCES, START, answer=True)
    assert len({question.peer for question in first}) == SOURCES
    assert now - START >= 2 * DRAW_EVERY, "the draw came twice in this time"
    again, now = ask(sources, SOURCES, now, answer=True)
    assert again == first
    assert not any(question.sure for question in first + again)


def test_nobody_is_asked_too_early_nor_where_nobody_is() -> None:
    sources = make(Ids(0))
    assert sources.next(b"1", Millis(START + ASK_EVERY), agreed=True) is None
    sources = make(Ids(3))
    assert sources.next(b"1", START, agreed=True) is None
    _, now = ask(sources, 1, START, answer=True)
    assert sources.next(b"2", Millis(now + ASK_EVERY - 1), agreed=True) is None
    assert sources.next(b"2", Millis(now + ASK_EVERY), agreed=True) is not None


def test_a_source_that_left_the_map_is_passed_over_and_a_new_one_waits_its_turn() -> None:
    ids = Ids(3)
    sources = make(ids)
    (first, second), now = ask(sources, 2, START, answer=True)
    third = next(peer for peer in ids.held if peer not in (ME, first.peer, second.peer))
    ids.held.discard(third)
    fresh = PeerId(b"\xff" * 32)
    ids.held.add(fresh)
    asked, now = ask(sources, 1, now, answer=True)
    assert asked == [first]
    asked, now = ask(sources, 40, now, answer=True)
    assert {question.peer for question in asked} == {first.peer, second.peer, fresh}


def test_a_silent_source_is_asked_the_sure_way_until_it_answers() -> None:
    sources = make(Ids(4))
    asked, now = ask(sources, 4, START, answer=False)
    assert not any(question.sure for question in asked)
    asked, now = ask(sources, 4, now, answer=False)
    assert all(question.sure for question in asked)
    asked, now = ask(sources, 4, now, answer=True)
    assert all(question.sure for question in asked)
    asked, now = ask(sources, 4, now, answer=True)
    assert not any(question.sure for question in asked)


def test_an_answer_that_comes_too_late_is_a_silence() -> None:
    sources = make(Ids(1))
    for sure in (False, True, True):
        now = Millis(sources.deadline() or 0)
        question = sources.next(b"name", now, agreed=True)
        assert question is not None
        assert question.sure is sure
        assert sources.answered(b"name", question.peer, Millis(now + TRIP_MAX + 1)) is None


def test_only_the_one_who_was_asked_can_answer_and_only_once() -> None:
    sources = make(Ids(4))
    now = Millis(sources.deadline() or 0)
    question = sources.next(b"name", now, agreed=True)
    assert question is not None
    assert sources.answered(b"name", PeerId(b"x" * 32), now) is None
    assert sources.answered(b"other", question.peer, now) is None
    assert sources.answered(b"name", question.peer, now) == now
    assert sources.answered(b"name", question.peer, now) is None


def test_questions_under_way_are_bounded_and_the_oldest_is_given_up() -> None:
    sources = make(Ids(2_000))
    names: list[tuple[bytes, PeerId, Millis]] = []
    for number in range(3 * OPEN_MAX):
        now = Millis(sources.deadline() or 0)
        name = number.to_bytes(16, "big")
        question = sources.next(name, now, agreed=False)
        assert question is not None
        names.append((name, question.peer, now))
        assert len(sources._asked) <= OPEN_MAX
        assert len(sources._silent) <= len(sources._turns) == SOURCES
    answered = [sources.answered(*name) is not None for name in names]
    assert answered == [False] * (2 * OPEN_MAX) + [True] * OPEN_MAX
