"""Unripe blocks that are checked but not relayed yet: they are from `time - PRE_RELAY` on (rule 5)."""

import heapq
from dataclasses import dataclass

from chain.primitives.units import Hash32, Millis

HELD_MAX = 128
"""Blocks held back; the one that is furthest from its time is given up first. Two per parent, ten generations of T_MIN
within the 600 s that a block may be ahead, and room for six branches."""


@dataclass(frozen=True, slots=True)
class Held:
    """A block that waits for its time to be relayed."""

    block_id: Hash32
    key: bytes | None
    """The relay's name of the message that awaits its verdict; None for an own block."""
    payload: bytes | None
    """What to publish: an own block."""


class HeldBlocks:
    """Blocks by the time at which they may be relayed."""

    def __init__(self) -> None:
        self._heap: list[tuple[Millis, int, Held]] = []
        self._next = 0

    def __len__(self) -> int:
        return len(self._heap)

    def put(self, held: Held, due: Millis) -> Held | None:
        """Keep a block; return the one that had to be given up."""
        heapq.heappush(self._heap, (due, self._next, held))
        self._next += 1
        if len(self._heap) <= HELD_MAX:
            return None
        last = max(self._heap)
        self._heap.remove(last)
        heapq.heapify(self._heap)
        return last[2]

    def due(self, now: Millis) -> list[Held]:
        """Remove and return the blocks whose time has come."""
        released = []
        while self._heap and self._heap[0][0] <= now:
            released.append(heapq.heappop(self._heap)[2])
        return released

    def deadline(self) -> Millis | None:
        """Return when the next one is due."""
        return self._heap[0][0] if self._heap else None
