"""Peers join through one bootstrap, all link up, a message reaches all; the same seed gives the same byte stream."""

import pytest

from net.sim.scenarios.growth import Growth, run
from net.sim.world import Conditions


def check(growth: Growth, peers: int) -> None:
    assert growth.linked_after is not None
    assert growth.linked_after <= 30_000
    assert growth.topology.components == 1
    assert growth.topology.greatest_degree <= 24
    assert growth.maps.mean_recall >= 0.99
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
    assert growth.topology.components == 1
    assert growth.reached == 1.0
    assert growth.maps.mean_recall >= 0.97


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_two_hundred_peers() -> None:
    growth = run(200, 1)
    check(growth, 200)
