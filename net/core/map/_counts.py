"""What the gossip machine counts of the records that come to it and go from it."""

from dataclasses import dataclass, field

from chain.primitives.units import Millis
from net.core.map._spread import CROSSING
from net.core.map.refusal import Refusal


@dataclass(slots=True)
class Counts:
    """Since the start; the machine alone changes it. See `statistics.GossipStatistics`."""

    applied: int = 0
    repeated: int = 0
    refused: dict[Refusal, int] = field(default_factory=dict)
    outdated: int = 0
    """Records older than one that all have had for CROSSING."""
    expelled: int = 0
    signed: int = 0
    signed_bytes: int = 0

    def refuse(self, reason: Refusal, held: Millis, now: Millis) -> None:
        """Count a record that is not taken; `held` is when the one was signed that is on the map."""
        self.refused[reason] = self.refused.get(reason, 0) + 1
        self.outdated += reason is Refusal.STALE and held <= now - CROSSING

    def tally(self) -> tuple[int, int, int]:
        """Return how many records were taken, repeated and outdated so far."""
        return self.applied, self.repeated, self.outdated
