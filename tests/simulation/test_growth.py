"""Peers join through one bootstrap, all link up, a message reaches all; the same seed gives the same byte stream."""

import pytest

from net.sim.scenarios.growth import Growth, run
from net.sim.world import Conditions


def check(growth: Growth, peers: int, *, recall: float = 0.99) -> None:
    assert growth.linked_after is not None
    assert growth.linked_after <= 30_000
    assert growth.shape.components == 1
    assert growth.shape.greatest_degree <= 24
    assert growth.maps.mean_recall >= recall
    assert growth.maps.mean_precision >= 0.99
    assert growth.reached == 1.0
    assert growth.rendezvous_links == peers - 1
    assert growth.relayed_links >= peers


@pytest.mark.slow
def test_twelve_peers_twice_give_the_same_bytes() -> None:
    first, second = run(12, 3), run(12, 3)
    check(first, 12)
    assert first.digest == second.digest
    assert run(12, 4).digest != first.digest


@pytest.mark.slow
def test_thirty_peers_with_loss_and_failing_dials() -> None:
    growth = run(30, 5, conditions=Conditions(loss=0.02, dial_failures=0.1))
    assert growth.linked_after is not None
    assert growth.shape.components == 1
    assert growth.reached == 1.0
    assert growth.maps.mean_recall >= 0.97


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_forty_peers() -> None:
    check(run(40, 1), 40, recall=0.97)  # some last links of joiners are seconds old


@pytest.mark.e2e
@pytest.mark.timeout(1200)
def test_two_hundred_peers_twice_give_the_same_bytes() -> None:
    first, second = run(200, 1), run(200, 1)
    check(first, 200)
    assert first.digest == second.digest
