"""What the overlay asks of the mesh beside plain effects and frames."""

from dataclasses import dataclass
from typing import TypeAlias

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.effects import Effect
from net.core.overlay.link import Link
from net.core.wire.fault import Fault
from net.core.wire.frame import ToPeer
from net.core.wire.signal import Refusal, Signal


@dataclass(frozen=True, slots=True)
class Speak:
    """Carry a signal to a peer by direct message."""

    target: PeerId
    signal: Signal
    back: tuple[PeerId, ...] = ()
    """The reverse of the path on which the question came."""
    receipts: bool = True
    """Whether it goes over two routes with receipts and is sent again, or over one without."""


@dataclass(frozen=True, slots=True)
class Rose:
    """A link is up."""

    link: Link


@dataclass(frozen=True, slots=True)
class Fell:
    """A link that was up has ended."""

    link: Link
    peer: PeerId
    reason: str


@dataclass(frozen=True, slots=True)
class Listed:
    """The set of listed links changed: the own record is out of date."""


@dataclass(frozen=True, slots=True)
class OwnFacts:
    """What the own record says of this node beside its links is out of date."""


@dataclass(frozen=True, slots=True)
class Pinged:
    """A neighbour's map has this fingerprint."""

    peer: PeerId
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Timed:
    """A clock sample (see `clock.mesh_clock.MeshClock.sample`)."""

    peer: PeerId
    contact: PeerId
    asked: Millis
    received: Millis
    sent: Millis


@dataclass(frozen=True, slots=True)
class Greeted:
    """The time a peer told in its handshake."""

    peer: PeerId
    contact: PeerId
    mesh_time: Millis


@dataclass(frozen=True, slots=True)
class Failed:
    """A link ended before it was up; stays inside the overlay."""

    link: Link
    cause: Refusal
    reason: str


@dataclass(frozen=True, slots=True)
class Compare:
    """Compare the map with this unlisted neighbour's now: for the eclipse alarm."""

    peer: PeerId


Word: TypeAlias = (
    Effect | ToPeer | Fault | Speak | Rose | Fell | Listed | OwnFacts | Pinged | Timed | Greeted | Failed | Compare
)
