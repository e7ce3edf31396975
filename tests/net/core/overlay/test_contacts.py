"""First contacts that lie about who they are, and those that they introduce: how many are remembered and believed."""

from dataclasses import replace
from random import Random

import pytest

from chain.primitives.keys import schnorr_sign
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.clock.mesh_clock import AGREE
from net.core.effects import CallId, LinkKind
from net.core.identity.identity import create_identity
from net.core.overlay.link import Link, Signalled, Stage
from net.core.overlay.words import Greeted
from net.core.wire.control import encode_urls
from net.core.wire.frame import FrameKind
from net.core.wire.rendezvous import Reply, encode_reply, reply_digest
from net.sim.node import SimNode
from net.sim.world import World
from tests.net.core.overlay.test_first_contact import CONFIG, TOPIC


class Masked(World):
    """A world whose one rendezvous answers each call under another name, and never opens a link."""

    answers = 0

    def call(self, node: SimNode, call: CallId, url: str, request: bytes) -> None:
        self.answers += 1
        host = create_identity(Random(self.answers).randbytes, self.now, 1)
        digest = reply_digest(request, host.peer, host.peer, b"answer", None)
        signature = schnorr_sign(host.key, digest, bytes(32))
        reply = encode_reply(Reply(host.peer, host.peer, b"answer", None, signature))
        self.at(self.now + 50, node.rendezvous_answered, call, reply)

    def connect(self, node: SimNode, link: object, answer: bytes) -> None:
        """Let the dial go on for ever."""


@pytest.mark.parametrize("trusting", [True, False])
def test_a_rendezvous_with_many_names_leaves_few_behind(trusting: bool) -> None:
    world = Masked(3)
    config = replace(CONFIG, trust_own_clock=trusting, bootstraps=("ws://192.0.2.1:1",))
    joiner = SimNode(world, config, [TOPIC])
    joiner.start()
    contacts = set()
    for _ in range(600):
        world.run_for(1_000)
        contacts |= {link.contact for link in joiner.mesh._parts.overlay.links.setups() if link.contact is not None}
    assert world.answers > 8
    assert len(joiner.mesh._parts.upkeep._contacts) <= 2
    assert len(contacts) == 1, "one address is one first contact, whatever it calls itself"


HOURS = Millis(6 * 3_600_000)
"""Behind the true time: within the life of records, so that a joiner takes those of liars onto its map."""


def liars(world: World, count: int, behind: Millis) -> list[SimNode]:
    """Start a network of nodes whose clocks lie all by as much."""
    nodes: list[SimNode] = []
    for _ in range(count):
        node = SimNode(world, replace(CONFIG, bootstraps=tuple(one.url for one in nodes[:1])), [TOPIC])
        node.mesh._parts.clock._offset = -float(behind)
        node.start()
        nodes.append(node)
        world.run_for(2_000)
    world.run_for(10_000)
    return nodes


def wrong(world: World, node: SimNode) -> int:
    return abs(node.mesh.mesh_time(world.now) - world.now)


@pytest.mark.slow
def test_those_whom_one_first_contact_introduces_do_not_set_the_clock() -> None:
    world = World(31)
    false = liars(world, 5, HOURS)
    joiner = SimNode(world, replace(CONFIG, trust_own_clock=False, bootstraps=(false[0].url,)), [TOPIC])
    joiner.start()
    for _ in range(60):
        world.run_for(2_000)
        assert wrong(world, joiner) <= AGREE
    assert not joiner.mesh.statistics().clock.agreed


@pytest.mark.slow
def test_strangers_that_call_an_unsure_node_do_not_set_its_clock() -> None:
    world = World(32)
    waiting = SimNode(world, replace(CONFIG, trust_own_clock=False), [TOPIC])
    waiting.start()
    for _ in range(4):
        caller = SimNode(world, replace(CONFIG, bootstraps=(waiting.url,)), [TOPIC])
        caller.mesh._parts.clock._offset = -20 * 365 * 24 * 3_600_000.0
        caller.start()
        world.run_for(3_000)
        assert wrong(world, waiting) <= AGREE
    assert not waiting.mesh.statistics().clock.agreed


@pytest.mark.slow
def test_a_restarted_node_heeds_those_it_knew_though_they_opened_the_link() -> None:
    world = World(33)
    nodes = liars(world, 3, Millis(0))
    again, known, stranger = nodes[1], nodes[2].peer, PeerId(b"x" * 32)
    again.crash()
    again.config = replace(again.config, trust_own_clock=False)
    again.crash()
    again.mesh.start(world.now)
    interpreter, clock = again.mesh._interpreter, again.mesh._parts.clock
    for peer, heeded in ((stranger, 0), (known, 1)):
        interpreter.carry_out([Greeted(peer, peer, world.now)], world.now)
        assert clock.statistics().sources == heeded
    clock._agreed = True
    again.mesh.tick(Millis(world.now + 60_000))
    assert not interpreter.acquainted, "it is asked about no more"
    interpreter.carry_out([Greeted(stranger, stranger, world.now)], world.now)
    assert clock.statistics().sources == 2


@pytest.mark.slow
def test_strangers_that_come_and_go_push_no_neighbours_out_of_the_anchors() -> None:
    """Their ids and the hosts that they name cost nothing; a neighbour tells its address once, when a link comes up."""
    world = World(34)
    config = replace(CONFIG, anchors=6)
    victim = SimNode(world, config, [TOPIC])
    victim.start()
    neighbours = [SimNode(world, replace(config, bootstraps=(victim.url,)), [TOPIC]) for _ in range(4)]
    for node in neighbours:
        node.start()
        world.run_for(3_000)
    world.run_for(300_000)
    overlay = victim.mesh._parts.overlay
    assert {link.peer for link in overlay.links.listed()} == {node.peer for node in neighbours}
    strangers = [PeerId(bytes((200 + number,)) * 32) for number in range(20)]
    for wait in (0, 90_000, 90_000):
        world.run_for(wait)
        for number, stranger in enumerate(strangers):
            link = Link(
                overlay.links.number(),
                LinkKind.GUEST,
                outbound=False,
                peer=stranger,
                signalled=Signalled.RENDEZVOUS,
                stage=Stage.UP,
                started=world.now,
                deadline=world.now,
            )
            overlay.frame(link, FrameKind.URLS, encode_urls((f"wss://z{number}.example:1",)), world.now)
    known = {anchor.peer for anchor in overlay.anchors._by_url.values()}
    assert {node.peer for node in neighbours} <= known
    victim.drop_link(neighbours[0].peer)
    anchor = next(one for one in overlay.anchors._by_url.values() if one.peer == neighbours[0].peer)
    assert anchor.last_seen >= world.now - 20_000, "when it was last a neighbour"
