"""Own listed links that the other end's record does not list, with the time since when."""

from collections.abc import Collection, Iterable

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.effects import MapEvent


class Unconfirmed:
    """The table, as large as the own record. The gossip machine alone changes it."""

    def __init__(self, me: PeerId) -> None:
        self._me = me
        self._since: dict[PeerId, Millis] = {}

    def seen(self, events: Iterable[MapEvent], listed: Collection[PeerId], now: Millis) -> None:
        """Note which own links were confirmed or lost; `listed` are those of the own record."""
        for event in events:
            if self._me in (event.origin, event.target):
                other = event.target if event.origin == self._me else event.origin
                if event.connected:
                    self._since.pop(other, None)
                elif other in listed:
                    self._since[other] = now

    def wait(self, peers: Iterable[PeerId], now: Millis) -> None:
        """Begin to wait for confirmation by these peers, unless that began before."""
        for peer in peers:
            self._since.setdefault(peer, now)

    def keep(self, listed: Collection[PeerId]) -> None:
        """Forget links that are listed no more."""
        self._since = {peer: since for peer, since in self._since.items() if peer in listed}

    def items(self) -> list[tuple[PeerId, Millis]]:
        """Return all, in the order of the ids."""
        return sorted(self._since.items())
