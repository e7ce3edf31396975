import json
from random import Random

import pytest

from consensus.sim.blocks import interval_of
from consensus.sim.double_spend import Contest, DoubleSpend
from consensus.sim.forks import attack_growth, honest_growth, outgrowing_share
from consensus.sim.law import calibrated_rate
from consensus.sim.networks import after_step, honest_world, partition
from consensus.sim.races import RACE_GAIN
from consensus.sim.retarget import intervals
from consensus.sim.scenarios import SCENARIOS, run_scenario
from consensus.sim.withholding import Earned, Stakes, Strategy, Withholding
from tests.consensus.networks import MAINNET

RATE = calibrated_rate(MAINNET, MAINNET.genesis_log_target)
SMALL = {
    "withholding": 20,
    "withholding-staked": 20,
    "mix-grinding": 2,
    "deviations": 30,
    "grab": 2,
    "clocks": 20,
    "partition": 130,
    "alarm": 1,
}
"""Scenarios that can be small; what the others are made of is tested below."""


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_a_scenario_repeats_itself_by_seed(name: str) -> None:
    first, again = (run_scenario(name, MAINNET, seed=7, size=SMALL[name]) for _ in range(2))
    assert first == again
    document = json.loads(first.to_json())
    assert document["scenario"] == name
    assert len(document["rows"]) == len(first.rows) > 0
    assert first.table().count("\n") >= len(first.rows)
    assert first.svg().startswith("<svg") == bool(first.curves)


def test_unknown_scenarios_are_refused_and_known_ones_say_what_they_are() -> None:
    assert set(SMALL) < set(SCENARIOS)
    assert all(scenario.about and scenario.size for scenario in SCENARIOS.values())
    with pytest.raises(KeyError):
        run_scenario("nonsense", MAINNET, seed=1)


@pytest.mark.slow
def test_steady_intervals_are_narrow_and_all_agree() -> None:
    outcome = honest_world(MAINNET, 3, blocks=600)
    seconds = [interval_of(block) / 1000 for block in outcome.chain]
    assert all(60 <= value <= 240 for value in seconds)
    assert sum(seconds) / len(seconds) == pytest.approx(120, abs=2)
    assert outcome.agreed
    assert outcome.on_winner == pytest.approx(1 - 1 / 15, abs=0.02)  # one winner in 15 is found after its own time


@pytest.mark.slow
@pytest.mark.parametrize(("factor", "stakers"), [(1000.0, True), (100.0, True), (0.01, True), (1e-4, False)])
def test_any_chain_stays_in_the_band(factor: float, stakers: bool) -> None:
    chain = after_step(MAINNET, Random(2), factor, stakers=stakers, burn=50, blocks=300)[50:]
    assert all(60_000 <= interval_of(block) <= 240_000 for block in chain)


@pytest.mark.slow
def test_a_partition_heals() -> None:
    outcome = partition(MAINNET, 5, cut_ms=3_600_000.0, blocks=160)
    assert outcome.agreed
    assert outcome.orphans >= 20


@pytest.mark.slow
def test_the_stakeless_threshold_is_that_of_the_design() -> None:
    honest = honest_growth(MAINNET, Random(1), stake=0.0, total=0.0, blocks=6_000)
    attack = attack_growth(MAINNET, Random(2), stake=0.0, total=0.0, blocks=6_000)
    assert outgrowing_share(honest, attack) == pytest.approx(0.39, abs=0.03)


@pytest.mark.slow
def test_an_honest_start_earns_its_share_and_withholding_little_more() -> None:
    def revenue(strategy: Strategy) -> float:
        game = Withholding(
            MAINNET, Random(8), share=0.33, rate=RATE, stakes=Stakes(0.0, 0.0), strategy=strategy, height=0
        )
        return game.run(8_000).revenue

    assert revenue(Strategy(None)) == pytest.approx(0.33, abs=0.02)
    assert revenue(Strategy(114_000)) < 0.37


@pytest.mark.slow
def test_confirmations_protect() -> None:
    race = DoubleSpend(MAINNET, Contest(0.2, RATE, 0.0, 0.0, 0.0, 0), Random(4), samples=500, public_runs=30)
    after_six, expected = race.success(6, 300)
    after_fifteen, _ = race.success(15, 200)
    assert after_six == pytest.approx(expected, abs=0.05)
    assert after_fifteen < after_six < 0.2


@pytest.mark.slow
def test_the_attacker_of_the_design_wins_as_often_as_its_table_says() -> None:
    race = DoubleSpend(MAINNET, Contest(0.25, RATE, 0.0, 0.0, 0.0, 0), Random(4), public_runs=40)
    six, twenty = race.steered((6, 20), 800, gain=RACE_GAIN)
    assert six == pytest.approx(0.18, abs=0.05)
    assert twenty == pytest.approx(0.05, abs=0.03)


@pytest.mark.slow
def test_a_head_start_moves_what_is_good_enough_and_late_blocks_lose() -> None:
    def played(strategy: Strategy) -> Earned:
        game = Withholding(
            MAINNET, Random(8), share=0.33, rate=RATE, stakes=Stakes(0.0, 0.0), strategy=strategy, height=0
        )
        return game.run(600)

    assert played(Strategy(120_000, per_lead=0.5)) != played(Strategy(120_000))
    assert played(Strategy(120_000, release=4_000)).late == 0.0
    too_late = played(Strategy(120_000, release=30_000))
    assert too_late.late > 0.1
    assert too_late.revenue < played(Strategy(120_000)).revenue


def test_other_chains_have_exponential_intervals() -> None:
    for rule in ("bitcoin", "asert", "lwma"):
        found = intervals(rule, Random(6), block_time=120_000.0, rate=lambda _: 1.0, blocks=6_000)
        mean = sum(found) / len(found)
        assert mean == pytest.approx(120_000, rel=0.08)
        assert sum(60_000 <= value <= 240_000 for value in found) / len(found) == pytest.approx(0.47, abs=0.03)
