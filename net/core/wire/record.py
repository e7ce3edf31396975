"""Map records: what each peer signs about itself and its links, and everyone keeps (DESIGN section 3.2)."""

from dataclasses import dataclass, replace
from enum import IntEnum, IntFlag
from itertools import pairwise
from typing import NamedTuple

from chain.primitives.canonical import pack, unpack
from chain.primitives.errors import Malformed
from chain.primitives.hashing import tagged_hash
from chain.primitives.keys import schnorr_valid
from chain.primitives.peer import PREFIX_BYTES, PeerId
from chain.primitives.units import Hash32, Millis

CAP = 24
"""Most links a record may list (DESIGN section 3.3)."""

CAP_HEAL = 32
"""Most links a record with the healing flag may list."""

OWN_MAX = 8
"""Most `out` links of an id older than YOUNG."""

OWN_YOUNG = 12
"""Most `out` links of a younger id."""

YOUNG = Millis(3_600_000)
"""How long after its `born` an id is young: judged by the record's own times, so that all peers judge alike."""

TIME_LIMIT = 1 << 48
"""Times in records are below this: the year 10889; the map keeps 48 bits."""

RTT_CLASSES = 64
"""Round-trip classes: 0 unknown, then two per doubling from 1 ms on."""

UPLINK_CLASSES = 16
"""Uplink classes: 0 unknown, class c means at least 2^c × 8 kB/s."""

RECORD_MAX = 640
"""Longest record in bytes: 32 links and every field at its longest make 638."""

LINK_BYTES = PREFIX_BYTES + 1
"""Of one entry of the neighbour list: the prefix, then direction and round-trip class."""

_VERSION = 1
_TAG = "mappemonde/record/1"
_ID_AT = 38  # after the array's head, the version, the network and two heads
_SEQ_AFTER = _ID_AT + 32  # where `born` begins, which `seq` follows
_INTEGER_BYTES = {
    b"\xcc": 1,
    b"\xcd": 2,
    b"\xce": 4,
    b"\xcf": 8,
}  # by msgpack's head; without one the head is the number
_MAX_EPOCH = 1 << 16
_MAX_NONCE = 1 << 32


class Direction(IntEnum):
    """Who chose a link, seen from the record's origin."""

    OUT = 0
    """The origin did: one of its own links."""
    IN = 1
    """The other end did: inbound."""


class Flags(IntFlag):
    """Facts a peer announces about itself; they never raise its rank with anyone."""

    PUBLIC = 1
    """Can be dialled from anywhere; with PUNCHABLE unset too, the peer is hard to reach."""
    PUNCHABLE = 2
    """Can be reached by simultaneous opening."""
    HEALING = 4
    """Holds up to CAP_HEAL links for a while."""
    IPV4 = 8
    IPV6 = 16
    LEAVING = 32
    """The last record before an orderly stop: lists no links; the peer is not to be dialled."""


ALL_FLAGS = 63
"""Every known flag; other bits are malformed."""


class Link(NamedTuple):
    """One entry of a record's neighbour list."""

    prefix: bytes
    """First 12 bytes of the neighbour's id."""
    direction: Direction
    rtt: int
    """Round-trip class, below RTT_CLASSES; see `rtt_class`."""


@dataclass(frozen=True, slots=True)
class Record:
    """What a peer says of itself at one moment."""

    network: Hash32
    """NETWORK_ID: blake2b-256 of the canonical genesis document."""
    peer: PeerId
    """The origin's id."""
    born: Millis
    """Signing time of the origin's first record; never changes, two values prove equivocation."""
    seq: Millis
    """Signing time in ms since the epoch by the mesh clock; strictly increasing; the same twice proves equivocation."""
    nonce: int
    """Proof of work of the id (section 3.1), below 2^32."""
    epoch: int
    """The id epoch the proof is for, below 2^16."""
    flags: Flags
    uplink: int
    """Class of the measured upload rate, below UPLINK_CLASSES."""
    tags: tuple[int, int, int]
    """Failure domains: operator, country, release; each below 2^16, 0 for not told. Used for alarms only."""
    links: tuple[Link, ...]
    """Neighbours in ascending order of their prefixes, none twice, not the origin itself."""
    signature: bytes
    """BIP340, 64 bytes, over the tagged hash of all fields before it."""


def signed_part(record: Record) -> bytes:
    """Return the bytes whose tagged hash is signed: the record's encoding without the signature."""
    return pack(_fields(record))


def _fields(record: Record) -> list[object]:
    links = b"".join([link.prefix + bytes((link.direction << 6 | link.rtt,)) for link in record.links])
    tags = b"".join([tag.to_bytes(2, "big") for tag in record.tags]) if any(record.tags) else b""
    return [
        _VERSION,
        record.network,
        record.peer,
        record.born,
        record.seq,
        record.nonce,
        record.epoch,
        int(record.flags),
        record.uplink,
        tags,
        links,
    ]


def encode_record(record: Record) -> bytes:
    """Return the canonical bytes: equal records have equal bytes."""
    return pack([*_fields(record), record.signature])


