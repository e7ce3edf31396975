"""The array model keeps the rules of neighbour choice, whatever happens to it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from net.sim.arrays.life import fill, grown, replace, steady
from net.sim.arrays.network import NOBODY, Network
from net.sim.arrays.rules import Rules, mainnet_rules

RULES = mainnet_rules()


def check(network: Network, now: int) -> None:
    rows, targets = network.edges()
    inbound = np.bincount(targets, minlength=len(network))
    assert (inbound == network.inbound).all()
    assert (rows != targets).all()
    pairs = {frozenset(pair) for pair in zip(rows.tolist(), targets.tolist(), strict=True)}
    assert len(pairs) == len(rows), "two links between one pair"
    assert network.present[rows].all()
    assert network.present[targets].all()
    assert int(network.listed().max()) <= RULES.cap
    assert int(network.inbound.max()) <= RULES.inbound
    assert (network.own_count() <= network.limits(now)).all()


def test_the_numbers_are_those_of_the_settings() -> None:
    assert (RULES.own_core, RULES.own_max, RULES.own_young, RULES.links) == (6, 8, 12, 12)
    assert (RULES.cap, RULES.inbound, RULES.overlap) == (24, 14, 1)
    assert (RULES.young_rounds, RULES.min_age_rounds) == (5, 1)
    assert (RULES.reseed_rounds, RULES.spare_minutes) == (144, 5)


@given(st.integers(min_value=2, max_value=120), st.integers(min_value=0, max_value=1 << 30))
@settings(max_examples=15, deadline=None)
def test_growth_keeps_the_rules(peers: int, seed: int) -> None:
    network = grown(peers, RULES, seed, batch=7, rounds=2)
    check(network, 2)


def test_equal_seeds_give_equal_networks() -> None:
    first, again, other = (steady(300, RULES, seed, sessions=0.5) for seed in (1, 1, 2))
    assert (first.own == again.own).all()
    assert (first.own != other.own).any()


@pytest.mark.slow
def test_churn_keeps_the_rules_and_everyone_linked() -> None:
    network = steady(1_000, RULES, 3, sessions=1.0)
    check(network, 48)
    assert int(network.listed().min()) >= RULES.own_core
    assert int(network.wanted(48)[network.born < 48].max()) <= 3, "only who came a moment ago still opens many links"


def test_the_young_hand_back_what_their_age_does_not_allow() -> None:
    network = grown(60, RULES, 4, batch=10)
    assert int(network.own_count().max()) > RULES.own_max
    network.hand_back(RULES.young_rounds)
    assert int(network.own_count().max()) <= RULES.own_max
    check(network, RULES.young_rounds)


def test_a_full_network_makes_room_for_a_newcomer_by_eviction() -> None:
    rules = Rules(2, 2, 2, 2, cap=4, inbound=2, overlap=9, protected=0, pending=4, young_rounds=0,
                  min_age_rounds=0, round_ms=1, mean_session=1.0, reseed_rounds=0)  # fmt: skip
    network = Network(3, rules, np.random.default_rng(1))
    network.own[1, 0], network.made[1, 0] = 0, 1
    network.inbound[0] = 1
    network.step = 5
    moved = network._make_room(np.array([2]), np.array([0]))
    assert moved == network.evicted == 1
    assert network.own[1, 0] == NOBODY
    assert network.own[2, 0] == 0
    assert network.inbound[0] == 1


def test_who_leaves_takes_its_links_along() -> None:
    network = grown(80, RULES, 5, batch=10)
    network.leave(np.arange(40))
    check(network, 0)
    assert not network.listed()[:40].any()
    replace(network, np.arange(40), 1)
    fill(network, 1, 30)
    check(network, 1)
    assert int(network.listed().min()) >= RULES.own_core
