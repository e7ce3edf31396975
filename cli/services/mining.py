"""Mining on the event loop: hash threads and external workers around one `Miner`."""

import asyncio
import logging
import os
from collections.abc import Callable
from random import Random

from chain.block import Block, ChainedHeader
from chain.exchange.effects import OwnRefused, SyncProgress
from chain.fees import next_base_fee
from chain.importer import Importer
from chain.mempool.pool import Mempool
from chain.params import ChainParams
from chain.primitives.errors import NodeError
from chain.primitives.units import Address, Hash32, Millis
from chain.verified import ImportResult
from chain.views import ChainView
from cli.hash_pool import HashPool
from cli.services.chain import HeadChange
from cli.services.timer import DeadlineTimer
from cli.workers import Lane, Workers
from consensus.hashing import Solution
from consensus.miner import BuildTemplate, Candidate, Found, Miner, MinerEffect, MinerStatistics, SetWork, Stop
from consensus.seal import seal_hash
from consensus.shares import ShareVerdict
from consensus.template import build_candidate, shortlist
from consensus.ticket import Draw

log = logging.getLogger("mining")

TEMPLATE_TRANSACTIONS = 8_192
"""Most transactions considered for one block: a full one of plain transfers holds 5,714."""

MAX_SHARES_WAITING = 256
"""Nonces of external workers that wait for their hash, 2 ms each: above, the workers are told to come again."""

SAMPLE_SECONDS = 2.0
"""How often the threads' counters are read for the live hash rate."""


def default_threads() -> int:
    """Return how many threads to hash with: all cores but one, which the node itself needs."""
    return max(1, (os.cpu_count() or 1) - 1)


def is_behind(params: ChainParams, progress: SyncProgress | None, head: ChainedHeader, now: Millis) -> bool:
    """Tell whether a node should catch up before it mines; `progress` is None when there is no catch-up.

    While the head is new, a peer must show true seals for it. A claim of more work costs nothing, and who rests neither
    hashes nor shows a block: by claiming again and again one neighbour would keep a miner from ever winning.
    """
    return progress is not None and (progress.is_proven or head.time + params.gap <= now)


class TooManyShares(NodeError):
    """More nonces came at once than this node can hash: a worker sends garbage, or the share target is too easy."""