def decode_record(raw: bytes) -> Record:
    """Return the record. The signature is not checked here: see `signature_valid`.

    Raises `Malformed` on bytes that are not canonical and on content that no honest node signs: too many links or own
    links, links out of order, `born` after `seq`. A valid signature under such bytes proves the origin's fault.
    """
    match unpack(raw, max_bytes=RECORD_MAX, max_items=12):
        case [
            int(version), bytes(network), bytes(peer), int(born), int(seq), int(nonce), int(epoch), int(flags),
            int(uplink), bytes(tags), bytes(links), bytes(signature),
        ]:  # fmt: skip
            pass
        case _:
            raise Malformed("not a record's fields")
    if version != _VERSION or any(
        isinstance(number, bool) for number in (version, born, seq, nonce, epoch, flags, uplink)
    ):
        raise Malformed("a record of an unknown version, or a truth value where a number stands")
    if len(network) != 32 or len(peer) != 32 or len(signature) != 64:
        raise Malformed("a record's id, network or signature has a wrong length")
    if not 0 <= born <= seq < TIME_LIMIT:
        raise Malformed("a record born after it was signed")
    if not (0 <= nonce < _MAX_NONCE and 0 <= epoch < _MAX_EPOCH):
        raise Malformed("a record's proof is out of range")
    if not (0 <= flags <= ALL_FLAGS and 0 <= uplink < UPLINK_CLASSES):
        raise Malformed("a record's flags or uplink class are unknown")
    record = Record(
        network=Hash32(network),
        peer=PeerId(peer),
        born=Millis(born),
        seq=Millis(seq),
        nonce=nonce,
        epoch=epoch,
        flags=Flags(flags),
        uplink=uplink,
        tags=_decode_tags(tags),
        links=_decode_links(links),
        signature=signature,
    )
    fault = fault_of(record)
    if fault is not None:
        raise Malformed(fault)
    return record


def origin_of(raw: bytes) -> PeerId:
    """Return the origin's id from the bytes of a record that was decoded before: it stands at a fixed place."""
    return PeerId(raw[_ID_AT : _ID_AT + 32])


def seq_of(raw: bytes) -> int:
    """Return `seq` from the bytes of a record, without a look at the rest; any number from bytes that are none."""
    born = raw[_SEQ_AFTER : _SEQ_AFTER + 1]
    at = _SEQ_AFTER + 1 + _INTEGER_BYTES.get(born, 0)
    width = _INTEGER_BYTES.get(raw[at : at + 1], 0)
    return int.from_bytes(raw[at + 1 : at + 1 + width] if width else raw[at : at + 1], "big")


def _decode_tags(raw: bytes) -> tuple[int, int, int]:
    if not raw:
        return (0, 0, 0)
    if len(raw) != 6 or raw == bytes(6):
        raise Malformed("failure domains of a wrong length")
    return (int.from_bytes(raw[:2], "big"), int.from_bytes(raw[2:4], "big"), int.from_bytes(raw[4:], "big"))


def _decode_links(raw: bytes) -> tuple[Link, ...]:
    count, rest = divmod(len(raw), LINK_BYTES)
    if rest or count > CAP_HEAL:
        raise Malformed("a record's links have a wrong length")
    links = []
    for at in range(0, len(raw), LINK_BYTES):
        kind = raw[at + PREFIX_BYTES]
        if kind >= 2 * RTT_CLASSES:
            raise Malformed("a link of an unknown kind")
        links.append(Link(raw[at : at + PREFIX_BYTES], Direction(kind >> 6), kind & 63))
    return tuple(links)


def fault_of(record: Record) -> str | None:
    """Say which public rule the record breaks by itself (DESIGN section 3.3), None if none."""
    if any(left.prefix >= right.prefix for left, right in pairwise(record.links)):
        return "a record's links are out of order"
    if any(link.prefix == record.peer[:PREFIX_BYTES] for link in record.links):
        return "a record that lists itself"
    if len(record.links) > (CAP_HEAL if record.flags & Flags.HEALING else CAP):
        return f"a record with {len(record.links)} links"
    own = sum(link.direction is Direction.OUT for link in record.links)
    if own > own_limit(record.born, record.seq):
        return f"a record with {own} own links"
    return None


def own_limit(born: Millis, seq: Millis) -> int:
    """Return how many `out` links a record may list that is signed at `seq` by an id born at `born`."""
    return OWN_MAX if seq - born > YOUNG else OWN_YOUNG


def record_digest(record: Record) -> Hash32:
    """Return what the origin signs."""
    return tagged_hash(_TAG, signed_part(record))


def with_signature(record: Record, signature: bytes) -> Record:
    """Return the record with a signature in place; the signer is `net.core.identity.records.sign_record`."""
    return replace(record, signature=signature)


def signature_valid(record: Record) -> bool:
    """Tell whether the origin signed the record. 65 µs; pure, so that a simulator may remember its answers."""
    return schnorr_valid(record.peer, record_digest(record), record.signature)


def rtt_class(milliseconds: int) -> int:
    """Return the class of a round trip: 1 for up to 1 ms, two classes per doubling, at most RTT_CLASSES - 1."""
    floor = max(milliseconds, 1)
    exponent = floor.bit_length() - 1
    upper_half = exponent > 0 and floor >> (exponent - 1) & 1
    return min(1 + 2 * exponent + int(upper_half), RTT_CLASSES - 1)


def rtt_millis(rtt: int) -> int | None:
    """Return the lower bound in ms of a round-trip class, None for class 0 (unknown)."""
    if rtt == 0:
        return None
    exponent, upper_half = divmod(rtt - 1, 2)
    return (1 << exponent) + ((1 << exponent) >> 1 if upper_half else 0)


def uplink_class(bytes_per_second: int) -> int:
    """Return the uplink class of a measured rate: the largest c ≥ 1 with 2^c × 8 kB/s at most the rate, else 1."""
    return min(max((bytes_per_second // 8000).bit_length() - 1, 1), UPLINK_CLASSES - 1)


def uplink_rate(uplink: int) -> int | None:
    """Return the lower bound in bytes a second of an uplink class, None for class 0 (unknown)."""
    return (8000 << uplink) if uplink else None
