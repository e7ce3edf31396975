"""Many gossip machines in virtual time: maps become true, and cheaply."""

import pytest

from net.core.map.effects import MapEffect
from net.core.wire.fault import Fault
from tests.helpers.map_world import World, random_world


def wrong(world: World) -> int:
    """Return how many (node, link) pairs differ from the truth."""
    truth = world.truth()
    return sum(len(truth ^ world.seen_by(node)) for node in world.nodes.values())


def faults(world: World) -> list[MapEffect]:
    return [effect for node in world.nodes.values() for effect in node.effects if isinstance(effect, Fault)]


@pytest.mark.slow
def test_all_maps_become_true_and_stay_so_under_churn() -> None:
    world = random_world(24)
    world.run(20_000)
    assert wrong(world) == 0
    assert faults(world) == []
    assert len({node.map.fingerprint for node in world.nodes.values()}) == 1
    world.crash(world.nodes[min(world.nodes)])
    for _ in range(5):
        here = world.nodes[world.rng.choice(sorted(world.nodes))]
        world.unlink(here, world.nodes[world.rng.choice(sorted(here.links))])
    world.run(20_000)
    assert wrong(world) == 0
    assert faults(world) == []


@pytest.mark.slow
def test_lost_frames_are_made_up_for() -> None:
    world = random_world(16, loss=0.1, seed=4)
    world.run(60_000)
    assert wrong(world) == 0


@pytest.mark.slow
def test_a_record_crosses_each_node_less_than_twice() -> None:
    world = random_world(24, own=5)
    world.run(30_000)
    world.by_kind.clear()
    signed = sum(node.gossip.statistics().signed for node in world.nodes.values())
    for _ in range(20):
        one, other = world.rng.sample(sorted(world.nodes), 2)
        here, there = world.nodes[one], world.nodes[other]
        if other in here.links:
            world.unlink(here, there)
        else:
            world.link(here, there)
        world.run(3_000)
    world.run(10_000)
    assert wrong(world) == 0
    signed = sum(node.gossip.statistics().signed for node in world.nodes.values()) - signed
    received = sum(size for _, size in world.by_kind.values())
    sizes = [len(raw) for raw in world.nodes[min(world.nodes)].archive.records.values()]
    bound = signed * sum(sizes) / len(sizes) * (len(world.nodes) - 1)
    assert received < 2.2 * bound


@pytest.mark.slow
def test_a_neighbour_that_swallows_records_delays_them_little() -> None:
    world = random_world(16, seed=2)
    world.run(20_000)
    thief = min(world.nodes)
    world.drop = lambda sender, frame: sender == thief and frame.kind.name == "RECORDS"
    one, other = world.rng.sample([peer for peer in sorted(world.nodes) if peer != thief], 2)
    if other in world.nodes[one].links:
        world.unlink(world.nodes[one], world.nodes[other])
    else:
        world.link(world.nodes[one], world.nodes[other])
    world.run(12_000)
    assert wrong(world) == 0


@pytest.mark.slow
def test_two_runs_of_one_seed_send_the_same_bytes() -> None:
    runs = []
    for _ in range(2):
        world = random_world(8, seed=9)
        world.run(5_000)
        runs.append((world.frames, world.bytes, world.by_kind))
    assert runs[0] == runs[1]
