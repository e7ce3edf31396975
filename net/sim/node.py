"""The driver of one mesh in the virtual-time world."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import sha256
from random import Random

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.app.topics import TopicSpec
from net.core.config import MeshConfig, Reachability
from net.core.effects import (
    Alarm,
    ApplyAnswer,
    CallId,
    CallRendezvous,
    Close,
    CreateAnswer,
    CreateOffer,
    Effect,
    LinkDown,
    LinkId,
    LinkTransport,
    LinkUp,
    MapEvent,
    Paths,
    Persist,
    ProbeId,
    ProbePaths,
    ReplyRendezvous,
    Requested,
    RequestFailed,
    Responded,
    Send,
    SendProbe,
    SurveyMap,
    Validate,
    Verdict,
)
from net.core.health.survey import Survey
from net.core.identity.identity import Identity, create_identity
from net.core.map.own import OWN_BLOB, encode_stored
from net.core.mesh import Mesh
from net.core.wire.frame import FRAME_MAX
from net.sim.geography import random_place
from net.sim.shared import SharedArchive
from net.sim.world import End, World


class SimNode:
    """One node. Its application accepts every message and remembers when it came."""

    def __init__(
        self, world: World, config: MeshConfig, topics: Sequence[TopicSpec], *, born: Millis | None = None
    ) -> None:
        """`config` holds for all nodes; the own rendezvous URL is filled in here unless it is None or nobody could call
        it, and so is the reachability, as the world has it. `born` gives an id that is older than its node."""
        self.world = world
        self.index = len(world.nodes)
        world.nodes.append(self)
        self.rng = Random(f"node/{world.seed}/{self.index}")
        self.place = random_place(self.rng)
        self.uplink = self.rng.randint(world.conditions.uplink_low, world.conditions.uplink_high)
        self.uplink_free = 0.0
        self.address = f"10.{self.index >> 16 & 255}.{self.index >> 8 & 255}.{self.index & 255}"
        self.fingerprint = sha256(b"certificate %d" % self.index).digest()
        self.url = f"ws://{self.address}:6369"
        self.topics = topics
        self.reach = world.reach_of(self.index)
        callable_ = config.rendezvous_url is not None and self.reach is Reachability.PUBLIC
        reach = self.reach if config.reachability is not None else None
        self.config = replace(config, rendezvous_url=self.url if callable_ else None, reachability=reach)
        self._quiet: dict[int, ProbeId] = {}
        """Open quiet ports, and for which measurement."""
        self.identity: Identity = create_identity(self.rng.randbytes, world.now, world.conditions.id_difficulty)
        self.archive = SharedArchive(world.pool)
        self.blobs: dict[str, bytes] = {} if born is None else {OWN_BLOB: encode_stored(born, born)}
        self.wires: dict[LinkId, tuple[End, End]] = {}
        self.running = False
        self.arrived: dict[bytes, Millis] = {}
        """When each published payload was first handed to the application here."""
        self.log: list[tuple[Millis, str]] = []
        """What the operator would see, oldest first."""
        self.map_events = 0
        self.answer: Callable[[Requested], bytes | None] = _echo
        """What the application answers to a request; None refuses."""
        self.responses: list[Responded | RequestFailed] = []
        self.features: dict[PeerId, int] = {}
        """Features of each link that came up last, as the application is told."""
        self._wake_at: Millis | None = None
        self.mesh = self._make()

    @property
    def peer(self) -> PeerId:
        """The node's id."""
        return self.identity.peer

    def _make(self) -> Mesh:
        return Mesh(
            self.config,
            self.identity,
            self.topics,
            rng=self.rng,
            entropy=self.rng.randbytes,
            archive=self.archive,
            blobs=self.blobs,
            checks=self.world.checks.checks(),
        )

    # --- life ------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start, or start again with what was persisted."""
        if self.config.rendezvous_url is not None:
            self.world.hosts[self.url] = self
        self.running = True
        self._do(self.mesh.start(self.world.now))

    def stop(self) -> None:
        """Stop in an orderly way."""
        self._do(self.mesh.stop(self.world.now))
        self.crash()

    def crash(self) -> None:
        """Vanish without a word; a new mesh stands ready to `start` from what was persisted."""
        self.running = False
        self.world.hosts.pop(self.url, None)
        for near, far in self.wires.values():
            near.closed = True
            del far
        self.wires.clear()
        self._wake_at = None
        self.mesh = self._make()

    # --- what the world reports ------------------------------------------------------------------------------------

    def link_opened(self, link: LinkId, transport: LinkTransport) -> None:
        """See `Mesh.link_opened`."""
        self._do(self.mesh.link_opened(link, transport, self.world.now))

    def link_closed(self, link: LinkId, reason: str) -> None:
        """See `Mesh.link_closed`."""
        if self.running:
            self.wires.pop(link, None)
            self._do(self.mesh.link_closed(link, reason, self.world.now))

    def receive(self, link: LinkId, frame: bytes) -> None:
        """See `Mesh.receive`."""
        self._do(self.mesh.receive(link, frame, self.world.now))

    def rendezvous_asked(self, call: CallId, request: bytes, address: str) -> None:
        """See `Mesh.rendezvous_asked`."""
        if self.running:
            self._do(self.mesh.rendezvous_asked(call, request, address, self.world.now))

    def rendezvous_answered(self, call: CallId, reply: bytes) -> None:
        """See `Mesh.rendezvous_answered`."""
        if self.running:
            self._do(self.mesh.rendezvous_answered(call, reply, self.world.now))

    def rendezvous_failed(self, call: CallId, reason: str) -> None:
        """See `Mesh.rendezvous_failed`."""
        if self.running:
            self._do(self.mesh.rendezvous_failed(call, reason, self.world.now))

    # --- what a story makes it do ----------------------------------------------------------------------------------

    def publish(self, topic: int, payload: bytes) -> None:
        """Publish a message; it counts as arrived here."""
        self.arrived[payload] = self.world.now
        self._do(self.mesh.publish(topic, payload, self.world.now))

    def request(self, peer: PeerId, topic: int, payload: bytes) -> None:
        """Ask a neighbour; the outcome appears in `responses`."""
        self._do(self.mesh.request(peer, topic, payload, self.world.now)[1])

    def drop_link(self, peer: PeerId) -> None:
        """Tear the wire to a neighbour on both sides at once, as a network failure would."""
        for near, far in list(self.wires.values()):
            if far.node.peer == peer:
                near.closed = far.closed = True
                far.node.link_closed(far.link, "torn")
                self.link_closed(near.link, "torn")

    # --- effects ---------------------------------------------------------------------------------------------------

    def _do(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if type(effect) is Send:  # by far the most effects
                assert len(effect.frame) <= FRAME_MAX, "payloads are cut by the mesh"
                wire = self.wires.get(effect.link)
                if wire is not None:
                    self.world.send(wire[0], wire[1], effect.frame)
            elif type(effect) is MapEvent:
                self.map_events += 1
            else:
                self._carry_out(effect)
        self._plan()

    def _carry_out(self, effect: Effect) -> None:
        world = self.world
        match effect:
            case CreateOffer(link):
                world.at(world.now + world.sdp_delay(), self._offer, link)
            case CreateAnswer(link, offer):
                world.at(world.now + world.sdp_delay(), self._answer, link, offer)
            case ApplyAnswer(link, answer):
                world.connect(self, link, answer)
            case Close(link, _):
                wire = self.wires.pop(link, None)
                if wire is not None:
                    world.close(*wire)
            case CallRendezvous(call, url, request):
                world.call(self, call, url, request)
            case ReplyRendezvous(call, reply):
                world.reply(call, reply)
            case Persist(name, blob):
                self.blobs[name] = blob
            case Validate(_, key, payload, _):
                self.arrived.setdefault(payload, world.now)
                world.at(world.now + 1, self._judge, key)
            case Requested():
                self._requested(effect)
            case Responded() | RequestFailed():
                self.responses.append(effect)
            case Alarm(kind, text):
                self.log.append((world.now, f"{kind}: {text}"))
            case SurveyMap(shape):
                world.at(world.now + 1, self._surveyed, world.surveys.survey(shape))
            case LinkUp(peer, kind, outbound, features):
                self.features[peer] = features
                self.log.append((world.now, f"up {peer.hex()[:8]} {kind.value} {'own' if outbound else 'inbound'}"))
            case LinkDown(peer, reason):
                self.log.append((world.now, f"down {peer.hex()[:8]} {reason}"))
            case ProbePaths(probe, servers):
                quiet = 20_000 + probe
                self._quiet = {quiet: probe}
                seen = tuple(
                    (self.address, 30_000 + (at if self.reach is Reachability.HARD else 0))
                    for at in range(len(servers))
                )
                world.at(world.now + 300, self._probed, probe, Paths(quiet, seen))
            case SendProbe(address, port, nonce):
                world.datagram(self, address, port, nonce)
            case Send() | MapEvent():
                raise AssertionError("carried out by the caller")

    def _offer(self, link: LinkId) -> None:
        if self.running:
            self._do(self.mesh.offer_ready(link, self.world.offer(self, link), self.world.now))

    def _answer(self, link: LinkId, offer: bytes) -> None:
        if not self.running:
            return
        answer = self.world.answer(self, link, offer)
        if answer is None:
            self._do(self.mesh.link_closed(link, "not an offer", self.world.now))
        else:
            self._do(self.mesh.answer_ready(link, answer, self.world.now))

    def _surveyed(self, found: Survey) -> None:
        if self.running:
            self._do(self.mesh.surveyed(found, self.world.now))

    def _probed(self, probe: ProbeId, paths: Paths) -> None:
        if self.running:
            self._do(self.mesh.paths_probed(probe, paths, self.world.now))

    def datagram(self, port: int, nonce: bytes) -> None:
        """Take a datagram from the outside that nobody here asked for: only a public node's port gets it."""
        if self.running and port in self._quiet and self.reach is Reachability.PUBLIC:
            self._do(self.mesh.probe_heard(self._quiet[port], nonce))

    def _judge(self, key: bytes) -> None:
        if self.running:
            self._do(self.mesh.verdict(key, Verdict.ACCEPT, self.world.now))

    def _requested(self, requested: Requested) -> None:
        answer = self.answer(requested)
        if answer is None:
            self._do(self.mesh.refuse(requested.request, "no", self.world.now))
        else:
            self._do(self.mesh.respond(requested.request, answer, self.world.now))

    def _plan(self) -> None:
        """Have the world wake this node when its mesh has work next."""
        deadline = self.mesh.deadline() if self.running else None
        if deadline is None:
            self._wake_at = None
            return
        if self._wake_at is not None and deadline >= self._wake_at:
            return  # as after nearly every frame
        moment = Millis(max(deadline, self.world.now + 1))
        if self._wake_at is None or moment < self._wake_at:
            self._wake_at = moment
            self.world.at(moment, self._wake, moment)

    def _wake(self, moment: Millis) -> None:
        if self.running and self._wake_at == moment:
            self._wake_at = None
            self._do(self.mesh.tick(self.world.now))


def _echo(requested: Requested) -> bytes | None:
    return requested.payload
