"""Five whole network stacks in one process, every link over aiortc on loopback: they form a mesh, and mend it."""

import asyncio
import logging
import secrets
import time
from collections.abc import Iterator
from itertools import combinations
from random import Random

import pytest

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.app.topics import TopicSpec
from net.core.config import MeshConfig
from net.core.effects import LinkDown, LinkKind, LinkUp, Priority, Requested, Responded, Validate, Verdict
from net.core.identity.identity import create_identity
from net.core.mesh import Mesh
from net.core.overlay.link import Signalled
from net.transport.driver import Driver, DriverSettings
from net.transport.ports import AppEffect
from tests.helpers.processes import free_port
from tests.helpers.transport import LOOPBACK, until

NODES = 5
DIFFICULTY = 16
NETWORK = bytes(range(32))
TOPIC = TopicSpec(7, "test", 1000, Priority.TRANSACTION)


class Archive:
    """Map records in a dictionary."""

    def __init__(self) -> None:
        self.records: dict[PeerId, bytes] = {}

    def put(self, origin: PeerId, record: bytes) -> None:
        self.records[origin] = record

    def get(self, origin: PeerId) -> bytes | None:
        return self.records.get(origin)

    def delete(self, origin: PeerId) -> None:
        self.records.pop(origin, None)

    def items(self) -> Iterator[tuple[PeerId, bytes]]:
        yield from sorted(self.records.items())


class Stack:
    """One node's network: identity, mesh, driver, and an application that keeps what it is told."""

    def __init__(self, bootstraps: tuple[str, ...]) -> None:
        self._began = time.time() - time.monotonic()
        identity = create_identity(secrets.token_bytes, self.clock(), DIFFICULTY)
        self.peer = identity.peer
        port = free_port()
        self.url = f"ws://127.0.0.1:{port}"
        config = MeshConfig(
            network_id=NETWORK,
            id_difficulty=DIFFICULTY,
            rendezvous_url=self.url,
            bootstraps=bootstraps,
            trust_own_clock=True,
        )
        self.blobs: dict[str, bytes] = {}
        self.mesh = Mesh(
            config,
            identity,
            [TOPIC],
            rng=Random(secrets.randbits(64)),
            entropy=secrets.token_bytes,
            archive=Archive(),
            blobs={},
        )
        settings = DriverSettings(LOOPBACK, rendezvous=("127.0.0.1", port))
        self.driver = Driver(self.mesh, self, self, settings, self.clock)
        self.effects: list[AppEffect] = []

    def clock(self) -> Millis:
        return Millis(int((self._began + time.monotonic()) * 1000))

    def put(self, name: str, blob: bytes) -> None:
        self.blobs[name] = blob

    def handle(self, effect: AppEffect, now: Millis) -> None:
        self.effects.append(effect)
        if isinstance(effect, Validate):
            self.driver.verdict(effect.key, Verdict.ACCEPT)
        elif isinstance(effect, Requested):
            self.driver.respond(effect.request, effect.payload[::-1])

    def listed(self) -> set[PeerId]:
        """The peers to which a listed link is up."""
        return {n.peer for n in self.driver.neighbours() if n.kind is LinkKind.LISTED}


class Network:
    """The stacks, started one after the other, each knowing only the first one's URL."""

    async def __aenter__(self) -> "Network":
        self.stacks: list[Stack] = []
        for _ in range(NODES):
            stack = Stack((self.stacks[0].url,) if self.stacks else ())
            self.stacks.append(stack)
            await stack.driver.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        for stack in self.stacks:
            await asyncio.wait_for(stack.driver.close(), 3.0)

    def healthy(self) -> None:
        """Raise what failed in any driver."""
        for stack in self.stacks:
            if stack.driver._tasks.error is not None:
                raise stack.driver._tasks.error

    def truth(self) -> set[frozenset[PeerId]]:
        """Pairs that both have a listed link up."""
        pairs = combinations(self.stacks, 2)
        return {frozenset((a.peer, b.peer)) for a, b in pairs if b.peer in a.listed() and a.peer in b.listed()}

    def meshed(self) -> bool:
        """Whether every pair is linked, nobody has another link, and every map shows exactly that."""
        self.healthy()
        everyone = NODES * (NODES - 1) // 2
        return len(self.truth()) == everyone and all(
            self.mapped(stack) == self.truth() and len(stack.driver.neighbours()) == NODES - 1 for stack in self.stacks
        )

    def mapped(self, stack: Stack) -> set[frozenset[PeerId]]:
        """Pairs that are linked by the map of one stack."""
        view = stack.driver.view()
        peers = [other.peer for other in self.stacks]
        return {frozenset((a, b)) for a, b in combinations(peers, 2) if view.linked(a, b)}


@pytest.mark.slow
@pytest.mark.timeout(110)
async def test_five_nodes_form_a_mesh_and_mend_it_without_a_rendezvous(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    async with Network() as network:
        await until(network.meshed, 60)
        joiners = network.stacks[1:]

        # Each joiner asked the rendezvous for one link; all links that are up now were signalled over the mesh.
        for stack in network.stacks:
            statistics = stack.driver.statistics()
            assert statistics.mesh.links_rendezvous_own == (1 if stack in joiners else 0)
            assert {n.address for n in stack.driver.neighbours()} == {"127.0.0.1"}
        signalled = [n.signalled for stack in network.stacks for n in stack.driver.neighbours()]
        assert signalled.count(Signalled.RENDEZVOUS) <= 2 * len(joiners)
        hosted = sum(stack.driver.statistics().mesh.links_rendezvous for stack in network.stacks)
        assert hosted == 2 * len(joiners), "each such link is counted once at each end"

        # What is published reaches all once; a request is answered.
        network.stacks[3].driver.publish(TOPIC.number, b"to all")
        others = [stack for stack in network.stacks if stack is not network.stacks[3]]
        await until(lambda: all(any(isinstance(e, Validate) for e in stack.effects) for stack in others))
        assert all(sum(isinstance(e, Validate) for e in stack.effects) == 1 for stack in others)
        number = network.stacks[1].driver.request(network.stacks[4].peer, TOPIC.number, b"abc")
        answer = Responded(number, TOPIC.number, network.stacks[4].peer, b"cba")
        await until(lambda: answer in network.stacks[1].effects)

        # With every rendezvous closed, two nodes that lose their link find each other again over the mesh.
        for stack in network.stacks:
            await stack.driver.close_listeners()
        one, other = network.stacks[1], network.stacks[2]
        relayed = one.driver.statistics().mesh.links_relayed
        (number_of_link,) = [n.link for n in one.driver.neighbours() if n.peer == other.peer]
        attempt = one.driver._links._attempts[number_of_link]
        attempt.ended("lost: pulled by the test")
        await until(lambda: other.peer not in one.listed() and one.peer not in other.listed())
        await until(network.meshed, 60)
        assert one.driver.statistics().mesh.links_relayed == relayed + 1
        ups = [e for e in one.effects if isinstance(e, LinkUp | LinkDown) and e.peer == other.peer]
        assert isinstance(ups[-2], LinkDown)
        assert isinstance(ups[-1], LinkUp)
        assert not network.stacks[1].driver.statistics().rendezvous
    assert [record.getMessage() for record in caplog.records] == []
