"""The kinds of parameters: plain values, blocks, and their schemas. Log filters and calls have files of their own."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from chain.primitives.peer import PeerId
from chain.primitives.units import Address, Hash32
from net.rpc.encoding import Json
from net.rpc.errors import RpcError, invalid_params
from net.rpc.registry import Kind, Schema

UINT64_MAX = 2**64 - 1
UINT256_MAX = 2**256 - 1
_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")


def decode_data(value: object, *, max_bytes: int) -> bytes:
    """Return the bytes of `0x` and an even number of digits. Raises `RpcError`."""
    if not isinstance(value, str) or value[:2] not in ("0x", "0X") or len(value) % 2:
        raise invalid_params("invalid argument: bytes are 0x and an even number of hex digits")
    if len(value) > 2 + 2 * max_bytes:
        raise invalid_params(f"invalid argument: over {max_bytes} bytes")
    try:
        raw = bytes.fromhex(value[2:])
    except ValueError:
        raise invalid_params("invalid argument: invalid hex string") from None
    if 2 * len(raw) != len(value) - 2:  # fromhex skips blanks
        raise invalid_params("invalid argument: invalid hex string")
    return raw


def decode_quantity(value: object, *, maximum: int = UINT256_MAX, lenient: bool = False) -> int:
    """Return the number of `0x` and digits; with `lenient` also leading zeros. Raises `RpcError`."""
    if not isinstance(value, str) or value[:2] not in ("0x", "0X"):
        raise invalid_params("invalid argument: hex string without 0x prefix")
    digits = value[2:]
    if not digits or len(digits) > 64 or not _HEX_DIGITS.issuperset(digits):
        raise invalid_params("invalid argument: invalid hex quantity")
    if digits[0] == "0" and len(digits) > 1 and not lenient:
        raise invalid_params("invalid argument: hex number with leading zero digits")
    number = int(digits, 16)
    if number > maximum:
        raise invalid_params("invalid argument: number out of range")
    return number


def _fixed(size: int) -> Callable[[object], bytes]:
    def decode(value: object) -> bytes:
        raw = decode_data(value, max_bytes=size)
        if len(raw) != size:
            raise invalid_params(f"invalid argument: {size} bytes expected, not {len(raw)}")
        return raw

    return decode


_address_bytes = _fixed(20)
_hash_bytes = _fixed(32)


def decode_address(value: object) -> Address:
    """Return an address; the case of its digits is not checked, as in Ethereum's nodes. Raises `RpcError`."""
    return Address(_address_bytes(value))


def decode_hash(value: object) -> Hash32:
    """Return 32 bytes. Raises `RpcError`."""
    return Hash32(_hash_bytes(value))


def decode_bool(value: object) -> bool:
    """Return true or false. Raises `RpcError` for anything else."""
    if not isinstance(value, bool):
        raise invalid_params("invalid argument: true or false expected")
    return value


def decode_slot(value: object) -> Hash32:
    """Return a storage slot from 32 bytes or, as web3.py sends it, a quantity. Raises `RpcError`."""
    return Hash32(decode_quantity(value, lenient=True).to_bytes(32, "big"))


def decode_text(value: object, *, max_characters: int = 128) -> str:
    """Return a short text. Raises `RpcError`."""
    if not isinstance(value, str) or len(value) > max_characters:
        raise invalid_params(f"invalid argument: a text of at most {max_characters} characters expected")
    return value


def decode_number(value: object, *, maximum: int = UINT64_MAX) -> int:
    """Return a number from a quantity or, as some clients send counts, a JSON integer. Raises `RpcError`."""
    if isinstance(value, int) and not isinstance(value, bool):
        if 0 <= value <= maximum:
            return value
        raise invalid_params("invalid argument: number out of range")
    return decode_quantity(value, maximum=maximum)


class Tag(Enum):
    """Names of blocks."""

    LATEST = "latest"
    PENDING = "pending"
    SAFE = "safe"
    FINALIZED = "finalized"
    EARLIEST = "earliest"


@dataclass(frozen=True, slots=True)
class ByHash:
    """A block by its id (EIP-1898)."""

    id: Hash32
    require_canonical: bool = False


Selector = Tag | int | ByHash
"""A block by name, height or hash."""

_TAGS = {tag.value: tag for tag in Tag}


