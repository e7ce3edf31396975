"""Checks of decoded msgpack fields: from `object` to a type, or `Malformed`."""

from chain.primitives.canonical import bytes_integer
from chain.primitives.errors import Malformed


def int_field(value: object, *, least: int = 0, below: int = 1 << 64) -> int:
    """Return an integer in `least` .. `below` - 1. Raises `Malformed`; a bool is no integer."""
    if type(value) is not int or not least <= value < below:
        raise Malformed("not an integer of the expected range")
    return value


def bytes_field(value: object, *, size: int | None = None, most: int | None = None) -> bytes:
    """Return a byte string of exactly `size` or at most `most` bytes. Raises `Malformed`."""
    if type(value) is not bytes:
        raise Malformed("not a byte string")
    if (size is not None and len(value) != size) or (most is not None and len(value) > most):
        raise Malformed(f"a byte string of {len(value)} bytes where {size if size is not None else most} may stand")
    return value


def wide_int_field(value: object, *, max_bytes: int = 32) -> int:
    """Return a number that travels as minimal big-endian bytes. Raises `Malformed`."""
    return bytes_integer(bytes_field(value, most=max_bytes), max_bytes=max_bytes)


def list_field(value: object, *, count: int | None = None, most: int | None = None) -> list[object]:
    """Return a list of exactly `count` or at most `most` items. Raises `Malformed`."""
    if type(value) is not list:
        raise Malformed("not an array")
    if (count is not None and len(value) != count) or (most is not None and len(value) > most):
        raise Malformed(f"an array of {len(value)} items where {count if count is not None else most} may stand")
    return value
