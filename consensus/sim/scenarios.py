"""The scenarios by name: `mappemonde simulate consensus SCENARIO --seed S`.

Each is a function of (parameters, seed, size) whose result holds rows, curves and notes. The same seed gives the same
result. `size` is the number of blocks per run, or of trials where a scenario says so.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from chain.params import ChainParams
from consensus.sim.blocks import interval_of
from consensus.sim.earnings import mix_grinding, withholding, withholding_staked
from consensus.sim.forks import equilibrium_rate
from consensus.sim.networks import STAKED, after_step, deviations, honest_world, partition, revenue
from consensus.sim.races import double_spend, grab, threshold
from consensus.sim.report import Cell, Result, Row, histogram, spread
from consensus.sim.retarget import intervals
from consensus.statistics import ConsensusMonitor

OTHERS = (("Bitcoin's rule", "bitcoin"), ("ASERT", "asert"), ("LWMA", "lwma"))


@dataclass(frozen=True, slots=True)
class Scenario:
    """A name's meaning."""

    run: Callable[[ChainParams, int, int], Result]
    size: int
    """Default number of blocks or trials."""
    about: str


def run_scenario(name: str, params: ChainParams, *, seed: int, size: int | None = None) -> Result:
    """Run a scenario of `SCENARIOS` and return its rows, curves and notes. Raises `KeyError` for an unknown name."""
    scenario = SCENARIOS[name]
    return scenario.run(params, seed, scenario.size if size is None else size)


def _steady(params: ChainParams, seed: int, size: int) -> Result:
    burn = 2_000
    outcome = honest_world(params, seed, blocks=size + burn)
    ours = [float(interval_of(block)) for block in outcome.chain[burn:]]
    rows = [Row("Mappemonde", spread(ours))]
    curves = [histogram("Mappemonde", ours)]
    for title, rule in OTHERS:
        theirs = intervals(rule, Random(seed), block_time=params.block_time, rate=lambda _: 1.0, blocks=size + burn)[
            burn:
        ]
        rows.append(Row(title, spread(theirs)))
        curves.append(histogram(title, theirs))
    notes = (
        f"orphans: {outcome.orphans / len(outcome.chain):.4f} per block; on the winner within 50 ms of its ripeness: "
        f"{100 * outcome.on_winner:.2f} % of (miner, block); all agree: {outcome.agreed}",
    )
    return Result("steady", seed, size, tuple(rows), tuple(curves), ("interval, s", "density, 1/s"), notes)


def _steps(params: ChainParams, seed: int, size: int) -> Result:
    rows: list[Row] = []
    burn = 1_500
    for title, factor, stakers in (
        ("x10", 10.0, True),
        ("/10", 0.1, True),
        ("x100", 100.0, True),
        ("/100", 0.01, True),
        ("x1000", 1000.0, True),
        ("/10,000 and no stakers", 1e-4, False),
    ):
        firsts: list[float] = []
        extremes: list[float] = []
        for run in range(size):
            rng = Random(seed * 1000 + run)
            chain = after_step(params, rng, factor, stakers=stakers, burn=burn, blocks=500)[burn:]
            firsts += [interval_of(block) / 1000 for block in chain[:10]]
            extremes += [interval_of(block) / 1000 for block in chain]
        values: dict[str, str | int | float] = {
            "mean of the first ten, s": round(sum(firsts) / len(firsts), 1),
            "min of 500, s": round(min(extremes), 1),
            "max of 500, s": round(max(extremes), 1),
        }
        for other, rule in OTHERS:
            theirs: list[float] = []
            for run in range(size):
                rate = _step_rate(burn, factor)
                made = intervals(rule, Random(seed + run), block_time=params.block_time, rate=rate, blocks=burn + 10)
                theirs += made[burn:]
            values[f"{other}, s"] = round(sum(theirs) / len(theirs) / 1000, 1)
        rows.append(Row(title, values))
    notes = ("The step comes when the schedule is at rest; every row is over several runs.",)
    return Result("steps", seed, size, tuple(rows), notes=notes)


def _step_rate(burn: int, factor: float) -> Callable[[int], float]:
    return lambda number: factor if number >= burn else 1.0


def _stakers(params: ChainParams, seed: int, size: int) -> Result:
    rows = []
    for online in (1.0, 0.5, 0.0):
        outcome = honest_world(params, seed, blocks=size, online=online)
        ours = [float(interval_of(block)) for block in outcome.chain[1_500:]]
        rows.append(Row(f"{100 * online:.0f} % of the stakers online", spread(ours)))
    return Result("stakers", seed, size, tuple(rows))


