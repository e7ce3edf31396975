"""Private chains: how fast they grow, and what little work can claim after a stall.

An attacker that mines alone need not wait for the best of its hashes: it takes the first under a threshold that it
steers, so that the times of its blocks and its hashing end together. That is worth 0.5 bits against waiting for the
best, and it is the strongest way to use a hash rate that these rules leave.
"""

import math
from dataclasses import dataclass
from random import Random

from chain.params import ChainParams
from consensus.ripening import seal_passes_floor, work_at
from consensus.schedule import next_log_target
from consensus.sim.blocks import BlockMaker
from consensus.sim.law import SPACE, calibrated_rate, draw_handicap, first_under
from consensus.sim.solo import SoloChain

BURN_IN = 2_000
"""Blocks until the schedule has forgotten where it began: 4.4 times its time constant of 450 blocks."""

GAIN = 1 / 40
"""How hard an endless chain is steered: bits of threshold per T_BLOCK by which hashing and times are apart."""


@dataclass(frozen=True, slots=True)
class Growth:
    """How a chain grows in the long run."""

    work_per_ms: float
    """Per unit of hash rate (one hash per ms)."""
    interval: float
    """Mean interval, ms."""


def honest_growth(params: ChainParams, rng: Random, *, stake: float, total: float, blocks: int) -> Growth:
    """Return the growth of the public chain while `stake` of `total` (shares of all coins) is online."""
    maker = BlockMaker(params)
    rate = calibrated_rate(params, params.genesis_log_target)
    chain = SoloChain(params, rng, maker, maker.genesis(params.stake_start + params.stake_ramp))
    work, start = 0, 0
    for number in range(BURN_IN + blocks):
        handicap = draw_handicap(params, rng, chain.tip.height + 1, stake=stake, total=total)
        block = chain.extend(rate=rate, handicap=handicap)
        if number == BURN_IN:
            start = block.time
        work += block.work if number > BURN_IN else 0
    return Growth(work / (chain.tip.time - start) / rate, (chain.tip.time - start) / (blocks - 1))


def attack_growth(params: ChainParams, rng: Random, *, stake: float, total: float, blocks: int) -> Growth:
    """Return the growth of a private chain that steers its threshold and has the tickets of `stake` alone."""
    maker = BlockMaker(params)
    rate = calibrated_rate(params, params.genesis_log_target)
    block = maker.genesis(params.stake_start + params.stake_ramp)
    hashing, begun, work, start = 0.0, 0.0, 0, 0
    for number in range(BURN_IN + blocks):
        handicap = draw_handicap(params, rng, block.height + 1, stake=stake, total=total)
        found = first_under(rng, rate=rate, limit=steered_limit(params, rate, hashing - block.time))
        hashing += found.at
        block = maker.child(block, pow_hash=found.pow, handicap=handicap, miner=1)
        if number == BURN_IN:
            start, begun = block.time, hashing
        work += block.work if number > BURN_IN else 0
    # The chain is as old as the later of its times and its hashing; steering keeps the two together.
    elapsed = max(float(block.time - start), hashing - begun)
    return Growth(work / elapsed / rate, (block.time - start) / (blocks - 1))


def steered_limit(params: ChainParams, rate: float, behind: float, gain: float = GAIN) -> int:
    """Return the limit whose mean hashing time is T_BLOCK, raised when hashing is behind the blocks' times.

    `rate` is the attacker's own, hashes per ms; `behind` is in ms; `gain` in bits per T_BLOCK.
    """
    bits = math.log2(1 / (rate * params.block_time)) + gain * behind / params.block_time
    return max(min(int(math.exp2(min(bits, 0.0)) * SPACE), SPACE), 1)


def outgrowing_share(honest: Growth, attack: Growth) -> float:
    """Return the smallest share of all hashes whose private chain outgrows the public one.

    Growth is proportional to the hash rate, since both schedules adapt: a share s grows by s * attack against
    (1 - s) * honest.
    """
    return honest.work_per_ms / (honest.work_per_ms + attack.work_per_ms)


@dataclass(frozen=True, slots=True)
class Grab:
    """A chain of minimal hashes laid over a stall."""

    blocks: int
    hashes: float
    """Expected hashes it cost, in units of what an honest block costs."""
    work: float
    """Its weight, in honest blocks."""
    weight_without_cap: float
    """What its weight would be by the schedule alone (the rejected rule)."""


def minimal_chain(
    params: ChainParams, rng: Random, *, rate: float, elapsed: int | None, blocks: int, tries: int, height: int
) -> Grab:
    """Return the chain that one gets by `tries` hashes per block, but at least one that passes the seal floor.

    It starts at `height`, without tickets, and ends after `blocks` blocks, or when its times have used up `elapsed` ms.
    """
    maker = BlockMaker(params)
    start = block = maker.genesis(height)
    honest_hashes = rate * params.block_time
    hashes, by_schedule = 0.0, 0
    count = 0
    while count < blocks:
        target = next_log_target(params, block.err)
        floor = min(SPACE, 1 << min(256, (target >> 16) + params.seal_floor))
        limit = min(SPACE // max(tries, 1), floor)
        found = rng.randrange(limit)
        hashes += max(SPACE / floor, tries)
        handicap = draw_handicap(params, rng, block.height + 1, stake=0.0, total=0.5)
        child = maker.child(block, pow_hash=found, handicap=handicap, miner=1)
        if elapsed is not None and child.time - start.time > elapsed:
            break
        by_schedule += work_at(child.log_target)
        block, count = child, count + 1
    unit = work_at(start.log_target)
    return Grab(count, hashes / honest_hashes, (block.total_work - start.total_work) / unit, by_schedule / unit)


def one_hash_chain(params: ChainParams, rng: Random, *, blocks: int, height: int) -> float:
    """Return the weight, in honest blocks, of what exactly one hash per block gives: it ends at the first miss."""
    maker = BlockMaker(params)
    start = block = maker.genesis(height)
    for _ in range(blocks):
        pow_hash = rng.randrange(SPACE)
        if not seal_passes_floor(params, pow_hash, next_log_target(params, block.err)):
            break
        handicap = draw_handicap(params, rng, block.height + 1, stake=0.0, total=0.5)
        block = maker.child(block, pow_hash=pow_hash, handicap=handicap, miner=1)
    return (block.total_work - start.total_work) / work_at(start.log_target)


def equilibrium_rate(params: ChainParams, rng: Random, *, stake: float, total: float) -> float:
    """Return the hashes per ms at which a chain with these tickets is at rest with schedule error 0."""
    height = params.stake_start + params.stake_ramp
    draws = [draw_handicap(params, rng, height, stake=stake, total=total) for _ in range(4_000)]
    return calibrated_rate(params, params.genesis_log_target) * math.exp2(sum(draws) / len(draws) / params.tau)
