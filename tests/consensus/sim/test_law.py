import math
from random import Random

import pytest

from chain.primitives.units import LogTarget, Millis
from consensus.ripening import delay
from consensus.sim.blocks import BlockMaker
from consensus.sim.law import SPACE, calibrated_rate, draw_handicap, first_ripe, limit_for
from consensus.sim.solo import SoloChain
from tests.consensus.networks import MAINNET

TARGET = LogTarget(250 << 16)
RATE = 2.0**6 / 120_000


def brute_force(rng: Random, handicap: int, start: float) -> tuple[int, float] | None:
    """Hash one by one until the best so far is ripe, as a miner does; return it and the moment that it is both ripe and
    found."""
    best: int | None = None
    now = start
    while True:
        now += rng.expovariate(RATE)
        if best is not None and (ripe := delay(MAINNET, best, TARGET, Millis(handicap))) <= now:
            return best, float(ripe)
        if now > MAINNET.gap:
            return None
        found = rng.randrange(SPACE)
        best = found if best is None else min(best, found)
        if delay(MAINNET, best, TARGET, Millis(handicap)) <= now:
            return best, now


@pytest.mark.slow
@pytest.mark.parametrize(("handicap", "start"), [(0, 0.0), (30_000, 0.0), (0, -20_000.0), (5_000, 70_000.0)])
def test_the_exact_law_is_that_of_hashing_one_by_one(handicap: int, start: float) -> None:
    rng = Random(11)
    slow = [one for _ in range(1_000) if (one := brute_force(rng, handicap, start)) is not None]
    fast: list[tuple[int, float]] = []
    for _ in range(1_000):
        find = first_ripe(MAINNET, rng, rate=RATE, start=start, log_target=TARGET, handicap=Millis(handicap))
        assert find is not None
        fast.append((find.pow, max(find.at, float(delay(MAINNET, find.pow, TARGET, Millis(handicap))))))
    for quantity in (
        lambda one: float(delay(MAINNET, one[0], TARGET, Millis(handicap))),  # its ripeness
        lambda one: one[1],  # the moment it was both ripe and found
        lambda one: one[1] - delay(MAINNET, one[0], TARGET, Millis(handicap)),  # how late it was found
    ):
        left, right = sorted(map(quantity, slow)), sorted(map(quantity, fast))
        merged = sorted({round(value) for value in (*left, *right)})
        distance = max(abs(_below(left, value + 0.5) - _below(right, value + 0.5)) for value in merged[::20])
        assert distance < 1.95 * math.sqrt(2 / 1_000)  # Kolmogorov-Smirnov at 0.1 %


def test_one_winner_in_fifteen_is_found_after_its_own_moment() -> None:
    rng, late, runs = Random(5), 0, 4_000
    for _ in range(runs):
        find = first_ripe(MAINNET, rng, rate=RATE, start=0.0, log_target=TARGET, handicap=Millis(0))
        assert find is not None
        late += find.at > delay(MAINNET, find.pow, TARGET, Millis(0)) + 1
    assert late / runs == pytest.approx(1 / (1 + 120_000 * math.log(2) / 6_000), abs=0.02)


def _below(ordered: list[float], value: float) -> float:
    return sum(entry <= value for entry in ordered) / len(ordered)


def test_nothing_within_the_floor_is_none() -> None:
    assert first_ripe(MAINNET, Random(1), rate=0.0, start=0.0, log_target=TARGET, handicap=Millis(0)) is None
    hard = LogTarget(100 << 16)
    assert first_ripe(MAINNET, Random(1), rate=1e-6, start=0.0, log_target=hard, handicap=Millis(0)) is None


def test_hashes_above_a_limit_only() -> None:
    limit = limit_for(MAINNET, TARGET, Millis(0), 110_000)
    assert delay(MAINNET, limit, TARGET, Millis(0)) == pytest.approx(110_000, abs=2)
    for seed in range(50):
        found = first_ripe(
            MAINNET, Random(seed), rate=RATE, start=0.0, log_target=TARGET, handicap=Millis(0), above=limit
        )
        assert found is None or found.pow >= limit


@pytest.mark.slow
def test_at_the_calibrated_rate_the_genesis_target_gives_the_block_time() -> None:
    rng, late, total, runs = Random(1), 0.0, 0, 8_000
    target = MAINNET.genesis_log_target
    rate = calibrated_rate(MAINNET, target)
    for _ in range(runs):
        found = first_ripe(MAINNET, rng, rate=rate, start=late, log_target=target, handicap=Millis(0))
        assert found is not None
        interval = delay(MAINNET, found.pow, target, Millis(0))
        total += interval
        late = max(found.at - interval, 0.0)  # the next block is hashed on from the moment this one is found
    assert total / runs == pytest.approx(MAINNET.block_time, abs=500)  # four standard errors


@pytest.mark.slow
def test_a_chain_that_acts_as_one_goes_on_when_its_tip_is_found() -> None:
    maker = BlockMaker(MAINNET)
    chain = SoloChain(MAINNET, Random(1), maker, maker.genesis(0))
    late = []
    for _ in range(2_000):
        block = chain.extend(rate=RATE, handicap=Millis(0))
        assert chain.tip is block
        late.append(chain.moment - block.time)
    assert min(late) == 0.0
    assert sum(value > 1 for value in late) / len(late) == pytest.approx(1 / 15, abs=0.02)


def test_handicaps_have_tau_as_mean_and_stake_scales_them() -> None:
    rng = Random(3)
    height = MAINNET.stake_start + MAINNET.stake_ramp
    full = [draw_handicap(MAINNET, rng, height, stake=0.5, total=0.5) for _ in range(4_000)]
    half = [draw_handicap(MAINNET, rng, height, stake=0.25, total=0.5) for _ in range(4_000)]
    assert sum(full) / len(full) == pytest.approx(6_000 * (1 - math.exp(-5)), rel=0.05)
    assert sum(half) / len(half) == pytest.approx(12_000 * (1 - math.exp(-2.5)), rel=0.05)
    assert draw_handicap(MAINNET, rng, height, stake=0.0, total=0.5) == MAINNET.open_handicap
    assert draw_handicap(MAINNET, rng, 5, stake=0.5, total=0.5) == 0
