"""JSON that somebody else wrote: parsed only when it is not nested so deep that the parser could crash.

The standard parser counts on the interpreter's limit of recursion, which a library of ours lifts to 100,000: a file or
an answer of as many brackets would end the process without a word.
"""

import json
from collections.abc import Callable

from net.rpc.encoding import nesting

MAX_DEPTH = 100
"""Nesting that is read; the deepest answer of a node has some ten levels."""


def parse_json(
    raw: bytes,
    *,
    object_hook: Callable[[dict[str, object]], object] | None = None,
    parse_int: Callable[[str], object] | None = None,
    parse_float: Callable[[str], object] | None = None,
    parse_constant: Callable[[str], object] | None = None,
) -> object:
    """Return the value of a JSON text in UTF-8. Raises `ValueError` when it is none, or nested over MAX_DEPTH."""
    text = raw.decode()  # before the parser would guess another encoding, whose brackets are not these bytes
    if nesting(raw) > MAX_DEPTH:
        raise ValueError("nested too deep")
    parsed: object = json.loads(
        text, object_hook=object_hook, parse_int=parse_int, parse_float=parse_float, parse_constant=parse_constant
    )
    return parsed
