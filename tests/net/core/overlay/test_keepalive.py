"""Pings by turns, in virtual time: signs of life, samples for both ends, a dead end, one that asks or never answers."""

from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from itertools import pairwise
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.config import MeshConfig
from net.core.effects import LinkId, LinkKind
from net.core.overlay.keepalive import BEAT_GRACE, LIVELY, Keepalive
from net.core.overlay.link import Link, Signalled, Stage
from net.core.overlay.upkeep import BEAT
from net.core.overlay.words import Pinged, Timed
from net.core.wire.control import Ping, Pong, encode_ping, encode_pong
from net.core.wire.frame import FrameKind, ToPeer

CONFIG = MeshConfig(network_id=bytes(32), id_difficulty=1)
START = 1_000_000
MINUTES = 600_000
PEERS = [PeerId(bytes([number]) * 32) for number in (1, 2)]


class End:
    """One end of a link with the beats of its upkeep."""

    def __init__(self, pair: "Pair", number: int) -> None:
        self.rng = Random(f"{pair.rng.random()}/{number}")
        self.keepalive = Keepalive(CONFIG, self.rng, mesh_time=lambda now: now, fingerprint=lambda _: bytes(16))
        self.link = Link(
            number=LinkId(number),
            kind=LinkKind.LISTED,
            outbound=number == 0,
            peer=PEERS[1 - number],
            signalled=Signalled.RELAYED,
            stage=Stage.UP,
            started=Millis(START),
            deadline=Millis(START),
            heard=Millis(START),
        )
        self.pings: list[int] = []
        self.samples: list[int] = []
        self.fingerprints: list[int] = []
        self.gone: int | None = None
        self.alive = True
        self.answers = True


