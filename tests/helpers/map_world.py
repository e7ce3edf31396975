"""A little world of gossip machines in virtual time: links with delay and loss, no overlay. For tests of the map."""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from random import Random

from chain.primitives.hashing import blake2b_256
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.identity.identity import Identity, create_identity
from net.core.identity.proof import proof_valid
from net.core.identity.records import sign_record
from net.core.map.checks import Checks
from net.core.map.effects import MapEffect
from net.core.map.gossip import KINDS, Gossip
from net.core.map.loading import reread_from
from net.core.map.own import OwnLink
from net.core.map.peer_map import PeerMap
from net.core.map.reconcile import Reconciler
from net.core.wire.frame import ToPeer
from net.core.wire.record import Direction, Flags, Link, Record, decode_record, signature_valid

START = Millis(1_800_000_000_000)
"""Beginning of virtual time."""

NETWORK = blake2b_256(b"a network for tests")

DIFFICULTY = 2


@lru_cache(maxsize=4096)
def identity(number: int) -> Identity:
    """Return the identity of a test peer."""
    rng = Random(f"identity {number}")
    return create_identity(rng.randbytes, START, DIFFICULTY)


def record(
    who: Identity,
    links: dict[PeerId, Direction] | None = None,
    *,
    seq: int = START,
    born: int = START,
    flags: Flags = Flags.PUBLIC,
    uplink: int = 3,
    tags: tuple[int, int, int] = (0, 0, 0),
) -> Record:
    """Return a signed record of a test peer."""
    entries = sorted((links or {}).items())
    unsigned = Record(
        network=NETWORK,
        peer=who.peer,
        born=Millis(born),
        seq=Millis(seq),
        nonce=who.proof.nonce,
        epoch=who.proof.epoch,
        flags=flags,
        uplink=uplink,
        tags=tags,
        links=tuple(Link(peer[:12], direction, 9) for peer, direction in entries),
        signature=bytes(64),
    )
    return sign_record(who, unsigned, bytes(32))


class MemoryArchive:
    """A `RecordArchive` in a dictionary."""

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


def remembering_checks() -> Checks:
    """Return real checks that answer each question once."""
    decode = lru_cache(maxsize=1 << 16)(decode_record)
    signature = lru_cache(maxsize=1 << 16)(signature_valid)

    @lru_cache(maxsize=1 << 16)
    def proof(peer: PeerId, nonce: int, epoch: int) -> bool:
        return proof_valid(peer, nonce, epoch, DIFFICULTY)

    return Checks(decode=decode, signature=signature, proof=proof)


class Node:
    """One peer's machines."""

    def __init__(self, who: Identity, checks: Checks, *, joining: bool = True, stored: bytes = b"") -> None:
        rng = Random(f"node {who.peer.hex()}")
        self.peer = who.peer
        self.archive = MemoryArchive()
        self.map = PeerMap(rng.randbytes(8), reread_from(self.archive, checks.decode))
        self.gossip = Gossip(
            NETWORK, who, self.map, self.archive, checks, rng=rng, entropy=rng.randbytes, stored=stored
        )
        self.reconciler = Reconciler(self.gossip, rng=rng, entropy=rng.randbytes, joining=joining)
        self.links: dict[PeerId, OwnLink] = {}
        self.effects: list[MapEffect] = []
        """Everything returned that is no frame."""

    def deadline(self) -> Millis | None:
        times = (self.gossip.deadline(), self.reconciler.deadline())
        return min((at for at in times if at is not None), default=None)


