"""Trying a neighbour's port on its wish (DESIGN section 3.4), within limits that make nobody a weapon.

The datagram goes to the address that the asker's own link is seen to come from and to no other; the asker only names
the port, none of the reserved ones, and gets hardly more than it sent.
"""

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.effects import SendProbe
from net.core.guard.limits import Bucket
from net.core.overlay.link import Link
from net.core.wire.control import Try

PORT_LEAST = 1024
"""Below are services; nobody's fresh port is among them."""

TRY_EVERY = Millis(30_000)
"""Between two tries for one neighbour."""

ASKED_MAX = 256
"""Neighbours remembered for that; the one that asked longest ago goes first."""

TRIES_RATE = 1
TRIES_BURST = 24
"""Tries a second, and at once, for all neighbours together: one for each link, all of which may be new."""


class Tries:
    """Limits of tries. Mutable: changed by `wanted` alone."""

    def __init__(self) -> None:
        self._asked: dict[PeerId, Millis] = {}
        self._bucket: Bucket | None = None

    def wanted(self, link: Link, wish: Try, now: Millis) -> SendProbe | None:
        """Return the datagram to send for a neighbour whose link is up, None when it asks too much."""
        assert link.peer is not None, "a link that is up has a peer"
        assert link.transport is not None, "a link that is up was opened"
        last = self._asked.get(link.peer)
        if wish.port < PORT_LEAST or (last is not None and now - last < TRY_EVERY):
            return None
        if self._bucket is None:
            self._bucket = Bucket(TRIES_RATE, TRIES_BURST, now)
        if not self._bucket.take(1, now):
            return None
        self._asked.pop(link.peer, None)
        self._asked[link.peer] = now
        if len(self._asked) > ASKED_MAX:
            del self._asked[next(iter(self._asked))]
        return SendProbe(link.transport.address, wish.port, wish.nonce)
