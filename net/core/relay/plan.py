"""To whom a message is pushed whole, and to whom only announced."""

from collections.abc import Sequence
from random import Random
from typing import Protocol

from chain.primitives.peer import PeerId

EAGER = 3
"""Neighbours a small message is pushed to (DESIGN section 3.5): with announcements to the others, every peer is reached
at any share of silent droppers tested, at 1.5 to 1.9 copies."""

EAGER_MAX = 64 * 1024
"""Largest payload pushed unasked, in bytes: above it a needless copy costs an uplink more than a round trip."""


class RelayPlan(Protocol):
    """A strategy of relaying."""

    def eager(self, topic: int, key: bytes, size: int, neighbours: Sequence[PeerId]) -> Sequence[PeerId]:
        """Return those of `neighbours` to push to; the others get an announcement. `neighbours` is in id order and
        leaves out those known to have the message."""


class RandomPlan:
    """EAGER random neighbours for what is at most EAGER_MAX long: needs no map, stands until map-optimal plans do."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng

    def eager(self, topic: int, key: bytes, size: int, neighbours: Sequence[PeerId]) -> Sequence[PeerId]:
        """See `RelayPlan.eager`."""
        if size > EAGER_MAX:
            return ()
        return self._rng.sample(neighbours, min(EAGER, len(neighbours)))
