"""Pools at link-up: what waits at a few neighbours and is lacking here is fetched (docs/protocol, exchange).

The relay brings what is published while a link is up. What was published before is asked for: of one neighbour after
the other, until three of them have given all that they have, and again only when the node was away. A neighbour names
what waits in its pool; what has no name among ours is fetched in the order of its list, a batch at a time, each when
the pool has judged the one before.
"""

from dataclasses import dataclass
from enum import Enum
from random import Random

from chain.exchange.asks import Asks
from chain.exchange.effects import Ask, Effect, Penalise, Tag
from chain.exchange.messages import NAMES_MAX, Picked, PickRequest, Request, Response, Waiting, WaitingRequest, name_of
from chain.exchange.neighbours import Neighbour, Neighbours
from chain.exchange.ports import BlockSource, PoolReader
from chain.exchange.topics import POOLS_FEATURE, SYNC_MAX_BYTES
from chain.exchange.transactions import SHOWN_AFTER, Batch, Transactions
from chain.exchange.waiting import FRESH_FOR
from chain.primitives.errors import Penalty
from chain.primitives.hashing import keccak256
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis

ROUNDS = 3
"""Neighbours that are to give what they have: one suffices if it is honest and has everything. Where three of ten lie,
all of three do so once in 37 times. A list of a full pool has 98 kB."""

VISITS_MAX = 8
"""Neighbours that are asked for it at most, those included that were busy, silent, at fault, or gave nothing."""

ASK_AFTER = Millis(SHOWN_AFTER + FRESH_FOR + 1_000)
"""How long a link is up before it is used: even a list that was made a while ago shows what was published before the
link came up, and what was published later came by relay. One second is for the ends' views of that moment. By then the
neighbour's status is here, and a catch-up that is due has begun."""

LOOK_AGAIN = Millis(5_000)
"""Pause before looking again whether the node has caught up and somebody can be asked."""

PICKS_PER_ASK = 256
"""Transactions of one question: 17 ms of a worker, 30 kB of transfers."""

VISIT_LIFETIME = Millis(120_000)
"""A visit that takes longer is ended, so that a neighbour which gives one transaction at a time does not keep this node
from asking others: 4 MiB over the slowest uplink that is worth a link, 64 kB/s, take 65 s."""

VISIT_BYTES = 4 << 20
"""Transactions fetched from one neighbour: over twice a full pool of transfers; the best come first."""

TOTAL_BYTES = ROUNDS * (VISIT_BYTES + SYNC_MAX_BYTES)
"""Transactions fetched from all of them, the last answer of each included: two neighbours that give junk leave a third
one its whole visit."""

TOTAL_COUNT = ROUNDS * NAMES_MAX
"""How many they may be: three lists in full, 3.2 s of a worker."""

AWAY_BLOCKS = 5
"""A catch-up of so many blocks begins all anew: a node that missed them has missed what was published meanwhile, though
no link was lost (a partition). At mainnet's pace it is ten minutes."""

BEHIND_MAX = 2
"""A neighbour that said to be more blocks behind is not asked: it has missed what we lack."""

BUSY_PAUSE = Millis(1_000)
"""Pause when the neighbour has no budget left for us, or too many questions are open."""

PAUSES_MAX = 16
"""Pauses of one visit."""


class ReconcileState(Enum):
    """What a visit at a neighbour waits for."""

    IDLE = "idle"
    LISTING = "listing"
    PICKING = "picking"
    SETTLING = "settling"
    """The pool's judgement of a batch."""
    PAUSED = "paused"


class ReconcileEvent(Enum):
    """What moves it."""

    CHOSEN = "chosen"
    ASKED = "asked"
    CAME = "came"
    BUSY = "busy"
    ENDED = "ended"


TRANSITIONS: dict[tuple[ReconcileState, ReconcileEvent], ReconcileState] = {
    (ReconcileState.IDLE, ReconcileEvent.CHOSEN): ReconcileState.LISTING,
    (ReconcileState.LISTING, ReconcileEvent.ASKED): ReconcileState.PICKING,
    (ReconcileState.LISTING, ReconcileEvent.BUSY): ReconcileState.PAUSED,
    (ReconcileState.LISTING, ReconcileEvent.ENDED): ReconcileState.IDLE,
    (ReconcileState.PICKING, ReconcileEvent.CAME): ReconcileState.SETTLING,
    (ReconcileState.PICKING, ReconcileEvent.BUSY): ReconcileState.PAUSED,
    (ReconcileState.PICKING, ReconcileEvent.ENDED): ReconcileState.IDLE,
    (ReconcileState.SETTLING, ReconcileEvent.ASKED): ReconcileState.PICKING,
    (ReconcileState.SETTLING, ReconcileEvent.BUSY): ReconcileState.PAUSED,
    (ReconcileState.SETTLING, ReconcileEvent.ENDED): ReconcileState.IDLE,
    (ReconcileState.PAUSED, ReconcileEvent.CHOSEN): ReconcileState.LISTING,
    (ReconcileState.PAUSED, ReconcileEvent.ASKED): ReconcileState.PICKING,
    (ReconcileState.PAUSED, ReconcileEvent.BUSY): ReconcileState.PAUSED,
    (ReconcileState.PAUSED, ReconcileEvent.ENDED): ReconcileState.IDLE,
}
"""All there is; what the table lacks is a bug."""


