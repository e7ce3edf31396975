"""Requests and responses of the SYNC topic: records and codecs (docs/protocol, exchange).

Every message is a canonical msgpack array whose first item is its kind; a response has the kind of its request.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import TypeAlias

from chain.block import SEALED_MAX_BYTES, SealedHeader, decode_sealed, encode_sealed
from chain.exchange.topics import SYNC_MAX_BYTES, TRANSACTION_MAX_BYTES
from chain.primitives.canonical import bytes_integer, integer_bytes, pack, unpack
from chain.primitives.errors import Malformed
from chain.primitives.fields import bytes_field, int_field, list_field
from chain.primitives.units import Hash32

LOCATOR_MAX = 48
"""Most ids of a locator: ten in a row, then doubling steps reach back 2^38 blocks."""

HEADERS_MAX = 512
"""Most headers of a response: 177 kB without tickets and 17 ms to decode and chain (measured)."""

BODIES_MAX = 32
"""Most bodies of a response."""

PARTS_MAX = 6_000
"""Most transactions of a PARTS request: a body of the cheapest transactions has gas limit / 21,000 = 5,714."""

NAMES_MAX = 16_384
"""Most names of a WAITING response: as many as a pool holds by default, 98 kB."""

NAME_BYTES = 6
"""Length of a name: of 16,384 in each of two pools one is taken for another in one answer of a million, and then one
transaction is not learnt."""

SALT_BYTES = 16
"""Length of the salt that the answerer draws for the names: none of its transactions was made to share a name."""

PICKS_MAX = 512
"""Most transactions of a PICK request."""

WORK_MAX_BYTES = 40
"""Longest total work: 2^53 blocks of 2^256 are under 2^320."""

_HEIGHT_LIMIT = 1 << 53


class Kind(IntEnum):
    """First item of every message."""

    STATUS = 0
    HEADERS = 1
    BODIES = 2
    PARTS = 3
    WAITING = 4
    PICK = 5


@dataclass(frozen=True, slots=True)
class Status:
    """Where a node stands: request and response alike, so that one exchange tells both."""

    head_id: Hash32
    height: int
    """Of the adopted head; below 2^53."""
    total_work: int
    """Claimed sum of weights up to the head (rule 6)."""


@dataclass(frozen=True, slots=True)
class HeadersRequest:
    """Asks for the canonical headers after the first id of the locator that is canonical for the answerer."""

    locator: tuple[Hash32, ...]
    """Ids of the asker's chain, newest first, the last one genesis."""
    limit: int
    """Most headers wanted, 1 to HEADERS_MAX."""


@dataclass(frozen=True, slots=True)
class BodiesRequest:
    """Asks for whole bodies."""

    ids: tuple[Hash32, ...]


@dataclass(frozen=True, slots=True)
class PartsRequest:
    """Asks for some transactions of one block: what the pool lacked for a compact body."""

    block_id: Hash32
    indexes: tuple[int, ...]
    """Places in the body, ascending."""


@dataclass(frozen=True, slots=True)
class WaitingRequest:
    """Asks which transactions wait in the answerer's pool."""


@dataclass(frozen=True, slots=True)
class PickRequest:
    """Asks for some of the transactions that an answer to `WaitingRequest` named."""

    salt: bytes
    """Of that answer."""
    places: tuple[int, ...]
    """Places in that answer, ascending, at most PICKS_MAX."""


@dataclass(frozen=True, slots=True)
class Headers:
    """Consecutive headers with their claims, oldest first; empty when the locator is unknown or nothing follows it."""

    sealed: tuple[SealedHeader, ...]


@dataclass(frozen=True, slots=True)
class Bodies:
    """The first of the bodies asked for, as many as fit a response; None for one that the answerer does not have."""

    bodies: tuple[bytes | None, ...]


@dataclass(frozen=True, slots=True)
class Parts:
    """The transactions asked for in their order, None if the answerer does not have the body."""

    raws: tuple[bytes, ...] | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """The transactions that wait in a pool, in an order in which another pool takes them, the best first."""

    salt: bytes
    """SALT_BYTES, drawn by the answerer."""
    names: tuple[bytes, ...]
    """`name_of` each, no two the same."""


@dataclass(frozen=True, slots=True)
class Picked:
    """The first of the transactions asked for, as many as fit, None for one that is gone; None if the answerer does not
    know the salt any more."""

    raws: tuple[bytes | None, ...] | None


Request: TypeAlias = Status | HeadersRequest | BodiesRequest | PartsRequest | WaitingRequest | PickRequest
Response: TypeAlias = Status | Headers | Bodies | Parts | Waiting | Picked


def name_of(salt: bytes, tx_hash: Hash32) -> bytes:
    """Return the name of a transaction in a WAITING response: keyed blake2b, 0.7 µs."""
    return hashlib.blake2b(tx_hash, digest_size=NAME_BYTES, key=salt).digest()


def encode_request(request: Request) -> bytes:
    """Return the bytes of a request."""
    match request:
        case Status():
            return _encode_status(request)
        case HeadersRequest(locator, limit):
            return pack([Kind.HEADERS, list(locator), limit])
        case BodiesRequest(ids):
            return pack([Kind.BODIES, list(ids)])
        case PartsRequest(block_id, indexes):
            return pack([Kind.PARTS, block_id, list(indexes)])
        case WaitingRequest():
            return pack([Kind.WAITING])
        case PickRequest(salt, places):
            return pack([Kind.PICK, salt, list(places)])