def _daily(params: ChainParams, seed: int, size: int) -> Result:
    outcome = honest_world(params, seed, blocks=size, daily=2.0)
    rows = (Row("hash rate x2 by day", spread([float(interval_of(block)) for block in outcome.chain[1_500:]])),)
    return Result("daily", seed, size, rows)


def _clocks(params: ChainParams, seed: int, size: int) -> Result:
    rows = []
    for error in (0, 100, 500, 1_000, 2_000, 5_000):
        outcome = honest_world(params, seed, blocks=size, clock_error=float(error))
        rows.append(
            Row(
                f"clocks off by up to {error} ms",
                {
                    "orphans per block": round(outcome.orphans / len(outcome.chain), 4),
                    "on the winner": f"{100 * outcome.on_winner:.2f} %",
                    **spread([float(interval_of(block)) for block in outcome.chain]),
                },
            )
        )
    return Result("clocks", seed, size, tuple(rows))


def _partition(params: ChainParams, seed: int, size: int) -> Result:
    rows = []
    for minutes in (10, 60, 360):
        healed = partition(params, seed, cut_ms=minutes * 60_000 * params.block_time / 120_000, blocks=size)
        rows.append(
            Row(
                f"0.4 of the hash rate cut off for {minutes} min",
                {
                    "agree after": str(healed.agreed),
                    "blocks given up": healed.orphans,
                    **spread([float(interval_of(block)) for block in healed.chain]),
                },
            )
        )
    return Result("partition", seed, size, tuple(rows))


def _early(params: ChainParams, seed: int, size: int) -> Result:
    rows = []
    for title, setup in deviations(params):
        outcome = honest_world(params, seed, blocks=size, first=setup)
        earned = revenue(outcome)
        rows.append(Row(title, {"hash share": setup.share, "revenue": round(earned, 4), "orphans": outcome.orphans}))
    return Result("deviations", seed, size, tuple(rows))


def _alarm(params: ChainParams, seed: int, size: int) -> Result:
    burn, ahead = 1_000, 60
    rate = equilibrium_rate(params, Random(seed), stake=STAKED, total=STAKED)
    calm = ConsensusMonitor(params)
    quiet = after_step(params, Random(seed), 1.0, stakers=True, burn=0, blocks=1_000 * size)
    false = sum(len(calm.applied(block)) for block in quiet)
    estimate = calm.statistics().network_hash_rate / (1_000 * rate)
    rows = [Row(f"{len(quiet)} blocks at rest", {"false alarms": false, "hash rate found / true": round(estimate, 3)})]
    for factor in (0.5, 0.25, 0.1):
        delays: list[int] = []
        for run in range(size):
            chain = after_step(params, Random(seed + run), factor, stakers=True, burn=burn, blocks=ahead)
            monitor = ConsensusMonitor(params)
            alarmed = [number for number, block in enumerate(chain) if monitor.applied(block) and number >= burn]
            delays += [number - burn + 1 for number in alarmed[:1]]
        values: dict[str, Cell] = {
            f"seen within {ahead} blocks": f"{len(delays)} of {size}",
            "median delay, blocks": sorted(delays)[len(delays) // 2] if delays else "-",
        }
        rows.append(Row(f"hash rate x{factor}", values))
    return Result("alarm", seed, size, tuple(rows))


SCENARIOS: dict[str, Scenario] = {
    "steady": Scenario(_steady, 40_000, "intervals at rest, against Bitcoin's rule, ASERT and LWMA"),
    "steps": Scenario(_steps, 20, "the hash rate jumps (size: runs per step)"),
    "daily": Scenario(_daily, 8_000, "the hash rate doubles by day"),
    "stakers": Scenario(_stakers, 6_000, "half or all of the stakers go offline"),
    "threshold": Scenario(threshold, 10_000, "the hash share that outgrows the chain, by share of the stake"),
    "double-spend": Scenario(double_spend, 3_000, "two attackers against k confirmations (size: races)"),
    "withholding": Scenario(
        withholding, 1_000_000, "early start on an own unripe block and late release, without stake"
    ),
    "withholding-staked": Scenario(withholding_staked, 80_000, "withholding among stakers, and with private tickets"),
    "mix-grinding": Scenario(mix_grinding, 10_000, "tickets given up to choose a later seed (size: epochs)"),
    "deviations": Scenario(_early, 6_000, "one miner of a network with delays releases late or keeps its tickets"),
    "grab": Scenario(grab, 200, "one hash per block; a chain of minimal hashes over a day's stall (size: runs)"),
    "alarm": Scenario(_alarm, 20, "the alarm on a fallen hash rate: false alarms and delay (size: runs)"),
    "clocks": Scenario(_clocks, 3_000, "clocks off by up to 5 s"),
    "partition": Scenario(_partition, 600, "two parts that meet again"),
}
