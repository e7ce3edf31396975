"""Rate limit per origin: bursts are coalesced, the newest record wins, the last state is never dropped."""

from dataclasses import dataclass

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.wire.record import Record

RECORD_MIN_INTERVAL = Millis(5_000)
"""An origin's records are taken and passed on once in this time, in the long run (DESIGN section 3.0)."""

RECORD_BURST = 4
"""How many records of an origin are taken without waiting (DESIGN section 3.0)."""

ORIGINS_MAX = 65_536
"""Most origins whose rate is watched; the one that spoke longest ago makes room. Each costs an id's proof of work."""

HELD_MAX = 8_192
"""Most records that wait for their origin's turn. Beyond, a record is let through: its signature and proof are valid,
so that this many origins cost this many proofs of work."""


@dataclass(frozen=True, slots=True)
class Held:
    """A record that waits for its origin's turn."""

    record: Record
    raw: bytes
    sender: PeerId
    due: Millis


class Origins:
    """When each origin may next speak. The gossip machine alone changes it."""

    def __init__(self) -> None:
        self._free_at: dict[PeerId, int] = {}
        """Virtual schedule (GCRA): the moment at which the origin's burst would be whole again."""
        self._held: dict[PeerId, Held] = {}
        self._next: Millis | None = None

    def admit(self, record: Record, raw: bytes, sender: PeerId, now: Millis) -> bool:
        """Tell whether the record may pass now; else it is held, in place of an older one of its origin."""
        origin = record.peer
        held = self._held.get(origin)
        if held is not None:
            if record.seq > held.record.seq:
                self._held[origin] = Held(record, raw, sender, held.due)
            return False
        due = self._free_at.get(origin, now) - (RECORD_BURST - 1) * RECORD_MIN_INTERVAL
        if due > now and len(self._held) < HELD_MAX:
            self._held[origin] = Held(record, raw, sender, Millis(due))
            self._next = Millis(due) if self._next is None else min(self._next, Millis(due))
            return False
        self._count(origin, now)
        return True

    def _count(self, origin: PeerId, now: Millis) -> None:
        self._free_at[origin] = max(self._free_at.pop(origin, now), now) + RECORD_MIN_INTERVAL
        if len(self._free_at) > ORIGINS_MAX:
            del self._free_at[next(iter(self._free_at))]

    def held_seq(self, origin: PeerId) -> Millis | None:
        """Return the `seq` of the record that waits, None if none does."""
        held = self._held.get(origin)
        return held.record.seq if held else None

    def due(self, now: Millis) -> list[Held]:
        """Take out the records whose turn has come."""
        if self._next is None or now < self._next:
            return []
        ready = [held for held in self._held.values() if held.due <= now]
        for held in ready:
            del self._held[held.record.peer]
            self._count(held.record.peer, now)
        self._next = min((held.due for held in self._held.values()), default=None)
        return ready

    def deadline(self) -> Millis | None:
        """Return when a held record's turn comes."""
        return self._next

    def sweep(self, now: Millis) -> None:
        """Forget origins whose burst is whole again."""
        self._free_at = {origin: at for origin, at in self._free_at.items() if at > now}

    def sizes(self) -> tuple[int, int]:
        """Return how many origins are watched and how many records wait."""
        return len(self._free_at), len(self._held)