class Pair:
    """Two ends and the wire between them. `run` stops when an end has given the other up."""

    def __init__(self, seed: int, trip: int) -> None:
        self.rng = Random(seed)
        self.trip = trip
        self.now = START
        self._queue: list[tuple[int, int, Callable[[int], None], int]] = []
        self._count = 0
        self.frames = 0
        self.chat_until = 0
        self.ends = [End(self, 0), End(self, 1)]
        for number, end in enumerate(self.ends):
            self._send(number, end.keepalive.ping(end.link, Millis(START)))
            end.pings.append(START)
            self.at(START + self.rng.randrange(BEAT), self._beat, number)

    def at(self, moment: int, action: Callable[[int], None], number: int) -> None:
        self._count += 1
        heappush(self._queue, (moment, self._count, action, number))

    def run(self, duration: int) -> None:
        end = self.now + duration
        while self._queue and self._queue[0][0] <= end:
            self.now, _, action, number = heappop(self._queue)
            action(number)
        self.now = end

    def chat(self, every: int, until: int) -> None:
        """Let both ends send other frames, one each `every` ms on average, until a moment."""
        self.chat_until = until
        for number in (0, 1):
            self.at(self.now, lambda to: self._chat(to, every), number)

    def _chat(self, number: int, every: int) -> None:
        if self.now < self.chat_until and self.ends[number].alive:
            self.at(self.now + self.trip, self._chatted, 1 - number)
            self.at(self.now + self.rng.randrange(2 * every) + 1, lambda to: self._chat(to, every), number)

    def _chatted(self, number: int) -> None:
        link = self.ends[number].link
        link.heard = link.busy = Millis(self.now)

    def _beat(self, number: int) -> None:
        end, now = self.ends[number], Millis(self.now)
        if not end.alive or end.gone is not None:
            return
        self.at(now + BEAT - end.rng.randrange(BEAT // 10), self._beat, number)
        if now - end.link.heard >= CONFIG.dead:
            end.gone = now
        elif end.keepalive.due(end.link, now):
            end.pings.append(now)
            self._send(number, end.keepalive.ping(end.link, now))

    def _send(self, number: int, words: Sequence[object]) -> None:
        for word in words:
            if isinstance(word, ToPeer):
                self.frames += 1
                arrival = self.now + self.trip + self.rng.randrange(self.trip // 4 + 1)
                self.at(arrival, lambda to, frame=word: self._take(to, frame), 1 - number)  # type: ignore[misc]

    def _take(self, number: int, frame: ToPeer) -> None:
        end, now = self.ends[number], Millis(self.now)
        if not end.alive or end.gone is not None:
            return
        end.link.heard = now
        if frame.kind is FrameKind.PING:
            words = end.keepalive.pinged(end.link, frame.body, now)
            end.fingerprints += [now for word in words if isinstance(word, Pinged)]
            self._send(number, [word for word in words if isinstance(word, ToPeer) and end.answers])
        else:
            words = end.keepalive.ponged(end.link, frame.body, now)
            end.samples += [now for word in words if isinstance(word, Timed)]


def given_up(pair: Pair, dies: int) -> tuple[End, int]:
    """Let one end die; return the other, and when that gave it up."""
    pair.ends[dies].alive = False
    pair.run(60_000)
    left = pair.ends[1 - dies]
    assert left.gone is not None
    return left, left.gone


seeds = st.integers(0, 1 << 32)
trips = st.integers(1, 900)


@settings(max_examples=40, deadline=None)
@given(seeds, trips)
def test_one_exchange_an_interval_keeps_a_link_and_both_ends_take_samples(seed: int, trip: int) -> None:
    pair = Pair(seed, trip)
    pair.run(MINUTES)
    assert [end.gone for end in pair.ends] == [None, None]
    exchanges = MINUTES / (CONFIG.ping - CONFIG.ping // 10)
    crossed = 4 + exchanges * trip * 2.5 / BEAT
    assert pair.frames <= 2 * (exchanges + crossed)
    for end in pair.ends:
        longest = 2 * CONFIG.ping + BEAT + 3 * trip
        for moments in (end.pings, end.samples, end.fingerprints):
            assert max(later - earlier for earlier, later in pairwise([START, *moments, pair.now])) <= longest


def test_a_quiet_link_costs_two_frames_an_interval() -> None:
    frames = []
    for seed in range(20):
        pair = Pair(seed, 40)
        pair.run(MINUTES)
        frames.append(pair.frames)
        first, second = (len(end.pings) for end in pair.ends)
        assert abs(first - second) <= 8
    mean = sum(frames) / len(frames)
    assert mean * CONFIG.ping / MINUTES <= 2.1


@settings(max_examples=60, deadline=None)
@given(seeds, trips, st.integers(0, 60_000), st.integers(0, 1))
def test_a_dead_end_is_noticed_15_seconds_after_its_last_frame(seed: int, trip: int, moment: int, dies: int) -> None:
    pair = Pair(seed, trip)
    pair.run(moment)
    left, gone = given_up(pair, dies)
    assert gone - left.link.heard < CONFIG.dead + BEAT
    assert any(START + moment - 2 * trip < ping < gone for ping in left.pings), "it was asked before it was given up"
    assert gone - (START + moment) < CONFIG.dead + BEAT + 2 * trip


@settings(max_examples=60, deadline=None)
@given(seeds, trips, st.integers(0, 1))
def test_an_end_that_answers_no_pings_is_noticed_though_its_own_keep_the_link(seed: int, trip: int, mute: int) -> None:
    pair = Pair(seed, trip)
    pair.run(30_000)
    pair.ends[mute].answers = False
    pair.run(2 * CONFIG.ping + BEAT + 2_000 + 12 * trip)
    other = pair.ends[1 - mute]
    assert other.gone is None
    assert other.link.missed_ping(Millis(pair.now))
    before = len(other.pings)
    pair.run(MINUTES)
    assert other.link.missed_ping(Millis(pair.now))
    assert len(other.pings) - before >= MINUTES // (2 * CONFIG.ping + 2 * BEAT)


@settings(max_examples=40, deadline=None)
@given(seeds, st.integers(100, 4_000))
def test_an_end_that_asks_all_the_time_keeps_no_other_from_asking(seed: int, every: int) -> None:
    rng = Random(seed)
    end = Pair(seed, 10).ends[rng.randrange(2)]
    now, number, asked = START, 0, [START]
    beat = now + rng.randrange(BEAT)
    while now < START + MINUTES // 4:
        now += every
        number += 1
        end.keepalive.pinged(end.link, encode_ping(Ping(number, bytes(16))), Millis(now))
        end.keepalive.ponged(end.link, encode_pong(Pong(end.link.ping_number, Millis(now), Millis(now))), Millis(now))
        while beat <= now:
            if end.keepalive.due(end.link, Millis(beat)):
                end.keepalive.ping(end.link, Millis(beat))
                asked.append(beat)
            beat += BEAT
    assert max(later - earlier for earlier, later in pairwise(asked)) <= 2 * CONFIG.ping + BEAT + BEAT_GRACE


@settings(max_examples=20, deadline=None)
@given(seed=seeds, asks=st.integers(50, 4_000), chats=st.integers(50, 4_000), answers=st.booleans())
def test_an_end_that_asks_and_chats_all_the_time_is_asked_twice_a_minute(
    seed: int, asks: int, chats: int, *, answers: bool
) -> None:
    """It may answer or not: while a question has no answer other frames put nothing off."""
    rng = Random(seed)
    end = Pair(seed, 10).ends[rng.randrange(2)]
    link, asked = end.link, [START]
    number = 0
    for now in range(START, START + MINUTES // 2, 50):
        moment = Millis(now)
        if not now % (chats // 50 * 50):
            link.heard = link.busy = moment
        if not now % (asks // 50 * 50):
            number += 1
            end.keepalive.pinged(link, encode_ping(Ping(number, bytes(16))), moment)
        if not now % BEAT and end.keepalive.due(link, moment):
            end.keepalive.ping(link, moment)
            asked.append(now)
            if answers:
                end.keepalive.ponged(link, encode_pong(Pong(link.ping_number, moment, moment)), moment)
    longest = 2 * (CONFIG.ping + LIVELY) if answers else 2 * CONFIG.ping + LIVELY
    assert max(later - earlier for earlier, later in pairwise([*asked, START + MINUTES // 2])) <= longest + BEAT
    assert answers or link.missed_ping(Millis(START + 30_000))


@settings(max_examples=40, deadline=None)
@given(seeds, trips)
def test_other_frames_put_questions_off_but_not_for_long(seed: int, trip: int) -> None:
    pair = Pair(seed, trip)
    pair.chat(1_000, START + MINUTES)
    pair.run(MINUTES)
    assert [end.gone for end in pair.ends] == [None, None]
    exchanges = MINUTES / (CONFIG.ping + LIVELY - CONFIG.ping // 10)
    crossed = 4 + exchanges * trip * 2.5 / BEAT
    assert pair.frames <= 2 * (exchanges + crossed)
    for end in pair.ends:
        longest = 2 * (CONFIG.ping + LIVELY) + BEAT + 3 * trip
        for moments in (end.pings, end.samples, end.fingerprints):
            assert max(later - earlier for earlier, later in pairwise([START, *moments, pair.now])) <= longest


@settings(max_examples=60, deadline=None)
@given(seeds, trips, st.integers(20_000, 60_000), st.integers(0, 1))
def test_a_lively_end_that_dies_is_noticed_as_soon_as_a_quiet_one(seed: int, trip: int, moment: int, dies: int) -> None:
    pair = Pair(seed, trip)
    pair.chat(500, START + moment)
    pair.run(moment)
    left, gone = given_up(pair, dies)
    assert gone - left.link.heard < CONFIG.dead + BEAT
    assert any(START + moment - 2 * trip < ping < gone for ping in left.pings), "it was asked before it was given up"
