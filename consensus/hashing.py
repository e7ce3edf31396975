"""Hash threads: the loop of one thread, and the desk where threads pick up work and leave results.

Argon2 releases the GIL, so threads scale with cores. A thread looks at the desk after every hash, so a new head costs
at most the hash under way. The rate limit is a property of the threads, not of the miner: a throttled node mines by
the same rules.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from chain.block import NONCE_BYTES
from chain.params import ChainParams
from chain.primitives.units import Hash32
from consensus.miner import SetWork
from consensus.seal import seal_hash

_IDLE_WAIT = 1.0
"""Seconds a thread without work sleeps at most: the desk wakes it earlier."""


@dataclass(frozen=True, slots=True)
class Solution:
    """A hash at or under its work's limits."""

    job_id: Hash32
    nonce: bytes
    pow: int


class WorkDesk:
    """What the threads hash now. One writer (the event loop), any number of reading threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._work: SetWork | None = None
        self._closed = False

    def set(self, work: SetWork | None) -> None:
        """Put new work, or None to make the threads rest."""
        with self._changed:
            self._work = work
            self._changed.notify_all()

    def close(self) -> None:
        """End all threads after the hash under way."""
        with self._changed:
            self._work, self._closed = None, True
            self._changed.notify_all()

    @property
    def work(self) -> SetWork | None:
        """The work of now."""
        return self._work

    @property
    def closed(self) -> bool:
        """Whether threads should end."""
        return self._closed

    def wait_while(self, work: SetWork | None, seconds: float) -> None:
        """Sleep until the work is another than `work`, the desk closes, or the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._work is not work or self._closed, seconds)


class HashThread:
    """The loop of one thread; `run` is its target. `hashes` may be read from any thread."""

    def __init__(
        self,
        params: ChainParams,
        desk: WorkDesk,
        report: Callable[[Solution], None],
        *,
        index: int,
        threads: int,
        monotonic: Callable[[], float],
        hashes_per_second: float | None = None,
    ) -> None:
        """`report` is called from this thread: it hands over to the event loop (`call_soon_threadsafe`).

        Thread `index` of `threads` takes its own part of the nonces. `monotonic` gives seconds; `hashes_per_second`
        limits this thread, None does not.
        """
        self._params = params
        self._desk = desk
        self._report = report
        self._index = index
        self._threads = threads
        self._monotonic = monotonic
        self._pause = 0.0 if hashes_per_second is None else 1.0 / hashes_per_second
        self._at: tuple[Hash32, int] | None = None
        self.hashes = 0
        """Hashes made since the start."""

    def run(self) -> None:
        """Hash until the desk closes."""
        while not self._desk.closed:
            work = self._desk.work
            if work is None:
                self._desk.wait_while(None, _IDLE_WAIT)
            else:
                self._hash(work)

    def _hash(self, work: SetWork) -> None:
        """Hash one piece of work until the desk has another."""
        desk, params, prefix, limit = self._desk, self._params, work.prefix, work.limit
        share = work.nonce_count // self._threads
        start = work.first_nonce + self._index * share
        end = start + share
        # The same job comes again with a lower limit whenever anybody has found a better hash: go on where we were.
        nonce = self._at[1] if self._at is not None and self._at[0] == work.job_id else start
        due = self._monotonic()
        while desk.work is work and nonce < end:
            if self._pause:
                due = max(due, self._monotonic() - self._pause)
                self._sleep_until(due, work)
                if desk.work is not work:
                    return
                due += self._pause
            encoded = nonce.to_bytes(NONCE_BYTES, "big")
            value = seal_hash(params, prefix + encoded)
            self.hashes += 1
            nonce += 1
            self._at = (work.job_id, nonce)
            if value <= limit or value <= work.share_limit:
                limit = min(limit, value - 1)
                self._report(Solution(work.job_id, encoded, value))
        if desk.work is work:
            desk.wait_while(work, _IDLE_WAIT)

    def _sleep_until(self, due: float, work: SetWork) -> None:
        while (wait := due - self._monotonic()) > 0 and self._desk.work is work:
            self._desk.wait_while(work, wait)