def decode_selector(value: object) -> Selector:
    """Return a block by tag, height, hash, or EIP-1898 object. Raises `RpcError`."""
    if isinstance(value, str):
        tag = _TAGS.get(value)
        if tag is not None:
            return tag
        if len(value) == 66:
            return ByHash(decode_hash(value))
        return decode_quantity(value, maximum=UINT64_MAX)
    if isinstance(value, dict):
        block_hash, number = value.get("blockHash"), value.get("blockNumber")
        if (block_hash is None) == (number is None):
            raise invalid_params("invalid argument: exactly one of blockHash and blockNumber expected")
        if block_hash is not None:
            canonical = value.get("requireCanonical")
            return ByHash(decode_hash(block_hash), canonical is not None and decode_bool(canonical))
        return decode_selector(number) if isinstance(number, str) and len(number) != 66 else _bad_number()
    raise invalid_params("invalid argument: a block by tag, number, hash or EIP-1898 object expected")


def _bad_number() -> Selector:
    raise invalid_params("invalid argument: blockNumber must be a quantity or a tag")


def _kind(name: str, schema: Schema, decode: Callable[[object], object]) -> Kind:
    return Kind(name, schema, decode)


def text_schema(pattern: str, title: str) -> dict[str, Json]:
    """Return the schema of a text of a pattern."""
    return {"type": "string", "title": title, "pattern": pattern}


QUANTITY_SCHEMA = text_schema("^0x(0|[1-9a-f][0-9a-f]*)$", "hex quantity")
DATA_SCHEMA = text_schema("^0x([0-9a-f]{2})*$", "hex bytes")
HASH_SCHEMA = text_schema("^0x[0-9a-f]{64}$", "32 hex bytes")
ADDRESS_SCHEMA = text_schema("^0x[0-9a-fA-F]{40}$", "address")
TAG_SCHEMA: dict[str, Json] = {"type": "string", "title": "block tag", "enum": [tag.value for tag in Tag]}
BOOL_SCHEMA: dict[str, Json] = {"type": "boolean"}
SELECTOR_SCHEMA: dict[str, Json] = {
    "title": "block by tag, number, hash or EIP-1898 object",
    "anyOf": [
        TAG_SCHEMA,
        QUANTITY_SCHEMA,
        HASH_SCHEMA,
        {
            "type": "object",
            "properties": {
                "blockHash": HASH_SCHEMA,
                "blockNumber": {"anyOf": [QUANTITY_SCHEMA, TAG_SCHEMA]},
                "requireCanonical": BOOL_SCHEMA,
            },
        },
    ],
}

ADDRESS = _kind("Address", ADDRESS_SCHEMA, decode_address)
HASH = _kind("Hash32", HASH_SCHEMA, decode_hash)
BLOCK = _kind("BlockNumberOrTagOrHash", SELECTOR_SCHEMA, decode_selector)
FLAG = _kind("Flag", BOOL_SCHEMA, decode_bool)
INDEX = _kind("Index", QUANTITY_SCHEMA, lambda value: decode_quantity(value, maximum=UINT64_MAX))
SLOT = _kind("StorageSlot", {**QUANTITY_SCHEMA, "title": "storage slot", "pattern": "^0x[0-9a-f]{1,64}$"}, decode_slot)
COUNT = _kind(
    "Count",
    {"title": "a count, as a quantity or an integer", "anyOf": [QUANTITY_SCHEMA, {"type": "integer", "minimum": 0}]},
    decode_number,
)
TEXT = _kind("Text", {"type": "string", "maxLength": 128}, decode_text)
FILTER_ID = _kind("FilterId", {"type": "string", "maxLength": 66}, lambda value: decode_text(value, max_characters=66))


def data_kind(name: str, max_bytes: int) -> Kind:
    """Return the kind of byte strings up to a length."""
    return Kind(name, DATA_SCHEMA, lambda value: decode_data(value, max_bytes=max_bytes))


def list_kind(name: str, item: Kind, most: int) -> Kind:
    """Return the kind of lists of another kind, up to a number of items."""

    def decode(value: object) -> tuple[object, ...]:
        if not isinstance(value, list):
            raise invalid_params("invalid argument: an array expected")
        if len(value) > most:
            raise invalid_params(f"invalid argument: more than {most} items")
        return tuple(item.decode(part) for part in value)

    return Kind(name, {"type": "array", "items": item.schema, "maxItems": most}, decode)


def _decode_peer(value: object) -> PeerId:
    digits = value[2:] if isinstance(value, str) and value.startswith("0x") else value
    if not isinstance(digits, str) or len(digits) != 64 or not _HEX_DIGITS.issuperset(digits):
        raise invalid_params("invalid argument: a peer id is 64 hex digits")
    return PeerId(bytes.fromhex(digits))


PEER = _kind("PeerId", text_schema("^(0x)?[0-9a-f]{64}$", "peer id"), _decode_peer)


def _decode_percentile(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
        raise RpcError(-32602, "invalid reward percentile: a number from 0 to 100 expected")
    return value


PERCENTILE = _kind("Percentile", {"type": "number", "minimum": 0, "maximum": 100}, _decode_percentile)
