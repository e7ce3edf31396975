"""The external miner as a sans-IO machine: what to hash, what to hand in, when to ask the node again.

New work replaces the old at once, and null makes the threads rest. While the node is silent the threads go on for
ADRIFT: a seal found in a short break of the line still counts. Finds wait in a bounded queue until they are sent;
those for another parent are dropped, since nobody wants them any more.
"""

from dataclasses import dataclass
from enum import Enum, auto
from random import Random

from chain.primitives.units import Hash32, Millis
from cli.mining_client.orders import Order, Verdict
from consensus.hashing import Solution
from consensus.miner import SetWork, Stop
from consensus.rate import RateMeter

ADRIFT = Millis(30_000)
"""How long to hash without hearing of the node: longer than its long poll (15 s) and a restart of it (5 s)."""

FIRST_RETRY = Millis(500)
LONGEST_RETRY = Millis(30_000)
"""Waits between attempts double from the first to the longest, each spread by half, so that a farm whose node comes
back does not call in the same moment."""

MAX_UNSENT = 256
"""Finds that wait to be sent; above, the weakest goes."""

BATCH = 64
"""Finds handed in at once: a farm behind a slow line is not bound by its round trips."""

FIRST_NONCE = 1 << 63
NONCE_COUNT = 1 << 62
"""The upper half of the nonces belongs to external workers (the node's threads take the lower); each begins at a random
one in the first half of it, so that two workers on the same header meet with a chance under 2^-30 a day."""


class SessionState(Enum):
    """How the miner stands."""

    CALLING = "calling"
    """The node does not answer, and there is nothing to hash."""
    RESTING = "resting"
    """The node has no work at this moment."""
    HASHING = "hashing"
    ADRIFT = "adrift"
    """Hashing, though the node does not answer."""


class _Event(Enum):
    WORK = auto()
    NO_WORK = auto()
    LOST = auto()
    GIVEN_UP = auto()


_NEXT: dict[tuple[SessionState, _Event], SessionState] = {
    **{(state, _Event.WORK): SessionState.HASHING for state in SessionState},
    **{(state, _Event.NO_WORK): SessionState.RESTING for state in SessionState},
    (SessionState.CALLING, _Event.LOST): SessionState.CALLING,
    (SessionState.RESTING, _Event.LOST): SessionState.CALLING,
    (SessionState.HASHING, _Event.LOST): SessionState.ADRIFT,
    (SessionState.ADRIFT, _Event.LOST): SessionState.ADRIFT,
    (SessionState.ADRIFT, _Event.GIVEN_UP): SessionState.CALLING,
}


@dataclass(frozen=True, slots=True)
class Find:
    """A nonce to hand in."""

    order: Order
    nonce: bytes
    pow: int

    @property
    def is_share(self) -> bool:
        """Whether it meets the share's target."""
        return self.pow <= self.order.share_limit


@dataclass(frozen=True, slots=True)
class AskAgain:
    """Ask for the present work without waiting: another worker has found better, so the limit has fallen."""


SessionEffect = SetWork | Stop | AskAgain


@dataclass(frozen=True, slots=True)
class SessionStatistics:
    """What this miner did since its start."""

    state: SessionState
    height: int
    """Height worked on last; 0 before the first work."""
    hash_rate: float
    hashes: int
    shares: int
    """Hashes the node counted as shares."""
    best: int
    """Seals that were the best known when they were handed in."""
    stale: int
    refused: int
    """Weak or repeated."""
    unsent: int
    lost: int
    """Finds dropped unsent: for another parent, or for want of room."""
    orders: int
    """Pieces of work received."""
    breaks: int
    """Times the node stopped answering."""


