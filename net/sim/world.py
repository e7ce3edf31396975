"""The virtual-time world: one queue of events, wires with latency, uplink and loss, rendezvous by URL."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from heapq import heappop, heappush
from random import Random
from struct import Struct
from typing import TYPE_CHECKING

from chain.primitives.units import Millis
from net.core.config import Reachability
from net.core.effects import CallId, LinkId, LinkTransport, Role
from net.sim.geography import latency
from net.sim.shared import Pool, SharedChecks, SharedSurveys

if TYPE_CHECKING:
    from net.sim.node import SimNode

EPOCH = Millis(1_750_000_000_000)
"""Virtual time begins here, ms since the Unix epoch: ids and records carry plausible times."""

RETRANSMIT = Millis(1_000)
"""What a lost packet costs: the SCTP stack's smallest RTO (DESIGN section 3.4)."""

_HEAD = Struct(">QIII").pack
"""What the digest takes of a frame before its bytes: moment, sender, receiver, length."""

DIAL_GIVES_UP = Millis(15_000)
"""When a dial that cannot succeed is reported as failed."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the wires are like."""

    loss: float = 0.0
    """Share of frames that are lost once and repeated."""
    dial_failures: float = 0.0
    """Share of dials that never open."""
    hard: float = 0.0
    """Share of the nodes that only meet public ones; the first node, a bootstrap, is always public."""
    punchable: float = 0.0
    """Share of the nodes that meet public and punchable ones. The others are public."""
    uplink_low: int = 1_250
    uplink_high: int = 12_500
    """Bytes a millisecond a node can send: 10 to 100 Mbit/s, drawn per node."""
    sdp_low: Millis = Millis(20)
    sdp_high: Millis = Millis(80)
    """Time to gather candidates and make an offer or answer."""
    id_difficulty: int = 1


@dataclass(slots=True)
class End:
    """One side of a wire."""

    node: "SimNode"
    link: LinkId
    last_arrival: float = 0.0
    """Frames of one link arrive in order."""
    closed: bool = False
    trip: float = 0.0
    """One-way delay of the wire in ms without jitter."""
    wire: int = -1
    """The wire's number."""


@dataclass(slots=True)
class Wire:
    """One link between two nodes, from the first offer on."""

    offerer: End
    answerer: End | None = None


def meet(left: Reachability, right: Reachability) -> bool:
    """Tell whether a link between two nodes can open at all (DESIGN section 3.4)."""
    return Reachability.PUBLIC in (left, right) or left is right is Reachability.PUNCHABLE


_Event = tuple[float, int, Callable[..., None], tuple[object, ...]]
"""Moment, number, and what to call with what: no closures, so that a world can be written to a file."""


