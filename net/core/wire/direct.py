"""DIRECT and DIRECT_ACK: source-routed messages (DESIGN section 3.4)."""

import struct
from dataclasses import dataclass, replace

from chain.primitives.canonical import pack, unpack
from chain.primitives.errors import Malformed
from chain.primitives.hashing import tagged_hash
from chain.primitives.peer import PEER_ID_BYTES, PeerId
from chain.primitives.units import Hash32, Millis
from net.core.wire.fields import MOMENT_MAX, array_field, bytes_field, int_field

DIRECT_VERSION = 1
"""The route lies open to its relays; another version is for an onion body."""

ROUTE_HOPS = 8
"""Most hops of a route, the target included."""

MESSAGE_ID_BYTES = 16

BODY_MAX = 4 * 1024 + 16
"""Largest encrypted body: 4 KiB padded plain text and the AEAD's tag."""

DIRECT_MAX = BODY_MAX + 2 * ROUTE_HOPS * PEER_ID_BYTES + 512
"""Largest DIRECT frame body."""

ENABLE_REROUTE = 1
"""Flag: one relay may replace the tail of the route."""

NO_RECEIPTS = 2
"""Flag: neither relays nor the target acknowledge the message. For what nobody would send again, such as a question for
the time. Signed like the rest: no relay can set it to hide that it drops the messages of others."""

DIRECT_TAG = "mappemonde/direct/1"
REROUTE_TAG = "mappemonde/reroute/1"

ACK_BYTES = 24
ACK_PREFIX_BYTES = 8
"""Leading bytes of the message id in an acknowledgement."""
ACK_MAC_BYTES = 15
_ACK = struct.Struct(f">{ACK_PREFIX_BYTES}sB{ACK_MAC_BYTES}s")


@dataclass(frozen=True, slots=True)
class Reroute:
    """The one change a relay may make: from its own place on, go another way."""

    index: int
    """Place in the original route of the relay that signs."""
    tail: tuple[PeerId, ...]
    """The hops after it, ending at the target."""
    signature: bytes


@dataclass(frozen=True, slots=True)
class Direct:
    """A message on its way."""

    message_id: bytes
    """16 random bytes; also the AEAD's nonce, so never used twice for other content."""
    sender: PeerId
    target: PeerId
    expiry: Millis
    """Mesh time after which nobody passes it on."""
    flags: int
    """ENABLE_REROUTE and NO_RECEIPTS; other bits mean nothing yet."""
    route: tuple[PeerId, ...]
    """The hops after the sender, ending at the target; as the sender signed them."""
    body: bytes
    """Encrypted for the target."""
    signature: bytes
    """The sender's, over all but the hop index and the re-route."""
    hop: int
    """Place in the path of the peer this frame goes to."""
    reroute: Reroute | None

    def path(self) -> tuple[PeerId, ...]:
        """Return the hops the message really takes after its sender."""
        if self.reroute is None:
            return self.route
        return self.route[: self.reroute.index + 1] + self.reroute.tail

    def onward(self, reroute: Reroute | None = None) -> "Direct":
        """Return the message for the next hop."""
        return replace(self, hop=self.hop + 1, reroute=reroute or self.reroute)


def direct_digest(message: Direct) -> Hash32:
    """Return what the sender signs: all but the hop index, the re-route and the signature itself."""
    fields = [DIRECT_VERSION, message.message_id, message.sender, message.target, message.expiry, message.flags]
    return tagged_hash(DIRECT_TAG, pack([*fields, b"".join(message.route), message.body]))


def reroute_digest(message_id: bytes, index: int, tail: tuple[PeerId, ...]) -> Hash32:
    """Return what the relay that re-routes signs: it holds for one message and one place."""
    return tagged_hash(REROUTE_TAG, message_id + bytes((index,)) + b"".join(tail))


