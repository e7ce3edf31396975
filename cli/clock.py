"""The one place that reads a clock for the node."""

import time

from chain.primitives.units import Millis


def wall_millis() -> Millis:
    """Return this machine's idea of the time, ms since the epoch."""
    return Millis(time.time_ns() // 1_000_000)


class SteadyClock:
    """Milliseconds since the epoch that never run backwards: the wall clock at the start, the monotonic one after.

    The mesh clock corrects what is wrong with it; a step of the wall clock while the node runs changes nothing. The
    sleep of a machine counts where the system tells it (Linux): the mesh clock would take months to make up an hour.
    """

    def __init__(self) -> None:
        self._offset = time.time_ns() - _running_ns()

    def __call__(self) -> Millis:
        """Return the present moment."""
        return Millis((_running_ns() + self._offset) // 1_000_000)


def _running_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic_ns()
