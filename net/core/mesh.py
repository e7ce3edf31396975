"""The mesh: identity, map, links, routing, relay, clock and applications wired together. The one class a driver holds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import TYPE_CHECKING

from chain.primitives.errors import Penalty
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.app.topics import TopicSpec
from net.core.config import MeshConfig
from net.core.effects import CallId, Effect, LinkId, LinkKind, LinkTransport, RequestId, Verdict
from net.core.ports import RecordArchive

if TYPE_CHECKING:
    from net.core.identity.identity import Identity
    from net.core.map.view import MapView


class Signalled(Enum):
    """How a link's offer and answer travelled."""

    RENDEZVOUS = "rendezvous"
    RELAYED = "relayed"


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One link that is up, for tables and metrics."""

    peer: PeerId
    link: LinkId
    kind: LinkKind
    outbound: bool
    since: Millis
    """When the handshake ended, by the driver's clock."""
    rtt: Millis | None
    """Smallest measured round trip of the last pings, None before the first pong."""
    signalled: Signalled
    address: str
    """Remote address; for the operator only."""


class Mesh:
    """See the module. Every method but the views returns effects for the driver to carry out in order."""

    def __init__(
        self,
        config: MeshConfig,
        identity: "Identity",
        topics: Sequence[TopicSpec],
        *,
        rng: Random,
        entropy: Callable[[int], bytes],
        archive: RecordArchive,
        blobs: Mapping[str, bytes],
    ) -> None:
        """Take what earlier `Persist` effects wrote as `blobs`, by name."""
        raise NotImplementedError

    def start(self, now: Millis) -> list[Effect]: ...  # type: ignore[empty-body]
    def tick(self, now: Millis) -> list[Effect]: ...  # type: ignore[empty-body]
    def stop(self, now: Millis) -> list[Effect]: ...  # type: ignore[empty-body]
    def deadline(self) -> Millis | None: ...
    def offer_ready(self, link: LinkId, sdp: bytes, now: Millis) -> list[Effect]: ...  # type: ignore[empty-body]
    def answer_ready(self, link: LinkId, sdp: bytes, now: Millis) -> list[Effect]: ...  # type: ignore[empty-body]
    def link_opened(self, link: LinkId, transport: LinkTransport, now: Millis) -> list[Effect]: ...  # type: ignore[empty-body]
    def link_closed(self, link: LinkId, reason: str, now: Millis) -> list[Effect]: ...  # type: ignore[empty-body]
    def receive(self, link: LinkId, frame: bytes, now: Millis) -> list[Effect]: ...  # type: ignore[empty-body]
    def rendezvous_asked(self, call: CallId, request: bytes, address: str, now: Millis) -> list[Effect]: ...  # type: ignore[empty-body]
    def rendezvous_answered(self, call: CallId, reply: bytes, now: Millis) -> list[Effect]: ...  # type: ignore[empty-body]
    def rendezvous_failed(self, call: CallId, reason: str, now: Millis) -> list[Effect]: ...  # type: ignore[empty-body]
    def publish(self, topic: int, payload: bytes, now: Millis) -> list[Effect]: ...  # type: ignore[empty-body]
    def verdict(self, key: bytes, verdict: Verdict, now: Millis) -> list[Effect]: ...  # type: ignore[empty-body]
    def penalise(self, peer: PeerId, penalty: Penalty, reason: str, now: Millis) -> list[Effect]: ...  # type: ignore[empty-body]
    def request(self, peer: PeerId, topic: int, payload: bytes, now: Millis) -> tuple[RequestId, list[Effect]]: ...  # type: ignore[empty-body]
    def respond(self, request: RequestId, payload: bytes, now: Millis) -> list[Effect]: ...  # type: ignore[empty-body]
    def refuse(self, request: RequestId, reason: str, now: Millis) -> list[Effect]: ...  # type: ignore[empty-body]
    def neighbours(self) -> tuple[Neighbour, ...]: ...  # type: ignore[empty-body]
    def view(self) -> "MapView": ...  # type: ignore[empty-body]
    def mesh_time(self, now: Millis) -> Millis: ...  # type: ignore[empty-body]
