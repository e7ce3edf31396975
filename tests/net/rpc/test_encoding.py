"""JSON that strangers send."""

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from net.rpc.encoding import BadJson, dump, parse


def read(body: bytes, *, parts: int = 1_000, depth: int = 4) -> object:
    return parse(body, max_parts=parts, max_depth=depth)


TEXT = st.text(alphabet='[]{}",\\ab\u00e9', max_size=6)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=20,
)


def depth_of(value: object) -> int:
    if isinstance(value, list):
        return 1 + max(map(depth_of, value), default=0)
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    return 0


@given(VALUE, st.integers(0, 6), st.booleans())
def test_depth_is_counted_outside_of_strings(value: object, depth: int, ascii_only: bool) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only).encode()
    if depth_of(value) <= depth:
        assert read(body, depth=depth) == value
    else:
        with pytest.raises(BadJson, match="nested too deep"):
            read(body, depth=depth)


@given(st.text(alphabet='[]{}",:\\ 0aé', max_size=40).map(str.encode) | st.binary(max_size=40))
def test_any_bytes_are_a_value_or_bad(body: bytes) -> None:
    try:
        expected: object = json.loads(body.decode())
    except ValueError:
        with pytest.raises(BadJson):
            read(body, depth=40)
    else:
        assert read(body, depth=40) == expected


def test_deep_nesting_is_refused_whatever_the_recursion_limit_is() -> None:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(10**7)  # as some library does
    try:
        for body in (b"[" * 900, b'{"a":' * 900, b'["\\"]",' * 900, b'"' + b'\\"' * 500_000 + b"[" * 900):
            with pytest.raises(BadJson):
                read(body)
        for body in (b"[" * 2_000_000, b'{"a":' * 1_000_000):
            with pytest.raises(BadJson, match="too many parts"):
                read(body)
    finally:
        sys.setrecursionlimit(before)


def test_parts_are_counted_however_flat_a_text_is() -> None:
    assert read(b"[" + b"1," * 998 + b"1]") == [1] * 999
    for body in (b"[" + b"1," * 1_000 + b"1]", b"{" + b",".join(b'"%d":1.5' % n for n in range(1_001)) + b"}"):
        with pytest.raises(BadJson, match="too many parts"):
            read(body)


@pytest.mark.parametrize("body", [b"NaN", b"-Infinity", b"1e999", b"[1e999]", b"9" * 5_000, b"\xef\xbb\xbf1", b"1 2"])
def test_numbers_and_texts_that_json_has_not(body: bytes) -> None:
    with pytest.raises(BadJson):
        read(body)


def test_what_is_written_is_ascii_and_has_no_nan() -> None:
    assert dump({"a": ["\u00e9", "\ud800", 1, None]}) == b'{"a":["\\u00e9","\\ud800",1,null]}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        dump(float("nan"))
