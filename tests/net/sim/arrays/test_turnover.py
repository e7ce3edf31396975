"""Links that change hands by choice in the array model, on networks small enough to count by hand."""

from dataclasses import replace

import numpy as np
import pytest

from net.sim.arrays.life import grown, steady
from net.sim.arrays.network import NOBODY, Network
from net.sim.arrays.rules import mainnet_rules
from net.sim.arrays.turnover import News, follow, reseed, spare

RULES = mainnet_rules()


def test_a_peer_is_news_once_and_again_to_slots_that_chose_while_it_was_full() -> None:
    network = Network(3, RULES, np.random.default_rng(1))
    news = News(network)
    assert news.gather(5).tolist() == [0, 1, 2]
    assert news.gather(6).tolist() == []
    network.step, network.inbound[1] = 10, RULES.inbound
    assert news.gather(7).tolist() == []
    network.inbound[1] = 3
    assert news.gather(8).tolist() == [1]
    made = np.array([9, 10, 11], dtype=np.int32)
    assert news.unknown(np.array([1, 1, 1]), made).tolist() == [False, True, True]
    news.forget(np.array([0]))
    assert news.gather(9).tolist() == [0]


def test_a_slot_goes_over_to_a_newcomer_that_it_prefers_and_to_no_other() -> None:
    network = grown(60, replace(RULES, overlap=60), 1, batch=10, rounds=8)
    network.leave(np.array([7]))
    network.present[7] = True
    network.look()
    news = News(network)
    news.gather(9)
    network.next[:] = NOBODY
    news.forget(np.array([7]))
    before = network.own.copy()
    network.rank[:] = 0.0
    follow(network, news, 9)
    assert (network.own == before).all(), "nobody's hash is below nothing"
    news.forget(np.array([7]))
    network.rank[:] = 1.0
    follow(network, news, 9)
    changed = network.own != before
    assert changed.any()
    assert (network.own[changed] == 7).all()
    assert (changed.sum(axis=1) <= 1).all(), "never two at once"
    assert (np.bincount(network.edges()[1], minlength=60) == network.inbound).all()


def test_spare_links_go_back_one_in_five_minutes_highest_slot_first() -> None:
    network = grown(60, RULES, 2, batch=10)
    network.minute = 100
    needless = (network.listed() > RULES.links) & (network.own_count() > RULES.own_core)
    own = network.own_count()
    spare(network, silent=3)
    assert (own - network.own_count() == needless * (np.arange(60) >= 3)).all()
    after = network.own_count()
    network.minute = 104
    spare(network, silent=3)
    assert (network.own_count()[needless & (np.arange(60) >= 3)] == after[needless & (np.arange(60) >= 3)]).all()
    assert (network.own_count()[needless] >= RULES.own_core).all()


def test_one_core_slot_a_day_is_drawn_anew() -> None:
    network = grown(60, RULES, 3, batch=10, rounds=6)
    before = network.own.copy()
    for now in range(RULES.reseed_rounds):
        reseed(network, now)
    assert ((network.own != before).sum(axis=1) == 1).all()
    assert (network.own[:, RULES.own_core :] == before[:, RULES.own_core :]).all()


@pytest.mark.slow
def test_holders_hashes_are_those_of_the_best_of_all() -> None:
    network = steady(400, RULES, 4, sessions=1.0)
    held = network.own != NOBODY
    assert 0.5 < float(network.rank[held].mean()) * 400 < 3.0
    assert not ((network.next != NOBODY) & (network.next_rank >= network.rank) & held).any()
