"""HELLO and AUTH, and the transcript both ends sign (DESIGN section 3.4)."""

from dataclasses import dataclass

from chain.primitives.canonical import pack, unpack
from chain.primitives.errors import Malformed
from chain.primitives.hashing import sha256, tagged_hash
from chain.primitives.peer import PEER_ID_BYTES, PeerId
from chain.primitives.units import Hash32, Millis
from net.core.effects import LinkKind, Role
from net.core.wire.fields import MOMENT_MAX, U64_MAX, array_field, bytes_field, int_field

HANDSHAKE_MAX = 4 * 1024
"""Bytes one end may send before the handshake has ended."""

NONCE_BYTES = 32
"""Fresh entropy of each end: makes every transcript unique."""

HELLO_MAX = 256
"""Largest HELLO body: its fixed fields take 96 bytes; the rest is room for later versions' arrays."""

LINK_TAG = "mappemonde/link/1"
"""Domain of the transcript and of its signature."""

_KINDS = (LinkKind.LISTED, LinkKind.UNLISTED, LinkKind.GUEST)


@dataclass(frozen=True, slots=True)
class Hello:
    """The first frame of each end."""

    peer: PeerId
    """Who speaks; proved by the AUTH that follows."""
    version_low: int
    """Oldest protocol version spoken, from 1."""
    version_high: int
    """Newest protocol version spoken; the highest common one is used."""
    features: int
    """Bit set of optional abilities, 64 bits; unknown bits mean nothing."""
    kind: LinkKind
    """What the link is for; both ends must say the same."""
    mesh_time: Millis
    """The speaker's mesh clock: a first, coarse sample."""
    nonce: bytes
    """NONCE_BYTES of fresh entropy."""


def encode_hello(hello: Hello) -> bytes:
    """Return the body of a HELLO frame."""
    return pack(
        [
            hello.peer,
            hello.version_low,
            hello.version_high,
            hello.features,
            _KINDS.index(hello.kind),
            hello.mesh_time,
            hello.nonce,
        ]
    )


def decode_hello(body: bytes) -> Hello:
    """Return the HELLO of a frame's body. Raises `Malformed`."""
    fields = array_field(unpack(body, max_bytes=HELLO_MAX, max_items=16), 7, "hello")
    low = int_field(fields[1], 1, 0xFFFF, "oldest version")
    return Hello(
        peer=PeerId(bytes_field(fields[0], PEER_ID_BYTES, PEER_ID_BYTES, "peer id")),
        version_low=low,
        version_high=int_field(fields[2], low, 0xFFFF, "newest version"),
        features=int_field(fields[3], 0, U64_MAX, "features"),
        kind=_KINDS[int_field(fields[4], 0, len(_KINDS) - 1, "link kind")],
        mesh_time=Millis(int_field(fields[5], 0, MOMENT_MAX, "mesh time")),
        nonce=bytes_field(fields[6], NONCE_BYTES, NONCE_BYTES, "nonce"),
    )


def decode_auth(body: bytes) -> bytes:
    """Return the signature that is an AUTH frame's body. Raises `Malformed`."""
    if len(body) != 64:
        raise Malformed(f"a signature of {len(body)} bytes")
    return body


@dataclass(frozen=True, slots=True)
class Transcript:
    """Everything both ends of a handshake must agree on; fields in the order of DESIGN section 3.4."""

    network_id: bytes
    offerer: PeerId
    answerer: PeerId
    offerer_fingerprint: bytes
    """SHA-256 of the certificate of the DTLS session, not of the SDP: a man in the middle has another."""
    answerer_fingerprint: bytes
    offerer_nonce: bytes
    answerer_nonce: bytes
    offerer_hello: bytes
    """Body of the HELLO as sent."""
    answerer_hello: bytes

    def digest(self, role: Role) -> Hash32:
        """Return what the end with `role` signs: the tagged hash of T ‖ role byte."""
        transcript = b"".join(
            (
                LINK_TAG.encode(),
                self.network_id,
                self.offerer,
                self.answerer,
                self.offerer_fingerprint,
                self.answerer_fingerprint,
                self.offerer_nonce,
                self.answerer_nonce,
                sha256(self.offerer_hello),
                sha256(self.answerer_hello),
            )
        )
        return tagged_hash(LINK_TAG, transcript + bytes((role.value,)))
