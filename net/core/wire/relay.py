"""PUBLISH, ANNOUNCE, PULL and CHUNK: published messages on one link (DESIGN section 3.5)."""

import struct
from dataclasses import dataclass

from chain.primitives.errors import Malformed
from net.core.wire.frame import FRAME_MAX

KEY_BYTES = 16
"""Length of a message's key: blake2b-128 of topic and payload. The topic counts,
or a rejected copy under another topic would hide a message."""

ENTRIES_MAX = 512
"""Keys in one ANNOUNCE or PULL frame."""

_TOPIC = struct.Struct(">H")
_ENTRY = struct.Struct(">H16sI")
_CHUNK = struct.Struct(">H16sII")

PUBLISH_MAX = FRAME_MAX - 1 - _TOPIC.size
"""Largest payload that travels whole."""

CHUNK_MAX = FRAME_MAX - 1 - _CHUNK.size
"""Payload bytes in one chunk; every chunk but the last is full."""


@dataclass(frozen=True, slots=True)
class Announced:
    """The sender has this message and will send it when pulled."""

    topic: int
    key: bytes
    size: int
    """Bytes of the payload."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a payload too large for a frame. Chunks of one message come in order on a link."""

    topic: int
    key: bytes
    offset: int
    total: int
    data: bytes


def encode_publish(topic: int, payload: bytes) -> bytes:
    """Return the body of a PUBLISH frame."""
    assert len(payload) <= PUBLISH_MAX
    return _TOPIC.pack(topic) + payload


def decode_publish(body: bytes) -> tuple[int, bytes]:
    """Return topic and payload. Raises `Malformed`."""
    if len(body) < _TOPIC.size:
        raise Malformed("a message without a topic")
    return _TOPIC.unpack_from(body)[0], body[_TOPIC.size :]


def encode_announce(entries: list[Announced]) -> bytes:
    """Return the body of an ANNOUNCE frame of 1 to ENTRIES_MAX entries."""
    assert 1 <= len(entries) <= ENTRIES_MAX
    return b"".join(_ENTRY.pack(entry.topic, entry.key, entry.size) for entry in entries)


def decode_announce(body: bytes) -> list[Announced]:
    """Return the announced messages. Raises `Malformed`."""
    if not body or len(body) % _ENTRY.size or len(body) > ENTRIES_MAX * _ENTRY.size:
        raise Malformed(f"an announcement of {len(body)} bytes")
    return [Announced(topic, key, size) for topic, key, size in _ENTRY.iter_unpack(body)]


def encode_pull(keys: list[bytes]) -> bytes:
    """Return the body of a PULL frame of 1 to ENTRIES_MAX keys."""
    assert 1 <= len(keys) <= ENTRIES_MAX
    return b"".join(keys)


def decode_pull(body: bytes) -> list[bytes]:
    """Return the keys asked for. Raises `Malformed`."""
    if not body or len(body) % KEY_BYTES or len(body) > ENTRIES_MAX * KEY_BYTES:
        raise Malformed(f"a pull of {len(body)} bytes")
    return [body[start : start + KEY_BYTES] for start in range(0, len(body), KEY_BYTES)]


def encode_chunks(topic: int, key: bytes, payload: bytes) -> list[bytes]:
    """Return the bodies of the CHUNK frames of a payload longer than PUBLISH_MAX, in order."""
    total = len(payload)
    return [
        _CHUNK.pack(topic, key, offset, total) + payload[offset : offset + CHUNK_MAX]
        for offset in range(0, total, CHUNK_MAX)
    ]


def decode_chunk(body: bytes) -> Chunk:
    """Return the chunk of a frame's body. Raises `Malformed`."""
    if len(body) <= _CHUNK.size:
        raise Malformed(f"a chunk of {len(body)} bytes")
    topic, key, offset, total = _CHUNK.unpack_from(body)
    data = body[_CHUNK.size :]
    if offset % CHUNK_MAX or offset >= total or len(data) != min(CHUNK_MAX, total - offset) or total <= PUBLISH_MAX:
        raise Malformed(f"a chunk of {len(data)} bytes at {offset} of {total}")
    return Chunk(topic, key, offset, total, data)
