"""What the driver needs from outside: the mesh it holds, the application it feeds, the disk it writes to."""

from typing import Protocol, TypeAlias

from chain.primitives.errors import Penalty
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.effects import (
    Alarm,
    CallId,
    Effect,
    LinkDown,
    LinkId,
    LinkTransport,
    LinkUp,
    MapEvent,
    Paths,
    ProbeId,
    Requested,
    RequestFailed,
    RequestId,
    Responded,
    Validate,
    Verdict,
)
from net.core.health.survey import Survey
from net.core.map.view import MapView
from net.core.mesh_report import MeshStatistics, Neighbour
from net.core.overlay.trace import Why

AppEffect: TypeAlias = Validate | Requested | Responded | RequestFailed | LinkUp | LinkDown | MapEvent | Alarm
"""What the mesh has for applications."""


class Application(Protocol):
    """Whoever lives on the mesh: in the node, the exchange of chain objects, metrics and subscriptions."""

    def handle(self, effect: AppEffect, now: Millis) -> None:
        """Take one effect. Must return soon (slow work goes to a worker) and may call the driver's methods meanwhile:
        their effects are carried out after those under way. An exception stops the node."""


class BlobStore(Protocol):
    """Where the mesh's own state rests by name: identity proof, write-ahead of its record number, anchors, bans."""

    def put(self, name: str, blob: bytes) -> None:
        """Write a blob in place of the one before and return when it is on disk. Raises `StorageError`."""


class MeshMachine(Protocol):
    """The side of `net.core.mesh.Mesh` that the driver feeds; a scripted one stands in for it in tests."""

    def start(self, now: Millis) -> list[Effect]:
        """Begin."""

    def tick(self, now: Millis) -> list[Effect]:
        """Do what is due."""

    def stop(self, now: Millis) -> list[Effect]:
        """Say farewell."""

    def deadline(self) -> Millis | None:
        """Tell when `tick` next has work, ms since the epoch."""

    def offer_ready(self, link: LinkId, sdp: bytes, now: Millis) -> list[Effect]:
        """Take the offer that `CreateOffer` asked for."""

    def answer_ready(self, link: LinkId, sdp: bytes, now: Millis) -> list[Effect]:
        """Take the answer that `CreateAnswer` asked for."""

    def link_opened(self, link: LinkId, transport: LinkTransport, now: Millis) -> list[Effect]:
        """Learn that frames may be sent on a link."""

    def link_closed(self, link: LinkId, reason: str, now: Millis) -> list[Effect]:
        """Learn that a link failed or ended without `Close`."""

    def receive(self, link: LinkId, frame: bytes, now: Millis) -> list[Effect]:
        """Take a frame."""

    def rendezvous_asked(self, call: CallId, request: bytes, address: str, now: Millis) -> list[Effect]:
        """Take somebody's rendezvous request."""

    def rendezvous_answered(self, call: CallId, reply: bytes, now: Millis) -> list[Effect]:
        """Take the reply to a call of our own."""

    def rendezvous_failed(self, call: CallId, reason: str, now: Millis) -> list[Effect]:
        """Learn that a call of our own came to nothing."""

    def publish(self, topic: int, payload: bytes, now: Millis) -> list[Effect]:
        """Publish."""

    def verdict(self, key: bytes, verdict: Verdict, now: Millis) -> list[Effect]:
        """Take an application's judgement."""

    def penalise(self, peer: PeerId, penalty: Penalty, reason: str, now: Millis) -> list[Effect]:
        """Punish a peer for what an application found."""

    def unban(self, peer: PeerId, now: Millis) -> list[Effect]:
        """Lift a ban: nothing to do if there is none."""

    def why(self, peer: PeerId, now: Millis) -> Why:
        """Tell how this node stands with a peer."""

    def request(self, peer: PeerId, topic: int, payload: bytes, now: Millis) -> tuple[RequestId, list[Effect]]:
        """Ask a peer."""

    def respond(self, request: RequestId, payload: bytes, now: Millis) -> list[Effect]:
        """Answer a peer."""

    def refuse(self, request: RequestId, reason: str, now: Millis) -> list[Effect]:
        """Refuse a peer's request."""

    def surveyed(self, survey: Survey, now: Millis) -> list[Effect]:
        """Take what a `SurveyMap` asked for."""

    def paths_probed(self, probe: ProbeId, paths: Paths, now: Millis) -> list[Effect]:
        """Take what a `ProbePaths` found."""

    def probe_heard(self, probe: ProbeId, nonce: bytes) -> list[Effect]:
        """Take a datagram that came to the quiet port of a `ProbePaths`."""

    def neighbours(self) -> tuple[Neighbour, ...]:
        """Return the links that are up."""

    def view(self) -> MapView:
        """Return the map as it is now."""

    def statistics(self) -> MeshStatistics:
        """Return the mesh's counters."""

    def mesh_time(self, now: Millis) -> Millis:
        """Return the time by the mesh clock."""
