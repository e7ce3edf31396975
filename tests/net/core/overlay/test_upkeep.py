"""The clockwork of the overlay in small networks: reseed, alarms that forbid it, bans over restarts."""

from collections.abc import Iterable

import pytest

from chain.primitives.errors import Penalty
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.app.topics import TopicSpec
from net.core.config import MeshConfig
from net.core.effects import LinkKind, Priority
from net.core.map.peer_map import PeerMap
from net.core.overlay.link import Link, Signalled, Stage
from net.core.overlay.upkeep import CHOOSE_AFTER
from net.core.wire.signal import Refusal
from net.sim.node import SimNode
from net.sim.world import World
from tests.helpers.grown import join

TOPIC = TopicSpec(7, "test", 1_000, Priority.BLOCK)
CONFIG = MeshConfig(
    network_id=bytes(32),
    id_difficulty=1,
    rendezvous_url="filled in",
    trust_own_clock=True,
    own_core=2,
    own_max=3,
    own_young=3,
    links=5,
    reseed=Millis(120_000),
)


def network(size: int) -> tuple[World, list[SimNode]]:
    world = World(4)
    nodes: list[SimNode] = []
    join(world, nodes, size, CONFIG, [TOPIC])
    world.run_for(10_000)
    return world, nodes


def reseeds(node: SimNode) -> int:
    return sum(line.startswith("down") and line.endswith("reseed") for _, line in node.log)


@pytest.mark.slow
def test_one_core_slot_is_reseeded_in_each_interval_and_never_under_an_alarm() -> None:
    world, nodes = network(10)
    alarmed = nodes[3]
    for _ in range(5):
        for number in range(20):
            alarmed.mesh._parts.overlay.slots.failed(None, nodes[number % 10].peer, Refusal.FULL, world.now)
        world.run_for(100_000)
    assert reseeds(alarmed) == 0
    assert [line for _, line in alarmed.log if line.startswith("slot_exhaustion")]
    others = [reseeds(node) for node in nodes if node is not alarmed]
    assert max(others) <= 4
    assert sum(others) >= 9


@pytest.mark.slow
def test_an_anchor_of_the_last_walk_is_never_reseeded() -> None:
    world, nodes = network(8)
    node = nodes[4]
    anchors = node.mesh._parts.overlay.anchors
    anchors._chosen = {other.peer for other in nodes}
    world.run_for(500_000)
    assert reseeds(node) == 0


def test_bans_outlive_a_restart_and_so_does_their_end() -> None:
    world, nodes = network(3)
    victim, villain = nodes[0], nodes[1]
    victim._do(victim.mesh.penalise(villain.peer, Penalty.BAN, "a bad block", world.now))
    victim.crash()
    victim.start()
    assert [(ban.peer, ban.reason) for ban in victim.mesh.bans(world.now)] == [(villain.peer, "a bad block")]
    world.run_for(5_000)
    assert not any(one.peer == villain.peer for one in victim.mesh.neighbours())
    assert victim.mesh.why(villain.peer, world.now).banned
    victim._do(victim.mesh.unban(villain.peer, world.now))
    victim.crash()
    victim.start()
    assert not victim.mesh.bans(world.now)


def test_strangers_that_fall_silent_fill_no_list_of_peers_left_out() -> None:
    """An id for a link costs nothing, and the list is bounded: strangers would push out whom the slots know."""
    world, nodes = network(3)
    overlay, known = nodes[0].mesh._parts.overlay, nodes[1].peer
    for number in range(20):
        stranger = Link(
            overlay.links.number(),
            LinkKind.GUEST,
            outbound=False,
            peer=PeerId(number.to_bytes(32, "big")),
            signalled=Signalled.RENDEZVOUS,
            stage=Stage.UP,
            started=world.now,
            deadline=world.now,
            heard=Millis(world.now - CONFIG.dead),
        )
        overlay.links.add(stranger)
        overlay.links.rise(stranger)
    nodes[1].crash()
    world.run_for(CONFIG.dead + 2_000)
    assert overlay.links.up(known) is None
    assert len(overlay.links.all_up()) == 1
    assert overlay.slots.avoided(world.now) == [known]


@pytest.mark.slow
def test_the_map_is_searched_for_a_partition_again_once_its_links_have_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    searched = [0]
    search = PeerMap.out_of_reach

    def out_of_reach(peer_map: PeerMap, peers: Iterable[PeerId]) -> tuple[int, int]:
        searched[0] += 1
        return search(peer_map, peers)

    monkeypatch.setattr(PeerMap, "out_of_reach", out_of_reach)
    world, nodes = network(6)
    world.run_for(60_000)
    searched[0] = 0
    world.run_for(30_000)
    assert searched[0] == 0
    nodes[5].crash()
    world.run_for(60_000)
    assert searched[0] >= 5


def test_changes_of_the_map_call_for_a_look_only_where_something_is_sought() -> None:
    world, nodes = network(10)
    node = next(node for node in nodes if not node.mesh._parts.upkeep._looking)
    overlay, upkeep = node.mesh._parts.overlay, node.mesh._parts.upkeep

    def look_at() -> Millis | None:
        """When the node next looks because of news."""
        overlay.choose_at, upkeep._seen_version = None, -1
        upkeep.map_changed(world.now)
        return overlay.choose_at

    assert look_at() is None
    lost = overlay.links.own_listed()[0]
    assert lost.peer is not None
    node.drop_link(lost.peer)
    world.run_for(1)
    assert look_at() == world.now + CHOOSE_AFTER