@dataclass
class World:
    """Nodes, links and frames on their way."""

    seed: int = 0
    loss: float = 0.0
    now: Millis = START
    nodes: dict[PeerId, Node] = field(default_factory=dict)
    checks: Checks = field(default_factory=remembering_checks)
    frames: int = 0
    bytes: int = 0
    by_kind: dict[str, list[int]] = field(default_factory=dict)
    drop: Callable[[PeerId, ToPeer], bool] = lambda _sender, _frame: False

    def __post_init__(self) -> None:
        self.rng = Random(self.seed)
        self._queue: list[tuple[Millis, int, Callable[[], None]]] = []
        self._count = 0

    def add(self, number: int, *, joining: bool = True) -> Node:
        """Add a peer that may sign at once."""
        node = Node(identity(number), self.checks, joining=joining)
        self.nodes[node.peer] = node
        node.gossip.start(self.now)
        node.gossip.allow_signing(self.now)
        node.gossip.own_facts_changed(Flags.PUBLIC, 3, (1, 2, 3), self.now)
        return node

    def link(self, origin: Node, target: Node) -> None:
        """Join two peers by a listed link that `origin` chose."""
        origin.links[target.peer] = OwnLink(Direction.OUT, 9)
        target.links[origin.peer] = OwnLink(Direction.IN, 9)
        for one, other in ((origin, target), (target, origin)):
            self._do(one, one.gossip.link_up(other.peer, self.now))
            self._do(one, one.reconciler.link_up(other.peer, self.now))
            one.gossip.own_links_changed(one.links, self.now)

    def unlink(self, one: Node, other: Node) -> None:
        """End a link on both ends."""
        for here, there in ((one, other), (other, one)):
            here.links.pop(there.peer, None)
            here.gossip.link_down(there.peer, self.now)
            self._do(here, here.reconciler.link_down(there.peer, self.now))
            here.gossip.own_links_changed(here.links, self.now)

    def crash(self, node: Node) -> None:
        """Take a peer away without a word."""
        for peer in list(node.links):
            self.unlink(node, self.nodes[peer])
        del self.nodes[node.peer]

    def _do(self, node: Node, effects: list[MapEffect]) -> None:
        for effect in effects:
            if not isinstance(effect, ToPeer):
                node.effects.append(effect)
                continue
            if self.drop(node.peer, effect) or self.rng.random() < self.loss:
                continue
            self._count += 1
            delay = 20 + self.rng.randrange(80)
            heapq.heappush(self._queue, (Millis(self.now + delay), self._count, self._delivery(node.peer, effect)))

    def _delivery(self, sender: PeerId, frame: ToPeer) -> Callable[[], None]:
        def deliver() -> None:
            node = self.nodes.get(frame.peer)
            if node is None or sender not in node.links:
                return
            self.frames += 1
            self.bytes += len(frame.body) + 1
            kind = self.by_kind.setdefault(frame.kind.name, [0, 0])
            kind[0] += 1
            kind[1] += len(frame.body) + 1
            machine = node.gossip if frame.kind in KINDS else node.reconciler
            self._do(node, machine.receive(sender, frame.kind, frame.body, self.now))

        return deliver

    def run(self, milliseconds: int, every: int = 50) -> None:
        """Let time pass; machines are ticked in steps of `every` ms."""
        end = self.now + milliseconds
        while self.now < end:
            self.now = Millis(self.now + every)
            while self._queue and self._queue[0][0] <= self.now:
                heapq.heappop(self._queue)[2]()
            for node in list(self.nodes.values()):
                due = node.gossip.deadline()
                if due is not None and due <= self.now:
                    self._do(node, node.gossip.tick(self.now))
                due = node.reconciler.deadline()
                if due is not None and due <= self.now:
                    self._do(node, node.reconciler.tick(self.now))

    def truth(self) -> set[frozenset[PeerId]]:
        """Return the links that exist."""
        return {frozenset((node.peer, peer)) for node in self.nodes.values() for peer in node.links}

    def seen_by(self, node: Node) -> set[frozenset[PeerId]]:
        """Return the links that are confirmed on a node's map."""
        return {frozenset((peer, other)) for peer in node.map.ids() for other in node.map.confirmed_neighbours(peer)}


def random_world(peers: int, own: int = 4, seed: int = 0, loss: float = 0.0) -> World:
    """Return a world whose peers joined one after the other with `own` random own links each, before any time."""
    world = World(seed=seed, loss=loss)
    for number in range(peers):
        newcomer = world.add(number)
        others = [node for node in world.nodes.values() if node is not newcomer and len(node.links) < 20]
        for target in world.rng.sample(others, min(own, len(others))):
            world.link(newcomer, target)
        world.run(100)
    return world
