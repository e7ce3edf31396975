"""The miner as a sans-IO machine: which header to hash, which hash to keep, when to show it.

It hashes from the moment a parent is known until its own best is ripe or beaten, keeps its lowest (time, pow) per
parent, and takes new templates (better transactions, a better ticket) without losing the best so far. Hash threads
(`hashing`) and external workers feed the same machine. A block is shown PRE_RELAY before it is ripe, never earlier:
until then a better hash may replace it, and nobody else needs it.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace
from enum import Enum, auto
from random import Random
from typing import TypeAlias

from chain.block import NONCE_BYTES, Block, ChainedHeader, Header, SealedHeader, Ticket, encode_header, header_id
from chain.params import ChainParams
from chain.primitives.units import Hash32, Millis
from chain.transaction import Transaction
from consensus.rate import RateMeter
from consensus.ripening import pre_relay, seal_passes_floor
from consensus.schedule import next_log_target
from consensus.search import Rank, Terms, highest_useful
from consensus.shares import ShareBook, ShareVerdict, WorkerAccount, meets_share
from consensus.ticket import Draw

JOBS_KEPT = 64
"""Headers of the present parent whose nonces are still taken; the oldest goes first. Only the best hash of each counts,
so a job that is 64 templates old loses nothing that matters."""

PARENTS_KEPT = 4
"""Parents left for which the own best block is kept; the one left first goes first. A node rests when it loses its last
link or looks into a heavier branch, and comes back to the same head: seconds of rest must not cost the hashes of
minutes."""

REFRESH = Millis(5_000)
"""Shortest time between two templates for better transactions: building one costs the node up to 100 ms."""

REFUSED_WAIT = Millis(5_000)
"""Time to the next template after the node refused an own block; twice as long after each further one for the same
parent. Late in a block's time nearly every hash is ripe at once: without a pause a fault of the node's own would be
mined and refused as fast as it hashes."""

REFUSED_DOUBLINGS = 6
"""How often the pause doubles: to 320 s at most."""

STAMP_EVERY = Millis(1_000)
"""How often `mined_at` is renewed when the parent is over GAP old (rule 5)."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A block that lacks only its seal; `template.build_candidate` makes it."""

    header: Header
    """With `mined_at` 0 and any nonce."""
    ticket: Ticket | None
    transactions: tuple[Transaction, ...]


@dataclass(frozen=True, slots=True)
class SetWork:
    """Hash this from now on in place of what was before."""

    job_id: Hash32
    prefix: bytes
    """Encoded header without its last 8 bytes, the nonce."""
    first_nonce: int
    nonce_count: int
    """Nonces from `first_nonce` on for the threads of this process, all below 2^63; external workers start at a random
    nonce above."""
    limit: int
    """Report hashes up to this number, and after each report only lower ones."""
    share_limit: int = -1
    """Report every hash up to this number, whatever was reported before: shares of an external worker."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Hash nothing until the next `SetWork`."""


@dataclass(frozen=True, slots=True)
class Found:
    """Hand this block to the importer and the network: it is ripe at `time`, in PRE_RELAY at most."""

    block: Block
    time: Millis


@dataclass(frozen=True, slots=True)
class BuildTemplate:
    """Build a candidate for the block after `parent` and hand it to `Miner.candidate`."""

    parent: ChainedHeader
    draw: Draw | None
    """The best ticket known, to be put in."""
    with_transactions: bool = True
    """Whether to fill it from the pool: not after an own block for this parent was refused, since what was wrong with
    that one is most likely in its body."""


MinerEffect: TypeAlias = SetWork | Stop | Found | BuildTemplate


class MinerState(Enum):
    """What the miner does with its present parent."""

    IDLE = "idle"
    SEARCHING = "searching"
    """Nothing found yet that beats what is known."""
    HOLDING = "holding"
    """Own best is the best known; too early to show it."""
    SHOWN = "shown"
    """Own best is the best known and published; a better hash would still replace it."""
    DONE = "done"
    """The best known block, own or not, is ripe: a new parent is about to come."""


class _Event(Enum):
    PARENT = auto()
    IMPROVED = auto()
    BEATEN = auto()
    PUBLISHED = auto()
    RIPE = auto()
    REFUSED = auto()
    HALTED = auto()


