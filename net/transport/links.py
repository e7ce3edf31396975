"""All links of a node: each lives in one owned task, from its description to its closed sockets."""

import asyncio
import copy
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from chain.primitives.errors import Malformed
from net.core.effects import LinkId, LinkTransport, Priority, Role
from net.transport.ice import IceSettings
from net.transport.sdp import Description, decode_description
from net.transport.tasks import OwnedTasks
from net.transport.webrtc import Link, LinkFailed, Step

SETUPS_MAX = 8
"""Most set-ups at once (DESIGN section 3.4): each costs 15 ms of CPU and some sockets."""

SETUPS_WAITING_MAX = 16
"""Most set-ups that wait for one of the slots; one more fails at once."""

SLOT_SECONDS = 10.0
"""Longest wait for a slot: an offer that came by the mesh is old after 40 s."""

ANSWER_SECONDS = 45.0
"""Longest wait for an answer. The mesh gives up earlier (offers are valid for 40 s) and closes the attempt itself."""

DRAIN_SECONDS = 1.0
"""How long frames queued before a `Close` may take to arrive (net.core.effects)."""


class LinkEvents(Protocol):
    """What happens to links, told to the driver. None of these may raise."""

    def offer_made(self, link: LinkId, sdp: bytes) -> None:
        """The offer of a link is ready to be carried to the other side."""

    def answer_made(self, link: LinkId, sdp: bytes) -> None:
        """The answer to an offer is ready to be carried back."""

    def opened(self, link: LinkId, transport: LinkTransport) -> None:
        """Frames can be sent and will come from now on."""

    def closed(self, link: LinkId, reason: str) -> None:
        """The link failed or ended; not told of links that `Links.close` ended."""

    def frame(self, link: LinkId, frame: bytes) -> None:
        """A frame came."""


@dataclass(frozen=True, slots=True)
class LinkStatistics:
    """Counters of all links of this process, ended ones included."""

    open: int
    setups: int
    """Set-ups in progress, those that wait for a slot included."""
    opened: int
    failed: tuple[tuple[Step, int], ...]
    """Failed set-ups by the step at which they ended, in the order of steps."""
    faults: int
    """Links ended because the peer broke a rule of the transport."""
    frames_in: int
    bytes_in: int
    frames_out: tuple[int, ...]
    """By priority."""
    bytes_out: tuple[int, ...]
    """By priority."""
    frames_dropped: tuple[int, ...]
    """Thrown away by full queues, by priority."""
    bytes_waiting: tuple[int, ...]
    """In the queues of open links now, by priority."""


class _Attempt:
    """One link's place in the table, and its owner in the sense of `webrtc.LinkOwner`."""

    def __init__(self, number: LinkId, events: LinkEvents) -> None:
        self.number = number
        self.events = events
        self.task: asyncio.Task[None] | None = None
        """What `Links.close` may cancel; None once it frees the sockets, which must come to its end."""
        self.link: Link | None = None
        self.open = False
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.end: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        """Resolves to why the link ended on its own, or to None when we close it."""

    def frame(self, frame: bytes) -> None:
        if not self.end.done():  # else it is draining: for the mesh the link is gone
            self.events.frame(self.number, frame)

    def ended(self, reason: str) -> None:
        if not self.end.done():
            self.end.set_result(reason)

    def finish(self) -> None:
        if not self.end.done():
            self.end.set_result(None)


@dataclass(slots=True)
class _Totals:
    frames_in: int = 0
    bytes_in: int = 0
    frames_out: list[int] = field(default_factory=lambda: [0] * len(Priority))
    bytes_out: list[int] = field(default_factory=lambda: [0] * len(Priority))
    dropped: list[int] = field(default_factory=lambda: [0] * len(Priority))

    def add(self, link: Link) -> None:
        traffic = link.traffic
        self.frames_in += traffic.frames_in
        self.bytes_in += traffic.bytes_in
        self.frames_out = _sums(self.frames_out, traffic.frames_out)
        self.bytes_out = _sums(self.bytes_out, traffic.bytes_out)
        self.dropped = _sums(self.dropped, link.queues.dropped())


def _sums(one: Sequence[int], other: Sequence[int]) -> list[int]:
    return [a + b for a, b in zip(one, other, strict=True)]


def _decoded(sdp: bytes) -> Description:
    try:
        return decode_description(sdp)
    except Malformed as error:
        raise LinkFailed(Step.DESCRIPTION, str(error)) from None


