"""Work as a node hands it out over RPC, and the verdicts it answers: the only place that reads its untrusted JSON."""

from dataclasses import dataclass
from enum import Enum

from chain.block import NONCE_BYTES
from chain.params import ChainParams
from chain.primitives.errors import Malformed
from chain.primitives.units import Hash32

MAX_HEADER_BYTES = 4_096
"""Longest encoded header that is hashed; ours have some 350 bytes."""

FULL_BITS = 256 << 16


class Verdict(Enum):
    """What became of a nonce."""

    BEST = "best"
    SHARE = "share"
    STALE = "stale"
    WEAK = "weak"
    REPEATED = "repeated"


@dataclass(frozen=True, slots=True)
class Order:
    """A header to be sealed for a node."""

    id: Hash32
    prefix: bytes
    """Encoded header without the nonce."""
    height: int
    parent_id: Hash32
    limit: int
    """Highest hash that is better than the best that the node knew when it answered."""
    share_limit: int
    """Highest hash that is a share."""


def decode_order(answer: object, params: ChainParams) -> Order | None:
    """Return the work of an answer to `mappemonde_getWork`, None for null. Raises `Malformed`."""
    if answer is None:
        return None
    if not isinstance(answer, dict):
        raise Malformed("the work is no object")
    header = _bytes(answer, "header", MAX_HEADER_BYTES)
    if len(header) <= NONCE_BYTES:
        raise Malformed("the header is too short")
    if answer.get("memoryKiB") != params.pow_memory_kib:
        raise Malformed(f"the work wants seals of {answer.get('memoryKiB')} KiB, {params.name} has others")
    share = answer.get("shareLogTarget")
    if type(share) is not int or not 0 <= share <= FULL_BITS:
        raise Malformed("shareLogTarget is out of range")
    return Order(
        id=Hash32(_exactly(answer, "id", 32)),
        prefix=header[:-NONCE_BYTES],
        height=_quantity(answer, "number"),
        parent_id=Hash32(_exactly(answer, "parentHash", 32)),
        limit=int.from_bytes(_exactly(answer, "limit", 32), "big"),
        share_limit=(1 << (share >> 16)) - 1,  # rounded down to whole bits: never weaker than the node asks
    )


def decode_verdict(answer: object) -> Verdict:
    """Return the verdict of an answer to `mappemonde_submitWork`. Raises `Malformed`."""
    try:
        return Verdict(answer)
    except ValueError:
        raise Malformed(f"{str(answer)[:40]!r} is no verdict") from None


def _bytes(answer: dict[str, object], name: str, most: int) -> bytes:
    value = answer.get(name)
    if not isinstance(value, str) or not value.startswith("0x") or len(value) > 2 + 2 * most:
        raise Malformed(f"{name} is not hexadecimal bytes")
    try:
        raw = bytes.fromhex(value[2:])
    except ValueError:
        raise Malformed(f"{name} is not hexadecimal bytes") from None
    return raw


def _exactly(answer: dict[str, object], name: str, size: int) -> bytes:
    raw = _bytes(answer, name, size)
    if len(raw) != size:
        raise Malformed(f"{name} has {len(raw)} bytes, not {size}")
    return raw


def _quantity(answer: dict[str, object], name: str) -> int:
    value = answer.get(name)
    if not isinstance(value, str) or not value.startswith("0x") or not 3 <= len(value) <= 18:
        raise Malformed(f"{name} is no quantity")
    digits = value[2:]
    if not digits.isascii() or not digits.isalnum():
        raise Malformed(f"{name} is no quantity")
    try:
        return int(digits, 16)
    except ValueError:
        raise Malformed(f"{name} is no quantity") from None