class Session:
    """The machine; mutable, owned by the driver's event loop."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._state = SessionState.CALLING
        self._order: Order | None = None
        self._limit = -1
        self._first_nonce = FIRST_NONCE
        self._unsent: list[Find] = []
        self._silent_since: Millis | None = None
        self._failures = 0
        self._rate = RateMeter()
        self._counts = dict.fromkeys(Verdict, 0)
        self._shares = self._lost = self._orders = self._breaks = 0

    @property
    def known(self) -> Hash32 | None:
        """Id of the work that is hashed, None while nothing is."""
        return self._order.id if self._order is not None else None

    def lower_limit(self, order: Order | None) -> list[SessionEffect]:
        """Take the answer to `AskAgain`. If the work has changed meanwhile, the long poll brings the newer one."""
        return self.work(order) if order is not None and order.id == self.known else []

    def work(self, order: Order | None) -> list[SessionEffect]:
        """Take the answer to the long poll: work, the same work with a lower limit, or nothing to do."""
        self._failures, self._silent_since = 0, None
        old = self._order
        if order is None:
            self._move(_Event.NO_WORK)
            self._order = None
            return [Stop()] if old is not None else []
        self._move(_Event.WORK)
        if old is not None and old.id == order.id:
            if order.limit >= self._limit:
                return []
        else:
            self._orders += 1
            self._first_nonce = FIRST_NONCE + self._rng.getrandbits(62)
            kept = [find for find in self._unsent if find.order.parent_id == order.parent_id]
            self._lost += len(self._unsent) - len(kept)
            self._unsent = kept
        self._order, self._limit = order, order.limit
        return [self._set_work(order)]

    def found(self, solution: Solution) -> None:
        """Take a hash of the threads; what is worth handing in waits for `take_finds`."""
        order = self._order
        if order is None or solution.job_id != order.id:
            return
        if solution.pow > self._limit and solution.pow > order.share_limit:
            return
        if solution.pow <= self._limit:  # what was best before it need not be told any more, unless it is a share
            self._unsent = [find for find in self._unsent if find.is_share or find.order is not order]
        self._unsent.append(Find(order, solution.nonce, solution.pow))
        if len(self._unsent) > MAX_UNSENT:
            self._unsent.remove(max(self._unsent, key=lambda find: find.pow))
            self._lost += 1
        # The threads lower their own limits; this one is for those that have not heard of the find yet.
        self._limit = min(self._limit, solution.pow - 1)

    @property
    def has_finds(self) -> bool:
        """Whether something waits to be handed in."""
        return bool(self._unsent)

    def take_finds(self) -> list[Find]:
        """Return what is to be handed in now, oldest first; `answered` or `unsent` follows."""
        batch, self._unsent = self._unsent[:BATCH], self._unsent[BATCH:]
        return batch

    def put_back(self, finds: list[Find]) -> None:
        """Keep finds that could not be sent for the next attempt."""
        order = self._order
        kept = [find for find in finds if order is not None and find.order.parent_id == order.parent_id]
        self._unsent = (kept + self._unsent)[:MAX_UNSENT]
        self._lost += len(finds) - len(kept)

    def refused(self) -> None:
        """Note that the node will never take a find."""
        self._lost += 1

    def answered(self, find: Find, verdict: Verdict) -> list[SessionEffect]:
        """Take the node's verdict on a find."""
        self._counts[verdict] += 1
        self._shares += verdict in (Verdict.BEST, Verdict.SHARE) and find.is_share
        if self._order is None or find.order.id != self._order.id:
            return []
        if verdict is Verdict.STALE:  # the node has gone on; its answer to the long poll is under way
            self._order = None
            self._move(_Event.NO_WORK)
            return [Stop()]
        return [AskAgain()] if verdict is Verdict.WEAK else []

    def silent(self, now: Millis) -> Millis:
        """Note that the node did not answer, and return how long to wait before asking again."""
        self._breaks += self._failures == 0
        self._failures += 1
        if self._silent_since is None:
            self._silent_since = now
        self._move(_Event.LOST)
        wait = min(LONGEST_RETRY, FIRST_RETRY << min(self._failures - 1, 16))
        return Millis(wait // 2 + self._rng.randrange(wait // 2 + 1))

    def tick(self, now: Millis) -> list[SessionEffect]:
        """Give the work up when the node has been silent for ADRIFT."""
        since = self._silent_since
        if self._state is not SessionState.ADRIFT or since is None or now < since + ADRIFT:
            return []
        self._move(_Event.GIVEN_UP)
        self._order = None
        return [Stop()]

    def hashed(self, total: int, now: Millis) -> None:
        """Take the number of hashes made since the start, for the hash rate."""
        self._rate.sample(total, now)

    def statistics(self) -> SessionStatistics:
        """Return the counters."""
        return SessionStatistics(
            state=self._state,
            height=self._order.height if self._order is not None else 0,
            hash_rate=self._rate.rate(),
            hashes=self._rate.total,
            shares=self._shares,
            best=self._counts[Verdict.BEST],
            stale=self._counts[Verdict.STALE],
            refused=self._counts[Verdict.WEAK] + self._counts[Verdict.REPEATED],
            unsent=len(self._unsent),
            lost=self._lost,
            orders=self._orders,
            breaks=self._breaks,
        )

    def _set_work(self, order: Order) -> SetWork:
        return SetWork(order.id, order.prefix, self._first_nonce, NONCE_COUNT, self._limit, order.share_limit)

    def _move(self, event: _Event) -> None:
        self._state = _NEXT[self._state, event]