@dataclass(slots=True)
class _Visit:
    peer: PeerId
    until: Millis
    """When it has taken too long."""
    ask: Tag | None = None
    salt: bytes = b""
    names: tuple[bytes, ...] = ()
    lacking: tuple[int, ...] = ()
    """Places of the list whose names fit nothing here."""
    at: int = 0
    """How many of them were answered."""
    asked: tuple[int, ...] = ()
    """Those of the last question."""
    size_bytes: int = 0
    given: int = 0
    """Transactions of the last answer."""
    batch: Batch | None = None
    pauses: int = 0
    paused_until: Millis = Millis(0)


class Reconciler:
    """Asks a few neighbours what waits in their pools; one at a time, so that nothing comes twice."""

    def __init__(
        self,
        source: BlockSource,
        pool: PoolReader,
        transactions: Transactions,
        neighbours: Neighbours,
        asks: Asks,
        rng: Random,
    ) -> None:
        self._source = source
        self._pool = pool
        self._transactions = transactions
        self._neighbours = neighbours
        self._asks = asks
        self._rng = rng
        self.state = ReconcileState.IDLE
        self._visit: _Visit | None = None
        self._visited: set[PeerId] = set()
        self._visits = 0
        self._rounds = 0
        self._bytes_left = TOTAL_BYTES
        self._count_left = TOTAL_COUNT
        self._look_at = Millis(0)
        self._caught_up = 0
        self.lists_asked = 0
        self.completed = 0
        self.fetched = 0
        self.fetched_bytes = 0

    def owns(self, tag: Tag) -> bool:
        """Tell whether a question was this part's."""
        return self._visit is not None and tag == self._visit.ask

    def link_down(self, peer: PeerId) -> None:
        """A neighbour is gone, and its questions have failed; without any, all begins anew with the next ones."""
        if self._visit is not None and self._visit.peer == peer:
            self._end(is_round=False)
        if not len(self._neighbours):
            self._begin_anew()

    def _begin_anew(self) -> None:
        self._visited.clear()
        self._visits = self._rounds = 0
        self._bytes_left, self._count_left = TOTAL_BYTES, TOTAL_COUNT

    # time

    def tick(self, now: Millis, *, is_syncing: bool, caught_up: int) -> list[Effect]:
        """Begin a visit, or go on after a pause. `caught_up` is how many blocks catch-ups have imported so far."""
        if not is_syncing:
            if caught_up - self._caught_up >= AWAY_BLOCKS:
                self._begin_anew()
            self._caught_up = caught_up
        visit = self._visit
        if visit is not None:
            is_due = self.state is ReconcileState.PAUSED and visit.paused_until <= now
            return self._next(visit, now) if is_due else []
        if not any(self._ready_at(item) <= now for item in self._candidates()):
            return []
        own_height = self._source.head().height
        ready = [
            item
            for item in self._candidates()
            if self._ready_at(item) <= now
            and item.status is not None
            and item.status.height + BEHIND_MAX >= own_height
            and self._asks.has_room(item.peer)
        ]
        if is_syncing or not ready:
            self._look_at = Millis(now + LOOK_AGAIN)
            return []
        visit = self._visit = _Visit(self._rng.choice(ready).peer, Millis(now + VISIT_LIFETIME))
        self._visited.add(visit.peer)
        self._visits += 1
        self.lists_asked += 1
        return self._next(visit, now)

    def deadline(self) -> Millis | None:
        """Return when `tick` has work."""
        if self._visit is not None:
            return self._visit.paused_until if self.state is ReconcileState.PAUSED else None
        return min((self._ready_at(item) for item in self._candidates()), default=None)

    def _candidates(self) -> list[Neighbour]:
        done = self._rounds >= ROUNDS or self._visits >= VISITS_MAX
        if done or self._bytes_left <= 0 or self._count_left <= 0:
            return []
        return [
            item for item in self._neighbours.all() if item.features & POOLS_FEATURE and item.peer not in self._visited
        ]

    def _ready_at(self, neighbour: Neighbour) -> Millis:
        return Millis(max(neighbour.since + ASK_AFTER, neighbour.rests_until, self._look_at))

    # answers

    def responded(self, peer: PeerId, response: Response, now: Millis) -> list[Effect]:
        """Take the answer to the open question."""
        visit = self._visit
        assert visit is not None, "the question was this part's"
        visit.ask = None
        match response:
            case Waiting() if self.state is ReconcileState.LISTING:
                return self._listed(visit, response, now)
            case Picked(raws) if self.state is ReconcileState.PICKING:
                return self._came(visit, raws, now)
            case _:
                self._end(is_round=False)
                return [Penalise(peer, Penalty.BAN, "an answer to another question")]

    def failed(self, now: Millis, *, is_busy: bool) -> list[Effect]:
        """The open question got no answer; a neighbour whose budget is spent is asked again a little later."""
        visit = self._visit
        assert visit is not None, "the question was this part's"
        visit.ask = None
        if is_busy:
            self._pause(visit, now)
        else:
            self._end(is_round=False)
        return []

    def advance(self, now: Millis) -> list[Effect]:
        """Ask for the next batch if the pool has judged the last one."""
        visit = self._visit
        if visit is None or visit.batch is None or visit.batch.waiting:
            return []
        batch, visit.batch = visit.batch, None
        if batch.at_fault or not batch.useful:
            # a pool that is full of better ones wants no worse; and if a block took the best, others know what is left
            self._end(is_round=not batch.at_fault and visit.given > 0)
            return []
        return self._next(visit, now)

    # a visit

    def _listed(self, visit: _Visit, listed: Waiting, now: Millis) -> list[Effect]:
        # own transactions that nobody knows to be here are asked for too: to leave them out would name their origin
        known = {
            name_of(listed.salt, tx_hash)
            for tx_hash in self._pool.hashes()
            if not self._transactions.is_secret(tx_hash)
        }
        visit.salt, visit.names = listed.salt, listed.names
        visit.lacking = tuple(place for place, name in enumerate(listed.names) if name not in known)
        if not listed.names:
            self._end(is_round=False)
            return []
        return self._next(visit, now)

    def _next(self, visit: _Visit, now: Millis) -> list[Effect]:
        if visit.salt:
            most = min(PICKS_PER_ASK, self._count_left)
            visit.asked = visit.lacking[visit.at : visit.at + most]
            if not visit.asked or visit.size_bytes >= VISIT_BYTES or self._bytes_left <= 0:
                self._end(is_round=True)
                return []
        if visit.until <= now:
            self._end(is_round=False)
            return []
        if not self._asks.has_room(visit.peer):
            self._pause(visit, now)
            return []
        if not visit.salt:
            self._go(ReconcileEvent.CHOSEN)
            return [self._ask(visit, WaitingRequest(), now)]
        self._go(ReconcileEvent.ASKED)
        return [self._ask(visit, PickRequest(visit.salt, visit.asked), now)]

    def _came(self, visit: _Visit, raws: tuple[bytes | None, ...] | None, now: Millis) -> list[Effect]:
        if raws is None:
            self._end(is_round=False)
            return []
        given = [raw for raw in raws if raw is not None]
        if len(raws) > len(visit.asked) or not self._are_asked_for(visit, raws):
            self._end(is_round=False)
            return [Penalise(visit.peer, Penalty.BAN, "other transactions than were asked for")]
        size = sum(map(len, given))
        visit.at += len(raws)
        visit.given = len(given)
        visit.size_bytes += size
        self._bytes_left -= size
        self._count_left -= len(given)
        self.fetched += len(given)
        self.fetched_bytes += size
        self._go(ReconcileEvent.CAME)
        visit.batch, effects = self._transactions.take(given, visit.peer, now)
        return effects + self.advance(now)

    def _are_asked_for(self, visit: _Visit, raws: tuple[bytes | None, ...]) -> bool:
        return all(
            raw is None or name_of(visit.salt, keccak256(raw)) == visit.names[place]
            for place, raw in zip(visit.asked, raws, strict=False)
        )

    def _ask(self, visit: _Visit, request: Request, now: Millis) -> Ask:
        ask = self._asks.open(visit.peer, request, now)
        visit.ask = ask.tag
        return ask

    def _pause(self, visit: _Visit, now: Millis) -> None:
        visit.pauses += 1
        if visit.pauses > PAUSES_MAX:
            self._end(is_round=False)
            return
        visit.paused_until = Millis(now + BUSY_PAUSE)
        self._go(ReconcileEvent.BUSY)

    def _end(self, *, is_round: bool) -> None:
        self._visit = None
        self._rounds += is_round
        self.completed += is_round
        self._go(ReconcileEvent.ENDED)

    def _go(self, event: ReconcileEvent) -> None:
        self.state = TRANSITIONS[(self.state, event)]
