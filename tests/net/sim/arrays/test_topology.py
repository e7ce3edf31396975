"""What a network of arrays shows: the spectrum of a random graph, survival of crashes, the price of Sybil ids."""

import json
from dataclasses import replace

import pytest

from net.sim.arrays.failures import crash
from net.sim.arrays.life import steady
from net.sim.arrays.rules import mainnet_rules
from net.sim.arrays.sybil import sybil_share
from net.sim.arrays.topology import run

RULES = mainnet_rules()


@pytest.mark.slow
def test_a_steady_network_looks_like_a_random_graph() -> None:
    outcome = run(1_500, 7, RULES, sessions=0.5, runs=20, sybil_shares=())
    assert outcome.path_ratio == pytest.approx(1.0, abs=0.01)
    assert outcome.lambda2_ratio <= 1.03
    assert outcome.network.components == 1
    assert outcome.third.whole_at_once >= 19
    assert outcome.third.whole_after == 20
    assert outcome.half.mean_giant >= 0.999
    assert sum(outcome.degrees) == 1_500
    assert "lambda2" in outcome.table()
    assert outcome.svg().count("<polyline") == 2
    assert json.loads(json.dumps(outcome.document()))["path_ratio"] == outcome.path_ratio


@pytest.mark.slow
def test_the_long_parts_tell_how_far_they_are() -> None:
    """Only what was over was told: nothing for hours, where peers are a million."""
    heard: list[str] = []
    run(250, 1, RULES, sessions=0.1, runs=1, sybil_shares=(0.3,), progress=heard.append)
    assert heard[0] == "linking peers"
    assert {"letting peers come and go 60%", "crashing", "letting 30% Sybil ids in 100%"} <= set(heard)


def test_islands_find_back_by_rendezvous() -> None:
    network = steady(300, RULES, 1, sessions=0)
    fall = crash(network, 0.8, 5, 1)
    assert fall.whole_at_once < 5
    assert fall.worst_giant < 1.0
    assert fall.whole_after == 5


@pytest.mark.slow
def test_sybils_among_peers_that_stay_pay_the_price_of_uniform_sampling() -> None:
    few = sybil_share(1_500, RULES, 1, share=0.30, sessions=0)
    many = sybil_share(1_500, RULES, 1, share=0.50, sessions=0)
    assert few.own == pytest.approx(0.31, abs=0.03)  # DESIGN section 3.3
    assert many.own == pytest.approx(0.56, abs=0.04)
    assert few.surrounded == 0.0


@pytest.mark.slow
def test_churn_lets_ids_that_never_leave_gather_links_unless_slots_follow_their_hash() -> None:
    bare = replace(RULES, follows=False, spare_minutes=0)
    calm, kept, followed = (
        sybil_share(1_000, rules, 1, share=0.30, sessions=sessions).own
        for rules, sessions in ((RULES, 0), (bare, 1.5), (RULES, 1.5))
    )
    assert kept > calm + 0.10
    assert followed < calm + 0.05


@pytest.mark.slow
def test_ids_that_come_and_go_gain_little() -> None:
    stays, comes = (sybil_share(800, RULES, 1, share=0.30, sessions=1.0, idle_below=below) for below in (0, 4))
    assert comes.ids > 2 * stays.ids
    assert comes.own < stays.own + 0.08


@pytest.mark.slow
def test_the_mean_degree_under_churn_is_that_of_the_plan() -> None:
    network = steady(1_500, RULES, 2, sessions=1.5)
    assert float(network.listed().mean()) <= 13.6
    assert network.moved
