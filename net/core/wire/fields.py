"""Checked access to the fields of an unpacked canonical array: each returns a trusted value or raises `Malformed`."""

from chain.primitives.errors import Malformed

U64_MAX = 0xFFFF_FFFF_FFFF_FFFF
"""Largest integer canonical msgpack carries as one."""

MOMENT_MAX = 2**53
"""Largest moment in ms that a message may carry: exact in every language's numbers, and 285,000 years."""


def array_field(value: object, length: int, what: str) -> list[object]:
    """Return `value` as an array of exactly `length` items."""
    if not isinstance(value, list) or len(value) != length:
        raise Malformed(f"{what} is no array of {length}")
    return value


def int_field(value: object, low: int, high: int, what: str) -> int:
    """Return `value` as an integer in `low..high` (booleans are none)."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise Malformed(f"{what} is no integer in {low}..{high}")
    return value


def bytes_field(value: object, low: int, high: int, what: str) -> bytes:
    """Return `value` as a byte string of `low..high` bytes."""
    if not isinstance(value, bytes) or not low <= len(value) <= high:
        raise Malformed(f"{what} is no byte string of {low}..{high} bytes")
    return value


def text_field(value: object, max_bytes: int, what: str) -> str:
    """Return `value` as printable text of at most `max_bytes` bytes: it ends up in logs and tables."""
    if not isinstance(value, str) or len(value.encode()) > max_bytes or not (value.isprintable() or not value):
        raise Malformed(f"{what} is no printable text of at most {max_bytes} bytes")
    return value
