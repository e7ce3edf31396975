"""Frames that spread the map: batches of records, and proofs that an id contradicted itself (DESIGN section 3.2)."""

from collections.abc import Sequence

from chain.primitives.canonical import pack, unpack
from chain.primitives.errors import Malformed
from net.core.wire.frame import FRAME_MAX
from net.core.wire.record import RECORD_MAX, Record, decode_record, signature_valid, signed_part

BATCH_MAX = 64
"""Most records in one frame."""

BODY_MAX = FRAME_MAX - 1
"""Longest body of a frame: the kind byte is the frame's."""

_ENTRY_HEAD = 3
"""Bytes that msgpack puts before a byte string of up to 64 kB."""


def encode_records(records: Sequence[bytes]) -> bytes:
    """Return the body of a RECORDS frame; `records` are encoded records that fit one (see `split_batches`)."""
    assert 0 < len(records) <= BATCH_MAX, "batches are cut before"
    return pack(list(records))


def split_batches(records: Sequence[bytes]) -> list[list[bytes]]:
    """Return the encoded records in order, cut into batches that each fit one RECORDS frame."""
    batches: list[list[bytes]] = []
    room = 0
    for raw in records:
        size = len(raw) + _ENTRY_HEAD
        if not batches or size > room or len(batches[-1]) == BATCH_MAX:
            batches.append([])
            room = BODY_MAX - _ENTRY_HEAD
        batches[-1].append(raw)
        room -= size
    return batches


def decode_records(body: bytes) -> list[bytes]:
    """Return the encoded records of a batch, each still to be decoded. Raises `Malformed`."""
    match unpack(body, max_bytes=BODY_MAX, max_items=BATCH_MAX):
        case [_, *_] as items:
            return [_record_bytes(item) for item in items]
        case _:
            raise Malformed("not a batch of records")


def _record_bytes(item: object) -> bytes:
    if not isinstance(item, bytes) or not 0 < len(item) <= RECORD_MAX:
        raise Malformed("not a record's bytes")
    return item


def encode_equivocation(first: bytes, second: bytes) -> bytes:
    """Return the body of an EQUIVOCATION frame: two encoded records, the smaller bytes first."""
    return pack(sorted((first, second)))


def decode_equivocation(body: bytes) -> tuple[Record, Record]:
    """Return the two records, which contradict each other; their signatures are unchecked: see `convicts`.

    Raises `Malformed`, also when both are no contradiction.
    """
    match unpack(body, max_bytes=2 * RECORD_MAX + 16, max_items=2):
        case [bytes(first), bytes(second)] if first < second:
            left, right = decode_record(first), decode_record(second)
        case _:
            raise Malformed("not two records")
    if not contradict(left, right):
        raise Malformed("two records without a contradiction")
    return left, right


def contradict(left: Record, right: Record) -> bool:
    """Tell whether one origin cannot honestly have signed both: same `seq` and other content, or another `born`.

    Two signatures of the same content are no contradiction: BIP340 signatures differ by their nonces.
    """
    if left.peer != right.peer or left.network != right.network:
        return False
    if left.born != right.born:
        return True
    return left.seq == right.seq and signed_part(left) != signed_part(right)


def convicts(left: Record, right: Record) -> bool:
    """Tell whether the two records prove equivocation: they contradict each other and their origin signed both."""
    return contradict(left, right) and signature_valid(left) and signature_valid(right)
