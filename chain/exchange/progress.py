"""How fast a catch-up goes: rate and time left, told at most once a second."""

from chain.exchange.effects import SyncPhase, SyncProgress
from chain.primitives.units import Millis

REPORT_INTERVAL = Millis(1_000)
"""Least time between two reports of the same phase."""


class Progress:
    """Measures one catch-up, which may take several segments."""

    def __init__(self, start_height: int, now: Millis) -> None:
        self._start_height = start_height
        self._started = now
        self._reported: tuple[Millis, SyncPhase] | None = None
        self.height = start_height
        """Height of the newest block that it imported."""

    def report(
        self, phase: SyncPhase, *, headers_height: int, target_height: int, peers: int, now: Millis
    ) -> SyncProgress | None:
        """Return a report if the phase is new or the last report is old."""
        if self._reported is not None and self._reported[1] is phase and now < self._reported[0] + REPORT_INTERVAL:
            return None
        self._reported = (now, phase)
        done, elapsed = self.height - self._start_height, now - self._started
        rate = max(0, done) * 1_000_000 // elapsed if elapsed > 0 else 0
        left = max(0, target_height - self.height)
        return SyncProgress(
            phase=phase,
            start_height=self._start_height,
            height=self.height,
            headers_height=headers_height,
            target_height=target_height,
            milliblocks_per_second=rate,
            left=Millis(left * 1_000_000 // rate) if rate else None,
            peers=peers,
        )
