"""Frames that spread the map: batches of records, and proofs that an id contradicted itself (DESIGN section 3.2).

Records travel along eager links whole; over lazy links only their names go (HAVE), and whoever misses one asks for it
(WANT). A WANT also says whether the link shall be eager from now on: so the eager links form a tree that mends itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NewType

from chain.primitives.canonical import pack, unpack
from chain.primitives.errors import Malformed
from chain.primitives.peer import PREFIX_BYTES
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


NAMES_MAX = 512
"""Most names in one HAVE or WANT frame: 8 kB."""

_NAME_BYTES = PREFIX_BYTES + 4


RecordName = NewType("RecordName", bytes)
"""Which record is meant, as it travels: the first 12 bytes of its origin's id, then `seq` modulo 2^32, big-endian.

Names stay bytes: they come by the hundred, and nearly all are only looked for in sets.
"""


def record_name(prefix: bytes, seq: int) -> RecordName:
    """Return the name of the record that the id with this 12-byte prefix signed at `seq`."""
    return RecordName(prefix + (seq & 0xFFFF_FFFF).to_bytes(4, "big"))


def name_prefix(name: RecordName) -> bytes:
    """Return the first 12 bytes of the origin's id."""
    return name[:PREFIX_BYTES]


def name_seq(name: RecordName) -> int:
    """Return `seq` modulo 2^32: enough to tell newer from older within 24 days; see `newer`."""
    return int.from_bytes(name[PREFIX_BYTES:], "big")


LANES = 16
"""Parts that the ids fall into, for records of different parts to travel along different links."""

ALL_LANES = (1 << LANES) - 1


def lane_of(name: bytes) -> int:
    """Return the lane of an origin, by its id, its prefix or a name of its record: bits in which ids are random."""
    return name[PREFIX_BYTES - 1] % LANES


def newer(seq_low: int, held: int) -> bool:
    """Tell whether a name's `seq_low` is newer than the `seq` held."""
    return 0 < (seq_low - held) % (1 << 32) < 1 << 31


class Turn(IntEnum):
    """What a WANT asks of the link itself."""

    KEEP = 0
    EAGER = 1
    """Send me these lanes' records whole as well: this link brought what others did not."""
    LAZY = 2
    """Send me names only: others bring the records earlier."""
    TREE = 3
    """Send me these lanes' records whole, and no others for this reason, until I say LAZY: you are my parent in the
    trees that I read off the map."""


@dataclass(frozen=True, slots=True)
class RecordsWant:
    """A request for records by name, and for a turn of the link."""

    turn: Turn
    names: tuple[RecordName, ...]
    """What the sender misses; the answer is the newest record held of each origin. May be empty."""
    lanes: int = ALL_LANES
    """What EAGER and TREE speak of, one bit a lane, the lowest for lane 0."""


_OF_LANES = (Turn.EAGER, Turn.TREE)
_LANES_BYTES = 2


def encode_have(names: Sequence[RecordName]) -> bytes:
    """Return the body of a RECORDS_HAVE frame, for 1 to NAMES_MAX names."""
    assert 0 < len(names) <= NAMES_MAX, "names are cut before"
    return b"".join(names)


def decode_have(body: bytes) -> list[RecordName]:
    """Return the names of records the sender holds. Raises `Malformed`."""
    names = _cut_names(body)
    if not names:
        raise Malformed("an announcement of nothing")
    return names


def _cut_names(raw: bytes) -> list[RecordName]:
    if len(raw) % _NAME_BYTES or len(raw) > NAMES_MAX * _NAME_BYTES:
        raise Malformed("record names of a wrong length")
    return [RecordName(raw[at : at + _NAME_BYTES]) for at in range(0, len(raw), _NAME_BYTES)]


def encode_want(want: RecordsWant) -> bytes:
    """Return the body of a RECORDS_WANT frame, for up to NAMES_MAX names and at least one lane."""
    assert len(want.names) <= NAMES_MAX, "names are cut before"
    assert 0 < want.lanes <= ALL_LANES, "who wants no lane says LAZY"
    lanes = want.lanes.to_bytes(_LANES_BYTES, "big") if want.turn in _OF_LANES else b""
    return bytes((want.turn,)) + lanes + b"".join(want.names)


def decode_want(body: bytes) -> RecordsWant:
    """Return the request. Raises `Malformed`."""
    if not body or body[0] > max(Turn):
        raise Malformed("a request for records of an unknown kind")
    turn = Turn(body[0])
    if turn not in _OF_LANES:
        return RecordsWant(turn, tuple(_cut_names(body[1:])))
    names = 1 + _LANES_BYTES
    lanes = int.from_bytes(body[1:names], "big")
    if len(body) < names or not lanes:
        raise Malformed("a request for records of no lane")
    return RecordsWant(turn, tuple(_cut_names(body[names:])), lanes)


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
