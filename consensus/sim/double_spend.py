"""Double spends: a private chain that starts at the payment and must be ahead after k confirmations, or later.

The attacker chooses a threshold before every block: a harder one makes the block's time earlier and its hashing longer.
The choice is made by dynamic programming over (blocks made, lag of the times, lag of the hashing) behind the public
chain; the race itself is then played out on the production functions with that policy.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import TYPE_CHECKING

from chain.block import ChainedHeader
from chain.fork_choice import outweighs
from chain.params import ChainParams
from consensus.sim.blocks import BlockMaker, interval_of
from consensus.sim.forks import steered_limit
from consensus.sim.law import SPACE, draw_handicap, first_under
from consensus.sim.solo import SoloChain

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Grid = NDArray[np.float64]

CONTROLS = tuple(0.03 * 1.45**step for step in range(11))
"""Thresholds the attacker chooses from, as the mean hashes per block in units of the whole network's in T_BLOCK."""

EXTRA = 25
"""Blocks past the confirmations after which the attacker gives up."""

SAMPLES = 4_000
"""Draws of one block's lag per control, for the transition tables."""

PUBLIC_RUNS = 300
"""Public chains drawn once and raced again and again."""

HOPELESS = 1e-5
"""Success chance under which the attacker gives up."""


@dataclass(frozen=True, slots=True)
class Contest:
    """Who has what."""

    share: float
    """Attacker's share of all hashes."""
    rate: float
    """Hashes per ms of both together."""
    attacker_stake: float
    honest_stake: float
    total: float
    """Stake in the snapshot; 0 everywhere: no stake at all."""
    height: int
    """Height of the last common block."""


@dataclass(frozen=True, slots=True)
class _Public:
    """A public chain, and when each of its blocks was both ripe and found, ms."""

    blocks: list[ChainedHeader]
    moments: list[float]


