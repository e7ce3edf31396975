"""Canonical msgpack: one value, one encoding; any bytes give a value or `Malformed`."""

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.primitives.canonical import bytes_integer, integer_bytes, pack, unpack
from chain.primitives.errors import Malformed
from chain.primitives.fields import bytes_field, int_field, list_field, wide_int_field

_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.binary(max_size=300)
    | st.text("aé\U0001f600", max_size=40),
    lambda inner: st.lists(inner, max_size=20),
    max_leaves=30,
)


@pytest.mark.slow
@given(_VALUES)
def test_values_come_back_from_their_one_encoding(value: object) -> None:
    assert unpack(pack(value), max_bytes=100_000, max_items=100) == value


@given(st.binary(max_size=80))
def test_any_bytes_are_canonical_or_malformed(raw: bytes) -> None:
    try:
        value = unpack(raw, max_bytes=64, max_items=8)
    except Malformed:
        return
    assert pack(value) == raw


@pytest.mark.slow
@given(_VALUES, st.integers(0, 500), st.integers(0, 255))
def test_no_second_encoding_of_a_value(value: object, place: int, byte: int) -> None:
    raw = bytearray(pack(value))
    raw[place % len(raw)] = byte
    try:
        other = unpack(bytes(raw), max_bytes=100_000, max_items=100)
    except Malformed:
        return
    assert pack(other) == raw


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xc1",
        b"\xcb" + bytes(8),
        b"\x91\xca" + bytes(4),
        b"\x80",
        b"\x81\x01\x02",
        b"\xd4\x01\x00",
        b"\xc0\xc0",
        b"\xcc\x05",
        b"\xd9\x01a",
        b"\xa1\xff",
        b"\x91" * 2000,
        b"\xdd\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
    ],
)
def test_foreign_forms_are_refused(raw: bytes) -> None:
    with pytest.raises(Malformed):
        unpack(raw, max_bytes=4096, max_items=8)


def test_bounds_are_kept() -> None:
    with pytest.raises(Malformed, match="at most 3"):
        unpack(pack(b"abc"), max_bytes=3, max_items=1)
    with pytest.raises(Malformed):
        unpack(pack([1, 2, 3]), max_bytes=100, max_items=2)
    assert unpack(pack([[1, 2], [3]]), max_bytes=100, max_items=2) == [[1, 2], [3]]


@given(st.integers(0, 2**256 - 1))
def test_wide_numbers_are_minimal(number: int) -> None:
    raw = integer_bytes(number)
    assert bytes_integer(raw) == wide_int_field(raw) == number
    with pytest.raises(Malformed):
        bytes_integer(b"\x00" + raw)
    with pytest.raises(Malformed):
        bytes_integer(b"\x01" * 33)


def test_fields_have_the_type_and_range_asked_for() -> None:
    assert int_field(5, below=6) == 5
    assert bytes_field(b"ab", size=2) == b"ab"
    assert list_field([1], most=1) == [1]
    for check in (
        lambda: int_field(True),
        lambda: int_field(6, below=6),
        lambda: int_field(-1),
        lambda: int_field(b"5"),
        lambda: int_field(5.0),
        lambda: bytes_field("ab"),
        lambda: bytes_field(b"ab", size=3),
        lambda: bytes_field(b"ab", most=1),
        lambda: list_field(b"ab"),
        lambda: list_field([1], count=2),
        lambda: list_field([1, 2], most=1),
        lambda: wide_int_field(5),
    ):
        with pytest.raises(Malformed):
            check()


def test_arrays_of_msgpack_are_ours() -> None:
    assert pack([1, b"x", None]) == msgpack.packb([1, b"x", None])


@pytest.mark.parametrize("levels", [33, 100, 400, 511, 513, 5_000])
def test_deep_nesting_is_malformed_and_never_exhausts_the_stack(levels: int) -> None:
    with pytest.raises(Malformed):
        unpack(b"\x91" * levels + b"\xc0", max_bytes=16_000, max_items=64)


def test_the_deepest_nesting_allowed_is_a_value() -> None:
    raw = b"\x91" * 32 + b"\xc0"
    assert pack(unpack(raw, max_bytes=64, max_items=1)) == raw
