"""Peers that not everybody can dial: the network is whole all the same, and they have their links."""

import pytest

from net.core.config import Reachability
from net.sim.scenarios.reach import run
from net.sim.world import meet


def test_public_meets_all_punchable_its_like_and_hard_only_public() -> None:
    public, punchable, hard = Reachability.PUBLIC, Reachability.PUNCHABLE, Reachability.HARD
    assert all(meet(public, other) and meet(other, public) for other in Reachability)
    assert meet(punchable, punchable)
    assert not meet(punchable, hard)
    assert not meet(hard, punchable)
    assert not meet(hard, hard)


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_a_network_with_hard_and_punchable_peers_is_whole() -> None:
    outcome, world = run(40, 1)
    numbers = outcome.numbers
    assert numbers["maps_true_after_ms"] is not None
    assert (numbers["pieces"], numbers["reached"]) == (1, 1.0)
    assert int(numbers["hard_peers"] or 0) >= 8
    assert int(numbers["punchable_peers"] or 0) >= 8
    assert int(numbers["public_least_own"] or 0) >= 6
    assert int(numbers["punchable_least_own"] or 0) >= 6
    assert int(numbers["hard_least_own"] or 0) >= 3  # only public peers take them, and those are nearly full
    assert all(len(node.mesh.neighbours()) >= 6 for node in world.nodes)
    reach = {node.peer: node.reach for node in world.nodes}
    for node in world.nodes:
        assert all(meet(node.reach, reach[one.peer]) for one in node.mesh.neighbours())
