"""RLP against the vectors of ethereum/tests and against pyrlp."""

import json
from pathlib import Path

import pytest
import rlp as pyrlp
from hypothesis import given
from hypothesis import strategies as st

from chain.primitives import rlp
from chain.primitives.errors import Malformed

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "rlptest.json").read_text())


def _item(value: object) -> rlp.Item:
    if isinstance(value, list):
        return [_item(part) for part in value]
    if isinstance(value, str):
        return rlp.encode_int(int(value[1:])) if value.startswith("#") else value.encode()
    assert isinstance(value, int)
    return rlp.encode_int(value)


def _lists(item: rlp.Item) -> object:
    return item if isinstance(item, bytes) else [_lists(part) for part in item]


@pytest.mark.parametrize("name", VECTORS)
def test_vectors_of_ethereum_tests(name: str) -> None:
    item = _item(VECTORS[name]["in"])
    raw = bytes.fromhex(VECTORS[name]["out"].removeprefix("0x"))
    assert rlp.encode(item) == raw
    if _depth(item) <= rlp.MAX_DEPTH:
        assert rlp.decode(raw) == _lists(item)


def _depth(item: rlp.Item) -> int:
    return 0 if isinstance(item, bytes) else 1 + max((_depth(part) for part in item), default=0)


_ITEMS = st.recursive(
    st.one_of(st.binary(max_size=4), st.binary(min_size=50, max_size=70), st.just(bytes(300))),
    lambda inner: st.lists(inner, max_size=6),
    max_leaves=20,
)


@given(_ITEMS)
def test_encoding_is_that_of_pyrlp(item: rlp.Item) -> None:
    raw = rlp.encode(item)
    assert raw == pyrlp.encode(item)
    if _depth(item) <= rlp.MAX_DEPTH:
        assert rlp.decode(raw) == _lists(item) == pyrlp.decode(raw)


_HEADS = bytes.fromhex("80 81 00 7f b7 b8 bf c0 c1 c2 f7 f8 ff")
_PIECES = st.one_of(
    st.sampled_from(_HEADS).map(lambda head: bytes((head,))),
    st.sampled_from([b"\xb8\x37", b"\xb8\x38", b"\xb9\x01\x00", b"\xf8\x38", b"\xf9\x00", bytes(56)]),
)


@given(st.one_of(st.binary(max_size=60), st.lists(_PIECES, max_size=8).map(b"".join)))
def test_pyrlp_and_we_take_and_refuse_the_same_bytes(raw: bytes) -> None:
    try:
        theirs: object = pyrlp.decode(raw)
    except pyrlp.DecodingError:
        theirs = None
    try:
        ours: object = rlp.decode(raw)
    except Malformed:
        ours = None
    assert ours == theirs
    if ours is not None:
        assert rlp.encode(rlp.decode(raw)) == raw


def test_nesting_is_bounded() -> None:
    raw = b"\xc0"
    for _ in range(rlp.MAX_DEPTH - 1):
        assert rlp.decode(raw) is not None
        raw = bytes((0xC0 + len(raw),)) + raw
    assert rlp.decode(raw) is not None
    with pytest.raises(Malformed, match="deep"):
        rlp.decode(bytes((0xC0 + len(raw),)) + raw)


@given(st.integers(0, 2**256 - 1))
def test_scalars_are_minimal(number: int) -> None:
    raw = rlp.encode_int(number)
    assert rlp.decode_int(raw) == number
    with pytest.raises(Malformed):
        rlp.decode_int(b"\x00" + raw)


def test_typed_readers_refuse_what_does_not_fit() -> None:
    for read in (
        lambda: rlp.decode_int([]),
        lambda: rlp.decode_int(bytes((1,)) * 33),
        lambda: rlp.decode_bytes([]),
        lambda: rlp.decode_bytes(b"abc", size=4),
        lambda: rlp.decode_list(b"abc"),
        lambda: rlp.decode_list([], count=1),
    ):
        with pytest.raises(Malformed):
            read()
