"""The virtual-time world: order, determinism, wires."""

from net.core.app.topics import TopicSpec
from net.core.config import MeshConfig
from net.core.effects import Priority
from net.sim.node import SimNode
from net.sim.world import EPOCH, Conditions, World

TOPIC = TopicSpec(1, "test", 1_000, Priority.BLOCK)
CONFIG = MeshConfig(network_id=bytes(32), id_difficulty=1, rendezvous_url="filled in", trust_own_clock=True)


def pair(seed: int, conditions: Conditions | None = None) -> tuple[World, SimNode, SimNode]:
    world = World(seed, conditions)
    host = SimNode(world, CONFIG, [TOPIC])
    joiner = SimNode(
        world, MeshConfig(bytes(32), 1, "filled in", bootstraps=(host.url,), trust_own_clock=True), [TOPIC]
    )
    host.start()
    joiner.start()
    return world, host, joiner


def test_what_is_due_together_happens_in_the_order_asked_for() -> None:
    world, seen = World(1), []
    for name in "abc":
        world.at(EPOCH + 5, lambda name=name: seen.append(name))
    world.at(EPOCH + 1, lambda: seen.append("first"))
    world.run_for(10)
    assert seen == ["first", "a", "b", "c"]
    assert world.now == EPOCH + 10


def test_equal_seeds_give_equal_bytes_and_others_do_not() -> None:
    digests = []
    for seed in (1, 1, 2):
        world, _, _ = pair(seed)
        world.run_for(8_000)
        assert world.delivered > 10
        digests.append(world.digest)
    assert digests[0] == digests[1] != digests[2]


def test_a_dial_that_fails_is_reported_and_tried_again() -> None:
    world, host, joiner = pair(3, Conditions(dial_failures=1.0))
    world.run_for(20_000)
    assert not joiner.mesh.neighbours()
    world.conditions = Conditions()
    assert world.run_until(lambda: bool(joiner.mesh.neighbours()), limit=60_000)
    assert host.mesh.statistics().setup.failed > 0


def test_lost_frames_come_late_but_in_order() -> None:
    world, host, joiner = pair(4, Conditions(loss=0.3))
    assert world.run_until(lambda: bool(joiner.mesh.neighbours()), limit=60_000)
    world.run_for(5_000)
    for number in range(20):
        host.publish(TOPIC.number, b"%d" % number)
    world.run_for(20_000)
    assert list(joiner.arrived) == [b"%d" % number for number in range(20)]
