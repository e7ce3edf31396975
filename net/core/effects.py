"""What the mesh asks of whoever drives it: the contract between `mesh.Mesh` and a driver.

The real driver (`net.transport.driver`) and the simulator (`net.sim`) both carry these out, in order, and feed what
happens back through the mesh's methods. Effects are frozen records; the mesh never calls out.
"""

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import NewType, TypeAlias

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.shape import Shape

LinkId = NewType("LinkId", int)
"""Number of one link attempt, from its offer to its end; given by the mesh, unique for the life of the process."""

CallId = NewType("CallId", int)
"""Number of one rendezvous call. The mesh numbers the calls it makes from 1 up, the driver the ones it takes from
-1 down, so that the two never meet."""

RequestId = NewType("RequestId", int)
"""Number of one application request, made (by the mesh, for its own) or taken (by the mesh, for a peer's)."""


ProbeId = NewType("ProbeId", int)
"""Number of one measurement of the own reachability, given by the mesh."""


class Priority(IntEnum):
    """Order in which the driver empties its queues for a link, first to last (DESIGN section 3.4)."""

    CONTROL = 0
    """Handshake, ping, direct messages."""
    BLOCK = 1
    TRANSACTION = 2
    """Tickets and transactions."""
    RECORD = 3
    BULK = 4
    """Map transfer, chain sync, application bulk data."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send one frame of at most FRAME_MAX bytes on an open link."""

    link: LinkId
    frame: bytes
    priority: Priority


@dataclass(frozen=True, slots=True)
class CreateOffer:
    """Begin a link: make an offer and hand it back by `Mesh.offer_ready`, or `Mesh.link_closed` if that fails."""

    link: LinkId


@dataclass(frozen=True, slots=True)
class CreateAnswer:
    """Begin a link from the other side's offer: hand the answer back by `Mesh.answer_ready`."""

    link: LinkId
    offer: bytes


@dataclass(frozen=True, slots=True)
class ApplyAnswer:
    """Complete the link that `CreateOffer` began."""

    link: LinkId
    answer: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """End a link attempt or an open link. The driver does not answer with `link_closed`: the mesh knows already.

    Frames queued before are sent first if that takes under a second, so that a farewell can arrive.
    """

    link: LinkId
    reason: str


@dataclass(frozen=True, slots=True)
class CallRendezvous:
    """Open the WebSocket at `url`, send `request`, hand the reply to `Mesh.rendezvous_answered`, or call
    `Mesh.rendezvous_failed` when it cannot be reached, closes, or stays silent for ten seconds."""

    call: CallId
    url: str
    request: bytes


@dataclass(frozen=True, slots=True)
class ReplyRendezvous:
    """Answer a call that `Mesh.rendezvous_asked` brought, and close it."""

    call: CallId
    reply: bytes


@dataclass(frozen=True, slots=True)
class Persist:
    """Write a named blob to disk before carrying out the effects that follow it (own `seq` is written ahead)."""

    name: str
    blob: bytes


class LinkKind(Enum):
    """What a link is for (DESIGN sections 3.3 and 3.4)."""

    LISTED = "listed"
    """Stands in both ends' records."""
    UNLISTED = "unlisted"
    """Eclipse alarm: reconciliation only."""
    GUEST = "guest"
    """A joiner's first link: closed after 60 s or three listed links."""


@dataclass(frozen=True, slots=True)
class LinkUp:
    """A neighbour has passed the handshake: applications may talk to it."""

    peer: PeerId
    kind: LinkKind
    outbound: bool
    """Whether this node chose the link (`own`)."""
    features: int
    """Bit set of the optional abilities that both ends told in their HELLO (docs/protocol, network section 4)."""


@dataclass(frozen=True, slots=True)
class LinkDown:
    """A neighbour is gone; requests to it have failed already."""

    peer: PeerId
    reason: str


@dataclass(frozen=True, slots=True)
class MapEvent:
    """A link of the global map was confirmed by both ends, or is no longer."""

    connected: bool
    origin: PeerId
    """The end that chose the link."""
    target: PeerId
    """The end that accepted it."""
    at: Millis
    """Signing time of the later (connect) or first withdrawing (disconnect) record, ms since the epoch."""


