"""First contacts that lie about who they are: how many are remembered."""

from dataclasses import replace
from random import Random

import pytest

from chain.primitives.keys import schnorr_sign
from net.core.effects import CallId
from net.core.identity.identity import create_identity
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
