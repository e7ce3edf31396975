"""What the mesh shows of itself: records for tables, RPC and metrics."""

from collections.abc import Mapping
from dataclasses import dataclass

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.app.requests import RequestStatistics
from net.core.clock.mesh_clock import ClockStatistics
from net.core.effects import LinkId, LinkKind
from net.core.guard.guard import GuardStatistics
from net.core.map.statistics import GossipStatistics
from net.core.overlay.link import Signalled
from net.core.overlay.setup import SetupStatistics
from net.core.relay.relay import RelayStatistics
from net.core.routing.courier import CourierStatistics
from net.core.wire.frame import FrameKind
from net.core.wire.signal import Refusal


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One link that is up, for tables and metrics."""

    peer: PeerId
    link: LinkId
    kind: LinkKind
    outbound: bool
    """Whether this node chose the link."""
    since: Millis
    """When the handshake ended, by the driver's clock."""
    rtt: Millis | None
    """Smallest measured round trip of the last pings, None before the first pong."""
    signalled: Signalled
    """How offer and answer travelled."""
    address: str
    """Remote address; for the operator only."""


@dataclass(frozen=True, slots=True)
class FrameCount:
    """Traffic of one frame kind since the start."""

    frames_in: int
    bytes_in: int
    frames_out: int
    bytes_out: int


@dataclass(frozen=True, slots=True)
class MeshStatistics:
    """Counters since the start, by part."""

    links_rendezvous: int
    """Links that came up by first contact, as joiner or host."""
    links_relayed: int
    """Links that came up by offers over the mesh."""
    links_rendezvous_own: int
    """Of the first, those this node asked for."""
    links_up: int
    """Listed links now."""
    links_lost: int
    """Links that were up and ended."""
    links_annoying: int
    """Of them, those this node ended because the neighbour wasted its time."""
    links_moved: int
    """Of them, those whose own slot went over to a newcomer that its hash prefers."""
    maps_compared: int
    """Comparisons of the map with a neighbour that this node began."""
    records_mended: int
    """Records that these found missing at either end."""
    refusals: Mapping[Refusal, int]
    """Refusals received over the mesh, by cause."""
    frames: Mapping[FrameKind, FrameCount]
    setup: SetupStatistics
    courier: CourierStatistics
    relay: RelayStatistics
    requests: RequestStatistics
    clock: ClockStatistics
    gossip: GossipStatistics
    guard: GuardStatistics