class MiningService:
    """Drives one `Miner`; `HeadListener` of the chain. All methods but the threads' report belong to the event loop.

    With no threads of its own it still serves external workers, as long as there is a reward address.
    """

    def __init__(
        self,
        params: ChainParams,
        *,
        importer: Importer,
        view: ChainView,
        pool: Mempool,
        workers: Workers,
        clock: Callable[[], Millis],
        reward_address: Address,
        extra: bytes,
        rng: Random,
        found: Callable[[Block], None],
        work_changed: Callable[[], None],
    ) -> None:
        """`clock` is the mesh's; `rng` must differ from node to node; `found` takes a sealed block to the exchange;
        `work_changed` tells subscribers."""
        self._params = params
        self._importer = importer
        self._view = view
        self._pool = pool
        self._workers = workers
        self._clock = clock
        self._reward_address = reward_address
        self._extra = extra
        self._found = found
        self._work_changed = work_changed
        self._best_draw: Callable[[Hash32], Draw | None] = lambda _parent: None
        self._miner = Miner(params, rng)
        self._hashers = HashPool(params, self._solved)
        self._desk = self._hashers.desk
        self._active = False
        self._shares_waiting = 0
        self._timer = DeadlineTimer(clock, self._miner.deadline, self._tick, workers.fail)

    def start_threads(self, count: int, hashes_per_second: int) -> None:
        """Start hashing threads, all of them together at most at a rate (0: no limit)."""
        self._hashers.start(count, hashes_per_second)

    def ask_draws_of(self, best_draw: Callable[[Hash32], Draw | None]) -> None:
        """Take the function that knows the best ticket for a parent."""
        self._best_draw = best_draw

    async def run(self) -> None:
        """Sample the hash rate until cancelled, then end the threads."""
        try:
            while True:
                self._miner.hashed(self._hashers.hashes, self._clock())
                await asyncio.sleep(SAMPLE_SECONDS)
        finally:
            self._timer.cancel()
            await self._hashers.close()

    # what the node tells

    def activate(self, *, active: bool) -> None:
        """Begin to mine on the head, or stop: a node that is catching up does not mine."""
        if active == self._active:
            return
        self._active = active
        log.info("mining begins on block %d" if active else "mining pauses at block %d", self._view.head().height)
        if active:
            self._follow(self._view.head())
        else:
            self._carry_out(self._miner.halt())

    def imported(self, result: ImportResult) -> None:
        """A block was stored: it may be a rival of the one that is being mined."""
        if self._active and result.move is None:
            for rival in self._importer.unripe_children(self._view.head().id):
                self._carry_out(self._miner.rival(rival, self._clock()))

    def head_changed(self, change: HeadChange) -> None:
        """The canonical chain has a new head: mine on it."""
        del change
        if self._active:
            self._follow(self._view.head())

    def refused(self, refused: OwnRefused) -> None:
        """Go on without a block of this miner that the node itself refused: a fault of one of the two parts."""
        log.error("own block %d is invalid, mining goes on without it: %s", refused.height, refused.error)
        if self._active:
            self._carry_out(self._miner.refused(refused.parent_id, self._clock()))
            for rival in self._importer.unripe_children(refused.parent_id):
                self._carry_out(self._miner.rival(rival, self._clock()))

    def transactions_changed(self) -> None:
        """The pool took a transaction."""
        if self._active:
            self._miner.transactions_changed(self._clock())
            self._timer.arm()

    def ticket(self, parent_id: Hash32, draw: Draw) -> None:
        """A better ticket is known for a parent."""
        if self._active:
            self._carry_out(self._miner.ticket(parent_id, draw))

    # external workers

    def current(self) -> SetWork | None:
        """Return what the threads hash now."""
        return self._desk.work

    @property
    def miner(self) -> Miner:
        """The machine, for external workers' jobs; read on the event loop only."""
        return self._miner

    async def share(self, job_id: Hash32, nonce: bytes, worker: str) -> ShareVerdict:
        """Check a nonce of an external worker by one hash in a thread, and account for it. Raises `TooManyShares`."""
        refused = self._miner.refused_share(worker, job_id, nonce, self._clock())
        job = self._miner.job(job_id)
        if refused is not None or job is None:
            return refused or ShareVerdict.STALE
        if self._shares_waiting >= MAX_SHARES_WAITING:
            raise TooManyShares(f"over {MAX_SHARES_WAITING} nonces wait to be checked")
        prefix = job.prefix
        self._shares_waiting += 1
        try:
            value = await self._workers.ask(Lane.BULK, lambda: seal_hash(self._params, prefix + nonce))
        finally:
            self._shares_waiting -= 1
        verdict, effects = self._miner.share(worker, job_id, nonce, value, self._clock())
        self._carry_out(effects)
        return verdict

    def now(self) -> Millis:
        """Return the moment by the mesh clock, which the workers' accounts go by."""
        return self._clock()

    def statistics(self) -> MinerStatistics:
        """Return the counters."""
        return self._miner.statistics()

    # the effects

    def _follow(self, parent: ChainedHeader) -> None:
        self._carry_out(self._miner.parent(parent, self._best_draw(parent.id), self._clock()))
        for rival in self._importer.unripe_children(parent.id):
            self._carry_out(self._miner.rival(rival, self._clock()))

    def _tick(self) -> None:
        self._carry_out(self._miner.tick(self._clock()))

    def _solved(self, solution: Solution) -> None:
        try:
            self._carry_out(self._miner.found(solution.job_id, solution.nonce, solution.pow, self._clock()))
        except Exception as error:  # noqa: BLE001  # handed to the node's root, which stops
            self._workers.fail(error)

    def _carry_out(self, effects: list[MinerEffect]) -> None:
        for effect in effects:
            match effect:
                case SetWork():
                    changed = self._desk.work is None or self._desk.work.job_id != effect.job_id
                    self._desk.set(effect)
                    if changed:
                        self._work_changed()
                case Stop():
                    if self._desk.work is not None:
                        self._desk.set(None)
                        self._work_changed()
                case Found(block=block):
                    log.info("found block %d", block.sealed.header.height)
                    self._found(block)
                case BuildTemplate():
                    self._build(effect)
        self._timer.arm()

    def _build(self, wish: BuildTemplate) -> None:
        parent, draw = wish.parent, wish.draw
        base_fee = next_base_fee(parent.header, self._params)
        most = TEMPLATE_TRANSACTIONS if wish.with_transactions else 0
        pending = shortlist(self._pool.pending(base_fee), self._params, most=most)

        def job() -> Candidate:
            return build_candidate(
                self._params,
                parent=parent,
                state=self._view.state(parent),
                stake=self._importer.epoch_stake(parent),
                draw=draw,
                pending=pending,
                miner=self._reward_address,
                extra=self._extra,
            )

        def built(candidate: Candidate) -> None:
            if self._active:
                self._carry_out(self._miner.candidate(candidate, self._clock()))

        self._workers.do(Lane.URGENT, job, built)
