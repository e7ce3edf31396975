"""A random share of the peers vanishes at once, without a word."""

from random import Random
from typing import TYPE_CHECKING

import numpy as np

from net.sim.arrays.graph import component_sizes, random_graph
from net.sim.measures import links_matrix, shape
from net.sim.progress import Progress
from net.sim.scenarios.growth import TOPIC
from net.sim.scenarios.outcome import Outcome
from net.sim.scenarios.story import MESSAGE_TIME, Teller, interrupted
from net.sim.world import World

if TYPE_CHECKING:
    from scipy.sparse import csr_array

DRAWS = 100
"""Random crashes of the graph as it is, beside the one that is lived through: does one piece remain at once?"""

HEALING = 60_000
"""Virtual ms after which the network must be one piece again (issue 4's table)."""


def run(world: World, *, share: float = 1 / 3, duration: int = 120_000, progress: Progress | None = None) -> Outcome:
    """Crash a share of a whole world and watch the others find out and mend. Raises `ConfigError` for one that is in
    the middle of another story."""
    interrupted(world, "crash")  # raises: half a story is no beginning of this one
    rng = Random(f"crash/{world.seed}")
    running = [node for node in world.nodes if node.running]
    outcome = Outcome("crash", len(running), world.seed, since=f"{share:.0%} of them vanished")
    teller = Teller(world, outcome, total=duration + MESSAGE_TIME, progress=progress)
    links = links_matrix(running)
    chance = random_graph(np.diff(links.indptr).astype(np.int64), np.random.default_rng(world.seed))
    third, half = (_giants(links, part, world.seed) for part in (share, 1 / 2))
    half_by_chance = _giants(chance, 1 / 2, world.seed)
    for node in rng.sample(running, _gone(len(running), share)):
        node.crash()
    left = [node for node in world.nodes if node.running]
    at_once = shape(left)
    outcome.numbers |= {
        "survivors": len(left),
        f"one_piece_of_{DRAWS}_draws": sum(giant == 1 for giant in third),
        "half_gone_mean_giant": sum(half) / len(half),
        "half_gone_worst_giant": min(half),
        "half_gone_mean_giant_of_random": sum(half_by_chance) / len(half_by_chance),
        "half_gone_worst_giant_of_random": min(half_by_chance),
        "pieces_at_once": at_once.components,
        "degree_at_once": at_once.mean_degree,
    }
    true_after = outcome.numbers["maps_true_after_ms"] = teller.until_true(HEALING, "healing")
    teller.pass_time(max(0, HEALING - (true_after or HEALING)), "healing", watch=True)
    healed = shape(left)
    outcome.numbers |= {"pieces_after_60_s": healed.components, "degree_after_60_s": healed.mean_degree}
    teller.pass_time(duration - HEALING, "after", watch=True)
    teller.message(left[-1], TOPIC.number)
    return teller.end()


def _giants(links: "csr_array", share: float, seed: int) -> list[float]:
    """Return, for each of DRAWS crashes of a share of the peers, the part of the others in the largest piece."""
    peers = links.shape[0]
    giants = []
    for draw in range(DRAWS):
        gone = Random(f"crash/{seed}/{share}/{draw}").sample(range(peers), _gone(peers, share))
        stay = np.setdiff1d(np.arange(peers), gone)
        giants.append(float(component_sizes(links[stay][:, stay]).max() / len(stay)))
    return giants


def _gone(peers: int, share: float) -> int:
    """Return how many vanish: a share of two peers is one of them."""
    return max(1, int(peers * share))
