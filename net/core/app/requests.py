"""Requests to neighbours and their answers: numbered, bounded, timed (the sans-IO machine behind `Mesh.request`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from chain.primitives.errors import Malformed
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.app.topics import TopicSpec
from net.core.effects import Priority, Requested, RequestFailed, RequestId, Responded
from net.core.wire.app import U32_MAX, Refuse, decode_part, decode_refuse, encode_parts, encode_refuse
from net.core.wire.assembly import Assembly
from net.core.wire.frame import FrameKind, ToPeer

ASKED_MAX = 1024
"""Own requests open at once; one more fails at once."""

ANSWER_LIMIT = Millis(60_000)
"""Time the application has to answer a peer's request before it is forgotten."""

Outcome: TypeAlias = ToPeer | Requested | Responded | RequestFailed


@dataclass(frozen=True, slots=True)
class RequestStatistics:
    """Counters since the start."""

    asked: int
    answered: int
    """Own requests that got their response."""
    failed: int
    taken: int
    """Peers' requests handed to the application."""
    refused: int
    """Peers' requests refused, by the application or for want of room."""


@dataclass(slots=True)
class _Asked:
    peer: PeerId
    topic: int
    deadline: Millis


@dataclass(frozen=True, slots=True)
class _Taken:
    peer: PeerId
    number: int
    topic: int
    deadline: Millis


@dataclass(slots=True)
class _Kept:
    """How a neighbour answers."""

    answered: int = 0
    silent: int = 0


