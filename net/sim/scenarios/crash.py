"""A random share of the peers vanishes at once, without a word."""

from random import Random

from net.sim.measures import topology, true_links
from net.sim.scenarios.growth import TOPIC
from net.sim.scenarios.story import MESSAGE_TIME, Outcome, Progress, Teller
from net.sim.world import World

HEALING = 60_000
"""Virtual ms after which the network must be one piece again (issue 4's table)."""


def run(world: World, *, share: float = 1 / 3, duration: int = 120_000, progress: Progress | None = None) -> Outcome:
    """Crash a share of a grown world and watch the others find out and mend."""
    rng = Random(f"crash/{world.seed}")
    running = [node for node in world.nodes if node.running]
    outcome = Outcome("crash", len(running), world.seed)
    teller = Teller(world, outcome, total=duration + MESSAGE_TIME, progress=progress)
    for node in rng.sample(running, int(len(running) * share)):
        node.crash()
    left = [node for node in world.nodes if node.running]
    at_once = topology([node.peer for node in left], true_links(left))
    true_after = teller.until_true(HEALING, "healing")
    teller.pass_time(max(0, HEALING - (true_after or HEALING)), "healing", watch=True)
    healed = topology([node.peer for node in left], true_links(left))
    teller.pass_time(duration - HEALING, "after", watch=True)
    outcome.numbers = {
        "left": len(left),
        "pieces_at_once": at_once.components,
        "degree_at_once": at_once.mean_degree,
        "pieces_after_60_s": healed.components,
        "degree_after_60_s": healed.mean_degree,
        "maps_true_after_ms": true_after,
    }
    teller.message(left[-1], TOPIC.number)
    return teller.end()
