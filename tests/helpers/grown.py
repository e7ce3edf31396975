"""Small simulated networks that grow by one node at a time through the first of them."""

from collections.abc import Sequence
from dataclasses import replace

from net.core.app.topics import TopicSpec
from net.core.config import MeshConfig
from net.sim.node import SimNode
from net.sim.world import World


def join(
    world: World,
    nodes: list[SimNode],
    count: int,
    config: MeshConfig,
    topics: Sequence[TopicSpec],
    *,
    apart: int = 300,
) -> list[SimNode]:
    """Append nodes that start `apart` ms from each other, and return them; the first of all is the bootstrap."""
    for _ in range(count):
        bootstraps = (nodes[0].url,) if nodes else ()
        nodes.append(SimNode(world, replace(config, bootstraps=bootstraps), list(topics)))
        nodes[-1].start()
        world.run_for(apart)
    return nodes[-count:]
