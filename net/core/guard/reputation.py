"""Strikes that fade and bans that end: what is remembered of a peer's faults (DESIGN section 3.8)."""

from dataclasses import dataclass

from chain.primitives.canonical import pack, unpack
from chain.primitives.errors import Malformed
from chain.primitives.peer import PeerId, peer_id
from chain.primitives.units import Millis

STRIKE_HALF_LIFE = Millis(10 * 60 * 1000)
"""Strikes halve in this time."""

BAN_STRIKES = 8
"""A peer with this many unfaded strikes is banned: eight faults at once, or one a minute for ten minutes."""

BAN_FIRST = Millis(24 * 3600 * 1000)
"""A ban on proof (an invalid signature, malformed bytes) lasts this long."""

BAN_STRUCK = Millis(3600 * 1000)
"""A ban by strikes lasts this long the first time, doubling with each further one up to BAN_LONGEST."""

BAN_LONGEST = Millis(14 * 24 * 3600 * 1000)
"""No ban is longer than an id epoch: then the id costs a new proof of work anyway."""

STRUCK_MAX = 4096
"""Most peers with strikes remembered; the one with the fewest makes room."""

BANS_MAX = 16_384
"""Most bans remembered; the one that ends first makes room."""

REASON_MAX = 120
"""Longest reason kept, in characters."""

_SCALE = 1 << 16
"""One strike, in the fixed point that fading is computed in."""

_SNAPSHOT_MAX = BANS_MAX * 600 + STRUCK_MAX * 64 + 64


@dataclass(frozen=True, slots=True)
class Ban:
    """One entry of the ban list."""

    peer: PeerId
    reason: str
    since: Millis
    until: Millis
    times: int
    """How often the peer has been banned, this time included, as far as remembered."""


@dataclass(slots=True)
class _Struck:
    level: int
    at: Millis


class Reputation:
    """Strikes and bans by id. The guard alone changes it."""

    def __init__(self, snapshot: bytes = b"") -> None:
        """Raises `Malformed` when a snapshot is given that `snapshot` did not make."""
        self._struck: dict[PeerId, _Struck] = {}
        self._bans: dict[PeerId, Ban] = {}
        self.version = 0
        """Grows when the ban list changes: when to persist."""
        if snapshot:
            self._restore(snapshot)

    def strike(self, peer: PeerId, reason: str, now: Millis) -> Ban | None:
        """Count one strike and return the ban it leads to, None if it does not."""
        entry = self._struck.get(peer)
        if entry is None:
            if len(self._struck) >= STRUCK_MAX:
                del self._struck[min(self._struck, key=lambda known: (self._faded(known, now), known))]
            entry = self._struck[peer] = _Struck(0, now)
        entry.level = self._faded(peer, now) + _SCALE
        entry.at = max(now, entry.at)
        if entry.level < BAN_STRIKES * _SCALE - _SCALE // 2:
            return None
        before = self._bans.get(peer)
        times = before.times if before else 0
        return self.ban(peer, reason, Millis(min(BAN_STRUCK << min(times, 16), BAN_LONGEST)), now)

    def _faded(self, peer: PeerId, now: Millis) -> int:
        entry = self._struck[peer]
        passed = max(now - entry.at, 0)
        halvings, rest = divmod(passed, STRIKE_HALF_LIFE)
        level = entry.level >> min(halvings, 62)
        return level - level * rest // (2 * STRIKE_HALF_LIFE)  # straight between two halvings

    def strikes(self, peer: PeerId, now: Millis) -> int:
        """Return the peer's strikes left, rounded."""
        return (self._faded(peer, now) + _SCALE // 2) // _SCALE if peer in self._struck else 0

    def ban(self, peer: PeerId, reason: str, length: Millis, now: Millis) -> Ban:
        """Ban a peer for `length` from now, or longer if it is banned for longer already; return the entry."""
        before = self._bans.get(peer)
        if before is None and len(self._bans) >= BANS_MAX:
            del self._bans[min(self._bans, key=lambda known: (self._bans[known].until, known))]
        until = Millis(max(now + min(length, BAN_LONGEST), before.until if before else 0))
        times = (before.times if before else 0) + 1
        entry = self._bans[peer] = Ban(peer, reason[:REASON_MAX], now, until, min(times, 1_000_000))
        self._struck.pop(peer, None)
        self.version += 1
        return entry

    def banned(self, peer: PeerId, now: Millis) -> bool:
        """Tell whether a ban of the peer is in force."""
        entry = self._bans.get(peer)
        return entry is not None and entry.until > now

    def unban(self, peer: PeerId) -> bool:
        """Lift the ban and clear the strikes of a peer; tell whether there was anything to lift."""
        self._struck.pop(peer, None)
        if self._bans.pop(peer, None) is None:
            return False
        self.version += 1
        return True

    def bans(self, now: Millis) -> list[Ban]:
        """Return the bans in force, the one that ends last first."""
        current = [ban for ban in self._bans.values() if ban.until > now]
        return sorted(current, key=lambda ban: (-ban.until, ban.peer))

    def size(self) -> int:
        """Return how many bans are remembered, ended ones included."""
        return len(self._bans)

    def sweep(self, now: Millis) -> None:
        """Forget what has faded: strikes under a half, bans that ended a BAN_LONGEST ago (until then they double)."""
        self._struck = {peer: entry for peer, entry in self._struck.items() if self.strikes(peer, now)}
        self._bans = {peer: ban for peer, ban in self._bans.items() if ban.until + BAN_LONGEST > now}

    def snapshot(self) -> bytes:
        """Return bytes that the constructor takes back."""
        bans = [[b.peer, b.reason, b.since, b.until, b.times] for _, b in sorted(self._bans.items())]
        struck = [[peer, entry.level, entry.at] for peer, entry in sorted(self._struck.items())]
        return pack([1, bans, struck])

    def _restore(self, raw: bytes) -> None:
        match unpack(raw, max_bytes=_SNAPSHOT_MAX, max_items=max(BANS_MAX, STRUCK_MAX)):
            case [1, list(bans), list(struck)]:
                pass
            case _:
                raise Malformed("not a stored reputation")
        for item in bans:
            match item:
                case [bytes(peer), str(reason), int(since), int(until), int(times)]:
                    entry = Ban(peer_id(peer), reason, Millis(since), Millis(until), times)
                    self._bans[entry.peer] = entry
                case _:
                    raise Malformed("not a stored ban")
        for item in struck:
            match item:
                case [bytes(peer), int(level), int(at)]:
                    self._struck[peer_id(peer)] = _Struck(level, Millis(at))
                case _:
                    raise Malformed("not a stored strike")
