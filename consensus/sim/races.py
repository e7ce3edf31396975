"""Scenarios of chains that race each other: private chains, double spends, minimal chains over a stall."""

from collections.abc import Sequence
from random import Random

from chain.params import ChainParams
from chain.primitives.svg import Curve
from consensus.sim.double_spend import Contest, DoubleSpend
from consensus.sim.forks import (
    Grab,
    attack_growth,
    equilibrium_rate,
    honest_growth,
    minimal_chain,
    one_hash_chain,
    outgrowing_share,
)
from consensus.sim.law import calibrated_rate
from consensus.sim.networks import STAKED
from consensus.sim.report import Cell, Result, Row

RACE_GAIN = 1 / 4
"""How hard the design's attacker steers, bits of threshold per T_BLOCK of lag; the design does not say. Of 1/40 to 2
tried, about what serves it best in races of 6 to 30 blocks."""

CONFIRMATIONS = (6, 10, 20, 30)
"""Those of the design's table."""


def threshold(params: ChainParams, seed: int, size: int) -> Result:
    """Find the smallest share of the hashes whose private chain outgrows the public one; `size` is blocks."""
    rows: list[Row] = []
    points: list[tuple[float, float]] = []
    for stake in (0.0, 0.1, 0.25, 0.33, 0.5, 0.67):
        honest = honest_growth(params, Random(seed), stake=STAKED * (1 - stake), total=STAKED, blocks=size)
        attack = attack_growth(params, Random(seed + 1), stake=STAKED * stake, total=STAKED, blocks=size)
        share = outgrowing_share(honest, attack)
        points.append((stake, share))
        rows.append(Row(f"{100 * stake:.0f} % of the stake", {"smallest hash share": round(share, 3)}))
    honest = honest_growth(params, Random(seed), stake=0.0, total=0.0, blocks=size)
    attack = attack_growth(params, Random(seed + 1), stake=0.0, total=0.0, blocks=size)
    rows.append(Row("no stake anywhere", {"smallest hash share": round(outgrowing_share(honest, attack), 3)}))
    curve = Curve("smallest hash share that outgrows", tuple(points))
    axes = ("attacker's share of the stake", "share of the hash rate")
    return Result("threshold", seed, size, tuple(rows), (curve,), axes)


def double_spend(params: ChainParams, seed: int, size: int) -> Result:
    """Race private chains against k confirmations; `size` is races.

    Two attackers: the one of the design's table, which steers its threshold so that hashing and times end together, and
    a stronger one, which chooses each threshold by what it knows of the race.
    """
    ramped = params.stake_start + params.stake_ramp
    steered: list[Row] = []
    choosing: list[Row] = []
    for title, staked, own in (
        ("no stake anywhere", False, 0.0),
        ("stakers, attacker has none", True, 0.0),
        ("stakers, attacker has his hash share of it", True, 1.0),
    ):
        for share in (0.10, 0.20, 0.25, 0.30, 0.40):
            total = STAKED if staked else 0.0
            held = total * own * share
            rng = Random(seed)
            rate = (
                equilibrium_rate(params, rng, stake=total, total=total)
                if staked
                else calibrated_rate(params, params.genesis_log_target)
            )
            contest = Contest(share, rate, held, total - held, total, ramped if staked else 0)
            race = DoubleSpend(params, contest, rng)
            values: dict[str, Cell] = {}
            for confirmations in CONFIRMATIONS:
                won, estimate = race.success(confirmations, size)
                values[f"{confirmations}"] = f"{100 * won:.2f} % ({100 * estimate:.2f})"
            choosing.append(Row(f"{title}: {share:.2f}", values))
            if not staked:
                found = DoubleSpend(params, contest, Random(seed)).steered(CONFIRMATIONS, 4 * size, gain=RACE_GAIN)
                steered.append(Row(f"design's attacker, no stake: {share:.2f}", _chances(found, 4 * size)))
    notes = (
        "Above: steers its threshold alone, with the standard error. Below: chooses it by blocks made and both lags; "
        "in brackets what the policy's own table expects, which resolves what the trials are too few for.",
    )
    return Result("double-spend", seed, size, (*steered, *choosing), notes=notes)


def _chances(found: Sequence[float], trials: int) -> dict[str, Cell]:
    texts = (f"{100 * won:.2f} ± {100 * (won * (1 - won) / trials) ** 0.5:.2f} %" for won in found)
    return dict(zip((f"after {count}" for count in CONFIRMATIONS), texts, strict=True))


def grab(params: ChainParams, seed: int, size: int) -> Result:
    """Measure what minimal hashes weigh, in a row and over a day's stall; `size` is runs."""
    rows: list[Row] = []
    rate = calibrated_rate(params, params.genesis_log_target)
    ramped = params.stake_start + params.stake_ramp
    day = 720 * params.block_time
    for title, height in (("bootstrap", 0), ("with stake, no ticket", ramped)):
        one = [one_hash_chain(params, Random(seed + run), blocks=30, height=height) for run in range(size)]
        rows.append(Row(f"{title}: 30 blocks of one hash", {"weight, honest blocks": round(sum(one) / size, 4)}))
        for blocks, elapsed, tries in (
            *((30, None, tries) for tries in (1, 4, 16)),
            *((10_000, day, tries) for tries in (1, 2, 3, 4, 8, 16, 64)),
        ):
            runs = [
                minimal_chain(
                    params,
                    Random(1_000 * seed + run),
                    rate=rate,
                    elapsed=elapsed,
                    blocks=blocks,
                    tries=tries,
                    height=height,
                )
                for run in range(max(size // 4, 2))
            ]
            where = "over a day's stall" if elapsed else "in a row"
            rows.append(Row(f"{title}: {tries} tries a block, {where}", _grabbed(runs)))
    notes = (
        "At least as many hashes as pass the floor are made per block; one honest block is T_BLOCK of all hashes. "
        "Weights are the median and, in brackets, a tenth from either end of the runs.",
    )
    return Result("grab", seed, size, tuple(rows), notes=notes)


def _grabbed(runs: Sequence[Grab]) -> dict[str, Cell]:
    blocks = sorted(run.blocks for run in runs)
    weights = sorted(run.work for run in runs)
    count = len(runs)
    middle, low, high = (weights[count * tenths // 10] for tenths in (5, 1, 9))
    return {
        "blocks": f"{blocks[0]}..{blocks[-1]}",
        "hashes, honest blocks": round(sum(run.hashes for run in runs) / count, 4),
        "weight, honest blocks": f"{middle:.2f} ({low:.2f}..{high:.2f})",
        "weight by schedule alone": round(sum(run.weight_without_cap for run in runs) / count, 1),
    }
