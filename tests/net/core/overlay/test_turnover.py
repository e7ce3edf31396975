"""Own links given back and moved by choice, in small networks: who follows the hash, who refuses, what is kept."""

from dataclasses import replace

import pytest

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.app.topics import TopicSpec
from net.core.config import MeshConfig
from net.core.effects import Priority
from net.core.overlay.link import Link
from net.core.wire.signal import Refusal
from net.sim.node import SimNode
from net.sim.world import World
from tests.helpers import grown

TOPIC = TopicSpec(7, "test", 1_000, Priority.BLOCK)
CONFIG = MeshConfig(
    network_id=bytes(32),
    id_difficulty=1,
    rendezvous_url="filled in",
    trust_own_clock=True,
    own_core=2,
    own_max=3,
    own_young=4,
    links=4,
    min_age=Millis(5_000),
)


UNSURVEYED = replace(CONFIG, surveys=False)
"""So that no survey withdraws what a test says of domains."""


def join(world: World, nodes: list[SimNode], count: int, config: MeshConfig = CONFIG) -> list[SimNode]:
    joined = grown.join(world, nodes, count, config, [TOPIC])
    world.run_for(10_000)
    return joined


def own(node: SimNode) -> list[Link]:
    return [link for link in node.mesh._parts.overlay.links.listed() if link.outbound]


def ended(node: SimNode, reason: str) -> int:
    return sum(1 for _, line in node.log if line.startswith("down") and line.endswith(reason))


def moved(node: SimNode) -> int:
    return node.mesh.statistics().links_moved


@pytest.mark.slow
def test_slots_follow_their_hash_to_newcomers_and_extras_go_back() -> None:
    world = World(4)
    nodes: list[SimNode] = []
    join(world, nodes, 14)
    world.run_for(100_000)
    before = [moved(node) for node in nodes]
    newcomers = {node.peer for node in join(world, nodes, 6)}
    world.run_for(200_000)
    old = nodes[:14]
    assert sum(moved(node) for node in old) > sum(before)
    assert any(link.peer in newcomers for node in old for link in own(node))
    for node in nodes:
        slots = [link.moved_slot for link in own(node)]
        assert len(set(slots)) == len(slots), "one slot, one link"
        assert len(own(node)) >= CONFIG.own_core
    assert sum(ended(node, "handed back") for node in nodes) > 0
    assert sum(ended(node, "moved on") for node in nodes) == sum(moved(node) for node in nodes)


@pytest.mark.slow
def test_under_an_alarm_and_beside_anchors_nothing_moves() -> None:
    world = World(4)
    nodes: list[SimNode] = []
    join(world, nodes, 14)
    alarmed, anchored = nodes[3], nodes[4]
    for number in range(20):
        alarmed.mesh._parts.overlay.slots.failed(None, nodes[number % 14].peer, Refusal.FULL, world.now)
    alarmed.mesh._parts.overlay.slots._outcomes.extend([True] * 32)
    anchored.mesh._parts.overlay.anchors._chosen = {node.peer for node in nodes}
    settled = moved(alarmed), moved(anchored)
    join(world, nodes, 6)
    for _ in range(4):
        world.run_for(50_000)
        alarmed.mesh._parts.overlay.slots._outcomes.extend([True] * 32)
    assert (moved(alarmed), moved(anchored)) == settled
    assert sum(moved(node) for node in nodes) > 0


@pytest.mark.slow
def test_a_newcomer_that_shows_room_and_refuses_costs_no_link() -> None:
    world = World(4)
    nodes: list[SimNode] = []
    join(world, nodes, 14)
    world.run_for(60_000)
    newcomers = join(world, nodes, 6)
    refusing = {node.peer for node in newcomers}
    for node in newcomers:
        node.mesh._parts.overlay._admission.refusal = lambda *_, **__: Refusal.UNWANTED  # type: ignore[method-assign]
    before = {node.peer: {link.peer for link in own(node)} for node in nodes[:14]}
    world.run_for(120_000)
    dialled = sum(node.mesh._parts.overlay.refusals[Refusal.UNWANTED] for node in nodes[:14])
    assert dialled > 0
    assert not any(link.peer in refusing - before[node.peer] for node in nodes[:14] for link in own(node))
    assert all(len(own(node)) >= CONFIG.own_core for node in nodes[:14])


def extras(node: SimNode) -> set[PeerId | None]:
    """Return the peers of the own links beyond the core."""
    return {link.peer for link in own(node) if link.moved_slot is not None and link.moved_slot >= CONFIG.own_core}


@pytest.mark.slow
def test_extra_links_leave_a_crowded_domain_and_the_core_stays() -> None:
    world = World(4)
    nodes: list[SimNode] = []
    join(world, nodes, 16, UNSURVEYED)
    node = next(node for node in nodes if extras(node))
    crowd = frozenset(link.peer for link in own(node) if link.peer is not None)
    core = crowd - extras(node)
    assert len(own(node)) > CONFIG.own_core
    node.mesh._parts.upkeep.shun(crowd)
    world.run_for(200_000)
    assert ended(node, "in a crowded domain") > 0
    assert not extras(node) & crowd
    assert core <= {link.peer for link in own(node)}
    assert sum(ended(other, "in a crowded domain") for other in nodes) == ended(node, "in a crowded domain")


@pytest.mark.slow
def test_where_all_are_in_the_crowded_domain_no_link_is_given_back_for_it() -> None:
    world = World(4)
    nodes: list[SimNode] = []
    join(world, nodes, 16, UNSURVEYED)
    everyone = frozenset(node.peer for node in nodes)
    for node in nodes:
        node.mesh._parts.upkeep.shun(everyone)
    assert any(extras(node) for node in nodes)
    newcomers = join(world, nodes, 2, UNSURVEYED)
    for node in newcomers:
        node.mesh._parts.upkeep.shun(everyone | {other.peer for other in newcomers})
    world.run_for(30_000)
    assert all(len(node.mesh._parts.overlay.links.listed()) >= CONFIG.links for node in newcomers)
    newcomer = newcomers[0]
    assert ended(newcomer, "in a crowded domain") == 0
    assert extras(newcomer), "a slot that finds nobody else takes whom there is"
