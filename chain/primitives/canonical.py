"""Canonical msgpack: one value has one encoding, so that what is hashed or signed can be compared by bytes.

Values are None, bool, int, bytes, str, lists and tuples of these (a tuple comes back as a list). Integers of at
least 2^64 travel as minimal big-endian byte strings; the field that holds such a number says so in its record.
"""

import msgpack

from chain.primitives.errors import Malformed

NESTING_MAX = 32
"""Deepest nesting of arrays. No message comes near; far deeper ones would exhaust the interpreter's stack, and sooner
in one caller than in another."""


def pack(value: object) -> bytes:
    """Return the canonical encoding: shortest integers and lengths, bytes as bin, text as str, no maps, no floats."""
    return bytes(msgpack.packb(value, use_bin_type=True, strict_types=False))


def unpack(raw: bytes, *, max_bytes: int, max_items: int) -> object:
    """Return the value of `raw`, lists for arrays.

    `max_bytes` bounds the whole input and every string in it, `max_items` every array. Raises `Malformed` if a bound
    or NESTING_MAX is passed, if bytes are left over, if a map, float or extension occurs, or if `raw` is not the
    canonical encoding.
    """
    if len(raw) > max_bytes:
        raise Malformed(f"{len(raw)} bytes where at most {max_bytes} may stand")
    try:
        value = msgpack.unpackb(
            raw,
            use_list=True,
            raw=False,
            strict_map_key=True,
            max_str_len=max_bytes,
            max_bin_len=max_bytes,
            max_array_len=max_items,
            max_map_len=0,
            max_ext_len=0,
        )
        again = pack(value)
    except (ValueError, TypeError, msgpack.exceptions.UnpackException, RecursionError, OverflowError) as error:
        raise Malformed(f"not canonical msgpack: {type(error).__name__}") from None
    if again != raw or _forbidden(value, NESTING_MAX):
        raise Malformed("not the canonical encoding of its value")
    return value


def _forbidden(value: object, levels: int) -> bool:
    if isinstance(value, list):
        return levels == 0 or any(_forbidden(item, levels - 1) for item in value)
    return isinstance(value, float | dict)


def integer_bytes(number: int) -> bytes:
    """Return a number of any size as minimal big-endian bytes (zero is the empty string)."""
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def bytes_integer(raw: bytes, *, max_bytes: int = 32) -> int:
    """Return the number of minimal big-endian bytes. Raises `Malformed` on a leading zero or too many bytes."""
    if len(raw) > max_bytes or raw[:1] == b"\x00":
        raise Malformed("not a minimal big-endian integer")
    return int.from_bytes(raw, "big")
