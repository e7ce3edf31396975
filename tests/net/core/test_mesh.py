"""The mesh in small networks: first contact, full mesh, links over the mesh alone, restarts, hostile frames."""

from dataclasses import replace

import pytest

from chain.primitives.errors import Penalty
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.app.topics import TopicSpec
from net.core.config import MeshConfig
from net.core.effects import CallId, LinkKind, Priority, ReplyRendezvous, RequestFailed, Responded
from net.core.overlay.link import Signalled
from net.core.routing.courier import Delivered
from net.core.wire.frame import FrameKind, encode_frame
from net.core.wire.rendezvous import Request, decode_reply, encode_request
from net.core.wire.signal import Refusal
from net.sim.node import SimNode
from net.sim.world import World

TOPIC = TopicSpec(7, "test", 500_000, Priority.BLOCK)
CONFIG = MeshConfig(network_id=bytes(32), id_difficulty=1, rendezvous_url="filled in", trust_own_clock=True)


def network(size: int, seed: int = 1) -> tuple[World, list[SimNode]]:
    """Return a started network whose first node is the bootstrap of the others."""
    world = World(seed)
    nodes = [SimNode(world, CONFIG, [TOPIC])]
    nodes[0].start()
    for _ in range(size - 1):
        node = SimNode(world, replace(CONFIG, bootstraps=(nodes[0].url,)), [TOPIC])
        nodes.append(node)
        node.start()
    return world, nodes


def complete(nodes: list[SimNode]) -> bool:
    """Tell whether every node's map shows a two-way link between every two."""
    return all(
        one.mesh.view().linked(left.peer, right.peer)
        for one in nodes
        for left in nodes
        for right in nodes
        if left is not right
    )


@pytest.mark.slow
@pytest.mark.parametrize("size", [2, 3, 4, 5])
def test_a_small_network_becomes_a_full_mesh_and_stays_one(size: int) -> None:
    world, nodes = network(size, seed=size)
    assert world.run_until(lambda: complete(nodes), limit=15_000)
    world.run_for(60_000)
    assert complete(nodes)
    for node in nodes:
        assert {one.kind for one in node.mesh.neighbours()} == {LinkKind.LISTED}
        assert not [line for _, line in node.log if line.startswith("down")]


def test_one_link_a_joiner_is_signalled_by_rendezvous_all_others_over_the_mesh() -> None:
    world, nodes = network(4)
    assert world.run_until(lambda: complete(nodes), limit=15_000)
    for node in nodes[1:]:
        counts = node.mesh.statistics()
        assert (counts.links_rendezvous_own, counts.links_rendezvous) == (1, 1)
        assert counts.links_relayed == 2
        assert [one.signalled for one in node.mesh.neighbours()].count(Signalled.RENDEZVOUS) == 1


def test_with_the_rendezvous_gone_a_torn_link_is_found_again_over_the_mesh() -> None:
    world, nodes = network(4, seed=9)
    assert world.run_until(lambda: complete(nodes), limit=15_000)
    world.hosts.clear()
    nodes[1].drop_link(nodes[2].peer)
    assert not any(one.peer == nodes[2].peer for one in nodes[1].mesh.neighbours())
    assert world.run_until(lambda: any(one.peer == nodes[2].peer for one in nodes[1].mesh.neighbours()), limit=20_000)
    link = next(one for one in nodes[1].mesh.neighbours() if one.peer == nodes[2].peer)
    assert link.signalled is Signalled.RELAYED
    assert link.kind is LinkKind.LISTED


def test_the_application_is_told_the_features_of_both_ends() -> None:
    world, nodes = World(10), list[SimNode]()
    for features in (0b011, 0b110, 0):
        bootstraps = tuple(node.url for node in nodes[:1])
        node = SimNode(world, replace(CONFIG, bootstraps=bootstraps, features=features), [TOPIC])
        nodes.append(node)
        node.start()
    assert world.run_until(lambda: complete(nodes), limit=15_000)
    one, other, older = nodes
    assert one.features == {other.peer: 0b010, older.peer: 0}
    assert other.features == {one.peer: 0b010, older.peer: 0}
    assert older.features == {one.peer: 0, other.peer: 0}


