"""What the gossip machine counts of the records that come to it and go from it."""

from dataclasses import dataclass, field

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.map._flows import CROSSING, Brought
from net.core.map.refusal import Refusal
from net.core.wire.gossip import lane_of


@dataclass(slots=True)
class Counts:
    """Since the start; the machine alone changes it. See `statistics.GossipStatistics`."""

    applied: int = 0
    repeated: int = 0
    refused: dict[Refusal, int] = field(default_factory=dict)
    batch: Brought = field(default_factory=Brought)
    """The same since the batch began that is being taken; whoever begins one sets another."""
    expelled: int = 0
    signed: int = 0
    signed_bytes: int = 0

    def take(self, origin: PeerId) -> None:
        """Count a record that is taken."""
        self.applied += 1
        self.batch.news[lane_of(origin)] += 1

    def repeat(self, name: bytes) -> None:
        """Count a record that is here already; its origin's id tells the lane as well as its name."""
        self.repeated += 1
        self.batch.repeats[lane_of(name)] += 1

    def refuse(self, reason: Refusal, held: Millis, now: Millis) -> None:
        """Count a record that is not taken; `held` is when the one was signed that is on the map."""
        self.refused[reason] = self.refused.get(reason, 0) + 1
        self.batch.outdated += reason is Refusal.STALE and held <= now - CROSSING
