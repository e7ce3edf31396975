"""The map of a small device: who lies within a few hops on its own map, and a hash sample of the others (DESIGN 3.2).

Local policy: no message carries a hop count, others need not know. Such a map is not compared with others' (nearly all
of it would differ): its pings carry NO_FINGERPRINT, questions about ranges are answered with `Busy`. What is missing
nearby is asked for by name instead.
"""

from collections.abc import Callable
from hashlib import blake2b
from random import Random

from chain.primitives.peer import PREFIX_BYTES, PeerId
from chain.primitives.units import Millis
from net.core.map._flows import want_frame
from net.core.map.peer_map import PeerMap
from net.core.ports import RecordArchive
from net.core.wire.frame import ToPeer
from net.core.wire.gossip import NAMES_MAX, RecordName, RecordsWant, Turn, record_name
from net.core.wire.record import Record

SAMPLE = 1_000
"""Peers beyond the hops that are kept, those with the smallest keyed hashes: nobody can choose to be among them."""

FRESH_MAX = 4_000
"""New peers taken before the next survey: the map holds at most what is near, SAMPLE and these."""

SURVEY_EVERY = Millis(10_000)
"""How often the map is searched for what is near, what is missing there and what is too much: 20 µs a peer."""

NO_FINGERPRINT = bytes(16)
"""In pings: this map is not to be compared."""

_LARGEST = b"\xff" * 8


class Horizon:
    """Says which peers are kept and drops the others. The gossip machine alone changes it."""

    def __init__(self, me: PeerId, hops: int, secret: bytes) -> None:
        """`hops` is at least 1; `secret`, 16 bytes of entropy, keys the sample."""
        assert hops >= 1, "a map without the own links is none"
        self._me = me
        self._hops = hops
        self._secret = secret
        self._wanted: set[bytes] = set()
        """Prefixes of who is near, on the map or named by who is."""
        self._wanted.add(me[:PREFIX_BYTES])
        self._limit = _LARGEST
        self._map: PeerMap | None = None
        self._settled = 0
        """Peers on the map after the last survey."""
        self._at: Millis | None = None

    def keeps(self, prefix: bytes) -> bool:
        """Tell whether a peer that is not on the map should come onto it."""
        if prefix in self._wanted:
            return True
        room = self._map is None or len(self._map) < self._settled + FRESH_MAX
        return room and self._rank(prefix) <= self._limit

    def _rank(self, prefix: bytes) -> bytes:
        return blake2b(prefix, digest_size=8, key=self._secret).digest()

    def deadline(self) -> Millis | None:
        """Return when `tick` next has work."""
        return self._at

    def tick(
        self,
        peer_map: PeerMap,
        archive: RecordArchive,
        decode: Callable[[bytes], Record],
        neighbours: list[PeerId],
        rng: Random,
        now: Millis,
    ) -> list[ToPeer]:
        """Search the map if it is time: forget what lies beyond, ask neighbours for what is missing nearby.

        Links lost by forgetting are no news, so no events come of it.
        """
        if self._at is not None and now < self._at:
            return []
        self._at = Millis(now + SURVEY_EVERY)
        self._map = peer_map
        near, inner = self._reach(peer_map)
        named: set[bytes] = set()
        for peer in inner:
            raw = archive.get(peer)
            if raw is not None:
                named.update(link.prefix for link in decode(raw).links)
        self._wanted = named | {peer[:PREFIX_BYTES] for peer in near}
        self._forget(peer_map, archive, now)
        self._settled = len(peer_map)
        missing = sorted(prefix for prefix in named if peer_map.held_seq(prefix) is None)
        return _asks(missing, sorted(neighbours), rng) if neighbours else []

    def _reach(self, peer_map: PeerMap) -> tuple[set[PeerId], set[PeerId]]:
        """Return who is within the hops over confirmed links, and who within one less."""
        near, ring = {self._me}, [self._me]
        inner: set[PeerId] = set()
        for _ in range(self._hops):
            inner = set(near)
            ring = [other for peer in ring for other in peer_map.confirmed_neighbours(peer)]
            ring = sorted(set(ring) - near)
            near.update(ring)
        return near, inner

    def _forget(self, peer_map: PeerMap, archive: RecordArchive, now: Millis) -> None:
        """Keep SAMPLE of those beyond, and take the largest hash among them as the limit for newcomers."""
        self._limit = _LARGEST
        beyond = [peer for peer in peer_map.ids() if peer[:PREFIX_BYTES] not in self._wanted]
        if len(beyond) <= SAMPLE:
            return
        ranked = sorted((self._rank(peer[:PREFIX_BYTES]), peer) for peer in beyond)
        self._limit = ranked[SAMPLE - 1][0]
        dropped = [peer for _, peer in ranked[SAMPLE:]]
        peer_map.forget(dropped, now)
        for peer in dropped:
            archive.delete(peer)


def _asks(missing: list[bytes], neighbours: list[PeerId], rng: Random) -> list[ToPeer]:
    """Ask neighbours for their own records and one of them, another each time, for the rest."""
    by_prefix = {peer[:PREFIX_BYTES]: peer for peer in neighbours}
    anyone = rng.choice(neighbours)
    asked: dict[PeerId, list[RecordName]] = {}
    for prefix in rng.sample(missing, min(NAMES_MAX, len(missing))):
        asked.setdefault(by_prefix.get(prefix, anyone), []).append(record_name(prefix, 0))
    wants = [(peer, RecordsWant(Turn.KEEP, tuple(names))) for peer, names in asked.items()]
    return [want_frame(peer, want) for peer, want in wants]
