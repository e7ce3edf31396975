"""A small network of miners in virtual time: delays, clocks, tickets, and the node's own choice of the head.

Each miner holds its own view: which blocks it has and since when, which are ripe by its clock, which is its head
(`chain.fork_choice`). It hashes on its head from the moment it has it, shows its best PRE_RELAY before it is ripe, and
gives up a best that a block it has heard of beats. Events are exact; nothing is polled.
"""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from random import Random

from chain.block import ChainedHeader
from chain.fork_choice import Candidate, choose, late_limit
from chain.params import ChainParams
from chain.primitives.units import Hash32, Millis
from consensus.ripening import pre_relay
from consensus.schedule import next_log_target
from consensus.sim.blocks import BlockMaker
from consensus.sim.law import Find, draw_handicap, first_ripe

RECENT = 12
"""Heights below the head that take part in the choice: deeper branches of honest miners do not exist here."""


@dataclass(frozen=True, slots=True)
class MinerSetup:
    """One miner (or pool) of the world."""

    share: float
    """Of the hash rate of all."""
    stake: float = 0.0
    """Share of the coins whose tickets this miner has and keeps for itself."""
    clock_error: float = 0.0
    """ms that its clock is ahead of the true time."""
    holds_back: float = 0.0
    """ms after its own block's ripeness at which it shows it: 0 shows it PRE_RELAY before, like everybody."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What may change with the height or the time."""

    rate: Callable[[float], float]
    """Hashes per ms of all miners at a moment."""
    stake: Callable[[float], float]
    """Share of the coins whose tickets are online and public at a moment."""
    delay: Callable[[Random, int, int, float], float]
    """ms a block takes from one miner to another at a moment; infinite while they are cut off."""
    registered: float = 0.5
    """Share of the coins that stands in the snapshot, online or not."""


@dataclass(slots=True)
class _View:
    setup: MinerSetup
    head: ChainedHeader
    known: dict[Hash32, Candidate] = field(default_factory=dict)
    """Blocks of the last RECENT heights, with their arrival by this miner's clock."""
    own: ChainedHeader | None = None
    """The block it will show."""
    round: int = 0
    """Which search it is on; events of older ones are void."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run gave."""

    chain: list[ChainedHeader]
    """The canonical chain of the first miner, oldest first, without the start."""
    orphans: int
    """Blocks that were shown and are not in it."""
    on_winner: float
    """Share of (miner, block) pairs in which the miner had the canonical block as head within 50 ms of its time."""
    agreed: bool
    """Whether all heads descend from or equal the same block at the end, RECENT heights back."""


