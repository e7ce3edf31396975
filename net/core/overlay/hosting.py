"""A rendezvous host's calls that it passes on to neighbours because it has no room (DESIGN section 3.4)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
"""Time for a neighbour's answer: the caller hangs up after ten seconds."""

NEIGHBOURS_TRIED = 3
"""Neighbours asked, one after the other, while they refuse for want of room."""


@dataclass(frozen=True, slots=True)
class RelayedCall:
    """A caller whose offer a neighbour may answer."""

    call: CallId
    request: bytes
    neighbour: PeerId
    """Who was asked last."""
    deadline: Millis
    tried: frozenset[PeerId]
    """All that were asked."""


class Hosting:
    """Calls passed on, by the attempt's name. Mutable: changed by its own methods alone."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._calls: dict[bytes, RelayedCall] = {}

    def pass_on(
        self, call: CallId, raw: bytes, request: Request, attempt: bytes, *, neighbours: Sequence[PeerId], now: Millis
    ) -> list[Speak]:
        """Ask a random neighbour to answer the caller; nothing if there is none or too much is under way."""
        if len(self._calls) >= RELAYED_MAX:
            return []
        fresh = RelayedCall(call, raw, request.joiner, Millis(now + RELAYED_FOR), frozenset())
        return self._ask(fresh, request, attempt, neighbours)

    def pass_further(
        self, relayed: RelayedCall, request: Request, attempt: bytes, *, neighbours: Sequence[PeerId], now: Millis
    ) -> list[Speak]:
        """Ask another neighbour after a refusal, within the same time; nothing if there is none or it is too late."""
        if len(relayed.tried) >= NEIGHBOURS_TRIED or now >= relayed.deadline:
            return []
        return self._ask(relayed, request, attempt, [peer for peer in neighbours if peer not in relayed.tried])

    def _ask(self, relayed: RelayedCall, request: Request, attempt: bytes, neighbours: Sequence[PeerId]) -> list[Speak]:
        if not neighbours:
            return []
        neighbour = self._rng.choice(neighbours)
        self._calls[attempt] = replace(relayed, neighbour=neighbour, tried=relayed.tried | {neighbour})
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
