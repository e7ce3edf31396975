"""How true maps are: every map against the links that exist, those of the vanished among themselves left out."""

import pytest

from net.sim.measures import true_links
from net.sim.scenarios import settled
from net.sim.truth import quality, true_codes


@pytest.mark.slow
def test_maps_are_held_against_the_links_that_exist() -> None:
    world = settled.begin(16, 2)
    world.run_for(20_000)
    before = true_links(world.nodes)
    assert len(true_codes(world.nodes)) == len(before)
    found = quality(world.nodes)
    assert found.precision == found.recall == found.mean_precision == found.mean_recall == 1.0
    pair = min(before)
    for node in world.nodes:
        if node.peer in pair:
            node.crash()
    after = true_links(world.nodes)
    assert after == {link for link in before if not set(link) & set(pair)}
    found = quality(world.nodes)
    assert found.recall == 1.0
    assert found.precision == found.mean_precision == len(after) / (len(before) - 1), "their own link does not count"
