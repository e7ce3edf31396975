"""A network as it is after hours, made at once (`net.sim.settlement`): what steady stories begin with."""

from dataclasses import replace
from random import Random
from time import process_time

from chain.primitives.units import Millis
from net.sim.node import SimNode
from net.sim.progress import Progress, Steps, unheard
from net.sim.scenarios.churn import SESSION
from net.sim.scenarios.growth import TOPIC, settings, surveys_map
from net.sim.scenarios.outcome import Outcome
from net.sim.scenarios.story import MESSAGE_TIME, Teller
from net.sim.settlement import Settlement, open_links, spread_map
from net.sim.world import World

LIMIT = 120_000
"""Virtual ms in which all must know all."""

USUAL = 5_000
"""Virtual ms in which they do, from 20 peers to 2,500."""


def run(peers: int, seed: int, *, progress: Progress | None = None, steps: Steps = unheard) -> tuple[Outcome, World]:
    """Link up all peers at once, let everyone learn the map, then publish a message.

    The ids are as old as those of peers whose sessions of 8 h on average end by chance. `steps` hears how the network
    is made, `progress` what follows.
    """
    world = World(seed)
    outcome = Outcome("settled", peers, seed, since="all started, linked")
    begun = process_time()
    nodes = build(world, peers, steps)
    expected = USUAL + MESSAGE_TIME
    teller = Teller(world, outcome, total=expected, progress=progress, spent=process_time() - begun)
    outcome.numbers["maps_true_after_ms"] = teller.until_true(LIMIT, "learning")
    teller.message(nodes[-1], TOPIC.number)
    teller.shape()
    outcome.numbers |= teller.records()
    return teller.end(), world


def begin(peers: int, seed: int, steps: Steps = unheard) -> World:
    """Return a settled world of so many peers."""
    world = World(seed)
    build(world, peers, steps)
    return world


def build(world: World, peers: int, steps: Steps = unheard) -> list[SimNode]:
    """Return nodes that run, are linked and know each other."""
    rng = Random(f"settled/{world.seed}")
    ages = [Millis(int(rng.expovariate(1 / SESSION))) for _ in range(peers)]
    nodes = []
    for number, age in enumerate(ages):
        config = replace(settings(), surveys=surveys_map(peers, number))
        nodes.append(SimNode(world, config, [TOPIC], born=Millis(world.now - age)))
        steps(number + 1, peers, "making peers")
    settlement = Settlement(nodes, ages, rng)
    settlement.settle(steps)
    open_links(nodes, settlement.own, steps)
    spread_map(nodes, steps)
    return nodes