_NEXT: dict[tuple[MinerState, _Event], MinerState] = {
    **{(state, _Event.PARENT): MinerState.SEARCHING for state in MinerState},
    **{(state, _Event.HALTED): MinerState.IDLE for state in MinerState},
    (MinerState.SEARCHING, _Event.IMPROVED): MinerState.HOLDING,
    (MinerState.HOLDING, _Event.IMPROVED): MinerState.HOLDING,
    (MinerState.SHOWN, _Event.IMPROVED): MinerState.HOLDING,
    (MinerState.SEARCHING, _Event.BEATEN): MinerState.SEARCHING,
    (MinerState.HOLDING, _Event.BEATEN): MinerState.SEARCHING,
    (MinerState.SHOWN, _Event.BEATEN): MinerState.SEARCHING,
    (MinerState.HOLDING, _Event.PUBLISHED): MinerState.SHOWN,
    (MinerState.SEARCHING, _Event.REFUSED): MinerState.SEARCHING,
    (MinerState.HOLDING, _Event.REFUSED): MinerState.SEARCHING,
    (MinerState.SHOWN, _Event.REFUSED): MinerState.SEARCHING,
    (MinerState.DONE, _Event.REFUSED): MinerState.SEARCHING,
    (MinerState.SEARCHING, _Event.RIPE): MinerState.DONE,
    (MinerState.SHOWN, _Event.RIPE): MinerState.DONE,
}

_HASHING = (MinerState.SEARCHING, MinerState.HOLDING, MinerState.SHOWN)
_LOCAL_NONCE_BITS = 62
"""The threads begin at a random one of 2^62 nonces and have as many. Two nodes that pay the same account build the very
same header from the same pool: if both began at zero, the second would only repeat the hashes of the first."""

_LOCAL_NONCES = 1 << _LOCAL_NONCE_BITS


@dataclass(frozen=True, slots=True)
class Job:
    """A header to be sealed, as its workers see it."""

    id: Hash32
    candidate: Candidate
    """With `mined_at` as hashed."""
    prefix: bytes
    terms: Terms


@dataclass(frozen=True, slots=True)
class MinerStatistics:
    """Counters since the start and the state of now."""

    state: MinerState
    height: int
    """Height worked on; 0 when idle."""
    hash_rate: float
    """Hashes per second of this process's threads over the last minute."""
    hashes: int
    best_time: Millis | None
    """When the best known block of this height is ripe."""
    published: int
    """Blocks shown to the network, improvements included."""
    templates: int
    workers: dict[str, WorkerAccount]


@dataclass(frozen=True, slots=True)
class _Best:
    rank: Rank
    block: Block | None
    """None if it is another's."""