@pytest.mark.slow
def test_a_killed_bootstrap_comes_back_by_its_anchors() -> None:
    world, nodes = network(4, seed=11)
    assert world.run_until(lambda: complete(nodes), limit=15_000)
    world.run_for(5_000)
    nodes[0].crash()
    world.run_for(2_000)
    nodes[0].start()
    assert world.run_until(lambda: complete(nodes), limit=60_000)


@pytest.mark.slow
def test_an_orderly_stop_takes_the_node_off_the_links_of_the_map() -> None:
    world, nodes = network(3, seed=12)
    assert world.run_until(lambda: complete(nodes), limit=15_000)
    nodes[2].stop()
    world.run_for(3_000)
    view = nodes[0].mesh.view()
    assert view.degree(nodes[2].peer) == 0
    assert view.linked(nodes[0].peer, nodes[1].peer)


@pytest.mark.slow
def test_published_messages_and_requests_of_all_sizes_arrive() -> None:
    world, nodes = network(4, seed=13)
    assert world.run_until(lambda: complete(nodes), limit=15_000)
    for size in (0, 1, 16_000, 17_000, 100_000, 500_000):
        payload = bytes(size)
        nodes[1].publish(TOPIC.number, payload)
        assert world.run_until(lambda payload=payload: all(payload in node.arrived for node in nodes), limit=20_000)  # type: ignore[misc]
        nodes[3].request(nodes[0].peer, TOPIC.number, payload)
        world.run_for(5_000)
        answer = nodes[3].responses[-1]
        assert isinstance(answer, Responded)
        assert answer.payload == payload
    nodes[0].answer = lambda requested: None
    nodes[3].request(nodes[0].peer, TOPIC.number, b"?")
    world.run_for(1_000)
    assert isinstance(nodes[3].responses[-1], RequestFailed)


def test_without_trust_in_its_clock_a_lone_pair_signs_nothing() -> None:
    world = World(1)
    host = SimNode(world, CONFIG, [TOPIC])
    joiner = SimNode(world, replace(CONFIG, trust_own_clock=False, bootstraps=(host.url,)), [TOPIC])
    host.start()
    joiner.start()
    world.run_for(10_000)
    assert joiner.peer not in host.mesh.view()
    assert not joiner.mesh.statistics().clock.agreed


@pytest.mark.slow
def test_three_ids_of_two_first_contacts_set_the_clock() -> None:
    world, nodes = network(4, seed=14)
    assert world.run_until(lambda: complete(nodes), limit=15_000)
    joiner = SimNode(world, replace(CONFIG, trust_own_clock=False, bootstraps=(nodes[0].url, nodes[1].url)), [TOPIC])
    joiner.start()
    assert world.run_until(lambda: joiner.mesh.statistics().clock.agreed, limit=30_000)
    assert world.run_until(lambda: complete([*nodes, joiner]), limit=30_000)


@pytest.mark.slow
def test_a_clock_that_is_set_forward_ends_no_links() -> None:
    world = World(2)
    nodes: list[SimNode] = []
    for _ in range(5):
        config = replace(CONFIG, bootstraps=tuple(node.url for node in nodes[:1]))
        nodes.append(SimNode(world, config, [TOPIC]))
        nodes[-1].mesh._parts.clock._offset = 30_000.0
        nodes[-1].start()
    assert world.run_until(lambda: complete(nodes), limit=60_000)
    urls = (nodes[0].url, nodes[1].url)
    joiner = SimNode(world, replace(CONFIG, trust_own_clock=False, bootstraps=urls), [TOPIC])
    joiner.start()
    assert world.run_until(lambda: complete([*nodes, joiner]), limit=30_000)
    assert not [line for _, line in joiner.log if "not confirmed" in line]


