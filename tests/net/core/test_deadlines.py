"""When a mesh wakes: what it keeps of its parts' deadlines is what they say themselves."""

from collections.abc import Sequence

import pytest

from net.core.app.topics import TopicSpec
from net.core.config import MeshConfig
from net.core.effects import Priority
from net.sim.node import SimNode
from net.sim.world import Conditions, World
from tests.helpers.grown import join

TOPIC = TopicSpec(7, "test", 20_000, Priority.BLOCK)
CONFIG = MeshConfig(network_id=bytes(32), id_difficulty=1, rendezvous_url="filled in", trust_own_clock=True)


def kept(nodes: Sequence[SimNode]) -> int:
    """Hold what the running nodes keep against their parts; return how many keep something."""
    count = 0
    for node in nodes:
        mesh = node.mesh
        if node.running and mesh._others_at is not None and mesh._clock_at is not None:
            assert mesh._others_at == mesh._find_others(mesh._clock_at)
            count += 1
    return count


@pytest.mark.slow
def test_the_kept_deadline_of_the_other_parts_is_theirs_whatever_happens() -> None:
    world = World(3, Conditions(loss=0.1))
    nodes: list[SimNode] = []
    join(world, nodes, 8, CONFIG, [TOPIC])
    quiet = 0
    for step in range(600):
        if step % 40 == 0:
            nodes[step % 7].publish(TOPIC.number, bytes(8_000 + step))
        if step % 40 == 20:
            asked = nodes[0].mesh.neighbours()[0].peer
            nodes[0].request(asked, TOPIC.number, bytes(100))
        if step == 300:
            nodes[7].crash()
        if step == 400:
            nodes[7].start()
        world.run_for(50)
        quiet += kept(nodes)
    assert quiet > 600 * len(nodes) // 4
