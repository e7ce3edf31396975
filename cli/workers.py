"""The node's threads: one that writes the chain, one for urgent checks, a few for bulk checks.

Slow pure work goes here explicitly and comes back to the event loop; a failure nobody expected stops the node.
"""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from enum import Enum
from typing import TypeVar

Result = TypeVar("Result")

MAX_WAITING = 10_000
"""Jobs that may wait in all. The exchange bounds what it asks for far below this: passing it is a bug, not load."""


class Lane(Enum):
    """Which threads a job runs on."""

    WRITER = "writer"
    """One thread, first come first served: block import, the one writer of the chain."""
    URGENT = "urgent"
    """One thread for checks of new blocks and tickets, never behind a catch-up."""
    BULK = "bulk"
    """As many threads as cores for seals, signatures and bodies of a catch-up; argon2 and secp256k1 release the GIL."""


class Workers:
    """Runs jobs in threads and their continuations on the event loop, in the order in which they end."""

    def __init__(self) -> None:
        cores = os.cpu_count() or 1
        self._lanes = {
            Lane.WRITER: ThreadPoolExecutor(1, "writer"),
            Lane.URGENT: ThreadPoolExecutor(1, "urgent"),
            Lane.BULK: ThreadPoolExecutor(cores, "bulk"),
        }
        self._waiting = 0
        self._failure: asyncio.Future[None] | None = None

    def do(self, lane: Lane, job: Callable[[], Result], then: Callable[[Result], None]) -> None:
        """Run `job` in a thread of the lane, then `then` with its result on the event loop.

        An error that escapes either of them ends `run`, and with it the node: jobs answer expected errors themselves.
        """
        loop = asyncio.get_running_loop()
        assert self._waiting < MAX_WAITING, "whoever asks for work bounds it"
        self._waiting += 1

        def ended(future: Future[Result]) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._continue, future, then)

        self._lanes[lane].submit(job).add_done_callback(ended)

    async def ask(self, lane: Lane, job: Callable[[], Result]) -> Result:
        """Run `job` in a thread of the lane and return its result, or raise what it raised."""
        return await asyncio.get_running_loop().run_in_executor(self._lanes[lane], job)

    def _continue(self, future: Future[Result], then: Callable[[Result], None]) -> None:
        self._waiting -= 1
        if future.cancelled():
            return
        try:
            then(future.result())
        except Exception as error:  # noqa: BLE001  # handed to `run`, which raises it
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        """Let `run` raise an error that happened in a callback of the event loop."""
        if self._failure is not None and not self._failure.done():
            self._failure.set_exception(error)

    async def run(self) -> None:
        """Wait for the first failure and raise it; when cancelled, let running jobs end and drop those that wait."""
        self._failure = asyncio.get_running_loop().create_future()
        try:
            await self._failure
        finally:
            await asyncio.to_thread(self._close)

    def _close(self) -> None:
        for pool in self._lanes.values():
            pool.shutdown(wait=True, cancel_futures=True)

    def waiting(self) -> int:
        """Return how many jobs wait or run: a metric."""
        return self._waiting
