"""How numbers and bytes stand in JSON-RPC (execution-apis, "Hex value encoding"), and JSON text in and out."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
"""What an answer is made of."""


def quantity(number: int) -> str:
    """Return a number as a quantity: hex without leading zeros."""
    return hex(number)


def data(raw: bytes) -> str:
    """Return bytes as data: two digits a byte."""
    return "0x" + raw.hex()


def optional_quantity(number: int | None) -> str | None:
    """Return a quantity, or null."""
    return None if number is None else hex(number)


class BadJson(ValueError):
    """A text is not JSON, or not JSON that this server wants to hold in memory."""


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise BadJson("number out of range")
    return number


def _no_constant(name: str) -> float:
    raise BadJson(f"{name} is not JSON")


_decoder = json.JSONDecoder(parse_float=_finite, parse_constant=_no_constant)
_encoder = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False)


def parse(body: bytes, *, max_parts: int, max_depth: int) -> object:
    """Return the value of a UTF-8 JSON text.

    Raises `BadJson` when it is none, when it has more than `max_parts` brackets, braces and commas (counted before
    parsing, so that no memory is spent), or nests deeper than `max_depth`.
    """
    opened = body.count(b"[") + body.count(b"{")
    if opened > max_depth and opened + body.count(b",") > max_parts:
        raise BadJson("too many parts")
    try:
        value: object = _decoder.decode(body.decode())
    except RecursionError:
        raise BadJson("nested too deep") from None
    except ValueError as error:  # not UTF-8, not JSON, or a number of over 4,300 digits
        raise BadJson(str(error)[:100]) from None
    if opened > max_depth and _deeper(value, max_depth):
        raise BadJson("nested too deep")
    return value


def _deeper(value: object, limit: int) -> bool:
    level: list[object] = [value]
    for _ in range(limit + 1):
        below: list[object] = []
        for item in level:
            if isinstance(item, list):
                below.extend(item)
            elif isinstance(item, dict):
                below.extend(item.values())
        if not below:
            return False
        level = below
    return True


def dump(value: Json) -> bytes:
    """Return the JSON text of a value, ASCII only (so that a lone surrogate in a client's id does no harm)."""
    return _encoder.encode(value).encode("ascii")