@pytest.mark.slow
def test_a_first_contact_that_lies_about_the_time_does_not_keep_a_joiner_out() -> None:
    world, nodes = network(4, seed=14)
    assert world.run_until(lambda: complete(nodes), limit=15_000)
    liar = SimNode(world, CONFIG, [TOPIC])
    liar.mesh._parts.clock._offset = -315_360_000_000.0
    liar.start()
    urls = (liar.url, nodes[0].url, nodes[1].url)
    joiner = SimNode(world, replace(CONFIG, trust_own_clock=False, bootstraps=urls), [TOPIC])
    joiner.start()
    assert world.run_until(lambda: joiner.mesh.statistics().clock.agreed, limit=60_000)
    assert abs(joiner.mesh.mesh_time(world.now) - world.now) < 1_000
    assert world.run_until(lambda: complete([*nodes, joiner]), limit=30_000)


# --- hostile input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\xff",
        bytes(16_385),
        encode_frame(FrameKind.HELLO, b""),
        encode_frame(FrameKind.AUTH, bytes(64)),
        *(encode_frame(kind, b"\x00garbage" * 9) for kind in FrameKind),
    ],
    ids=lambda frame: f"{frame[:1].hex()}-{len(frame)}",
)
def test_garbage_on_a_link_raises_nothing(frame: bytes) -> None:
    world, nodes = network(2, seed=2)
    world.run_for(3_000)
    victim, _ = nodes
    (link,) = [one.link for one in victim.mesh.neighbours()]
    for _ in range(20):
        victim._do(victim.mesh.receive(link, frame, world.now))
        world.run_for(10)


def test_a_neighbour_that_sends_garbage_is_banned_and_the_others_stay() -> None:
    world, nodes = network(3, seed=2)
    assert world.run_until(lambda: complete(nodes), limit=15_000)
    victim, villain, other = nodes
    for near, far in list(villain.wires.values()):
        if far.node is victim:
            world.send(near, far, encode_frame(FrameKind.PING, b"no ping"))
    world.run_for(1_000)
    assert [one.peer for one in victim.mesh.neighbours()] == [other.peer]
    assert [ban.peer for ban in victim.mesh.bans(world.now)] == [villain.peer]


def test_a_flood_of_rendezvous_requests_is_answered_briefly_and_bounded() -> None:
    world, nodes = network(2, seed=3)
    world.run_for(3_000)
    host = nodes[0]
    before = len(host.mesh.neighbours())
    replies = []
    for number in range(1_000):
        request = encode_request(Request(bytes(32), nodes[1].peer, b"offer %d" % number))
        effects = host.mesh.rendezvous_asked(CallId(-10_000 - number), request, "203.0.113.7", world.now)
        replies += [effect for effect in effects if isinstance(effect, ReplyRendezvous)]
    assert len(replies) == 1_000
    refusals = [decode_reply(reply.reply).refusal for reply in replies]
    assert refusals.count(Refusal.BUSY) >= 980
    assert len(host.mesh.neighbours()) == before


def test_another_network_is_turned_away() -> None:
    world, nodes = network(1, seed=4)
    request = encode_request(Request(b"x" * 32, nodes[0].peer, b"offer"))
    (reply,) = nodes[0].mesh.rendezvous_asked(CallId(-1), request, "203.0.113.7", world.now)
    assert isinstance(reply, ReplyRendezvous)
    assert decode_reply(reply.reply).refusal is Refusal.UNWANTED


def test_an_application_ban_ends_the_link_and_unban_lets_it_back() -> None:
    world, nodes = network(3, seed=6)
    assert world.run_until(lambda: complete(nodes), limit=15_000)
    victim, villain = nodes[0], nodes[1]
    victim._do(victim.mesh.penalise(villain.peer, Penalty.BAN, "a bad block", world.now))
    world.run_for(2_000)
    assert not any(one.peer == villain.peer for one in victim.mesh.neighbours())
    assert [ban.peer for ban in victim.mesh.bans(world.now)] == [villain.peer]
    assert "bans" in victim.blobs
    victim._do(victim.mesh.unban(villain.peer, world.now))
    assert world.run_until(
        lambda: any(one.peer == villain.peer for one in victim.mesh.neighbours()), limit=700_000, step=5_000
    )


