"""What peers received, whoever of them has left in the meantime."""

import pytest

from net.sim.scenarios import settled
from net.sim.scenarios.churn import Population
from net.sim.traffic import Meter


@pytest.mark.slow
def test_what_those_received_who_left_counts_too() -> None:
    """The time of all was divided by, but only what those had received was counted who were there at the end."""
    world = settled.begin(20, 6)
    world.run_for(5_000)
    meter, before = Meter(world.nodes), world.delivered
    population = Population(world, session=60_000, meter=meter)
    world.run_for(60_000)
    assert 10 < population.left == population.joined
    traffic = meter.read()
    assert traffic.frames == pytest.approx((world.delivered - before) / (20 * 60), rel=0.01)
    assert traffic.signed >= 60 * population.joined / 20, "a newcomer signs at least once"
