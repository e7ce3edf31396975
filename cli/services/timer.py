"""One alarm clock for a sans-IO core: calls it when its own deadline has come, without polling."""

import asyncio
from collections.abc import Callable

from chain.primitives.units import Millis

LONGEST_WAIT = Millis(1_000)
"""The deadline is looked at again at least this often: the mesh clock may have been slewed meanwhile, or, before the
time was agreed on, set. A step forward rings this much late at most; a look costs microseconds."""


class DeadlineTimer:
    """Calls `due` on the event loop whenever `deadline()` has passed by `clock`; `arm` after every change."""

    def __init__(
        self,
        clock: Callable[[], Millis],
        deadline: Callable[[], Millis | None],
        due: Callable[[], None],
        fail: Callable[[BaseException], None],
    ) -> None:
        """`fail` is told of an error that `due` raises: the timer's callback has no caller who could catch it."""
        self._clock = clock
        self._deadline = deadline
        self._due = due
        self._fail = fail
        self._handle: asyncio.TimerHandle | None = None

    def arm(self) -> None:
        """Look at the deadline again."""
        self.cancel()
        moment = self._deadline()
        if moment is not None:
            wait = min(max(0, moment - self._clock()), LONGEST_WAIT)
            self._handle = asyncio.get_running_loop().call_later(wait / 1000, self._ring)

    def cancel(self) -> None:
        """Ring no more until `arm`."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _ring(self) -> None:
        self._handle = None
        try:
            moment = self._deadline()
            if moment is not None and moment <= self._clock():
                self._due()
            self.arm()
        except Exception as error:  # noqa: BLE001  # handed to the node's root, which stops
            self._fail(error)
