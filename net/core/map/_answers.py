"""Records for neighbours that ask for them by name: checked ones alone, within a budget for each neighbour."""

from collections.abc import Iterable

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.map._credit import Credit
from net.core.map.peer_map import PeerMap
from net.core.ports import RecordArchive
from net.core.wire.gossip import RecordName, name_prefix

SERVED_RATE = 150_000
SERVED_BURST = 7_000_000
"""Bytes of records that one neighbour may draw by name a second, and at once: a little less than `guard.limits` lets
it take without striking this node for it. A name is a twentieth of its record: without a bound it draws all we have."""


class Answers:
    """What may be sent on. Mutable: one budget a link, changed by its own methods alone."""

    def __init__(self, peer_map: PeerMap, archive: RecordArchive) -> None:
        self._map = peer_map
        self._archive = archive
        self._credits: dict[PeerId, Credit] = {}
        """What each neighbour may still draw; one entry a link of any kind."""

    def true_record(self, origin: PeerId) -> bytes | None:
        """Return the record held if it was checked here: who passes a forged one on is banned for it."""
        return self._archive.get(origin) if self._map.checked(origin) else None

    def named(self, peer: PeerId, names: Iterable[RecordName], now: Millis) -> list[bytes]:
        """Return those of the records that a neighbour named which are here, the first ones, as many as it may draw."""
        credit = self._credits.setdefault(peer, Credit(SERVED_RATE, SERVED_BURST, SERVED_BURST))
        credit.earn(now)
        given: list[bytes] = []
        for name in names:
            origin = self._map.by_prefix(name_prefix(name))
            raw = self.true_record(origin) if origin is not None else None
            if raw is None:
                continue
            if len(raw) > credit.level:
                break
            credit.level -= len(raw)
            given.append(raw)
        return given

    def link_down(self, peer: PeerId) -> None:
        """Forget a neighbour's budget."""
        self._credits.pop(peer, None)
