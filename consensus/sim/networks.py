"""Worlds that several scenarios share: a mining network of eight, at rest, under a step, cut in two."""

import math
from random import Random

from chain.block import ChainedHeader
from chain.params import ChainParams
from consensus.sim.blocks import BlockMaker, miner_of
from consensus.sim.forks import equilibrium_rate
from consensus.sim.law import draw_handicap
from consensus.sim.solo import SoloChain
from consensus.sim.world import Conditions, MinerSetup, Outcome, World, internet_delay

SHARES = (0.3, 0.2, 0.15, 0.1, 0.1, 0.05, 0.05, 0.05)
"""Hash shares of the eight miners: about as uneven as pools are."""

STAKED = 0.5
"""Share of the coins that stakes where a scenario does not say otherwise."""


def honest_world(
    params: ChainParams,
    seed: int,
    *,
    blocks: int,
    online: float = 1.0,
    daily: float = 1.0,
    clock_error: float = 0.0,
    first: MinerSetup | None = None,
) -> Outcome:
    """Return a run of eight miners with internet delays; `first` replaces the first of them.

    `online` is the part of the stakers that publishes tickets, `daily` the ratio of the hash rate between day and
    night, `clock_error` the largest error of a clock, ms.
    """
    rng = Random(seed)
    base = equilibrium_rate(params, rng, stake=STAKED, total=STAKED)
    scale = params.block_time / 120_000
    day = 720 * params.block_time

    def rate(now: float) -> float:
        return base * math.exp(math.log(daily) * 0.5 * math.sin(2 * math.pi * now / day))

    conditions = Conditions(
        rate=rate,
        stake=lambda _: STAKED * online - (0.0 if first is None else first.stake),
        delay=lambda chance, source, target, now: scale * internet_delay(chance, source, target, now),
        registered=STAKED,
    )
    miners = [
        MinerSetup(share, clock_error=rng.uniform(-clock_error, clock_error) if index else 0.0)
        for index, share in enumerate(SHARES)
    ]
    if first is not None:
        miners[0] = first
    maker = BlockMaker(params)
    start = maker.genesis(params.stake_start + params.stake_ramp)
    return World(params, miners, conditions, rng=rng, start=start, maker=maker).run(blocks)


def after_step(
    params: ChainParams, rng: Random, factor: float, *, stakers: bool, burn: int, blocks: int
) -> list[ChainedHeader]:
    """Return a chain whose hash rate jumps by a factor after `burn` blocks; all stakers leave then if not `stakers`."""
    rate = equilibrium_rate(params, rng, stake=STAKED, total=STAKED)
    maker = BlockMaker(params)
    miners = SoloChain(params, rng, maker, maker.genesis(params.stake_start + params.stake_ramp))
    chain: list[ChainedHeader] = []
    for number in range(burn + blocks):
        stepped = number >= burn
        online = 0.0 if stepped and not stakers else STAKED
        handicap = draw_handicap(params, rng, miners.tip.height + 1, stake=online, total=STAKED)
        chain.append(miners.extend(rate=rate * factor if stepped else rate, handicap=handicap))
    return chain


def partition(params: ChainParams, seed: int, *, cut_ms: float, blocks: int) -> Outcome:
    """Return a run in which miners 1, 3 and 4 (0.4 of the hashes) are cut off from the others for a while."""
    rng = Random(seed)
    base = equilibrium_rate(params, rng, stake=STAKED, total=STAKED)
    scale = params.block_time / 120_000
    cut_from = 100.0 * params.block_time
    apart = (1, 3, 4)

    def delay(chance: Random, source: int, target: int, now: float) -> float:
        wait = scale * internet_delay(chance, source, target, now)
        if (source in apart) != (target in apart) and cut_from <= now < cut_from + cut_ms:
            return cut_from + cut_ms - now + wait  # delivered when the parts meet
        return wait

    conditions = Conditions(rate=lambda _: base, stake=lambda _: STAKED, delay=delay, registered=STAKED)
    maker = BlockMaker(params)
    start = maker.genesis(params.stake_start + params.stake_ramp)
    miners = [MinerSetup(share) for share in SHARES]
    return World(params, miners, conditions, rng=rng, start=start, maker=maker).run(blocks)


def deviations(params: ChainParams) -> list[tuple[str, MinerSetup]]:
    """Return ways in which the largest miner may deviate, against the honest one of the same size."""
    late = float(params.block_time // 24)
    return [
        ("honest", MinerSetup(SHARES[0])),
        ("shows its blocks at their ripeness", MinerSetup(SHARES[0], holds_back=1.0)),
        ("shows its blocks 0.8 LATE after it", MinerSetup(SHARES[0], holds_back=0.8 * late)),
        ("keeps its tickets (0.1 of the coins) private", MinerSetup(SHARES[0], stake=0.1)),
        ("has a clock that is 1 s ahead", MinerSetup(SHARES[0], clock_error=late / 5)),
    ]


def revenue(outcome: Outcome) -> float:
    """Return the first miner's share of the canonical blocks."""
    return sum(miner_of(block) == 0 for block in outcome.chain) / len(outcome.chain)
