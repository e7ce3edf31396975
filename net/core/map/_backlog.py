"""Records taken in ranges whose signature and proof are still to be checked, a few at a time (DESIGN section 3.2)."""

from collections import deque

from chain.primitives.errors import Penalty
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.map.checks import Checks
from net.core.map.effects import MapEffect
from net.core.map.peer_map import PeerMap
from net.core.ports import RecordArchive
from net.core.wire.fault import Fault

CHECK_EVERY = Millis(100)
"""How often a few records are checked."""

CHECK_BATCH = 16
"""How many: 9 ms of Argon2 and signatures in 100 ms. 100,000 records take ten minutes at a tenth of a core."""


class Backlog:
    """The queue of unchecked records. Bounded by the map: each is on it, and each origin waits once. The gossip machine
    alone changes it."""

    def __init__(self, peer_map: PeerMap, archive: RecordArchive, checks: Checks) -> None:
        self._map = peer_map
        self._archive = archive
        self._checks = checks
        self._queue: deque[PeerId] = deque()
        self._sender: dict[PeerId, PeerId | None] = {}
        """Of each origin that waits: who delivered the record held, None if the archive did."""
        self._at: Millis | None = None

    def __len__(self) -> int:
        """Return how many origins wait, those checked meanwhile included."""
        return len(self._queue)

    def add(self, origin: PeerId, sender: PeerId | None, now: Millis) -> None:
        """Queue an origin whose unchecked record `sender` delivered, or the archive (None).

        Of one that waits already, the newer record is the one held and checked: its deliverer answers for it.
        """
        if origin not in self._sender:
            self._queue.append(origin)
        self._sender[origin] = sender
        if self._at is None:
            self._at = Millis(now + CHECK_EVERY)

    def deadline(self) -> Millis | None:
        """Return when `tick` next has work."""
        return self._at

    def tick(self, now: Millis) -> list[MapEffect]:
        """Check the next few; one failure discards what else its sender delivered unchecked, and bans it."""
        if self._at is None or now < self._at:
            return []
        effects: list[MapEffect] = []
        left = CHECK_BATCH
        while self._queue and left:
            origin = self._queue.popleft()
            sender = self._sender.pop(origin)
            if origin not in self._map or self._map.checked(origin):
                continue
            left -= 1
            if not self.check(origin):
                effects += self._discard_one(origin, sender, now)
        self._at = Millis(now + CHECK_EVERY) if self._queue else None
        return effects

    def _discard_one(self, origin: PeerId, sender: PeerId | None, now: Millis) -> list[MapEffect]:
        if sender is not None:
            return self.discard(sender, now, first=origin)
        self._archive.delete(origin)
        return list(self._map.forget([origin], now))

    def check(self, origin: PeerId) -> bool:
        """Check the archived record of an unchecked peer now; False when it is forged (the caller discards)."""
        raw = self._archive.get(origin)
        if raw is None:
            return True
        record = self._checks.decode(raw)
        if not (self._checks.signature(record) and self._checks.proof(origin, record.nonce, record.epoch)):
            return False
        self._map.mark_checked(origin)
        return True

    def discard(self, sender: PeerId, now: Millis, *, first: PeerId | None) -> list[MapEffect]:
        """Take off the map `first`, found forged, and all else `sender` delivered unchecked; `first` costs a ban."""
        tainted = {origin for origin, source in self._sender.items() if source == sender}
        for origin in tainted:
            del self._sender[origin]
        self._queue = deque(origin for origin in self._queue if origin in self._sender)
        tainted |= {first} if first else set()
        forged = sorted(origin for origin in tainted if origin in self._map and not self._map.checked(origin))
        for origin in forged:
            self._archive.delete(origin)
        events = self._map.forget(forged, now)
        if first is None:
            return list(events)
        return [*events, Fault(sender, Penalty.BAN, "delivered a forged record in a range of the map")]
