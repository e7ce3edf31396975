"""Threads for the calls that decode whole blocks, scan or prove, so that the event loop stays free."""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import ParamSpec, TypeVar, cast

from net.rpc.errors import limited
from net.rpc.fairness import FairQueue

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

CLIENT: ContextVar[str] = ContextVar("client", default="")
"""Whom a call's work is counted against. The dispatcher sets it around each call: a dozen methods hand work to threads,
and none of them has other use for the caller."""


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    work: Callable[[], object]
    client: str
    scans: bool
    result: "asyncio.Future[object]"


class Workers:
    """A bounded number of threads with a bounded number of calls waiting for them, in two queues.

    Scans (`eth_getLogs`) take seconds, all other calls milliseconds: scans have a queue of their own and never hold the
    last of several threads, so that a queue full of them delays nobody else. Within a queue clients have their turns,
    and when it is full the one with most calls in it gives way. Used from the event loop's thread.
    """

    def __init__(self, threads: int, *, queue: int) -> None:
        """`queue` is how many calls may wait, of either sort."""
        self._free = threads
        self._most_scans = max(1, threads - 1)
        self._scanning = 0
        self._scan_next = True
        self._first: deque[_Job] = deque()
        self._calls: FairQueue[_Job] = FairQueue(queue)
        self._scans: FairQueue[_Job] = FairQueue(queue)
        self._running = 0
        self._closed = False
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="rpc")

    @property
    def busy(self) -> int:
        """Calls that run or wait."""
        return self._running + len(self._first) + len(self._calls) + len(self._scans)

    async def run(self, work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        """Run a function in a thread. Raises `RpcError` when too many wait and this client has its share of them.

        A call whose client has gone or timed out waits no longer, but one that runs keeps its thread until it ends.
        """
        return cast(Result, await self._queue(self._calls, partial(work, *args, **kwargs), scans=False))

    async def scan(
        self, work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result:
        """Run a function that may take seconds: as `run`, behind other scans alone."""
        return cast(Result, await self._queue(self._scans, partial(work, *args, **kwargs), scans=True))

    async def run_always(
        self, work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result:
        """Run a function in the next free thread however many wait: for the server's own feed, which is one task."""
        job = self._job(partial(work, *args, **kwargs), scans=False)
        self._first.append(job)
        self._start()
        return cast(Result, await job.result)

    async def _queue(self, queue: FairQueue[_Job], work: Callable[[], object], *, scans: bool) -> object:
        job = self._job(work, scans=scans)
        if self._free and not (scans and self._scanning >= self._most_scans):
            self._launch(job)  # whoever could use this thread would have it: nobody waits
        else:
            displaced = queue.put(job.client, job)
            if displaced is not None and not displaced.result.done():
                displaced.result.set_exception(limited("the node is busy with other calls, try again later"))
        try:
            return await job.result
        finally:
            queue.discard(job.client, job)

    def _job(self, work: Callable[[], object], *, scans: bool) -> _Job:
        return _Job(work, CLIENT.get(), scans, asyncio.get_running_loop().create_future())

    def _start(self) -> None:
        while self._free and not self._closed:
            job = self._next()
            if job is None:
                return
            if not job.result.done():
                self._launch(job)

    def _launch(self, job: _Job) -> None:
        self._free -= 1
        self._running += 1
        self._scanning += job.scans
        loop = asyncio.get_running_loop()
        self._pool.submit(job.work).add_done_callback(partial(self._tell, loop, job))

    def _next(self) -> _Job | None:
        if self._first:
            return self._first.popleft()
        may_scan = len(self._scans) > 0 and self._scanning < self._most_scans
        if may_scan and (self._scan_next or not len(self._calls)):
            self._scan_next = False
            return self._scans.pop()
        self._scan_next = True
        return self._calls.pop() if len(self._calls) else None

    def _tell(self, loop: asyncio.AbstractEventLoop, job: _Job, future: "Future[object]") -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._ended, job, future)

    def _ended(self, job: _Job, future: "Future[object]") -> None:
        self._free += 1
        self._running -= 1
        self._scanning -= job.scans
        if not job.result.done():
            error = None if future.cancelled() else future.exception()
            if future.cancelled():
                job.result.cancel()
            elif error is not None:
                job.result.set_exception(error)
            else:
                job.result.set_result(future.result())
        self._start()

    def close(self) -> None:
        """Let running calls end and take no more."""
        self._closed = True
        for queue in (self._calls, self._scans):
            while len(queue):
                queue.pop().result.cancel()
        while self._first:
            self._first.popleft().result.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)
