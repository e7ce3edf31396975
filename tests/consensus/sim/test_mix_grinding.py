"""Grinding the mix: what is kept back, and that it pays little."""

from random import Random

import pytest

from chain.primitives.units import Hash32
from consensus.sim.mix_grinding import MixGrinder
from tests.consensus.networks import MAINNET


def test_who_has_next_to_no_stake_has_no_choice() -> None:
    found = MixGrinder(MAINNET, Random(1), share=0.001, staked=0.5, keys=1).run(20)
    assert (found.choosing, found.given_up, found.income) == (0.0, 0.0, 0.0)


@pytest.mark.slow
@pytest.mark.parametrize("keys", [1, 4])
def test_the_mean_worth_is_that_of_many_seeds(keys: int) -> None:
    grinder = MixGrinder(MAINNET, Random(4), share=0.33, staked=0.5, keys=keys)
    found = [grinder.worth_of(Hash32(Random(seed).randbytes(32))) for seed in range(200 // keys)]
    mean = grinder.mean_worth
    assert sum(one.tickets for one in found) / len(found) == pytest.approx(mean.tickets, rel=0.05)
    assert sum(one.income for one in found) / len(found) == pytest.approx(mean.income, rel=0.05)
    assert mean.tickets == pytest.approx(0.33 * 120, rel=0.02), "a third of the stake wins a third of the tickets"


@pytest.mark.slow
def test_equal_seeds_give_equal_results() -> None:
    first, again = (MixGrinder(MAINNET, Random(2), share=0.3, staked=0.5, keys=2).run(20) for _ in range(2))
    assert first == again


@pytest.mark.slow
def test_a_third_of_the_stake_gains_a_percent_or_two() -> None:
    found = MixGrinder(MAINNET, Random(3), share=0.33, staked=0.5, keys=1).run(800)
    assert found.choosing == pytest.approx(0.33, abs=0.06)
    assert 0.0 < found.given_up < 0.5
    # one choice between two seeds in a third of the epochs is worth 0.33 x 0.56 deviations of 0.13, less what is lost
    assert found.income == pytest.approx(0.016, abs=0.01)
