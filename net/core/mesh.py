"""The mesh: identity, map, links, routing, relay, clock, applications wired together. The one class a driver holds."""

from collections.abc import Callable, Mapping, Sequence
from random import Random

from chain.primitives.errors import Malformed, Penalty, RemoteError
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.app.topics import TopicSpec
from net.core.config import MeshConfig
from net.core.effects import (
    Alarm,
    CallId,
    Effect,
    LinkId,
    LinkTransport,
    Paths,
    Persist,
    ProbeId,
    RequestId,
    Verdict,
)
from net.core.guard.guard import Admission
from net.core.guard.reputation import Ban
from net.core.health.monitor import HealthStatistics
from net.core.health.survey import Survey
from net.core.identity.identity import Identity
from net.core.map.checks import Checks, real_checks
from net.core.map.gossip import KINDS as GOSSIP_KINDS
from net.core.map.loading import load_archive
from net.core.map.reconcile import KINDS as RECONCILE_KINDS
from net.core.map.view import MapView
from net.core.mesh_parts import BANS_BLOB, Parts, assemble
from net.core.mesh_report import MeshStatistics, Neighbour
from net.core.mesh_traffic import Traffic
from net.core.mesh_words import Interpreter, Said
from net.core.overlay.link import Link, Signalled, Stage
from net.core.overlay.overlay import KINDS as OVERLAY_KINDS
from net.core.overlay.trace import Why
from net.core.overlay.words import Speak
from net.core.ports import RecordArchive
from net.core.wire.fault import Fault
from net.core.wire.frame import FrameKind, ToPeer, decode_frame
from net.core.wire.signal import ATTEMPT_BYTES, TimeAsk

CLOCK_EVERY = Millis(1_000)
"""How often the clock moves towards its median until it has agreed, and the least time between two moves after that: it
then moves when it asks the next source, 5 ms at most in ten seconds."""

_RELAY_KINDS = frozenset({FrameKind.PUBLISH, FrameKind.ANNOUNCE, FrameKind.PULL, FrameKind.CHUNK})
_REQUEST_KINDS = frozenset({FrameKind.REQUEST, FrameKind.RESPONSE, FrameKind.REFUSE})
_DIRECT_KINDS = frozenset({FrameKind.DIRECT, FrameKind.DIRECT_ACK})


