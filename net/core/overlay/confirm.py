"""Links that the other end's record does not confirm, and ids that are left alone for it (DESIGN section 3.2)."""

from collections.abc import Iterable

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis

QUARANTINE_MAX = 4096
"""Ids in quarantine or remembered for doubling; the one entered longest ago goes first."""

QUARANTINE_LONGEST = Millis(86_400_000)
"""No quarantine is longer than a day."""


class ConfirmWatch:
    """Ids in quarantine. Mutable: changed by its own methods alone."""

    def __init__(self, *, timeout: Millis, quarantine: Millis) -> None:
        self._timeout = timeout
        self._first = quarantine
        self._quarantine: dict[PeerId, tuple[Millis, Millis]] = {}

    def timed_out(self, unconfirmed: Iterable[tuple[PeerId, Millis]], now: Millis) -> list[PeerId]:
        """Take the own listed links that lack confirmation, with the time since when; times are mesh time.

        Returns those whose time is up; they are in quarantine from now on, and the caller closes their links.
        """
        late = [peer for peer, since in unconfirmed if now - since >= self._timeout]
        for peer in late:
            self._enter(peer, now)
        return late

    def avoid(self, peer: PeerId, now: Millis) -> None:
        """Leave a peer alone for a while: one that was annoying."""
        self._enter(peer, now)

    def _enter(self, peer: PeerId, now: Millis) -> None:
        before = self._quarantine.pop(peer, None)
        length = self._first if before is None else Millis(min(2 * before[1], QUARANTINE_LONGEST))
        self._quarantine[peer] = (Millis(now + length), length)
        if len(self._quarantine) > QUARANTINE_MAX:
            del self._quarantine[next(iter(self._quarantine))]

    def in_quarantine(self, now: Millis) -> list[PeerId]:
        """Return the ids that are neither dialled nor accepted."""
        return [peer for peer, (until, _) in self._quarantine.items() if now < until]

    def quarantined(self, peer: PeerId, now: Millis) -> bool:
        """Tell whether the id is neither dialled nor accepted."""
        until = self._quarantine.get(peer)
        return until is not None and now < until[0]
