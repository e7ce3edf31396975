"""REQUEST, RESPONSE and REFUSE: application requests between neighbours, cut into frames."""

import struct
from dataclasses import dataclass

from chain.primitives.canonical import pack, unpack
from chain.primitives.errors import Malformed
from net.core.wire.control import REASON_MAX
from net.core.wire.fields import array_field, int_field, text_field
from net.core.wire.frame import FRAME_MAX

_HEAD = struct.Struct(">IHII")

PART_MAX = FRAME_MAX - 1 - _HEAD.size
"""Payload bytes in one part."""

U32_MAX = 0xFFFF_FFFF
"""Numbers of requests wrap here."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a request's or response's payload. Parts of one payload come in order and without gaps."""

    number: int
    """The asker's number of the request, 32 bits, unique on the link while it is open."""
    topic: int
    offset: int
    """Where `data` stands in the payload."""
    total: int
    """Length of the whole payload."""
    data: bytes


@dataclass(frozen=True, slots=True)
class Refuse:
    """No answer will come."""

    number: int
    reason: str


def encode_parts(number: int, topic: int, payload: bytes) -> list[bytes]:
    """Return the bodies of the frames that carry a payload, in order; an empty payload is one empty part."""
    total = len(payload)
    return [
        _HEAD.pack(number, topic, offset, total) + payload[offset : offset + PART_MAX]
        for offset in range(0, max(total, 1), PART_MAX)
    ]


def decode_part(body: bytes) -> Part:
    """Return the part in a REQUEST's or RESPONSE's body. Raises `Malformed`."""
    if len(body) < _HEAD.size:
        raise Malformed(f"a part of {len(body)} bytes")
    number, topic, offset, total = _HEAD.unpack_from(body)
    data = body[_HEAD.size :]
    if len(data) != min(PART_MAX, max(total - offset, 0)) or offset % PART_MAX or (offset and offset >= total):
        raise Malformed(f"a part of {len(data)} bytes at {offset} of {total}")
    return Part(number, topic, offset, total, data)


def encode_refuse(refuse: Refuse) -> bytes:
    """Return the body of a REFUSE frame; the reason is cut to REASON_MAX bytes."""
    return pack([refuse.number, refuse.reason.encode()[:REASON_MAX].decode(errors="ignore")])


def decode_refuse(body: bytes) -> Refuse:
    """Return the refusal of a frame's body. Raises `Malformed`."""
    fields = array_field(unpack(body, max_bytes=REASON_MAX + 16, max_items=2), 2, "refusal")
    return Refuse(int_field(fields[0], 0, U32_MAX, "number"), text_field(fields[1], REASON_MAX, "reason"))