class World:
    """See the module. Everything random comes from `seed`; nothing is read from outside."""

    def __init__(self, seed: int, conditions: Conditions | None = None) -> None:
        self.conditions = conditions or Conditions()
        self.seed = seed
        self.rng = Random(f"world/{seed}")
        self.now = EPOCH
        self.nodes: list[SimNode] = []
        self.pool = Pool()
        self.checks = SharedChecks(self.conditions.id_difficulty)
        self.surveys = SharedSurveys()
        self.delivered = 0
        """Frames that arrived."""
        self.bytes_delivered = 0
        self._digest = blake2b(digest_size=32)
        self._queue: list[_Event] = []
        self._count = 0
        self.wires: list[Wire] = []
        """All there ever were, by number."""
        self._island: frozenset[int] = frozenset()
        self._calls: dict[CallId, tuple[SimNode, CallId, SimNode]] = {}
        self._next_call = -1
        self.hosts: dict[str, SimNode] = {}
        """Rendezvous by URL; take an entry out to close the listener."""
        self.story: object | None = None
        """What tells the story this world is in the middle of: it is kept with the world."""
        self.population: object | None = None
        """What lets peers leave and others come, kept like the story."""

    @property
    def digest(self) -> bytes:
        """Hash of all frames delivered so far, with their times and ends: equal for equal seeds."""
        return self._digest.digest()

    def shared(self) -> dict[str, object]:
        """Return what all nodes hold in common, by name."""
        return {"world": self, "checks": self.checks, "surveys": self.surveys, "pool": self.pool}

    def rest(self) -> dict[str, object]:
        """Forget what was remembered, and return what makes up the world beside its nodes, wires and records."""
        self.checks.forget()
        rested = self._digest.digest()
        self._digest = blake2b(rested, digest_size=32)
        apart = {"_digest", "nodes", "wires", *self.shared()}
        return {"rested": rested} | {name: value for name, value in self.__dict__.items() if name not in apart}

    def wake(self, rested: bytes, fields: dict[str, object], nodes: "list[SimNode]", wires: list[Wire]) -> None:
        """Go on as the world whose `rest` gave these fields."""
        self.__dict__.update(fields)
        self.checks.reset(self.conditions.id_difficulty)
        self.nodes, self.wires = nodes, wires
        self._digest = blake2b(rested, digest_size=32)

    def at(self, moment: float, action: Callable[..., None], *arguments: object) -> None:
        """Call something at a moment; what is due at the same moment happens in the order of these calls."""
        self._count += 1
        heappush(self._queue, (max(moment, float(self.now)), self._count, action, arguments))

    def run(self, until: Millis) -> None:
        """Let virtual time pass."""
        queue = self._queue
        while queue and queue[0][0] <= until:
            moment, _, action, arguments = heappop(queue)
            if moment >= self.now:
                self.now = Millis(int(moment))
            action(*arguments)
        self.now = until

    def run_for(self, duration: int) -> None:
        """Let `duration` ms of virtual time pass."""
        self.run(Millis(self.now + duration))

    def run_until(self, condition: Callable[[], bool], *, limit: int, step: int = 250) -> bool:
        """Let time pass in steps until the condition holds or `limit` ms are over; tell whether it holds."""
        end = self.now + limit
        while not condition():
            if self.now >= end:
                return False
            self.run_for(step)
        return True

    def delay(self, left: "SimNode", right: "SimNode") -> float:
        """Return the one-way delay between two nodes with a little jitter."""
        return latency(left.place, right.place) * self.rng.uniform(1.0, 1.1)

    def reach_of(self, index: int) -> Reachability:
        """Return who can open links to a node: drawn for each by itself, so that the shares change nothing else."""
        drawn = Random(f"reach/{self.seed}/{index}").random()
        if index == 0 or drawn >= self.conditions.hard + self.conditions.punchable:
            return Reachability.PUBLIC
        return Reachability.HARD if drawn < self.conditions.hard else Reachability.PUNCHABLE

    def sdp_delay(self) -> float:
        """Return how long making an offer or answer takes."""
        return self.rng.uniform(self.conditions.sdp_low, self.conditions.sdp_high)

    def partition(self, island: set[int]) -> None:
        """Cut the nodes with these indexes off from the others, frames on their way included; an empty set heals."""
        self._island = frozenset(island)

    def _apart(self, left: "SimNode", right: "SimNode") -> bool:
        return (left.index in self._island) != (right.index in self._island)

    # --- wires -----------------------------------------------------------------------------------------------------

    def offer(self, node: "SimNode", link: LinkId) -> bytes:
        """Begin a wire; return the blob that stands for its SDP."""
        self.wires.append(Wire(End(node, link, wire=len(self.wires))))
        return b"v=0 offer %d " % (len(self.wires) - 1) + bytes(600)

    def answer(self, node: "SimNode", link: LinkId, offer: bytes) -> bytes | None:
        """Join the wire of an offer; None when the blob is no offer of this world."""
        wire = self._wire(offer, b"offer")
        if wire is None or wire.answerer is not None:
            return None
        wire.answerer = End(node, link, wire=wire.offerer.wire)
        return offer.replace(b"offer", b"answer", 1)

    def _wire(self, blob: bytes, kind: bytes) -> Wire | None:
        words = blob.split(b" ", 3)
        if len(words) < 3 or words[1] != kind or not words[2].isdigit() or int(words[2]) >= len(self.wires):
            return None
        return self.wires[int(words[2])]

    def connect(self, node: "SimNode", link: LinkId, answer: bytes) -> None:
        """Apply an answer: the wire opens after ICE and DTLS, or never."""
        wire = self._wire(answer, b"answer")
        if wire is None or wire.answerer is None or wire.offerer.node is not node or wire.offerer.link != link:
            return
        offerer, answerer = wire.offerer, wire.answerer
        met = meet(node.reach, answerer.node.reach) and not self._apart(node, answerer.node)
        if self.rng.random() < self.conditions.dial_failures or not met:
            for end in (offerer, answerer):
                self.at(self.now + DIAL_GIVES_UP, self._drop, end, "ICE failed")
            return
        trip = self.delay(node, answerer.node)
        self.at(self.now + 5 * trip + self.rng.uniform(20, 60), self._open, offerer, answerer)

    def _drop(self, end: End, reason: str) -> None:
        if not end.closed:
            end.closed = True
            end.node.link_closed(end.link, reason)

    def _open(self, offerer: End, answerer: End) -> None:
        if offerer.closed or answerer.closed or not offerer.node.running or not answerer.node.running:
            return
        offerer.trip = answerer.trip = latency(offerer.node.place, answerer.node.place)
        offerer.node.wires[offerer.link] = (offerer, answerer)
        answerer.node.wires[answerer.link] = (answerer, offerer)
        for end, other, role in ((offerer, answerer, Role.OFFERER), (answerer, offerer, Role.ANSWERER)):
            end.node.link_opened(
                end.link, LinkTransport(role, end.node.fingerprint, other.node.fingerprint, other.node.address)
            )

    def send(self, near: End, far: End, frame: bytes) -> None:
        """Carry a frame: it waits for the sender's uplink, travels, and arrives after those before it."""
        node, now = near.node, self.now
        free = node.uplink_free
        node.uplink_free = free = (free if free > now else now) + len(frame) / node.uplink
        arrival = free + near.trip * (1.0 + 0.1 * self.rng.random())
        if self.conditions.loss and self.rng.random() < self.conditions.loss:
            arrival += RETRANSMIT
        far.last_arrival = arrival = max(arrival, far.last_arrival)
        self._count += 1
        heappush(self._queue, (arrival, self._count, self._arrive, (near, far, frame)))

    def _arrive(self, near: End, far: End, frame: bytes) -> None:
        node = far.node
        if far.closed or not node.running or (self._island and self._apart(near.node, node)):
            return
        self.delivered += 1
        self.bytes_delivered += len(frame)
        self._digest.update(_HEAD(self.now, near.node.index, node.index, len(frame)) + frame)
        node.receive(far.link, frame)

    def close(self, near: End, far: End) -> None:
        """End a wire from one side; the other side hears of it after the frames before it."""
        near.closed = True
        arrival = max(far.last_arrival, self.now + self.delay(near.node, far.node))
        self.at(arrival, self._drop, far, "closed by the other side")

    def datagram(self, node: "SimNode", address: str, port: int, nonce: bytes) -> None:
        """Carry a lone datagram to whoever is at an address."""
        far = next((one for one in self.nodes if one.address == address), None)
        if far is not None and not self._apart(node, far):
            self.at(self.now + self.delay(node, far), far.datagram, port, nonce)

    # --- rendezvous ------------------------------------------------------------------------------------------------

    def call(self, node: "SimNode", call: CallId, url: str, request: bytes) -> None:
        """Carry a rendezvous call to the host behind the URL."""
        host = self.hosts.get(url)
        if host is None or not host.running or self._apart(node, host):
            self.at(self.now + 200, node.rendezvous_failed, call, "connection refused")
            return
        taken = CallId(self._next_call)
        self._next_call -= 1
        self._calls[taken] = (node, call, host)
        self.at(self.now + 2 * self.delay(node, host), host.rendezvous_asked, taken, request, node.address)

    def reply(self, taken: CallId, reply: bytes) -> None:
        """Carry a rendezvous' answer back."""
        node, call, host = self._calls.pop(taken)
        self.at(self.now + self.delay(host, node), node.rendezvous_answered, call, reply)
