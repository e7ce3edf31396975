"""Whole network stacks in one process: identity, mesh, driver, every link over aiortc on loopback."""

import asyncio
import secrets
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from random import Random

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.app.topics import TopicSpec
from net.core.config import MeshConfig
from net.core.effects import LinkKind, Priority, Requested, Validate, Verdict
from net.core.identity.identity import create_identity
from net.core.mesh import Mesh
from net.transport.driver import Driver, DriverSettings
from net.transport.ports import AppEffect
from tests.helpers.processes import free_port
from tests.helpers.transport import LOOPBACK

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
    """One node's network, and an application that keeps what it is told."""

    def __init__(self, bootstraps: tuple[str, ...], patience: Millis | None = None) -> None:
        """`patience` replaces the time-outs of links: many stacks in one loop hold each other up."""
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
        if patience is not None:
            config = replace(config, dead=patience, setup_timeout=patience)
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
        ports = DriverSettings(LOOPBACK, rendezvous=("127.0.0.1", port))
        self.driver = Driver(self.mesh, self, self, ports, self.clock)
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

    def __init__(self, nodes: int) -> None:
        self._nodes = nodes
        self.stacks: list[Stack] = []

    async def __aenter__(self) -> "Network":
        for _ in range(self._nodes):
            await self.add()
        return self

    async def add(self, patience: Millis | None = None) -> Stack:
        """Start one more stack."""
        stack = Stack((self.stacks[0].url,) if self.stacks else (), patience)
        self.stacks.append(stack)
        await stack.driver.start()
        return stack

    async def __aexit__(self, *_: object) -> None:
        for stack in self.stacks:
            await asyncio.wait_for(stack.driver.close(), 10.0)

    def healthy(self) -> None:
        """Raise what failed in any driver."""
        for stack in self.stacks:
            if stack.driver._tasks.error is not None:
                raise stack.driver._tasks.error

    def truth(self) -> set[frozenset[PeerId]]:
        """Pairs that both have a listed link up."""
        listed = {stack.peer: stack.listed() for stack in self.stacks}
        return {frozenset((a, b)) for a, others in listed.items() for b in others if a in listed.get(b, ())}

    def mapped(self, stack: Stack) -> set[frozenset[PeerId]]:
        """Pairs that are linked by the map of one stack."""
        view = stack.driver.view()
        peers = [other.peer for other in self.stacks]
        return {frozenset((a, b)) for a, b in combinations(peers, 2) if view.linked(a, b)}