def encode_direct(message: Direct) -> bytes:
    """Return the body of a DIRECT frame."""
    reroute = message.reroute
    return pack(
        [
            DIRECT_VERSION,
            message.message_id,
            message.sender,
            message.target,
            message.expiry,
            message.flags,
            b"".join(message.route),
            message.body,
            message.signature,
            message.hop,
            None if reroute is None else [reroute.index, b"".join(reroute.tail), reroute.signature],
        ]
    )


def decode_direct(raw: bytes) -> Direct:
    """Return the message of a frame's body.

    Raises `Malformed`, also when the path does not end at the target, names an id twice or the sender, is too long, or
    when the hop index or the place of the re-route lies outside it. Signatures are the caller's to check.
    """
    fields = array_field(unpack(raw, max_bytes=DIRECT_MAX, max_items=11), 11, "direct message")
    int_field(fields[0], DIRECT_VERSION, DIRECT_VERSION, "version")
    route = _hops(fields[6])
    message = Direct(
        message_id=bytes_field(fields[1], MESSAGE_ID_BYTES, MESSAGE_ID_BYTES, "message id"),
        sender=PeerId(bytes_field(fields[2], PEER_ID_BYTES, PEER_ID_BYTES, "sender")),
        target=PeerId(bytes_field(fields[3], PEER_ID_BYTES, PEER_ID_BYTES, "target")),
        expiry=Millis(int_field(fields[4], 0, MOMENT_MAX, "expiry")),
        flags=int_field(fields[5], 0, 0xFF, "flags"),
        route=route,
        body=bytes_field(fields[7], 17, BODY_MAX, "body"),
        signature=bytes_field(fields[8], 64, 64, "signature"),
        hop=int_field(fields[9], 0, ROUTE_HOPS - 1, "hop index"),
        reroute=_reroute(fields[10], route),
    )
    path = message.path()
    if path[-1] != message.target or message.hop >= len(path) or len(path) > ROUTE_HOPS:
        raise Malformed("the path does not lead to the target")
    if len({message.sender, *path}) != len(path) + 1 or route[-1] != message.target:
        raise Malformed("the path names an id twice")
    if message.reroute is not None and not (message.flags & ENABLE_REROUTE and message.hop > message.reroute.index):
        raise Malformed("a re-route where none may be")
    return message


def _reroute(value: object, route: tuple[PeerId, ...]) -> Reroute | None:
    if value is None:
        return None
    fields = array_field(value, 3, "re-route")
    return Reroute(
        index=int_field(fields[0], 0, len(route) - 2, "re-route index"),
        tail=_hops(fields[1]),
        signature=bytes_field(fields[2], 64, 64, "re-route signature"),
    )


def _hops(value: object) -> tuple[PeerId, ...]:
    raw = bytes_field(value, PEER_ID_BYTES, ROUTE_HOPS * PEER_ID_BYTES, "route")
    if len(raw) % PEER_ID_BYTES:
        raise Malformed("a route of broken ids")
    return tuple(PeerId(raw[start : start + PEER_ID_BYTES]) for start in range(0, len(raw), PEER_ID_BYTES))


@dataclass(frozen=True, slots=True)
class Ack:
    """What a relay returns to the sender: the message reached me."""

    prefix: bytes
    """First ACK_PREFIX_BYTES of the message id."""
    index: int
    """The relay's place in the path."""
    mac: bytes
    """Keyed by the secret the relay shares with the sender: nobody else can say this."""


def encode_ack(ack: Ack) -> bytes:
    """Return the 24-byte body of a DIRECT_ACK frame."""
    return _ACK.pack(ack.prefix, ack.index, ack.mac)


def decode_ack(body: bytes) -> Ack:
    """Return the acknowledgement of a frame's body. Raises `Malformed`."""
    if len(body) != ACK_BYTES:
        raise Malformed(f"an acknowledgement of {len(body)} bytes")
    prefix, index, mac = _ACK.unpack(body)
    if index >= ROUTE_HOPS:
        raise Malformed(f"an acknowledgement from place {index}")
    return Ack(prefix, index, mac)
