"""The chain on the event loop: feeds the importer's thread, ripens blocks in time, and tells everybody of new heads."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from chain.fees import next_base_fee
from chain.importer import Importer
from chain.mempool.pool import HeadChanged, Mempool
from chain.params import ChainParams
from chain.primitives.units import Millis
from chain.rules import InvalidBlock
from chain.verified import ImportResult, VerifiedBlock
from chain.views import ChainView
from cli.services.timer import DeadlineTimer
from cli.workers import Lane, Workers

log = logging.getLogger("chain")


@dataclass(frozen=True, slots=True)
class HeadChange:
    """A change of the head as the parts of the node are told of it, after the pool has followed."""

    result: ImportResult
    pool: HeadChanged


class HeadListener(Protocol):
    """Who wants to know of imports: miner, staker, exchange, subscribers."""

    def imported(self, result: ImportResult) -> None:
        """A block was stored; the head may have stayed."""

    def head_changed(self, change: HeadChange) -> None:
        """The canonical chain changed."""


ImportDone = Callable[[ImportResult | InvalidBlock], None]


class ChainService:
    """Owns the writer's thread. All methods belong to the event loop."""

    def __init__(
        self,
        params: ChainParams,
        importer: Importer,
        view: ChainView,
        pool: Mempool,
        workers: Workers,
        clock: Callable[[], Millis],
    ) -> None:
        """`clock` is the mesh's: what blocks ripen by."""
        self._params = params
        self._importer = importer
        self._view = view
        self._pool = pool
        self._workers = workers
        self._clock = clock
        self._listeners: list[HeadListener] = []
        self._ripening = False
        self._timer = DeadlineTimer(clock, self._deadline, self._ripen, workers.fail)

    def listen(self, listener: HeadListener) -> None:
        """Tell one more part of the node; in the order in which they were added."""
        self._listeners.append(listener)

    def start(self) -> None:
        """Begin to adopt blocks as they ripen."""
        self._timer.arm()

    def stop(self) -> None:
        """Adopt no more."""
        self._timer.cancel()

    def add(self, block: VerifiedBlock, then: ImportDone) -> None:
        """Import a block behind those handed over before it, then tell the listeners, then call `then`."""
        now = self._clock()

        def job() -> ImportResult | InvalidBlock:
            try:
                return self._importer.add(block, now)
            except InvalidBlock as error:
                return error

        def done(outcome: ImportResult | InvalidBlock) -> None:
            if isinstance(outcome, ImportResult):
                self._settled(outcome)
            then(outcome)

        self._workers.do(Lane.WRITER, job, done)

    def _deadline(self) -> Millis | None:
        return None if self._ripening else self._importer.deadline()

    def _ripen(self) -> None:
        self._ripening = True
        now = self._clock()

        def done(result: ImportResult) -> None:
            self._ripening = False
            self._settled(result)

        self._workers.do(Lane.WRITER, lambda: self._importer.ripen(now), done)

    def _settled(self, result: ImportResult) -> None:
        for listener in self._listeners:
            listener.imported(result)
        if result.move is not None:
            change = HeadChange(result, self._follow(result))
            for listener in self._listeners:
                listener.head_changed(change)
        self._timer.arm()

    def _follow(self, result: ImportResult) -> HeadChanged:
        """Bring the pool to the new head and log it."""
        # Not the view's head: the writer may be a block ahead, and what that one mined would look used up here.
        head = result.applied[-1].chained if result.applied else self._view.head()
        if result.undone:
            log.warning(
                "reorganisation: %d blocks undone, %d applied, head %d",
                len(result.undone),
                len(result.applied),
                head.height,
            )
        for block in result.applied:
            interval = (block.chained.time - block.chained.header.parent_time) / 1000
            log.info(
                "block %d %s %.1f s after its parent, %d transactions",
                block.chained.height,
                block.chained.id.hex()[:12],
                interval,
                len(block.transactions),
            )
        return self._pool.head_changed(
            [signed for block in result.applied for signed in block.transactions],
            [signed for block in result.undone for signed in block.transactions],
            accounts=self._view.state(head),
            base_fee=next_base_fee(head.header, self._params),
            now=self._clock(),
        )
