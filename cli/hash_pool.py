"""Hash threads of this process around one desk: started together, counted together, ended together."""

import asyncio
import threading
import time
from collections.abc import Callable

from chain.params import ChainParams
from consensus.hashing import HashThread, Solution, WorkDesk


class HashPool:
    """The threads of one process; used from the event loop, which also gets their finds."""

    def __init__(self, params: ChainParams, found: Callable[[Solution], None]) -> None:
        """`found` is called on the event loop that starts the threads."""
        self._params = params
        self._found = found
        self._threads: list[HashThread] = []
        self._running: list[threading.Thread] = []
        self.desk = WorkDesk()
        """Where the work is put."""

    def start(self, count: int, hashes_per_second: int) -> None:
        """Start threads, all of them together at most at a rate (0: no limit)."""
        loop = asyncio.get_running_loop()

        def report(solution: Solution) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._found, solution)

        for index in range(count):
            thread = HashThread(
                self._params,
                self.desk,
                report,
                index=index,
                threads=count,
                monotonic=time.monotonic,
                hashes_per_second=hashes_per_second / count if hashes_per_second else None,
            )
            self._threads.append(thread)
            runner = threading.Thread(target=thread.run, name=f"hash-{index}", daemon=True)
            self._running.append(runner)
            runner.start()

    @property
    def hashes(self) -> int:
        """Hashes made since the start."""
        return sum(thread.hashes for thread in self._threads)

    async def close(self) -> None:
        """End the threads, each after the hash under way."""
        self.desk.close()
        for runner in self._running:
            await asyncio.to_thread(runner.join)