class Mesh:
    """See the module. Every method but the views returns effects for the driver to carry out in order.

    `now` is the driver's clock, ms since the epoch, never running backwards; the mesh keeps its own offset to it.
    """

    def __init__(
        self,
        config: MeshConfig,
        identity: Identity,
        topics: Sequence[TopicSpec],
        *,
        rng: Random,
        entropy: Callable[[int], bytes],
        archive: RecordArchive,
        blobs: Mapping[str, bytes],
        checks: Checks | None = None,
    ) -> None:
        """Take what earlier `Persist` effects wrote as `blobs`, by name; `checks` is the simulator's, which remembers
        answers. Raises `StorageError` when a blob is damaged, `ConfigError` when a bootstrap is no address."""
        self._entropy = entropy
        self._archive = archive
        self._checks = checks = checks or real_checks(config.id_difficulty)
        self._parts = assemble(
            config,
            identity,
            topics,
            rng=rng,
            entropy=entropy,
            archive=archive,
            blobs=blobs,
            checks=checks,
        )
        self._traffic = Traffic()
        self._interpreter = Interpreter(self._parts, self._traffic, entropy)
        self._clock_at: Millis | None = None
        self._deadline: Millis | None = None
        """What `deadline` found, None when something has happened since."""
        self._others_at: Millis | None = None
        """When the parts beside the upkeep next have work, None when something has happened to them since that was
        looked up. In a quiet network that is nothing for many beats of the upkeep."""
        self._signing = False
        self._waited: str | None = None

    # --- time ------------------------------------------------------------------------------------------------------

    def start(self, now: Millis) -> list[Effect]:
        """Begin: the first effects may already call a rendezvous."""
        parts = self._parts
        loaded = load_archive(parts.peer_map, self._archive, self._checks.decode, self.mesh_time(now))
        parts.gossip.start(self.mesh_time(now), loaded)
        self._interpreter.acquainted = frozenset() if parts.clock.agreed else frozenset(loaded)
        self._interpreter.tell_facts(now)
        parts.upkeep.start(now)
        parts.sources.start(now)
        parts.health.start(now)
        self._clock_at = now
        return self.tick(now)

    def stop(self, now: Millis) -> list[Effect]:
        """Say farewell: the last record, without links, then the end of every link. Nothing is sent afterwards."""
        parts = self._parts
        out = self._do(parts.gossip.stop(self.mesh_time(now)), now)
        out += self._do(parts.upkeep.stop(now), now)
        out.append(Persist(BANS_BLOB, parts.guard.snapshot()))
        parts.health.stop()
        self._clock_at = None
        return out

    def deadline(self) -> Millis | None:
        """Return when `tick` next has work; a moment in the past means now. None once stopped or not started."""
        if self._clock_at is None:
            return None
        if self._deadline is None:
            if self._others_at is None:
                self._others_at = self._find_others(self._clock_at)
            upkeep = self._parts.upkeep.deadline()
            self._deadline = self._others_at if upkeep is None else min(upkeep, self._others_at)
        return self._deadline

    def _find_others(self, earliest: Millis) -> Millis:
        parts = self._parts
        for at in (parts.gossip.deadline(), parts.reconciler.deadline(), parts.courier.deadline()):
            if at is not None and (moment := parts.clock.driver_time(at)) < earliest:
                earliest = moment
        for at in (
            parts.relay.deadline(),
            parts.requests.deadline(),
            parts.guard.deadline(),
            parts.health.deadline(),
        ):
            if at is not None and at < earliest:
                earliest = at
        return earliest

    def tick(self, now: Millis) -> list[Effect]:
        """Do what is due."""
        parts = self._parts
        if self._clock_at is None:
            return []
        self._deadline = None
        if self._others_at is not None and now < self._others_at:
            return self._tick_upkeep(now)
        self._others_at = None
        parts.guard.tick(now)
        out: list[Effect] = []
        if now >= self._clock_at:
            out += self._do(self._tick_clock(now), now)
        mesh_now = self.mesh_time(now)  # after the clock, which may have been set: the first record is signed by it
        if _due(parts.gossip.deadline(), mesh_now):
            out += self._do(parts.gossip.tick(mesh_now), now)
        if _due(parts.reconciler.deadline(), mesh_now):
            out += self._do(parts.reconciler.tick(mesh_now), now)
        if _due(parts.courier.deadline(), mesh_now):
            out += self._do(parts.courier.tick(mesh_now), now)
        if _due(parts.relay.deadline(), now):
            out += self._do(parts.relay.tick(now), now)
        if _due(parts.requests.deadline(), now):
            out += self._do(parts.requests.tick(now), now)
        out += self._tick_upkeep(now)
        if _due(parts.health.deadline(), now):
            out += parts.health.tick(now)
            self._mend()
        return out

    def _tick_upkeep(self, now: Millis) -> list[Effect]:
        """Do what is due of the overlay's own; frames to neighbours, which nearly all of it is, touch no other part."""
        if not _due(self._parts.upkeep.deadline(), now):
            return []
        others_at = self._others_at
        said = self._parts.upkeep.tick(now)
        effects = self._do(said, now)
        if all(type(word) is ToPeer for word in said):
            self._others_at = others_at
        return effects

    def _tick_clock(self, now: Millis) -> list[Said]:
        parts = self._parts
        if self._clock_at is None or now < self._clock_at:
            return []
        out: list[Said] = []
        complaint = parts.clock.tick(now)
        if complaint is not None and complaint != self._waited:
            out.append(Alarm("clock", complaint))
        self._waited = complaint
        if parts.clock.agreed and not self._signing:
            self._signing, self._interpreter.acquainted = True, frozenset()
            parts.gossip.allow_signing(self.mesh_time(now))
        attempt = self._entropy(ATTEMPT_BYTES)
        question = parts.sources.next(attempt, now, agreed=parts.clock.agreed)
        asks_at = parts.sources.deadline() if parts.clock.agreed else None
        self._clock_at = Millis(max(now + CLOCK_EVERY, asks_at or 0))
        if question is not None:
            out.append(Speak(question.peer, TimeAsk(attempt), receipts=question.sure))
        return out

    def _do(self, said: Sequence[Said], now: Millis) -> list[Effect]:
        effects = self._interpreter.carry_out(said, now) if said else []
        self._parts.upkeep.map_changed(now)
        self._deadline = self._others_at = None
        return effects

    # --- links -----------------------------------------------------------------------------------------------------

    def offer_ready(self, link: LinkId, sdp: bytes, now: Millis) -> list[Effect]:
        """Take the offer that `CreateOffer` asked for."""
        return self._do(self._parts.overlay.offer_ready(link, sdp, now), now)

    def answer_ready(self, link: LinkId, sdp: bytes, now: Millis) -> list[Effect]:
        """Take the answer that `CreateAnswer` asked for."""
        return self._do(self._parts.overlay.answer_ready(link, sdp, now), now)

    def link_opened(self, link: LinkId, transport: LinkTransport, now: Millis) -> list[Effect]:
        """Note that a link's data channel is open: the handshake begins."""
        return self._do(self._parts.overlay.opened(link, transport, now), now)

    def link_closed(self, link: LinkId, reason: str, now: Millis) -> list[Effect]:
        """Note that a link, or the attempt at one, has ended by itself."""
        return self._do(self._parts.overlay.closed(link, reason, now), now)

    def receive(self, link: LinkId, frame: bytes, now: Millis) -> list[Effect]:
        """Take one frame. Nothing that a peer sends raises."""
        known = self._parts.overlay.links.get(link)
        if known is None:
            return []
        try:
            kind, body = decode_frame(frame)
        except Malformed as error:
            return self._do(self._broken(known, error, now), now)
        self._traffic.received(kind, len(frame))
        if known.stage is not Stage.UP:
            return self._do(self._parts.overlay.shake(known, kind, body, now), now)
        peer = known.peer
        assert peer is not None, "a link that is up has a peer"
        known.heard = now
        admission = self._parts.guard.admit(peer, kind, len(body), now)
        if admission is Admission.DROP:
            return []
        if admission is Admission.CLOSE:
            banned: list[Said] = [Persist(BANS_BLOB, self._parts.guard.snapshot())]
            return self._do([*banned, *self._parts.overlay.end(known, "banned", now)], now)
        try:
            said = self._frame(known, peer, kind, body, now)
        except RemoteError as error:
            said = [Fault(peer, error.penalty, f"{kind.name}: {error}")]
        planned, others_at = self._deadline, self._others_at
        effects = self._do(said, now)
        if kind is FrameKind.PONG or (kind is FrameKind.PING and len(effects) == 1):  # by far the most frames
            self._deadline, self._others_at = planned, others_at
        elif planned is not None:
            self._deadline = self._replanned(kind, planned)
        return effects

    def _replanned(self, kind: FrameKind, planned: Millis) -> Millis | None:
        """Return the deadline after a frame: most kinds bring few or none forward; a tick too early does no harm."""
        if kind is FrameKind.DIRECT_ACK:
            return planned
        if kind not in GOSSIP_KINDS:
            return None
        parts = self._parts
        gossip, upkeep = parts.gossip.deadline(), parts.upkeep.deadline()
        if gossip is not None and (moment := parts.clock.driver_time(gossip)) < planned:
            planned = moment
        return planned if upkeep is None or planned < upkeep else upkeep

    def _frame(self, link: Link, peer: PeerId, kind: FrameKind, body: bytes, now: Millis) -> Sequence[Said]:
        parts = self._parts
        if kind in OVERLAY_KINDS:
            return parts.overlay.frame(link, kind, body, now)
        link.busy = now
        if kind in GOSSIP_KINDS:
            return parts.gossip.receive(peer, kind, body, self.mesh_time(now))
        if kind in RECONCILE_KINDS:
            return parts.reconciler.receive(peer, kind, body, self.mesh_time(now))
        if kind in _DIRECT_KINDS:
            take = parts.courier.receive if kind is FrameKind.DIRECT else parts.courier.receive_ack
            return take(peer, body, self.mesh_time(now))
        if kind in _RELAY_KINDS:
            return parts.relay.receive(peer, kind, body, now)
        if kind in _REQUEST_KINDS:
            return parts.requests.receive(peer, kind, body, now)
        raise Malformed("out of place on a link that is up")

    def _broken(self, link: Link, error: Malformed, now: Millis) -> Sequence[Said]:
        if link.stage is Stage.UP and link.peer is not None:
            return [Fault(link.peer, error.penalty, str(error))]
        return self._parts.overlay.shaken(link, str(error), now)

    # --- first contact ---------------------------------------------------------------------------------------------

    def rendezvous_asked(self, call: CallId, request: bytes, address: str, now: Millis) -> list[Effect]:
        """Take a request at the own rendezvous, from this IP address."""
        return self._do(self._parts.overlay.asked(call, request, address, now), now)

    def rendezvous_answered(self, call: CallId, reply: bytes, now: Millis) -> list[Effect]:
        """Take the reply to a `CallRendezvous`."""
        return self._do(self._parts.overlay.called_back(call, reply, now), now)

    def paths_probed(self, probe: ProbeId, paths: Paths, now: Millis) -> list[Effect]:
        """Take what the `ProbePaths` of this number found."""
        return self._do(self._parts.overlay.paths_probed(probe, paths), now)

    def probe_heard(self, probe: ProbeId, nonce: bytes) -> list[Effect]:
        """Take a datagram that came to the quiet port of a `ProbePaths`; its sender is nobody known."""
        self._parts.overlay.reach.heard(probe, nonce)
        return []

    def rendezvous_failed(self, call: CallId, reason: str, now: Millis) -> list[Effect]:
        """Note that a `CallRendezvous` got no reply."""
        return self._do(self._parts.overlay.call_failed(call, reason, now), now)

    # --- applications ----------------------------------------------------------------------------------------------

    def publish(self, topic: int, payload: bytes, now: Millis) -> list[Effect]:
        """Send a message to all peers. The payload keeps to the topic's `max_bytes`."""
        return self._do(self._parts.relay.publish(topic, payload, now), now)

    def verdict(self, key: bytes, verdict: Verdict, now: Millis) -> list[Effect]:
        """Answer a `Validate`."""
        return self._do(self._parts.relay.verdict(key, verdict, now), now)

    def penalise(self, peer: PeerId, penalty: Penalty, reason: str, now: Millis) -> list[Effect]:
        """Hold an application's finding against a peer."""
        return self._do([Fault(peer, penalty, reason)], now)

    def request(self, peer: PeerId, topic: int, payload: bytes, now: Millis) -> tuple[RequestId, list[Effect]]:
        """Ask a neighbour; `Responded` or `RequestFailed` follows, possibly among these effects."""
        request, said = self._parts.requests.request(peer, topic, payload, now)
        return request, self._do(said, now)

    def respond(self, request: RequestId, payload: bytes, now: Millis) -> list[Effect]:
        """Answer a `Requested`."""
        return self._do(self._parts.requests.respond(request, payload), now)

    def refuse(self, request: RequestId, reason: str, now: Millis) -> list[Effect]:
        """Refuse a `Requested`."""
        return self._do(self._parts.requests.refuse(request, reason), now)

    def surveyed(self, survey: Survey, now: Millis) -> list[Effect]:
        """Take the survey that `SurveyMap` asked for: alarms, and perhaps links across a weak cut."""
        if self._clock_at is None:
            return []
        alarms = self._parts.health.surveyed(survey, now)
        self._mend()
        return self._do(alarms, now)

    def _mend(self) -> None:
        mending = self._parts.health.take_mending()
        if mending is not None:
            self._parts.upkeep.mend(mending.peers, mending.links, mending.until)
        elif not self._parts.health.weak:
            self._parts.upkeep.mended()
        self._parts.upkeep.shun(self._parts.health.crowded)

    def identity_renewed(self, identity: Identity, now: Millis) -> list[Effect]:
        """Take the identity with the proof of its new epoch; its id and key stay."""
        assert identity.peer == self._parts.identity.peer, "a renewed proof keeps the id"
        self._parts.gossip.identity_renewed(identity, self.mesh_time(now))
        self._deadline = self._others_at = None
        return []

    # --- views -----------------------------------------------------------------------------------------------------

    @property
    def parts(self) -> Parts:
        """What the mesh is made of: for simulated worlds that begin in the middle. A driver leaves it alone."""
        self._others_at = None  # whoever asks may change what is due
        return self._parts

    def view(self) -> MapView:
        """Return the map, to read."""
        return self._parts.peer_map

    def mesh_time(self, now: Millis) -> Millis:
        """Return the mesh time at a moment of the driver's clock."""
        return self._parts.clock.mesh_time(now)

    def halted(self) -> bool:
        """Tell whether another process signs with this node's key: the caller must stop."""
        return self._parts.gossip.halted

    def bans(self, now: Millis) -> list[Ban]:
        """Return the bans in force."""
        return self._parts.guard.bans(now)

    def unban(self, peer: PeerId, now: Millis) -> list[Effect]:
        """Lift a ban."""
        return [Persist(BANS_BLOB, self._parts.guard.snapshot())] if self._parts.guard.unban(peer) else []

    def why(self, peer: PeerId, now: Millis) -> Why:
        """Return how this node stands with a peer, and at which step recent attempts at a link ended."""
        return self._parts.overlay.why(peer, now)

    def neighbours(self) -> tuple[Neighbour, ...]:
        """Return the links that are up, by peer."""
        return tuple(
            Neighbour(
                peer=link.peer,
                link=link.number,
                kind=link.kind,
                outbound=link.outbound,
                since=link.since,
                rtt=link.rtt,
                signalled=link.signalled,
                address=link.transport.address,
            )
            for link in sorted(self._parts.overlay.links.all_up(), key=lambda link: link.peer or b"")
            if link.peer is not None and link.transport is not None
        )

    def health(self) -> HealthStatistics | None:
        """Return the figures of the last survey of the map, None before the first."""
        return self._parts.health.statistics()

    def statistics(self) -> MeshStatistics:
        """Return the counters of all parts."""
        parts, interpreter = self._parts, self._interpreter
        return MeshStatistics(
            links_rendezvous=interpreter.came_up[Signalled.RENDEZVOUS],
            links_relayed=interpreter.came_up[Signalled.RELAYED],
            links_rendezvous_own=interpreter.called,
            links_up=len(parts.overlay.links.listed()),
            links_lost=interpreter.lost,
            links_annoying=parts.overlay.replaced,
            links_moved=parts.upkeep.moved,
            maps_compared=parts.reconciler.compared,
            records_mended=parts.reconciler.mended,
            refusals=dict(parts.overlay.refusals),
            frames=self._traffic.statistics(),
            setup=parts.overlay.setup.statistics(),
            courier=parts.courier.statistics(),
            relay=parts.relay.statistics(),
            requests=parts.requests.statistics(),
            clock=parts.clock.statistics(),
            gossip=parts.gossip.statistics(),
            guard=parts.guard.statistics(),
        )


def _due(at: Millis | None, now: Millis) -> bool:
    return at is not None and at <= now
