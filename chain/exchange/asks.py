"""Questions that wait for an answer: whom they were put to and until when."""

from dataclasses import dataclass

from chain.exchange.effects import Ask, Tag
from chain.exchange.messages import Request, encode_request
from chain.exchange.topics import REQUEST_TIMEOUT, Topic
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis

ASKS_PER_PEER = 8
"""Most open questions to one peer; who would ask more waits for an answer or asks another."""


@dataclass(frozen=True, slots=True)
class OpenAsk:
    """A question on its way."""

    peer: PeerId
    deadline: Millis


class Tags:
    """Numbers for questions and pieces of work."""

    def __init__(self) -> None:
        self._last = 0

    def next(self) -> Tag:
        """Return a number that was not used before."""
        self._last += 1
        return Tag(self._last)


class Asks:
    """Open questions by tag. At most ASKS_PER_PEER for each neighbour."""

    def __init__(self, tags: Tags) -> None:
        self._tags = tags
        self._open: dict[Tag, OpenAsk] = {}
        self._counts: dict[PeerId, int] = {}

    def has_room(self, peer: PeerId) -> bool:
        """Tell whether one more question may be put to a peer."""
        return self._counts.get(peer, 0) < ASKS_PER_PEER

    def open(self, peer: PeerId, request: Request, now: Millis) -> Ask:
        """Put a question."""
        tag = self._tags.next()
        self._open[tag] = OpenAsk(peer, Millis(now + REQUEST_TIMEOUT))
        self._counts[peer] = self._counts.get(peer, 0) + 1
        return Ask(peer, Topic.SYNC, encode_request(request), tag)

    def close(self, tag: Tag) -> PeerId | None:
        """Take note of an answer or a failure; return the peer, None if the question is no longer open."""
        ask = self._open.pop(tag, None)
        if ask is None:
            return None
        self._counts[ask.peer] -= 1
        if not self._counts[ask.peer]:
            del self._counts[ask.peer]
        return ask.peer

    def of_peer(self, peer: PeerId) -> list[Tag]:
        """Return the open questions to a peer."""
        return [tag for tag, ask in self._open.items() if ask.peer == peer]

    def expired(self, now: Millis) -> list[Tag]:
        """Return the questions whose time is up; they are open until closed."""
        return [tag for tag, ask in self._open.items() if ask.deadline <= now]

    def deadline(self) -> Millis | None:
        """Return when the next question's time is up."""
        return min((ask.deadline for ask in self._open.values()), default=None)
