"""How fast a long walk goes and how long it will take still."""

from collections.abc import Callable

EVERY = 1.0
"""Seconds between two lines."""


class Pace:
    """Makes a line of progress at most once a second."""

    def __init__(self, monotonic: Callable[[], float], show: Callable[[str], None]) -> None:
        """`monotonic` gives seconds; `show` is given each line."""
        self._monotonic = monotonic
        self._show = show
        self._began = self._shown = monotonic()

    def __call__(self, blocks: int, share: float | None) -> None:
        """Note that so many blocks are done, and which share of all there is to do; None if nobody knows."""
        now = self._monotonic()
        if now - self._shown < EVERY:
            return
        self._shown = now
        took = now - self._began
        line = f"{blocks} blocks, {blocks / took:.0f} a second"
        if share is not None:
            left = took * (1 - share) / share if share else 0.0
            line += f", {share:.0%}, {_duration(left)} left"
        self._show(line)


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    if whole < 7_200:
        return f"{whole // 60} min"
    return f"{whole // 3_600} h {whole // 60 % 60} min"
