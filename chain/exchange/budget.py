"""Token buckets: what one peer may cost per second."""

from chain.primitives.units import Millis

BURST_SECONDS = 4
"""A peer that was quiet may use the budget of four seconds at once."""


class TokenBucket:
    """A budget that refills; exact in integers. One charge may overdraw it, since the cost is known only afterwards."""

    __slots__ = ("_at", "_capacity", "_level", "_rate")

    def __init__(self, per_second: int, now: Millis, *, burst: int | None = None) -> None:
        self._rate = per_second
        self._capacity = 1_000 * (per_second * BURST_SECONDS if burst is None else burst)
        self._level = self._capacity
        self._at = now

    def is_open(self, now: Millis) -> bool:
        """Tell whether something may be charged."""
        self._refill(now)
        return self._level > 0

    def charge(self, amount: int, now: Millis) -> None:
        """Charge what was used."""
        self._refill(now)
        self._level -= 1_000 * amount

    def take(self, amount: int, now: Millis) -> bool:
        """Charge `amount` if it is there; tell whether it was."""
        self._refill(now)
        if self._level < 1_000 * amount:
            return False
        self._level -= 1_000 * amount
        return True

    def _refill(self, now: Millis) -> None:
        if now > self._at:
            self._level = min(self._capacity, self._level + self._rate * (now - self._at))
            self._at = now
