"""Threads for the calls that decode whole blocks, scan or prove, so that the event loop stays free."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from net.rpc.errors import limited

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Workers:
    """A bounded number of threads with a bounded number of calls waiting for them."""

    def __init__(self, threads: int, *, queue: int) -> None:
        self._most = threads + queue
        self._busy = 0
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="rpc")

    @property
    def busy(self) -> int:
        """Calls that run or wait."""
        return self._busy

    async def run(self, work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        """Run a function in a thread. Raises `RpcError` at once when too many wait already.

        A call whose client has gone or timed out keeps its place until the function ends, so that abandoned work
        counts against the limit.
        """
        if self._busy >= self._most:
            raise limited("the node is busy with other calls, try again later")
        return await self.run_always(work, *args, **kwargs)

    async def run_always(
        self, work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result:
        """Run a function in a thread however many wait: for the server's own feed, which is one task."""
        self._busy += 1
        future = self._pool.submit(work, *args, **kwargs)
        loop = asyncio.get_running_loop()

        def done() -> None:
            self._busy -= 1

        future.add_done_callback(lambda _: None if loop.is_closed() else loop.call_soon_threadsafe(done))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Let running calls end and take no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)