class Miner:
    """The machine; mutable, owned by the node's event loop. `now` is the mesh clock."""

    def __init__(self, params: ChainParams, rng: Random) -> None:
        """`rng` chooses where the threads begin: no other miner may go the same way (`_LOCAL_NONCE_BITS`)."""
        self._params = params
        self._first_nonce = rng.getrandbits(_LOCAL_NONCE_BITS)
        self._state = MinerState.IDLE
        self._parent: ChainedHeader | None = None
        self._draw: Draw | None = None
        self._best: _Best | None = None
        self._left: OrderedDict[Hash32, _Best] = OrderedDict()
        """Own best block by parent, for parents that were left."""
        self._jobs: OrderedDict[Hash32, Job] = OrderedDict()
        self._template_at = Millis(0)
        self._stale_since: Millis | None = None
        self._refusals = 0
        """Own blocks for the present parent that the node refused."""
        self._retry_at: Millis | None = None
        """When the next template after a refusal is due; until then there is none."""
        self._shares = ShareBook()
        self._rate = RateMeter()
        self._published = 0
        self._templates = 0

    def parent(self, parent: ChainedHeader, draw: Draw | None, now: Millis) -> list[MinerEffect]:
        """Work on the block after `parent` from now on: the head, or the best known unripe block."""
        if self._parent is not None and parent.id == self._parent.id and self._state in _HASHING:
            return []
        self._leave()
        self._move(_Event.PARENT)
        self._parent, self._draw, self._stale_since = parent, draw, None
        self._refusals, self._retry_at = 0, None
        self._template_at = now
        # The threads stop: what they hash is stale, and the template of the new parent takes its time to build.
        effects: list[MinerEffect] = [Stop(), BuildTemplate(parent, draw)]
        self._best = self._left.pop(parent.id, None)
        if self._best is None:
            return effects
        self._move(_Event.IMPROVED)
        return effects + self.tick(now)

    def halt(self) -> list[MinerEffect]:
        """Stop mining: the operator asks, or the node is catching up."""
        self._leave()
        self._move(_Event.HALTED)
        self._parent, self._retry_at = None, None
        return [Stop()]

    def candidate(self, candidate: Candidate, now: Millis) -> list[MinerEffect]:
        """Take a template that `BuildTemplate` asked for; one for another parent is dropped."""
        parent = self._parent
        if parent is None or candidate.header.parent_id != parent.id or self._state not in _HASHING:
            return []
        if self._retry_at is not None:
            return []  # asked for before the refusal: it may have the same fault
        self._templates += 1
        return self._start_job(parent, candidate, now)

    def ticket(self, parent_id: Hash32, draw: Draw) -> list[MinerEffect]:
        """Take a better ticket for the present parent: a new template is worth its seconds at once."""
        parent = self._parent
        if parent is None or parent_id != parent.id or self._state not in _HASHING or not draw.beats(self._draw):
            return []
        self._draw = draw
        return [] if self._retry_at is not None else [self._template(parent)]

    def transactions_changed(self, now: Millis) -> None:
        """Note that the mempool could fill a better template; it is built when REFRESH has passed."""
        if self._stale_since is None and not self._refusals:
            self._stale_since = now

    def found(self, job_id: Hash32, nonce: bytes, pow_hash: int, now: Millis) -> list[MinerEffect]:
        """Take a hash of this process's threads."""
        job = self.job(job_id)
        if job is None or not self._improves(job, pow_hash):
            return []
        return self._take(job, nonce, pow_hash, now)

    def job(self, job_id: Hash32) -> Job | None:
        """Return the job that an external worker's nonce belongs to; None if it is stale."""
        return self._jobs.get(job_id) if self._state in _HASHING else None

    def current_job(self) -> Job | None:
        """Return what external workers should hash now, None while there is nothing."""
        return next(reversed(self._jobs.values())) if self._jobs and self._state in _HASHING else None

    def share(
        self, worker: str, job_id: Hash32, nonce: bytes, pow_hash: int, now: Millis
    ) -> tuple[ShareVerdict, list[MinerEffect]]:
        """Take a nonce of an external worker, whose hash this node has computed from `job(...)`, and account for it."""
        job = self.job(job_id)
        if job is None:
            return self._shares.count(worker, ShareVerdict.STALE, now), []
        if self._shares.knows(job_id, nonce):
            return self._shares.count(worker, ShareVerdict.REPEATED, now), []
        shown, improves = meets_share(pow_hash), self._improves(job, pow_hash)
        if shown or improves:
            self._shares.remember(job_id, nonce)
        if improves:
            verdict = self._shares.count(worker, ShareVerdict.BEST, now, shown=shown)
            return verdict, self._take(job, nonce, pow_hash, now)
        return self._shares.count(worker, ShareVerdict.SHARE if shown else ShareVerdict.WEAK, now, shown=shown), []

    def refused_share(self, worker: str, job_id: Hash32, nonce: bytes, now: Millis) -> ShareVerdict | None:
        """Account for a nonce that need not be hashed: of a job not known any more, or sent before. None for others."""
        if self.job(job_id) is None:
            return self._shares.count(worker, ShareVerdict.STALE, now)
        if self._shares.knows(job_id, nonce):
            return self._shares.count(worker, ShareVerdict.REPEATED, now)
        return None

    def rival(self, block: ChainedHeader, now: Millis) -> list[MinerEffect]:
        """Take note of another's valid block for the same parent: only what beats it is still worth finding."""
        parent = self._parent
        if parent is None or block.header.parent_id != parent.id or self._state not in _HASHING:
            return []
        rank = Rank(block.time, block.sealed.pow)
        if self._best is not None and self._best.rank <= rank:
            return []
        self._best = _Best(rank, None)
        self._move(_Event.BEATEN)
        return self._rework(parent) + self.tick(now)

    def refused(self, parent_id: Hash32, now: Millis) -> list[MinerEffect]:
        """Take note that the node refused an own block for a parent: drop it and start afresh after a pause.

        The caller then tells of all rivals again (`rival`): one that the refused block had beaten is best now.
        """
        parent = self._parent
        if parent is None or parent_id != parent.id or self._state is MinerState.IDLE:
            return []
        if self._best is not None and self._best.block is None and self._state is MinerState.DONE:
            return []  # another's block is ripe: a new parent is about to come
        self._move(_Event.REFUSED)
        if self._best is not None and self._best.block is not None:
            self._best = None
        self._jobs.clear()
        self._stale_since = None
        self._retry_at = Millis(now + (REFUSED_WAIT << min(self._refusals, REFUSED_DOUBLINGS)))
        self._refusals += 1
        return [Stop()]

    def hashed(self, total: int, now: Millis) -> None:
        """Take the number of hashes that the threads have made since the start: for the hash rate."""
        self._rate.sample(total, now)

    def deadline(self) -> Millis | None:
        """Return when `tick` next has work to do."""
        parent = self._parent
        if parent is None or self._state not in _HASHING:
            return None
        times: list[int] = []
        if self._best is not None:
            holding = self._state is MinerState.HOLDING
            times.append(self._best.rank.time - (pre_relay(self._params) if holding else 0))
        if self._retry_at is not None:
            times.append(self._retry_at)
        elif self._stale_since is not None:
            times.append(max(self._stale_since, self._template_at + REFRESH))
        job = self.current_job()
        if job is not None and self._stamp_useful(job):
            times.append(max(parent.time + self._params.gap, job.terms.mined_at + STAMP_EVERY))
        return Millis(min(times)) if times else None

    def tick(self, now: Millis) -> list[MinerEffect]:
        """Show the best when its time has come, stop when it is ripe, renew template and `mined_at`."""
        parent = self._parent
        if parent is None or self._state not in _HASHING:
            return []
        effects = self._publish(now)
        if self._best is not None and self._best.rank.time <= now:
            self._move(_Event.RIPE)
            return [*effects, Stop()]
        if self._retry_at is not None:
            if now < self._retry_at:
                return effects
            self._retry_at, self._template_at = None, now
            effects.append(self._template(parent))
        if self._stale_since is not None and now >= max(self._stale_since, self._template_at + REFRESH):
            self._stale_since, self._template_at = None, now
            effects.append(self._template(parent))
        job = self.current_job()
        if job is not None and self._stamp_useful(job):
            due = max(parent.time + self._params.gap, job.terms.mined_at + STAMP_EVERY)
            if now >= due:
                effects += self._start_job(parent, job.candidate, now)
        return effects

    def statistics(self) -> MinerStatistics:
        """Return the counters; the hash rate is for people alone."""
        return MinerStatistics(
            state=self._state,
            height=0 if self._parent is None else self._parent.height + 1,
            hash_rate=self._rate.rate(),
            hashes=self._rate.total,
            best_time=None if self._best is None else self._best.rank.time,
            published=self._published,
            templates=self._templates,
            workers=self._shares.accounts(),
        )

    def _leave(self) -> None:
        """Drop what belongs to the present parent, but for the own best block, which counts if it comes back."""
        if self._parent is not None and self._best is not None and self._best.block is not None:
            self._left[self._parent.id] = self._best
            if len(self._left) > PARENTS_KEPT:
                self._left.popitem(last=False)
        self._best = None
        self._jobs.clear()

    def _template(self, parent: ChainedHeader) -> BuildTemplate:
        """Ask for a template; after a refusal for one without transactions, after two also without a ticket."""
        return BuildTemplate(parent, self._draw if self._refusals < 2 else None, with_transactions=self._refusals == 0)

    def _start_job(self, parent: ChainedHeader, candidate: Candidate, now: Millis) -> list[MinerEffect]:
        stamped = now if now >= parent.time + self._params.gap else 0
        header = replace(candidate.header, mined_at=Millis(stamped), nonce=bytes(NONCE_BYTES))
        terms = Terms(
            parent_time=parent.time,
            log_target=next_log_target(self._params, parent.err),
            handicap=header.handicap,
            mined_at=header.mined_at,
        )
        prefix = encode_header(header)[:-NONCE_BYTES]
        job = Job(header_id(header), replace(candidate, header=header), prefix, terms)
        self._jobs[job.id] = job
        if len(self._jobs) > JOBS_KEPT:
            self._jobs.popitem(last=False)
        return self._rework(parent)

    def _rework(self, parent: ChainedHeader) -> list[MinerEffect]:
        """Hand out the newest job with the limit of now."""
        job = self.current_job()
        if job is None:
            return []
        limit = highest_useful(self._params, job.terms, None if self._best is None else self._best.rank)
        if limit is None:
            return [Stop()]  # not even the lowest hash beats what is known
        return [SetWork(job.id, job.prefix, self._first_nonce, _LOCAL_NONCES, limit)]

    def _improves(self, job: Job, pow_hash: int) -> bool:
        """Tell whether a hash passes the floor and beats the best known."""
        if not seal_passes_floor(self._params, pow_hash, job.terms.log_target):
            return False
        return self._best is None or job.terms.rank(self._params, pow_hash) < self._best.rank

    def _take(self, job: Job, nonce: bytes, pow_hash: int, now: Millis) -> list[MinerEffect]:
        header = replace(job.candidate.header, nonce=nonce)
        block = Block(SealedHeader(header, pow_hash, job.candidate.ticket), job.candidate.transactions)
        self._best = _Best(job.terms.rank(self._params, pow_hash), block)
        self._move(_Event.IMPROVED)
        assert self._parent is not None, "a miner without a parent has no jobs"
        return self._rework(self._parent) + self.tick(now)

    def _publish(self, now: Millis) -> list[MinerEffect]:
        best = self._best
        if self._state is not MinerState.HOLDING or best is None or best.block is None:
            return []
        if now < best.rank.time - pre_relay(self._params):
            return []
        self._move(_Event.PUBLISHED)
        self._published += 1
        return [Found(best.block, best.rank.time)]

    def _stamp_useful(self, job: Job) -> bool:
        """Tell whether a block stamped after GAP could be ripe before the best known."""
        earliest = max(job.terms.parent_time + self._params.gap, job.terms.mined_at)
        return self._best is None or self._best.rank.time > earliest

    def _move(self, event: _Event) -> None:
        self._state = _NEXT[self._state, event]