def decode_request(raw: bytes) -> Request:
    """Return a peer's request. Raises `Malformed`."""
    kind, fields = _decode_kind(raw)
    match kind:
        case Kind.STATUS:
            return _decode_status(fields)
        case Kind.HEADERS:
            _count(fields, 2)
            locator = _ids(fields[0], most=LOCATOR_MAX)
            limit = int_field(fields[1], least=1, below=HEADERS_MAX + 1)
            return HeadersRequest(locator, limit)
        case Kind.BODIES:
            _count(fields, 1)
            return BodiesRequest(_ids(fields[0], most=BODIES_MAX))
        case Kind.PARTS:
            _count(fields, 2)
            return PartsRequest(_hash(fields[0]), _places(fields[1], most=PARTS_MAX, below=PARTS_MAX))
        case Kind.WAITING:
            _count(fields, 0)
            return WaitingRequest()
        case Kind.PICK:
            _count(fields, 2)
            return PickRequest(_salt(fields[0]), _places(fields[1], most=PICKS_MAX, below=NAMES_MAX))


def encode_response(response: Response) -> bytes:
    """Return the bytes of a response."""
    match response:
        case Status():
            return _encode_status(response)
        case Headers(sealed):
            return encode_headers([encode_sealed(item) for item in sealed])
        case Bodies(bodies):
            return pack([Kind.BODIES, list(bodies)])
        case Parts(raws):
            return pack([Kind.PARTS, None if raws is None else list(raws)])
        case Waiting(salt, names):
            return pack([Kind.WAITING, salt, b"".join(names)])
        case Picked(picked):
            return pack([Kind.PICK, None if picked is None else list(picked)])


def encode_headers(sealed: Sequence[bytes]) -> bytes:
    """Return a HEADERS response of headers that are encoded already."""
    return pack([Kind.HEADERS, list(sealed)])


def decode_response(raw: bytes) -> Response:
    """Return a peer's response; bodies and parts in it are not decoded. Raises `Malformed`."""
    kind, fields = _decode_kind(raw)
    match kind:
        case Kind.STATUS:
            return _decode_status(fields)
        case Kind.HEADERS:
            _count(fields, 1)
            items = list_field(fields[0], most=HEADERS_MAX)
            return Headers(tuple(decode_sealed(bytes_field(item, most=SEALED_MAX_BYTES)) for item in items))
        case Kind.BODIES:
            _count(fields, 1)
            bodies = list_field(fields[0], most=BODIES_MAX)
            return Bodies(tuple(None if item is None else bytes_field(item) for item in bodies))
        case Kind.PARTS:
            _count(fields, 1)
            if fields[0] is None:
                return Parts(None)
            return Parts(tuple(bytes_field(item) for item in list_field(fields[0], most=PARTS_MAX)))
        case Kind.WAITING:
            _count(fields, 2)
            return Waiting(_salt(fields[0]), _names(fields[1]))
        case Kind.PICK:
            _count(fields, 1)
            return Picked(None if fields[0] is None else tuple(map(_picked, list_field(fields[0], most=PICKS_MAX))))


def _encode_status(status: Status) -> bytes:
    return pack([Kind.STATUS, status.head_id, status.height, integer_bytes(status.total_work)])


def _decode_status(fields: Sequence[object]) -> Status:
    _count(fields, 3)
    return Status(
        head_id=_hash(fields[0]),
        height=int_field(fields[1], below=_HEIGHT_LIMIT),
        total_work=bytes_integer(bytes_field(fields[2], most=WORK_MAX_BYTES), max_bytes=WORK_MAX_BYTES),
    )


def _decode_kind(raw: bytes) -> tuple[Kind, Sequence[object]]:
    fields = list_field(unpack(raw, max_bytes=SYNC_MAX_BYTES, max_items=PARTS_MAX), most=4)
    if not fields:
        raise Malformed("an empty message")
    number = int_field(fields[0], below=len(Kind))
    return Kind(number), fields[1:]


def _count(fields: Sequence[object], count: int) -> None:
    if len(fields) != count:
        raise Malformed(f"{len(fields)} fields where {count} belong")


def _ids(value: object, *, most: int) -> tuple[Hash32, ...]:
    ids = tuple(_hash(item) for item in list_field(value, most=most))
    if not ids:
        raise Malformed("no ids")
    return ids


def _places(value: object, *, most: int, below: int) -> tuple[int, ...]:
    places = tuple(int_field(item, below=below) for item in list_field(value, most=most))
    if not places or any(low >= high for low, high in pairwise(places)):
        raise Malformed("places do not ascend")
    return places


def _salt(value: object) -> bytes:
    return bytes_field(value, size=SALT_BYTES)


def _names(value: object) -> tuple[bytes, ...]:
    raw = bytes_field(value, most=NAMES_MAX * NAME_BYTES)
    names = tuple(raw[at : at + NAME_BYTES] for at in range(0, len(raw), NAME_BYTES))
    if len(raw) % NAME_BYTES or len(set(names)) != len(names):
        raise Malformed("names are cut off or the same")
    return names


def _picked(item: object) -> bytes | None:
    return None if item is None else bytes_field(item, most=TRANSACTION_MAX_BYTES)


def _hash(value: object) -> Hash32:
    return Hash32(bytes_field(value, size=32))
