"""First contact: the one request and reply of a rendezvous call (DESIGN section 3.4)."""

from dataclasses import dataclass

from chain.primitives.canonical import pack, unpack
from chain.primitives.errors import Malformed
from chain.primitives.hashing import tagged_hash
from chain.primitives.peer import PEER_ID_BYTES, PeerId
from chain.primitives.units import Hash32
from net.core.wire.fields import array_field, bytes_field, int_field
from net.core.wire.signal import SDP_MAX, Refusal

RENDEZVOUS_VERSION = 1
REQUEST_MAX = SDP_MAX + 256
"""Largest request or reply in bytes: a driver need read no further."""

RENDEZVOUS_TAG = "mappemonde/rendezvous/1"


@dataclass(frozen=True, slots=True)
class Request:
    """A joiner asks for a guest link."""

    network_id: bytes
    joiner: PeerId
    offer: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """The host's answer, signed: an address with a pinned id cannot be answered by somebody else."""

    host: PeerId
    """Who signs: the node behind the URL."""
    peer: PeerId
    """Who answers the offer: the host, or the neighbour it relayed the offer to; the host itself if refused."""
    answer: bytes | None
    """SDP answer of `peer`; None if refused."""
    refusal: Refusal | None
    """Why there is no answer."""
    signature: bytes
    """The host's, over the request and the reply."""


def encode_request(request: Request) -> bytes:
    """Return the bytes of a call's request."""
    return pack([RENDEZVOUS_VERSION, request.network_id, request.joiner, request.offer])


def decode_request(raw: bytes) -> Request:
    """Return the request of a call. Raises `Malformed`."""
    fields = array_field(unpack(raw, max_bytes=REQUEST_MAX, max_items=4), 4, "rendezvous request")
    int_field(fields[0], RENDEZVOUS_VERSION, RENDEZVOUS_VERSION, "version")
    return Request(
        network_id=bytes_field(fields[1], 32, 32, "network id"),
        joiner=PeerId(bytes_field(fields[2], PEER_ID_BYTES, PEER_ID_BYTES, "joiner")),
        offer=bytes_field(fields[3], 1, SDP_MAX, "offer"),
    )


def reply_digest(request: bytes, host: PeerId, peer: PeerId, answer: bytes | None, refusal: Refusal | None) -> Hash32:
    """Return what the host signs: its reply bound to the request's bytes."""
    return tagged_hash(RENDEZVOUS_TAG, pack([request, host, peer, answer, None if refusal is None else int(refusal)]))


def encode_reply(reply: Reply) -> bytes:
    """Return the bytes of a call's reply."""
    refusal = None if reply.refusal is None else int(reply.refusal)
    return pack([RENDEZVOUS_VERSION, reply.host, reply.peer, reply.answer, refusal, reply.signature])


def decode_reply(raw: bytes) -> Reply:
    """Return the reply to a call. Raises `Malformed`, also unless it holds exactly one of answer and refusal."""
    fields = array_field(unpack(raw, max_bytes=REQUEST_MAX, max_items=6), 6, "rendezvous reply")
    int_field(fields[0], RENDEZVOUS_VERSION, RENDEZVOUS_VERSION, "version")
    answer = None if fields[3] is None else bytes_field(fields[3], 1, SDP_MAX, "answer")
    refusal = None if fields[4] is None else Refusal(int_field(fields[4], 1, len(Refusal), "refusal"))
    if (answer is None) == (refusal is None):
        raise Malformed("a reply is either an answer or a refusal")
    return Reply(
        host=PeerId(bytes_field(fields[1], PEER_ID_BYTES, PEER_ID_BYTES, "host")),
        peer=PeerId(bytes_field(fields[2], PEER_ID_BYTES, PEER_ID_BYTES, "peer")),
        answer=answer,
        refusal=refusal,
        signature=bytes_field(fields[5], 64, 64, "signature"),
    )
