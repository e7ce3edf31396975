"""The guard: admits frames within their allowances, counts what they cost, and answers faults with strikes and bans."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from chain.primitives.errors import Penalty
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.guard.limits import ALLOWANCES, Allowance, Bucket, LinkLimits
from net.core.guard.reputation import BAN_FIRST, Ban, Reputation
from net.core.wire.fault import Fault, Spent
from net.core.wire.frame import FrameKind

ARGON2_RATE = 400
"""Proofs of work a second that one link may cause: more than an honest neighbour passes on within GOSSIP_BUDGET (333
records), or whoever shows ten thousand ids at once would have honest neighbours ban each other. At 0.5 ms each, what
limits the whole is that an id costs its maker 2^18 of them."""

ARGON2_BURST = 20_000
"""And at once: a map's other half after a partition has healed."""

SIGNATURE_RATE = 500
"""Signatures a second that one link may cause: 3 % of a core."""

SIGNATURE_BURST = 20_000
"""And at once: map ranges of a joiner and a wave of records after a partition has healed."""

LINKS_MAX = 96
"""Most links counted at once: CAP_HEAL, guests and unlisted ones; the oldest entry makes room."""

SWEEP_EVERY = Millis(60_000)
"""How often faded strikes and ended bans are forgotten."""


STRIKE_EVERY = Millis(500)
"""A link over its allowances gets a strike at most this often: a flood ends after four seconds."""


class Admission(Enum):
    """What to do with a frame."""

    PASS = "pass"
    DROP = "drop"
    """Over its allowance: ignore the frame, keep the link."""
    CLOSE = "close"
    """Banned by now: end the link."""


@dataclass(frozen=True, slots=True)
class GuardStatistics:
    """Counters since the start, and sizes now."""

    dropped: Mapping[FrameKind, int]
    """Frames over their allowance, by kind."""
    strikes: int
    bans: int
    """Bans pronounced."""
    banned: int
    """Peers on the ban list, ended bans that still count for doubling included."""
    argon2: int
    """Proofs of work checked for neighbours."""
    signatures: int


class _LinkCost:
    __slots__ = ("argon2", "limits", "signatures", "struck_at")

    def __init__(self, allowances: Mapping[FrameKind, Allowance], now: Millis) -> None:
        self.limits = LinkLimits(allowances)
        self.argon2 = Bucket(ARGON2_RATE, ARGON2_BURST, now)
        self.signatures = Bucket(SIGNATURE_RATE, SIGNATURE_BURST, now)
        self.struck_at: Millis | None = None


class Guard:
    """One per node, held by the mesh. Bounded: LINKS_MAX links, STRUCK_MAX strikes, BANS_MAX bans."""

    def __init__(self, snapshot: bytes = b"", *, allowances: Mapping[FrameKind, Allowance] = ALLOWANCES) -> None:
        """Raises `Malformed` when a snapshot is given that `snapshot` did not make."""
        self.reputation = Reputation(snapshot)
        self._allowances = allowances
        self._links: dict[PeerId, _LinkCost] = {}
        self._dropped: dict[FrameKind, int] = {}
        self._counts = {"strikes": 0, "bans": 0, "argon2": 0, "signatures": 0}
        self._sweep_at: Millis | None = None

    def admit(self, peer: PeerId, kind: FrameKind, size: int, now: Millis) -> Admission:
        """Count a frame's body of `size` bytes against the link's allowance; a frame over it costs a strike."""
        if self.reputation.banned(peer, now):
            return Admission.CLOSE  # frames that were under way, or a driver slow to close, cost a look-up each
        link = self._link(peer, now)
        if link.limits.admit(kind, size, now):
            return Admission.PASS
        self._dropped[kind] = self._dropped.get(kind, 0) + 1
        banned = self._exceeded(link, Fault(peer, Penalty.STRIKE, f"too many {kind.name} frames"), now)
        return Admission.DROP if banned is None else Admission.CLOSE

    def _link(self, peer: PeerId, now: Millis) -> _LinkCost:
        link = self._links.get(peer)
        if link is None:
            if len(self._links) >= LINKS_MAX:
                del self._links[next(iter(self._links))]
            link = self._links[peer] = _LinkCost(self._allowances, now)
        return link

    def link_closed(self, peer: PeerId) -> None:
        """Forget what a link has left; strikes and bans stay."""
        self._links.pop(peer, None)

    def spent(self, cost: Spent, now: Millis) -> Ban | None:
        """Count the checks a neighbour's frame caused; over the allowance they cost a strike. Returns a ban or None."""
        self._counts["argon2"] += cost.argon2
        self._counts["signatures"] += cost.signatures
        link = self._link(cost.peer, now)
        if link.argon2.charge(cost.argon2, now) & link.signatures.charge(cost.signatures, now):
            return None
        return self._exceeded(link, Fault(cost.peer, Penalty.STRIKE, "causes too many checks"), now)

    def _exceeded(self, link: _LinkCost, fault: Fault, now: Millis) -> Ban | None:
        if link.struck_at is not None and now - link.struck_at < STRIKE_EVERY:
            return None
        link.struck_at = now
        return self.fault(fault, now)

    def fault(self, fault: Fault, now: Millis) -> Ban | None:
        """Count a fault. Returns the ban it leads to: the caller closes the peer's links and persists `snapshot`."""
        match fault.penalty:
            case Penalty.NONE:
                return None
            case Penalty.STRIKE:
                self._counts["strikes"] += 1
                ban = self.reputation.strike(fault.peer, fault.reason, now)
            case Penalty.BAN:
                ban = self.reputation.ban(fault.peer, fault.reason, BAN_FIRST, now)
        if ban is not None:
            self._counts["bans"] += 1
        return ban

    def banned(self, peer: PeerId, now: Millis) -> bool:
        """Tell whether the peer is neither dialled nor accepted."""
        return self.reputation.banned(peer, now)

    def bans(self, now: Millis) -> list[Ban]:
        """Return the bans in force."""
        return self.reputation.bans(now)

    def unban(self, peer: PeerId) -> bool:
        """Lift a ban; tell whether there was one. The caller persists `snapshot`."""
        return self.reputation.unban(peer)

    def deadline(self) -> Millis | None:
        """Return when `tick` next has work, None before the first one."""
        return self._sweep_at

    def tick(self, now: Millis) -> None:
        """Forget what has faded, every SWEEP_EVERY."""
        if self._sweep_at is None or now >= self._sweep_at:
            self._sweep_at = Millis(now + SWEEP_EVERY)
            self.reputation.sweep(now)

    def snapshot(self) -> bytes:
        """Return bytes that the constructor takes back: worth persisting when `reputation.version` has grown."""
        return self.reputation.snapshot()

    def statistics(self) -> GuardStatistics:
        """Return the counters."""
        return GuardStatistics(
            dropped=dict(self._dropped),
            strikes=self._counts["strikes"],
            bans=self._counts["bans"],
            banned=self.reputation.size(),
            argon2=self._counts["argon2"],
            signatures=self._counts["signatures"],
        )