class Links:
    """The table of links. The driver owns it and calls it; what happens comes back through `LinkEvents`."""

    def __init__(self, settings: IceSettings, events: LinkEvents, tasks: OwnedTasks) -> None:
        self._settings = settings
        self._events = events
        self._tasks = tasks
        self._attempts: dict[LinkId, _Attempt] = {}
        self._slots = asyncio.Semaphore(SETUPS_MAX)
        self._slots_waiting = 0
        self._opened = 0
        self._faults = 0
        self._failed: Counter[Step] = Counter()
        self._past = _Totals()

    def create_offer(self, number: LinkId) -> None:
        """Begin a link: `offer_made` or `closed` follows."""
        self._begin(number, None)

    def create_answer(self, number: LinkId, offer: bytes) -> None:
        """Begin a link from the other side's offer: `answer_made` or `closed` follows."""
        self._begin(number, offer)

    def apply_answer(self, number: LinkId, answer: bytes) -> None:
        """Continue a link with the other side's answer. A second answer and one to no link of ours are ignored."""
        attempt = self._attempts.get(number)
        if attempt is not None and not attempt.answer.done():
            attempt.answer.set_result(answer)

    def send(self, number: LinkId, frame: bytes, priority: Priority) -> None:
        """Queue a frame. On a link that is gone it is lost; a link that cannot keep up ends, and `closed` follows."""
        attempt = self._attempts.get(number)
        if attempt is None or not attempt.open or attempt.link is None:
            return
        if not attempt.link.send(frame, priority):
            attempt.ended("stalled: the control queue is full")

    def close(self, number: LinkId) -> None:
        """End a link or an attempt; queued frames have `DRAIN_SECONDS` to go. `closed` does not follow."""
        attempt = self._attempts.pop(number, None)
        if attempt is None:
            return
        if attempt.open:
            attempt.finish()
        elif attempt.task is not None:
            attempt.task.cancel()

    def close_all(self) -> None:
        """End every link as `close` does."""
        for number in list(self._attempts):
            self.close(number)

    def traffic(self, number: LinkId) -> tuple[int, int]:
        """Return the bytes of frames received and sent over a link so far; zeros when it is gone."""
        attempt = self._attempts.get(number)
        if attempt is None or attempt.link is None:
            return 0, 0
        return attempt.link.traffic.bytes_in, sum(attempt.link.traffic.bytes_out)

    def statistics(self) -> LinkStatistics:
        """Return the counters; O(links)."""
        totals = copy.deepcopy(self._past)
        waiting = [0] * len(Priority)
        running = [attempt.link for attempt in self._attempts.values() if attempt.link is not None]
        for link in running:
            totals.add(link)
            waiting = _sums(waiting, link.queues.waiting())
        up = sum(attempt.open for attempt in self._attempts.values())
        return LinkStatistics(
            open=up,
            setups=len(self._attempts) - up,
            opened=self._opened,
            failed=tuple((step, self._failed[step]) for step in Step),
            faults=self._faults,
            frames_in=totals.frames_in,
            bytes_in=totals.bytes_in,
            frames_out=tuple(totals.frames_out),
            bytes_out=tuple(totals.bytes_out),
            frames_dropped=tuple(totals.dropped),
            bytes_waiting=tuple(waiting),
        )

    def _begin(self, number: LinkId, offer: bytes | None) -> None:
        assert number not in self._attempts, "the mesh numbers links once"
        attempt = _Attempt(number, self._events)
        self._attempts[number] = attempt
        attempt.task = self._tasks.spawn(self._live(attempt, offer), f"link {number}")

    async def _live(self, attempt: _Attempt, offer: bytes | None) -> None:
        reason: str | None
        try:
            async with self._slot():
                transport = await self._set_up(attempt, offer)
            assert attempt.link is not None
            attempt.open = True
            self._opened += 1
            self._events.opened(attempt.number, transport)
            attempt.link.begin()
            reason = await attempt.end
            if reason is None:
                await attempt.link.drain(DRAIN_SECONDS)
            elif reason.startswith("fault"):
                self._faults += 1
        except LinkFailed as failure:
            self._failed[failure.step] += 1
            reason = f"set-up failed at {failure}"
        finally:
            attempt.open = False
            attempt.task = None
            if attempt.link is not None:
                self._past.add(attempt.link)
                ended, attempt.link = attempt.link, None
                await ended.close()
        if self._attempts.pop(attempt.number, None) is not None:
            self._events.closed(attempt.number, reason or "closed")

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        if self._slots_waiting >= SETUPS_WAITING_MAX:
            raise LinkFailed(Step.SLOT, f"{SETUPS_WAITING_MAX} set-ups wait already")
        self._slots_waiting += 1
        try:
            async with asyncio.timeout(SLOT_SECONDS):
                await self._slots.acquire()
        except TimeoutError:
            raise LinkFailed(Step.SLOT, f"none free within {SLOT_SECONDS:.0f} s") from None
        finally:
            self._slots_waiting -= 1
        try:
            yield
        finally:
            self._slots.release()

    async def _set_up(self, attempt: _Attempt, offer: bytes | None) -> LinkTransport:
        if offer is not None:
            remote = _decoded(offer)
            attempt.link = Link(Role.ANSWERER, self._settings, attempt)
            self._events.answer_made(attempt.number, await attempt.link.answer(remote))
        else:
            attempt.link = Link(Role.OFFERER, self._settings, attempt)
            self._events.offer_made(attempt.number, await attempt.link.offer())
            try:
                remote = _decoded(await asyncio.wait_for(attempt.answer, ANSWER_SECONDS))
            except TimeoutError:
                raise LinkFailed(Step.SIGNAL, f"no answer within {ANSWER_SECONDS:.0f} s") from None
        return await attempt.link.connect(remote)
