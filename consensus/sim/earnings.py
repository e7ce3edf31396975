"""Scenarios of what deviating earns: blocks withheld, tickets kept private, the mix ground."""

from dataclasses import dataclass, replace
from random import Random
from statistics import fmean, stdev

from chain.params import ChainParams
from consensus.sim.forks import equilibrium_rate
from consensus.sim.law import calibrated_rate
from consensus.sim.mix_grinding import MixGrinder
from consensus.sim.networks import STAKED
from consensus.sim.report import Cell, Result, Row
from consensus.sim.withholding import Earned, Stakes, Strategy, Withholding

RUNS = 20
"""Runs with seeds of their own in which a chosen strategy is measured.

Their spread is the standard error; that of single blocks is not, since a won block helps to win the next."""

TRIALS = 32
"""A strategy is chosen by runs of this fraction of the size."""

PLAIN = (98, 105)
"""Percent of T_BLOCK from which the strategies that are measured without a choice go on from an own block: about the
best for a third of the hashes."""


@dataclass(frozen=True, slots=True)
class _Case:
    """An attacker of one size in one world."""

    title: str
    share: float
    """Of the hashes."""
    stakes: Stakes
    hides: bool = False
    part: int = 1
    """Its runs are shorter by this factor: not every row decides something by its third digit."""
    chosen: bool = False
    """Whether the best of many strategies is searched first, by runs of over 10^4 blocks each; else PLAIN are shown."""


def withholding(params: ChainParams, seed: int, size: int) -> Result:
    """Choose the best way to withhold where nobody stakes, and measure it on other seeds; `size` is blocks."""
    case = _Case("0.33 hash, no stake anywhere", 0.33, Stakes(0.0, 0.0), chosen=True)
    return _result("withholding", params, seed, size, [case])


def withholding_staked(params: ChainParams, seed: int, size: int) -> Result:
    """Measure withholding where half of the coins stake, with the attacker's tickets public and private."""
    equal = Stakes(STAKED * 0.33, STAKED * 0.67)
    dust = Stakes(STAKED * 0.001, STAKED * 0.999)
    cases = [
        _Case("0.33 hash, 0.33 of the stake", 0.33, equal),
        _Case("0.33 hash, 0.33 of the stake, own tickets private", 0.33, equal, hides=True),
        _Case("0.33 hash, none of the stake", 0.33, Stakes(0.0, STAKED), part=8),
        _Case("0.10 hash, dust of the stake", 0.10, dust, part=8),
        _Case("0.10 hash, dust of the stake, own tickets private", 0.10, dust, hides=True, part=8),
    ]
    return _result("withholding-staked", params, seed, size, cases)


def _result(name: str, params: ChainParams, seed: int, size: int, cases: list[_Case]) -> Result:
    rows = [row for case in cases for row in _Contest(params, case, seed).rows(max(size // case.part, RUNS))]
    notes = (
        f"± is one standard error, over {RUNS} seeds. Best strategies were chosen by income in runs of 1/{TRIALS} of "
        "the size on another seed, so that choosing the best of many does not flatter it.",
    )
    return Result(name, seed, size, tuple(rows), notes=notes)


class _Contest:
    def __init__(self, params: ChainParams, case: _Case, seed: int) -> None:
        self._params, self._case, self._seed = params, case, seed
        staked = case.stakes.total
        self._height = params.stake_start + params.stake_ramp if staked else 0
        self._rate = (
            equilibrium_rate(params, Random(seed), stake=staked, total=staked)
            if staked
            else calibrated_rate(params, params.genesis_log_target)
        )

    def rows(self, size: int) -> list[Row]:
        """Measure an honest start, and strategies that show their blocks in time and late."""
        # a second less than LATE, for the way to the others
        late = self._params.block_time // 24 - self._params.block_time // 120
        hides, block_time = self._case.hides, self._params.block_time
        strategies = [Strategy(None, hides_ticket=hides)]
        for release in (0, late):
            if self._case.chosen:
                strategies.append(self._best(release, size))
            else:
                strategies += [
                    Strategy(block_time * percent // 100, release=release, hides_ticket=hides) for percent in PLAIN
                ]
        best = "best, " if self._case.chosen else ""
        return [
            Row(
                f"{self._case.title}: {best if strategy.good_enough else ''}{_name(strategy)}",
                self._measured(strategy, size),
            )
            for strategy in strategies
        ]

    def _best(self, release: int, size: int) -> Strategy:
        """Return the strategy with the highest income: first over how good is good enough, then by the head start."""
        block_time = self._params.block_time

        def tried(strategy: Strategy) -> float:
            return self._play(strategy, max(size // TRIALS, 1), self._seed).income

        plain = [
            Strategy(block_time * percent // 100, release=release, hides_ticket=self._case.hides)
            for percent in (85, 92, 98, 105, 115)
        ]
        best = max(plain, key=tried)
        return max((replace(best, per_lead=slope) for slope in (-0.5, -0.2, 0.0, 0.2, 0.5)), key=tried)

    def _measured(self, strategy: Strategy, size: int) -> dict[str, Cell]:
        runs = [self._play(strategy, size // RUNS, 1_000 * self._seed + 1 + run) for run in range(RUNS)]
        return {
            "share of the blocks": _with_error([run.revenue for run in runs]),
            "share of all that is minted": _with_error([run.income for run in runs]),
        }

    def _play(self, strategy: Strategy, blocks: int, seed: int) -> Earned:
        game = Withholding(
            self._params,
            Random(seed),
            share=self._case.share,
            rate=self._rate,
            stakes=self._case.stakes,
            strategy=strategy,
            height=self._height,
        )
        return game.run(blocks)


def _with_error(values: list[float]) -> str:
    return f"{fmean(values):.4f} ± {stdev(values) / len(values) ** 0.5:.4f}"


def _name(strategy: Strategy) -> str:
    if strategy.good_enough is None:
        return "honest start"
    parts = [f"goes on from {strategy.good_enough / 1000:.0f} s"]
    if strategy.per_lead:
        parts.append(f"{strategy.per_lead:+.1f} s per s of head start")
    if strategy.release:
        parts.append(f"shown {strategy.release / 1000:.1f} s late")
    return ", ".join(parts)


def mix_grinding(params: ChainParams, seed: int, size: int) -> Result:
    """Measure what giving up tickets for a better seed brings a staker; `size` is epochs."""
    rows: list[Row] = []
    for share, keys, epochs in (
        *((share, 1, size) for share in (0.05, 0.1, 0.2, 0.33, 0.5, 0.67)),
        (0.33, 8, max(size // 8, 1)),
    ):
        found = MixGrinder(params, Random(seed), share=share, staked=STAKED, keys=keys).run(epochs)
        spread = "" if keys == 1 else f" in {keys} keys"
        values: dict[str, Cell] = {
            "more ticket rewards": f"{100 * found.income:.2f} ± {100 * found.error:.2f} %",
            "more tickets": f"{100 * found.tickets:.2f} %",
            "epochs with a choice": f"{100 * found.choosing:.1f} %",
            "tickets given up per epoch": round(found.given_up, 3),
        }
        rows.append(Row(f"{share:.2f} of the stake{spread}", values))
    notes = ("Relative to an honest staker of the same stake; tickets given up are taken off.",)
    return Result("mix-grinding", seed, size, tuple(rows), notes=notes)