@dataclass(frozen=True, slots=True)
class Validate:
    """A message of a topic arrived whole: judge it and answer by `Mesh.verdict`. Nothing is relayed before."""

    topic: int
    key: bytes
    """The relay's name for the message: blake2b-128 of its topic (2 bytes, big-endian) and payload."""
    payload: bytes
    sender: PeerId
    """The neighbour it came from, not its author."""


@dataclass(frozen=True, slots=True)
class Requested:
    """A neighbour (or, by direct message, any peer) asks: answer by `Mesh.respond` or `Mesh.refuse`."""

    request: RequestId
    topic: int
    peer: PeerId
    payload: bytes


@dataclass(frozen=True, slots=True)
class Responded:
    """The answer to a request made by `Mesh.request`."""

    request: RequestId
    topic: int
    peer: PeerId
    payload: bytes


@dataclass(frozen=True, slots=True)
class RequestFailed:
    """A request got no answer: the peer refused, was silent, or is gone."""

    request: RequestId
    topic: int
    peer: PeerId
    reason: str


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something the operator should know; the driver logs it and counts it, at most once a minute a kind."""

    kind: str
    """Stable name, part of a metric's label: `clock`, `duplicate_identity`, `slot_exhaustion`, ..."""
    text: str


@dataclass(frozen=True, slots=True)
class SurveyMap:
    """Measure the shape of the map by `net.core.health.survey.survey`, in a worker since that takes 30 ms at 2,500
    peers and seconds at 100,000, and hand the result back by `Mesh.surveyed`. One is under way at a time."""

    shape: Shape


@dataclass(frozen=True, slots=True)
class Paths:
    """What `ProbePaths` found."""

    quiet_port: int | None
    """The port that has sent nothing and waits; None when none could be opened."""
    seen: tuple[tuple[str, int] | None, ...]
    """For each server, from which address and port it saw the other port ask; None if it was silent."""


@dataclass(frozen=True, slots=True)
class ProbePaths:
    """Open two fresh UDP ports where links listen. From the one ask these STUN servers how it is seen, and hand what
    they say to `Mesh.paths_probed` within five seconds; on the other send nothing, and hand what arrives within fifteen
    to `Mesh.probe_heard`."""

    probe: ProbeId
    servers: tuple[tuple[str, int], ...]
    """IP address and port of each."""


@dataclass(frozen=True, slots=True)
class SendProbe:
    """Send a datagram with this nonce from a fresh UDP port (`net.core.wire.control.Try`)."""

    address: str
    port: int
    nonce: bytes


Effect: TypeAlias = (
    Send
    | CreateOffer
    | CreateAnswer
    | ApplyAnswer
    | Close
    | CallRendezvous
    | ReplyRendezvous
    | Persist
    | LinkUp
    | LinkDown
    | MapEvent
    | Validate
    | Requested
    | Responded
    | RequestFailed
    | Alarm
    | SurveyMap
    | ProbePaths
    | SendProbe
)


class Role(Enum):
    """Who made the offer of a link; it orders the handshake's transcript."""

    OFFERER = 0
    ANSWERER = 1


@dataclass(frozen=True, slots=True)
class LinkTransport:
    """What the driver knows of a link when its data channel has opened."""

    role: Role
    local_fingerprint: bytes
    """SHA-256 of the certificate this side showed in the DTLS session, 32 bytes."""
    remote_fingerprint: bytes
    """SHA-256 of the certificate the other side showed in the DTLS session (not in the SDP), 32 bytes."""
    address: str
    """Remote IP address of the chosen candidate pair: for domain quotas; never sent to anyone."""


class Verdict(Enum):
    """What became of a validated message."""

    ACCEPT = "accept"
    """Valid and new: relay it."""
    REJECT = "reject"
    """Invalid: do not relay, the sender is at fault."""
    IGNORE = "ignore"
    """Neither relay nor blame."""