@dataclass(frozen=True, slots=True)
class _Axis:
    low: float
    step: float
    size: int

    def index(self, value: float) -> int | None:
        """Return the cell of a lag, the lowest if below; None above."""
        cell = int((value - self.low) // self.step)
        return None if cell >= self.size else max(cell, 0)


TIMES = _Axis(-120_000.0, 3_000.0, 110)
HASHING = _Axis(-360_000.0, 15_000.0, 140)


class DoubleSpend:
    """One contest; holds the public chains and, per k, the policy."""

    def __init__(
        self,
        params: ChainParams,
        contest: Contest,
        rng: Random,
        *,
        samples: int = SAMPLES,
        public_runs: int = PUBLIC_RUNS,
    ) -> None:
        self._samples = samples
        self._public_runs = public_runs
        self._params = params
        self._contest = contest
        self._rng = rng
        self._maker = BlockMaker(params)
        self._root = self._maker.genesis(contest.height)

    @cached_property
    def _public(self) -> list[_Public]:
        return [self._public_chain(30 + EXTRA + 2) for _ in range(self._public_runs)]

    @cached_property
    def _mean(self) -> float:
        """Mean interval of the public chain while the attacker's hashes are away, ms."""
        runs = self._public
        return sum(run.blocks[-1].time - self._root.time for run in runs) / (len(runs) * len(runs[0].blocks))

    @cached_property
    def _moves(self) -> "list[tuple[Grid, Grid]]":
        return [self._transitions(control) for control in CONTROLS]

    def _public_chain(self, blocks: int) -> _Public:
        contest, params = self._contest, self._params
        miners, chain = SoloChain(params, self._rng, self._maker, self._root), _Public([], [])
        for _ in range(blocks):
            handicap = draw_handicap(
                params, self._rng, miners.tip.height + 1, stake=contest.honest_stake, total=contest.total
            )
            chain.blocks.append(miners.extend(rate=contest.rate * (1 - contest.share), handicap=handicap))
            chain.moments.append(miners.moment)
        return chain

    def _limit(self, control: float) -> int:
        return min(int(SPACE / (control * self._contest.rate * self._params.block_time)), SPACE)

    def _attack_block(self, parent: ChainedHeader, limit: int) -> tuple[ChainedHeader, float]:
        contest, params = self._contest, self._params
        handicap = draw_handicap(
            params, self._rng, parent.height + 1, stake=contest.attacker_stake, total=contest.total
        )
        found = first_under(self._rng, rate=contest.rate * contest.share, limit=limit)
        return self._maker.child(parent, pow_hash=found.pow, handicap=handicap, miner=1), found.at

    def policy(self, confirmations: int) -> "tuple[list[Grid], list[Grid]]":
        """Return, per block made, the best control's index and the chance of success over the two lags."""
        import numpy as np  # noqa: PLC0415  numpy is only loaded where it is needed

        moves = self._moves
        times = TIMES.low + TIMES.step * np.arange(TIMES.size)
        hashing = HASHING.low + HASHING.step * np.arange(HASHING.size)
        ahead = np.outer(times < 0, hashing < 0)
        value = np.zeros((TIMES.size, HASHING.size))
        choices: list[Grid] = []
        values: list[Grid] = []
        for made in range(confirmations + EXTRA, -1, -1):
            stacked = np.stack([by_time @ value @ by_hashing.T for by_time, by_hashing in moves])
            value = stacked.max(axis=0)
            if made > confirmations:
                value = np.where(ahead, 1.0, value)
            choices.append(stacked.argmax(axis=0).astype(np.float64))
            values.append(value)
        return choices[::-1], values[::-1]

    def _transitions(self, control: float) -> "tuple[Grid, Grid]":
        """Return the transition tables of both lags for one block at a control."""
        by_time: list[float] = []
        by_hashing: list[float] = []
        for _ in range(self._samples):
            block, took = self._attack_block(self._root, self._limit(control))
            public = interval_of(self._rng.choice(self._rng.choice(self._public).blocks))
            by_time.append(block.time - self._root.time - public)
            by_hashing.append(took - public)
        return _table(TIMES, by_time), _table(HASHING, by_hashing)

    def success(self, confirmations: int, trials: int) -> tuple[float, float]:
        """Return (share of won races, the policy's own estimate) for a payment taken after `confirmations`."""
        choices, values = self.policy(confirmations)
        start = values[0][TIMES.index(0.0) or 0, HASHING.index(0.0) or 0]
        won = sum(self._race(confirmations, choices, values) for _ in range(trials))
        return won / trials, float(start)

    def _race(self, confirmations: int, choices: "list[Grid]", values: "list[Grid]") -> bool:
        public = self._rng.choice(self._public)
        moments = public.moments
        block, hashed, root = self._root, float(self._root.time), self._root.time
        for made in range(confirmations + EXTRA):
            seen = bisect_right(moments, hashed)
            # the time of the public block of this number: known, or expected from the last one seen
            last = min(made, seen)
            level = (moments[last - 1] if last else root) + max(made - seen, 0) * self._mean
            row, column = TIMES.index(block.time - level), HASHING.index(hashed - level)
            if row is None or column is None or values[made][row, column] < HOPELESS:
                return False
            block, took = self._attack_block(block, self._limit(CONTROLS[int(choices[made][row, column])]))
            hashed += took
            count = bisect_right(moments, max(block.time, hashed))
            if count >= len(public.blocks):
                return False
            if self._wins(block, public.blocks, count, confirmations):
                return True
        return False

    def _wins(self, block: ChainedHeader, public: list[ChainedHeader], count: int, confirmations: int) -> bool:
        """Tell whether the private chain's tip displaces the public one, which has `count` blocks by now.

        Before the k-th confirmation there is nothing to gain, so an early lead is kept until then.
        """
        shown = max(count, confirmations)
        return block.height - self._root.height > shown and outweighs(block, public[shown - 1])

    def steered(self, confirmations: Sequence[int], trials: int, *, gain: float) -> list[float]:
        """Return the shares of won races, per k, of an attacker that only keeps hashing and times together.

        It steers as an endless private chain does (`forks.steered_limit`) and knows neither k nor the public chain: the
        attacker of the design's table. `gain` is in bits of threshold per T_BLOCK.
        """
        contest = self._contest
        won = [0] * len(confirmations)
        for _ in range(trials):
            public = self._rng.choice(self._public)
            moments = public.moments
            block, hashed = self._root, float(self._root.time)
            racing = list(range(len(confirmations)))
            while racing and block.height - self._root.height < max(confirmations) + EXTRA:
                limit = steered_limit(self._params, contest.rate * contest.share, hashed - block.time, gain)
                block, took = self._attack_block(block, limit)
                hashed += took
                count = bisect_right(moments, max(block.time, hashed))
                if count >= len(public.blocks):
                    break
                for race in [race for race in racing if self._wins(block, public.blocks, count, confirmations[race])]:
                    won[race] += 1
                    racing.remove(race)
        return [count / trials for count in won]


def _table(axis: _Axis, steps: list[float]) -> "Grid":
    """Return the matrix of one block's moves on an axis; what passes its upper end is lost, its lower end holds."""
    import numpy as np  # noqa: PLC0415

    moves = np.asarray(steps) / axis.step
    floor = np.floor(moves)
    part = moves - floor
    table = np.zeros((axis.size, axis.size))
    low, high = int(floor.min()), int(floor.max()) + 1
    weights = np.zeros(high - low + 1)
    np.add.at(weights, (floor - low).astype(np.int64), 1 - part)
    np.add.at(weights, (floor - low).astype(np.int64) + 1, part)
    weights /= len(steps)
    for origin in range(axis.size):
        targets = np.arange(low, high + 1) + origin
        inside = targets < axis.size
        np.add.at(table[origin], np.maximum(targets[inside], 0), weights[inside])
    return table