class World:
    """One run; mutable, driven by `run`."""

    def __init__(
        self,
        params: ChainParams,
        miners: Sequence[MinerSetup],
        conditions: Conditions,
        rng: Random,
        start: ChainedHeader,
        maker: BlockMaker,
    ) -> None:
        self._params = params
        self._conditions = conditions
        self._rng = rng
        self._maker = maker
        self._late = late_limit(params)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._now = 0.0
        self._views = [_View(miner, start, {start.id: Candidate(start, start.time)}) for miner in miners]
        self._parents: dict[Hash32, ChainedHeader] = {start.id: start}
        self._shown = 0
        self._tickets: dict[Hash32, Millis] = {}
        self._adopted: dict[tuple[int, Hash32], float] = {}
        self._start = start

    def run(self, blocks: int) -> Outcome:
        """Run until the first miner's head is this many blocks above the start, then drain what is under way."""
        for index in range(len(self._views)):
            self._search(index)
        end = self._start.height + blocks
        while self._events and self._views[0].head.height < end:
            self._now, _, action = heapq.heappop(self._events)
            action()
        return self._outcome()

    def _at(self, moment: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._events, (max(moment, self._now), next(self._order), action))

    def _search(self, index: int) -> None:
        """Begin to hash on the head: the block this miner will show follows from one draw."""
        view, params = self._views[index], self._params
        view.round += 1
        view.own = None
        head = view.head
        handicap = self._handicap(view, head)
        start = self._now - head.time
        found = first_ripe(
            params,
            self._rng,
            rate=self._conditions.rate(self._now) * view.setup.share,
            start=start,
            log_target=next_log_target(params, head.err),
            handicap=handicap,
        )
        mined_at = Millis(0)
        if found is None or found.at > params.gap:
            found, mined_at = self._stalled(view, head, start)
        block = self._maker.child(head, pow_hash=found.pow, handicap=handicap, miner=index, mined_at=mined_at)
        view.own = block
        lead = -view.setup.holds_back if view.setup.holds_back else pre_relay(params)
        show = max(head.time + found.at, block.time - lead - view.setup.clock_error)
        turn = view.round
        self._at(show, lambda: self._show(index, block, turn))

    def _stalled(self, view: _View, head: ChainedHeader, start: float) -> tuple[Find, Millis]:
        """Nothing within the floor in GAP: the first hash within it after that carries `mined_at` (rule 5)."""
        params = self._params
        floor = min((next_log_target(params, head.err) >> 16) + params.seal_floor, 256)
        rate = self._conditions.rate(self._now) * view.setup.share
        wait = self._rng.expovariate(max(rate, 1e-300) * 2.0 ** (floor - 256))
        at = max(start, float(params.gap)) + wait
        return Find(self._rng.randrange(1 << floor), at), Millis(head.time + int(at))

    def _handicap(self, view: _View, head: ChainedHeader) -> Millis:
        conditions = self._conditions
        public = self._tickets.get(head.id)
        if public is None:
            public = self._tickets[head.id] = draw_handicap(
                self._params,
                self._rng,
                head.height + 1,
                stake=conditions.stake(self._now),
                total=conditions.registered,
            )
        if view.setup.stake <= 0:
            return public
        own = draw_handicap(
            self._params, self._rng, head.height + 1, stake=view.setup.stake, total=conditions.registered
        )
        return min(public, own)

    def _show(self, index: int, block: ChainedHeader, turn: int) -> None:
        view = self._views[index]
        if view.round != turn or view.own is not block:
            return
        self._shown += 1
        self._parents[block.id] = block
        for other in range(len(self._views)):
            wait = 0.0 if other == index else self._conditions.delay(self._rng, index, other, self._now)
            if wait != float("inf"):
                self._at(self._now + wait, lambda other=other: self._arrive(other, block))  # type: ignore[misc]

    def _arrive(self, index: int, block: ChainedHeader) -> None:
        view = self._views[index]
        if block.id in view.known:
            return
        parent = self._parents[block.header.parent_id]
        if parent.id not in view.known and parent.height > view.head.height - RECENT:
            self._arrive(index, parent)  # asked for and delivered: a node does not take a block without its parent
        view.known[block.id] = Candidate(block, Millis(int(self._now + view.setup.clock_error)))
        own = view.own
        if own is not None and own.header.parent_id == block.header.parent_id and _rank(block) < _rank(own):
            view.own = None
        ripe = block.time - view.setup.clock_error
        if ripe <= self._now:
            self._choose(index)
        else:
            self._at(ripe, lambda: self._choose(index))

    def _choose(self, index: int) -> None:
        view = self._views[index]
        mine = Millis(round(self._now + view.setup.clock_error))
        ripe = [block for block in view.known.values() if block.chained.time <= mine]
        head = choose(view.known[view.head.id], ripe, self._late).chained
        if head.id == view.head.id:
            return
        view.head = head
        self._adopted.setdefault((index, head.id), self._now)
        low = head.height - RECENT
        for old in [key for key, block in view.known.items() if block.chained.height < low]:
            del view.known[old]
        self._search(index)

    def _outcome(self) -> Outcome:
        chain: list[ChainedHeader] = []
        block = self._views[0].head
        while block.id != self._start.id:
            chain.append(block)
            block = self._parents[block.header.parent_id]
        chain.reverse()
        settled = chain[:-RECENT]
        pairs = len(settled) * len(self._views)
        good = sum(
            self._adopted.get((index, block.id), float("inf")) <= block.time + 50
            for block in settled
            for index in range(len(self._views))
        )
        buried = {self._ancestor(view.head, RECENT).id for view in self._views}
        height_known = {entry.id for entry in chain} | {self._start.id}
        return Outcome(
            chain=chain,
            orphans=self._shown - len(chain),
            on_winner=good / pairs if pairs else 1.0,
            agreed=buried <= height_known,
        )

    def _ancestor(self, block: ChainedHeader, depth: int) -> ChainedHeader:
        for _ in range(depth):
            if block.id == self._start.id:
                break
            block = self._parents[block.header.parent_id]
        return block


def _rank(block: ChainedHeader) -> tuple[Millis, int]:
    return block.time, block.sealed.pow


def internet_delay(rng: Random, _source: int, _target: int, _now: float) -> float:
    """Return a delay of a compact block between two random peers: log-normal, median 0.6 s, 99 % under 3 s."""
    return rng.lognormvariate(6.4, 0.7)
