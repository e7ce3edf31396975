"""A rendezvous host's calls that it passes on to a neighbour because its guest room is full (DESIGN section 3.4)."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.effects import CallId, LinkKind
from net.core.overlay.words import Speak
from net.core.wire.rendezvous import Request
from net.core.wire.signal import Offer

RELAYED_MAX = 64
"""Calls passed on at once; one more is refused."""

RELAYED_FOR = Millis(8_000)
"""Time for the neighbour's answer: the caller hangs up after ten seconds."""


@dataclass(frozen=True, slots=True)
class RelayedCall:
    """A caller whose offer a neighbour may answer."""

    call: CallId
    request: bytes
    neighbour: PeerId
    deadline: Millis


class Hosting:
    """Calls passed on, by the attempt's name. Mutable: changed by its own methods alone."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._calls: dict[bytes, RelayedCall] = {}

    def pass_on(
        self, call: CallId, raw: bytes, request: Request, attempt: bytes, *, neighbours: Sequence[PeerId], now: Millis
    ) -> list[Speak]:
        """Ask a random neighbour to answer the caller; nothing if there is none or too much is under way."""
        if not neighbours or len(self._calls) >= RELAYED_MAX:
            return []
        neighbour = self._rng.choice(neighbours)
        self._calls[attempt] = RelayedCall(call, raw, neighbour, Millis(now + RELAYED_FOR))
        return [Speak(neighbour, Offer(attempt, LinkKind.GUEST, request.joiner, request.offer))]

    def take(self, attempt: bytes, neighbour: PeerId) -> RelayedCall | None:
        """Return and forget the call that this neighbour answers or refuses."""
        relayed = self._calls.get(attempt)
        if relayed is None or relayed.neighbour != neighbour:
            return None
        return self._calls.pop(attempt)

    def overdue(self, now: Millis) -> list[RelayedCall]:
        """Return and forget the calls that no neighbour answered in time."""
        late = [attempt for attempt, relayed in self._calls.items() if relayed.deadline <= now]
        return [self._calls.pop(attempt) for attempt in late]