# --- first contact under pressure -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_full_host_has_a_neighbour_answer_its_caller() -> None:
    world = World(21)
    host = SimNode(world, replace(CONFIG, guests=1), [TOPIC])
    host.start()
    nodes = [host]
    for _ in range(2):
        nodes.append(SimNode(world, replace(CONFIG, bootstraps=(host.url,)), [TOPIC]))
        nodes[-1].start()
    assert world.run_until(lambda: complete(nodes), limit=30_000)
    full = SimNode(world, replace(CONFIG, guests=0, bootstraps=(host.url,)), [TOPIC])
    full.start()
    nodes.append(full)
    assert world.run_until(lambda: complete(nodes), limit=30_000)
    joiner = SimNode(world, replace(CONFIG, bootstraps=(full.url,)), [TOPIC])
    joiner.start()
    nodes.append(joiner)
    assert world.run_until(lambda: complete(nodes), limit=30_000)
    first = next(line for _, line in joiner.log if line.startswith("up"))
    assert full.peer.hex()[:8] not in first


@pytest.mark.slow
def test_a_pinned_bootstrap_with_another_id_is_not_joined() -> None:
    world = World(22)
    host = SimNode(world, CONFIG, [TOPIC])
    pinned = host.url.replace("ws://", f"ws://{'ab' * 32}@")
    joiner = SimNode(world, replace(CONFIG, bootstraps=(pinned,)), [TOPIC])
    host.start()
    joiner.start()
    world.run_for(10_000)
    assert not joiner.mesh.neighbours()


@pytest.mark.slow
def test_both_sides_of_a_partition_meet_again() -> None:
    world, nodes = network(6, seed=23)
    assert world.run_until(lambda: complete(nodes), limit=20_000)
    world.run_for(10_000)
    left = nodes[:3]
    world.partition({node.index for node in left})
    world.run_for(40_000)
    assert all(one.peer in {node.peer for node in left} for node in left for one in node.mesh.neighbours())
    world.partition(set())
    assert world.run_until(lambda: complete(nodes), limit=180_000, step=2_000)


@pytest.mark.slow
def test_a_silent_neighbour_is_dropped_and_a_restarted_one_taken_back() -> None:
    world, nodes = network(4, seed=24)
    assert world.run_until(lambda: complete(nodes), limit=15_000)
    world.run_for(5_000)
    nodes[3].crash()
    assert world.run_until(
        lambda: all(one.peer != nodes[3].peer for node in nodes[:3] for one in node.mesh.neighbours()), limit=17_000
    )
    nodes[3].start()
    assert world.run_until(lambda: complete(nodes), limit=60_000)


def test_letters_of_keys_that_are_no_peers_fill_no_table_of_strikes() -> None:
    world, nodes = network(2)
    assert world.run_until(lambda: complete(nodes), limit=15_000)
    interpreter, guard, back = nodes[0].mesh._interpreter, nodes[0].mesh._parts.guard, (nodes[1].peer,)
    for number in range(20):
        for turn in range(10):
            junk = bytes((number, turn))
            interpreter.carry_out([Delivered(PeerId(bytes([number]) * 32), junk, back)], world.now)
    assert (guard.statistics().strikes, guard.bans(world.now)) == (0, [])
    interpreter.carry_out([Delivered(nodes[1].peer, b"junk", back)], world.now)
    assert guard.statistics().strikes == 1


def test_ticks_that_come_late_do_what_is_due() -> None:
    world, nodes = network(2)
    assert world.run_until(lambda: complete(nodes), limit=15_000)
    mesh, now = nodes[0].mesh, world.now
    for _ in range(300):
        now = Millis(max(now, mesh.deadline() or now) + 7)
        mesh.tick(now)
        mesh.tick(now)  # the end of a link has the slots looked at once more
        due = mesh.deadline()
        assert due is not None
        assert due > now, "a driver would call again and again for nothing"
