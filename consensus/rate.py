"""The live hash rate: the mean over the last minute, from counters that only rise. For people alone."""

from collections import deque

from chain.primitives.units import Millis

RATE_WINDOW = Millis(60_000)
"""The live hash rate is the mean over this long."""


class RateMeter:
    """Takes the number of hashes made so far, now and then; mutable, owned by who samples."""

    def __init__(self) -> None:
        self._samples: deque[tuple[Millis, int]] = deque()

    def sample(self, total: int, now: Millis) -> None:
        """Take the number of hashes made since the start."""
        self._samples.append((now, total))
        while len(self._samples) > 2 and self._samples[0][0] < now - RATE_WINDOW:
            self._samples.popleft()

    @property
    def total(self) -> int:
        """Hashes made since the start, as of the last sample."""
        return self._samples[-1][1] if self._samples else 0

    def rate(self) -> float:
        """Return hashes per second; 0 before the second sample."""
        if not self._samples:
            return 0.0
        (first, start), (last, total) = self._samples[0], self._samples[-1]
        return (total - start) * 1000 / (last - first) if last > first else 0.0
