"""Frames: one kind byte and a body. What every link carries, after DTLS and SCTP."""

from dataclasses import dataclass
from enum import IntEnum

from chain.primitives.errors import Malformed
from chain.primitives.peer import PeerId
from net.core.effects import Priority

FRAME_MAX = 16 * 1024
"""Largest frame in bytes, kind byte included (DESIGN section 3.0): SCTP stays responsive, reassembly cheap."""


class FrameKind(IntEnum):
    """What a frame's body holds; the codec of each stands in the file of this folder named behind it."""

    HELLO = 1  # handshake
    AUTH = 2  # handshake
    BYE = 3  # control: a reason, before the link ends
    PING = 4  # control: clock sample and map fingerprint
    PONG = 5  # control
    URLS = 6  # control: the sender's own rendezvous URLs
    LISTING = 7  # control: the link's turn from guest or pending to listed, or the hand-back of a link
    TRY = 8  # control: the wish that the other end sends a datagram to a port of the sender's
    RECORDS = 16  # gossip: a batch of map records
    RANGE_ASK = 17  # reconcile: fingerprints or items of ranges of the id space
    RANGE = 18  # reconcile
    EQUIVOCATION = 19  # gossip: two signed records that contradict each other
    RECORDS_HAVE = 20  # gossip: names of records the sender holds and has not sent
    RECORDS_WANT = 21  # gossip: names of records to be sent; may turn the link eager or lazy
    DIRECT = 32  # direct: a source-routed message
    DIRECT_ACK = 33  # direct: 24 bytes back along the route
    PUBLISH = 48  # relay: a small message whole, pushed
    ANNOUNCE = 49  # relay: keys of messages that can be pulled
    PULL = 50  # relay
    CHUNK = 51  # relay: a part of a large message
    REQUEST = 64  # app: a part of a request
    RESPONSE = 65  # app: a part of a response
    REFUSE = 66  # app


_KINDS = {int(kind): kind for kind in FrameKind}
_HEADS = {kind: bytes((kind,)) for kind in FrameKind}


@dataclass(frozen=True, slots=True)
class ToPeer:
    """A frame for a neighbour: what the parts of the core return; the mesh turns it into `effects.Send`."""

    peer: PeerId
    kind: FrameKind
    body: bytes
    priority: Priority


def encode_frame(kind: FrameKind, body: bytes) -> bytes:
    """Return the frame's bytes. The body must leave room for the kind byte in FRAME_MAX."""
    assert len(body) < FRAME_MAX, "bodies are cut before they are framed"
    return _HEADS[kind] + body


def decode_frame(raw: bytes) -> tuple[FrameKind, bytes]:
    """Return kind and body. Raises `Malformed` on an empty or oversized frame or an unknown kind."""
    if not 1 <= len(raw) <= FRAME_MAX:
        raise Malformed(f"a frame of {len(raw)} bytes")
    kind = _KINDS.get(raw[0])
    if kind is None:
        raise Malformed(f"unknown frame kind {raw[0]}")
    return kind, raw[1:]
