"""Frames of reconciliation."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.primitives.canonical import pack
from chain.primitives.errors import Malformed
from chain.primitives.units import Millis
from net.core.wire.reconcile import (
    HEAD_MAX,
    SUM_MAX,
    WHOLE,
    Busy,
    Compare,
    Differences,
    Fetch,
    Item,
    Items,
    Range,
    Records,
    Summary,
    decode_range_answer,
    decode_range_ask,
    encode_range_answer,
    encode_range_ask,
)

RANGES = st.tuples(st.integers(0, HEAD_MAX), st.integers(0, HEAD_MAX)).map(lambda ends: Range(min(ends), max(ends)))
SESSIONS = st.integers(0, (1 << 32) - 1)
SUMMARIES = st.builds(Summary, RANGES, st.integers(0, (1 << 32) - 1), st.integers(0, SUM_MAX))


@st.composite
def items(draw: st.DrawFn) -> Items:
    part = draw(RANGES)
    heads = sorted(draw(st.lists(st.integers(part.low, part.last), max_size=8)))
    return Items(part, tuple(Item(head.to_bytes(8, "big") + bytes(4), Millis(head % 1000)) for head in heads))


ASKS = st.one_of(
    st.builds(Fetch, SESSIONS, RANGES),
    st.builds(
        Compare, SESSIONS, st.binary(min_size=16, max_size=16), st.lists(SUMMARIES, min_size=1, max_size=9).map(tuple)
    ),
)
ANSWERS = st.one_of(
    st.builds(
        Records,
        SESSIONS,
        final=st.just(True),
        rest=st.none() | st.integers(0, HEAD_MAX),
        records=st.lists(st.binary(min_size=1, max_size=640), max_size=9).map(tuple),
    ),
    st.builds(Busy, SESSIONS, st.integers(0, 3_600_000)),
    st.builds(
        Differences,
        SESSIONS,
        st.lists(SUMMARIES, max_size=9).map(tuple),
        st.lists(items(), max_size=9).map(tuple),
    ),
)


@given(ASKS)
@settings(max_examples=50)
def test_asks_round_trip(ask: Fetch | Compare) -> None:
    assert decode_range_ask(encode_range_ask(ask)) == ask


@given(ANSWERS)
@settings(max_examples=50)
def test_answers_round_trip(answer: Records | Busy | Differences) -> None:
    assert decode_range_answer(encode_range_answer(answer)) == answer


@given(st.binary(max_size=2048))
@settings(max_examples=50)
def test_any_bytes(raw: bytes) -> None:
    for decode in (decode_range_ask, decode_range_answer):
        try:
            decode(raw)
        except Malformed:
            continue


@given(ANSWERS, st.data())
@settings(max_examples=50)
def test_damaged_answers(answer: Records | Busy | Differences, data: st.DataObject) -> None:
    raw = bytearray(encode_range_answer(answer))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        decode_range_answer(bytes(raw))
    except Malformed:
        return


@pytest.mark.parametrize(
    "fields",
    [
        [0, 1, 5, 4],
        [0, -1, 0, 4],
        [0, True, 0, 4],
        [0, 1, 0, HEAD_MAX + 1],
        [1, 1, bytes(15), [[0, 1, 1, bytes(8)]]],
        [1, 1, bytes(16), []],
        [1, 1, bytes(16), [[0, 1, 1, bytes(7)]]],
        [2],
    ],
)
def test_malformed_asks(fields: list[object]) -> None:
    with pytest.raises(Malformed):
        decode_range_ask(pack(fields) if fields != [0, 1, 0, HEAD_MAX + 1] else b"\x94\x00\x01\x00\xc5")


def test_items_must_lie_in_their_range_and_in_order() -> None:
    low, high = Item(bytes(12), Millis(1)), Item(b"\xff" * 12, Millis(1))
    for part in (Items(Range(0, 5), (high,)), Items(WHOLE, (high, low))):
        with pytest.raises(Malformed):
            decode_range_answer(encode_range_answer(Differences(1, (), (part,))))


def test_too_many_items() -> None:
    parts = tuple(Items(WHOLE, (Item(bytes(12), Millis(1)),) * 100) for _ in range(6))
    with pytest.raises(Malformed):
        decode_range_answer(encode_range_answer(Differences(1, (), parts)))
