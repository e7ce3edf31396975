"""How much a budget still allows: it grows at a rate, up to a burst."""

from dataclasses import dataclass

from chain.primitives.units import Millis


@dataclass(slots=True)
class Credit:
    """One budget; its owner takes from `level`, which may fall below zero. Mutable: a plain record of its owner."""

    rate: int
    """Units a second."""
    burst: int
    level: int
    at: Millis | None = None

    def earn(self, now: Millis) -> None:
        """Add what has come since the last time; time that goes backwards adds nothing."""
        if self.at is not None and now > self.at:
            self.level = min(self.burst, self.level + (now - self.at) * self.rate // 1000)
        self.at = now

    def positive(self, now: Millis) -> bool:
        """Tell whether anything is left at this moment."""
        self.earn(now)
        return self.level > 0
