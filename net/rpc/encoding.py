"""How numbers and bytes stand in JSON-RPC (execution-apis, "Hex value encoding"), and JSON text in and out."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
"""What an answer is made of."""


@dataclass(frozen=True, slots=True)
class Dumped:
    """A result whose JSON text was made before: what filters collected is kept as text, a tenth of its objects."""

    text: bytes


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


_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
"""A JSON string, or the rest of the text if it does not end: always matches at a quote, so one pass is enough."""

_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def parse(body: bytes, *, max_parts: int, max_depth: int) -> object:
    """Return the value of a UTF-8 JSON text.

    Raises `BadJson` when it is none, when it has more than `max_parts` brackets, braces and commas, or nests deeper
    than `max_depth`. Both are counted before parsing: parsed JSON takes thirty times the memory of its text, and the
    parser recurses in C, where deep nesting crashes the process once a library has raised Python's recursion limit (as
    py_ecc does, which eth-account may import).
    """
    opened = body.count(b"[") + body.count(b"{")
    if opened + body.count(b",") > max_parts:
        raise BadJson("too many parts")
    if opened > max_depth and nesting(body) > max_depth:
        raise BadJson("nested too deep")
    try:
        return _decoder.decode(body.decode())
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, or a number of over 4,300 digits
        raise BadJson(str(error)[:100]) from None


def nesting(body: bytes) -> int:
    """Return the deepest nesting of a JSON text; of what is none, that of the part before its first error or more."""
    depth = deepest = 0
    for bracket in _STRING.sub(b"", body).translate(None, _NOT_BRACKETS):
        if bracket in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        else:
            depth -= 1
    return deepest


def dump(value: Json) -> bytes:
    """Return the JSON text of a value, ASCII only (so that a lone surrogate in a client's id does no harm)."""
    return _encoder.encode(value).encode("ascii")
