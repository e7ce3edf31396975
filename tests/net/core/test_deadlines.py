"""When a mesh wakes: what it keeps of its parts' deadlines is what they say themselves."""

import pytest

from chain.primitives.units import Millis
from net.core.app.topics import TopicSpec
from net.core.config import MeshConfig
from net.core.effects import Priority
from net.core.mesh import Mesh
from net.sim.node import SimNode
from net.sim.world import Conditions, World
from tests.helpers.grown import join

TOPIC = TopicSpec(7, "test", 20_000, Priority.BLOCK)
CONFIG = MeshConfig(network_id=bytes(32), id_difficulty=1, rendezvous_url="filled in", trust_own_clock=True)


@pytest.mark.slow
def test_the_kept_deadline_of_the_other_parts_is_theirs_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    held = [0, 0]
    found = Mesh.deadline

    def deadline(mesh: Mesh) -> Millis | None:
        before, at = mesh._others_at, found(mesh)
        if mesh._others_at is not None and mesh._clock_at is not None:
            assert mesh._others_at == mesh._find_others(mesh._clock_at)
            held[before is None] += 1
        return at

    monkeypatch.setattr(Mesh, "deadline", deadline)
    world = World(3, Conditions(loss=0.1))
    nodes: list[SimNode] = []
    join(world, nodes, 9, CONFIG, [TOPIC])
    nodes[8].crash()  # for good: its neighbours find out by its silence
    for second in range(40):
        nodes[second % 7].publish(TOPIC.number, bytes(8_000 + second))
        nodes[0].request(nodes[0].mesh.neighbours()[0].peer, TOPIC.number, bytes(100))
        if second == 15:
            nodes[7].crash()
        if second == 20:
            nodes[7].start()
        world.run_for(1_000)
    kept, looked_up = held
    assert min(kept, looked_up) > 500