class Requests:
    """Open requests of both directions. Mutable: changed by its own methods alone."""

    def __init__(self, topics: Mapping[int, TopicSpec], *, timeout: Millis) -> None:
        """`timeout` is the silence after which an own request has failed (request_timeout)."""
        self._topics = topics
        self._timeout = timeout
        self._next = 1
        self._linked: dict[PeerId, _Kept] = {}
        self._asked: dict[int, _Asked] = {}
        self._taken: dict[RequestId, _Taken] = {}
        self._open_of: dict[tuple[PeerId, int], set[int]] = {}
        self._requests: Assembly[int] = Assembly()
        self._responses: Assembly[int] = Assembly()
        self._counts = dict.fromkeys(RequestStatistics.__dataclass_fields__, 0)

    def statistics(self) -> RequestStatistics:
        """Return the counters."""
        return RequestStatistics(**self._counts)

    def linked(self, peer: PeerId) -> None:
        """Take a new neighbour in."""
        self._linked.setdefault(peer, _Kept())

    def unlinked(self, peer: PeerId) -> list[Outcome]:
        """Fail what was asked of a neighbour that is gone; forget what it asked."""
        self._linked.pop(peer, None)
        self._requests.drop_peer(peer)
        self._responses.drop_peer(peer)
        for request in [request for request, taken in self._taken.items() if taken.peer == peer]:
            self._close(request)
        for place in [place for place in self._open_of if place[0] == peer]:
            del self._open_of[place]
        gone = [number for number, asked in self._asked.items() if asked.peer == peer]
        return [self._fail(number, "the link is gone") for number in gone]

    def request(self, peer: PeerId, topic: int, payload: bytes, now: Millis) -> tuple[RequestId, list[Outcome]]:
        """Ask a neighbour; the answer comes as `Responded` or `RequestFailed` under the number returned here."""
        spec = self._topics[topic]
        assert len(payload) <= spec.max_bytes, f"{len(payload)} bytes on topic {topic}"
        number = self._number()
        self._counts["asked"] += 1
        if peer not in self._linked or len(self._asked) >= ASKED_MAX:
            reason = "too many requests" if peer in self._linked else "no link"
            self._counts["failed"] += 1
            return RequestId(number), [RequestFailed(RequestId(number), topic, peer, reason)]
        self._asked[number] = _Asked(peer, topic, Millis(now + self._timeout))
        parts = encode_parts(number, topic, payload)
        return RequestId(number), [ToPeer(peer, FrameKind.REQUEST, part, spec.priority) for part in parts]

    def respond(self, request: RequestId, payload: bytes) -> list[Outcome]:
        """Answer a `Requested`; one that is gone (late, link closed) gets nothing."""
        taken = self._close(request)
        if taken is None:
            return []
        spec = self._topics[taken.topic]
        assert len(payload) <= spec.max_bytes, f"{len(payload)} bytes on topic {taken.topic}"
        parts = encode_parts(taken.number, taken.topic, payload)
        return [ToPeer(taken.peer, FrameKind.RESPONSE, part, spec.priority) for part in parts]

    def refuse(self, request: RequestId, reason: str) -> list[Outcome]:
        """Tell the asker of a `Requested` that no answer will come."""
        taken = self._close(request)
        return [] if taken is None else [self._refusal(taken.peer, taken.number, reason)]

    def receive(self, peer: PeerId, kind: FrameKind, body: bytes, now: Millis) -> list[Outcome]:
        """Take a REQUEST, RESPONSE or REFUSE frame. Raises `Malformed`."""
        match kind:
            case FrameKind.REQUEST:
                return self._request(peer, body, now)
            case FrameKind.RESPONSE:
                return self._response(peer, body, now)
            case FrameKind.REFUSE:
                refuse = decode_refuse(body)
                asked = self._asked.get(refuse.number)
                return [self._fail(refuse.number, refuse.reason)] if asked and asked.peer == peer else []
            case _:
                raise AssertionError(f"{kind.name} is no frame of requests")

    def conduct(self, peer: PeerId) -> tuple[int, int]:
        """Return how many requests a neighbour has answered and left without an answer since its link came up."""
        kept = self._linked.get(peer)
        return (0, 0) if kept is None else (kept.answered, kept.silent)

    def deadline(self) -> Millis | None:
        """Return when `tick` has work next."""
        if not (self._asked or self._taken or self._open_of):
            return None  # asked after every frame: nothing open is the usual case
        moments = [asked.deadline for asked in self._asked.values()]
        moments += [taken.deadline for taken in self._taken.values()]
        moments += [moment for moment in (self._requests.deadline(), self._responses.deadline()) if moment is not None]
        return min(moments, default=None)

    def tick(self, now: Millis) -> list[Outcome]:
        """Fail what is overdue; forget what the application or the asker left unfinished."""
        self._responses.stalled(now)
        for peer, number in self._requests.stalled(now):
            self._forget(peer, number)
        for request in [request for request, taken in self._taken.items() if taken.deadline <= now]:
            self._close(request)
        late = [number for number, asked in self._asked.items() if asked.deadline <= now]
        for number in late:
            self._linked[self._asked[number].peer].silent += 1
        return [self._fail(number, "no answer in time") for number in late]

    def _request(self, peer: PeerId, body: bytes, now: Millis) -> list[Outcome]:
        part = decode_part(body)
        spec = self._spec(part.topic, part.total)
        place = (peer, part.topic)
        numbers = self._open_of.get(place, set())
        if not part.offset:
            if any(part.number in taken for other, taken in self._open_of.items() if other[0] == peer):
                # on another topic as well: the end of either would free the places of both
                raise Malformed("a request under the number of an open one")
            if len(numbers) >= spec.max_pending:
                return [self._refusal(peer, part.number, "busy")]
            numbers.add(part.number)
            self._open_of[place] = numbers
        elif part.number not in numbers:
            return []
        payload = self._requests.add(peer, part.number, offset=part.offset, total=part.total, data=part.data, now=now)
        if payload is None:
            if not self._requests.holds(peer, part.number):
                self._forget(peer, part.number)
                return [self._refusal(peer, part.number, "busy")]
            return []
        request = RequestId(self._number())
        self._taken[request] = _Taken(peer, part.number, part.topic, Millis(now + ANSWER_LIMIT))
        self._counts["taken"] += 1
        return [Requested(request, part.topic, peer, payload)]

    def _response(self, peer: PeerId, body: bytes, now: Millis) -> list[Outcome]:
        part = decode_part(body)
        self._spec(part.topic, part.total)
        asked = self._asked.get(part.number)
        if asked is None or asked.peer != peer:
            return []
        if asked.topic != part.topic:
            raise Malformed("a response on another topic")
        payload = self._responses.add(peer, part.number, offset=part.offset, total=part.total, data=part.data, now=now)
        if payload is None:
            if self._responses.holds(peer, part.number):  # else it was passed over, and must not keep the request open
                asked.deadline = Millis(now + self._timeout)
            return []
        del self._asked[part.number]
        self._linked[peer].answered += 1
        self._counts["answered"] += 1
        return [Responded(RequestId(part.number), part.topic, peer, payload)]

    def _spec(self, topic: int, size: int) -> TopicSpec:
        spec = self._topics.get(topic)
        if spec is None or size > spec.max_bytes:
            raise Malformed(f"{size} bytes on topic {topic}")
        return spec

    def _number(self) -> int:
        number = self._next
        self._next = self._next % U32_MAX + 1
        return number

    def _fail(self, number: int, reason: str) -> RequestFailed:
        asked = self._asked.pop(number)
        self._responses.drop(asked.peer, number)
        self._counts["failed"] += 1
        return RequestFailed(RequestId(number), asked.topic, asked.peer, reason)

    def _refusal(self, peer: PeerId, number: int, reason: str) -> ToPeer:
        self._counts["refused"] += 1
        return ToPeer(peer, FrameKind.REFUSE, encode_refuse(Refuse(number, reason)), Priority.CONTROL)

    def _close(self, request: RequestId) -> _Taken | None:
        taken = self._taken.pop(request, None)
        if taken is not None:
            self._forget(taken.peer, taken.number)
        return taken

    def _forget(self, peer: PeerId, number: int) -> None:
        for place, numbers in list(self._open_of.items()):
            if place[0] == peer and number in numbers:
                numbers.discard(number)
                if not numbers:
                    del self._open_of[place]
