"""Deltas: an origin's next record as what changed since the one before, a third of its bytes (DESIGN section 3.2).

Nearly every record repeats its predecessor but for a link or two, and whoever keeps the map holds that predecessor.
A delta names it by its digest, so that it is applied to nothing else; what comes out are the record's own bytes, whose
signature is checked as ever.
"""

from typing import NamedTuple

import msgpack

from chain.primitives.canonical import pack, unpack
from chain.primitives.errors import Malformed
from chain.primitives.hashing import blake2b_128
from chain.primitives.peer import PREFIX_BYTES
from chain.primitives.units import Millis
from net.core.wire.record import ALL_FLAGS, CAP_HEAL, LINK_BYTES, RECORD_MAX, TIME_LIMIT, UPLINK_CLASSES

BASE_BYTES = 16
"""Of the digest that names the record a delta follows: so long that nobody can sign two records that share it."""

_HEAD = b"\x97"
"""First byte of a delta: an array of seven. A whole record is an array of twelve."""

_SEQ, _FLAGS, _UPLINK, _LINKS, _SIGNATURE = 4, 7, 8, 10, 11
"""Where the fields that a delta can change stand in a record."""

_CHANGED = (_SEQ, _FLAGS, _UPLINK, _LINKS, _SIGNATURE)


class Delta(NamedTuple):
    """What changed from one record of an origin to a later one."""

    prefix: bytes
    """First 12 bytes of the origin's id."""
    base: bytes
    """BLAKE2b-128 of the earlier record's bytes."""
    seq: Millis
    """The later record's."""
    flags: int
    uplink: int
    gone: bytes
    """Places among the earlier record's links of those that are listed no more, or differ: one byte each, ascending."""
    came: bytes
    """Links that are new or differ, as records encode them."""
    signature: bytes
    """The later record's."""


def is_delta(item: bytes) -> bool:
    """Tell whether an entry of a RECORDS frame is a delta; else it is a whole record."""
    return item[:1] == _HEAD


def delta_between(old: bytes, new: bytes) -> bytes | None:
    """Return the delta from one encoded record to a later one of the same origin, always shorter, 14 µs; None where
    something changed that a delta cannot say (the id's proof, failure domains)."""
    before, after = msgpack.unpackb(old), msgpack.unpackb(new)
    if any(before[at] != after[at] for at in range(len(after)) if at not in _CHANGED):
        return None
    listed, lists = _cut(before[_LINKS]), _cut(after[_LINKS])
    kept = set(lists).intersection(listed)
    gone = bytes([place for place, link in enumerate(listed) if link not in kept])
    came = b"".join([link for link in lists if link not in kept])
    name = after[2][:PREFIX_BYTES] + blake2b_128(old)
    return pack([name, after[_SEQ], after[_FLAGS], after[_UPLINK], gone, came, after[_SIGNATURE]])


def decode_delta(raw: bytes) -> Delta:
    """Return the delta. Raises `Malformed`; whether it fits its base is found by `apply_delta`."""
    match unpack(raw, max_bytes=RECORD_MAX, max_items=7):
        case [bytes(name), int(seq), int(flags), int(uplink), bytes(gone), bytes(came), bytes(signature)]:
            pass
        case _:
            raise Malformed("not a delta's fields")
    if any(isinstance(number, bool) for number in (seq, flags, uplink)):
        raise Malformed("a truth value where a delta's number stands")
    if len(name) != PREFIX_BYTES + BASE_BYTES or len(signature) != 64 or len(came) % LINK_BYTES:
        raise Malformed("a delta's name, links or signature have a wrong length")
    if not (0 <= seq < TIME_LIMIT and 0 <= flags <= ALL_FLAGS and 0 <= uplink < UPLINK_CLASSES):
        raise Malformed("a delta's seq, flags or uplink class are out of range")
    if len(gone) > CAP_HEAL or list(gone) != sorted(set(gone)):
        raise Malformed("a delta's lost links are out of order")
    return Delta(name[:PREFIX_BYTES], name[PREFIX_BYTES:], Millis(seq), flags, uplink, gone, came, signature)


def apply_delta(base: bytes, delta: Delta) -> bytes | None:
    """Return the later record's bytes, still to be decoded, from those of the earlier one, which was decoded before;
    None if the delta follows another record. Raises `Malformed` if it takes away links that the base does not list."""
    if blake2b_128(base) != delta.base:
        return None
    fields = msgpack.unpackb(base)
    links = _cut(fields[_LINKS])
    if delta.gone and delta.gone[-1] >= len(links):
        raise Malformed("a delta that takes away a link that is not listed")
    lost = set(delta.gone)
    left = [link for place, link in enumerate(links) if place not in lost]
    fields[_SEQ], fields[_FLAGS], fields[_UPLINK] = delta.seq, delta.flags, delta.uplink
    fields[_LINKS] = b"".join(sorted(left + _cut(delta.came)))
    fields[_SIGNATURE] = delta.signature
    return pack(fields)


def _cut(links: bytes) -> list[bytes]:
    return [links[at : at + LINK_BYTES] for at in range(0, len(links), LINK_BYTES)]
