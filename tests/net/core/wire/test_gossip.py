"""Frames of gossip: batches, names, contradictions."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.primitives.canonical import pack
from chain.primitives.errors import Malformed
from chain.primitives.units import Millis
from net.core.wire.frame import FRAME_MAX, FrameKind, encode_frame
from net.core.wire.gossip import (
    ALL_LANES,
    BATCH_MAX,
    NAMES_MAX,
    RecordName,
    RecordsWant,
    Turn,
    contradict,
    convicts,
    decode_equivocation,
    decode_have,
    decode_records,
    decode_want,
    encode_equivocation,
    encode_have,
    encode_records,
    encode_want,
    name_prefix,
    name_seq,
    newer,
    record_name,
    split_batches,
)
from net.core.wire.record import RECORD_MAX, encode_record
from tests.helpers.map_world import START, identity, record

NAMES = st.builds(record_name, st.binary(min_size=12, max_size=12), st.integers(0, (1 << 32) - 1))


@given(st.lists(st.binary(min_size=1, max_size=RECORD_MAX), max_size=300))
@settings(max_examples=50)
def test_batches_fit_frames_and_keep_order(raws: list[bytes]) -> None:
    batches = split_batches(raws)
    assert [raw for batch in batches for raw in batch] == raws
    for batch in batches:
        assert 0 < len(batch) <= BATCH_MAX
        body = encode_records(batch)
        assert len(encode_frame(FrameKind.RECORDS, body)) <= FRAME_MAX
        assert decode_records(body) == batch


@given(st.binary(max_size=4096))
@settings(max_examples=50)
def test_any_bytes(raw: bytes) -> None:
    for decode in (decode_records, decode_have, decode_want, decode_equivocation):
        try:
            decode(raw)
        except Malformed:
            continue


@given(st.lists(NAMES, min_size=1, max_size=NAMES_MAX))
@settings(max_examples=50)
def test_names_round_trip(names: list[RecordName]) -> None:
    assert decode_have(encode_have(names)) == names
    assert [record_name(name_prefix(name), name_seq(name)) for name in names] == names
    for turn in Turn:
        want = RecordsWant(turn, tuple(names))
        assert decode_want(encode_want(want)) == want


@given(st.integers(1, ALL_LANES), st.sampled_from([Turn.EAGER, Turn.TREE]))
def test_lanes_round_trip(lanes: int, turn: Turn) -> None:
    want = RecordsWant(turn, (), lanes)
    assert decode_want(encode_want(want)) == want


def test_limits_of_names_and_batches() -> None:
    name = bytes(16)
    for body in (name * (NAMES_MAX + 1), b"", name[:-1]):
        with pytest.raises(Malformed):
            decode_have(body)
    lanes = (b"\x01", b"\x03", b"\x01\x01", b"\x03\x00\x00", b"\x03\x00\x00" + name, b"\x01" + name)
    for body in (b"", b"\x04", b"\x00" + name * (NAMES_MAX + 1), b"\x00\xff\xff", *lanes):
        with pytest.raises(Malformed):
            decode_want(body)
    for items in ([], [b""], [b"x" * (RECORD_MAX + 1)], [b"x"] * (BATCH_MAX + 1), ["text"]):
        with pytest.raises(Malformed):
            decode_records(pack(items))


def test_newer_wraps_around() -> None:
    assert newer(5, 4)
    assert not newer(4, 4)
    assert not newer(3, 4)
    assert newer(1, (1 << 32) - 1)


def test_contradictions() -> None:
    who = identity(1)
    one = record(who)
    same_time = record(who, uplink=7)
    other_birth = record(who, seq=START + 5, born=START - 1)
    later = record(who, seq=START + 5)
    resigned = replace(one, signature=bytes(64))
    assert contradict(one, same_time)
    assert contradict(one, other_birth)
    assert not contradict(one, later)
    assert not contradict(one, resigned)
    assert not contradict(one, record(identity(2)))
    assert convicts(one, same_time)
    assert not convicts(one, replace(same_time, signature=bytes(64)))


def test_equivocation_round_trip_in_one_order_only() -> None:
    first, second = encode_record(record(identity(1))), encode_record(record(identity(1), uplink=7))
    body = encode_equivocation(first, second)
    assert body == encode_equivocation(second, first)
    left, right = decode_equivocation(body)
    assert {encode_record(left), encode_record(right)} == {first, second}
    with pytest.raises(Malformed):
        decode_equivocation(pack(sorted((first, second), reverse=True)))
    with pytest.raises(Malformed):
        decode_equivocation(pack([first, first]))
    later = encode_record(record(identity(1), seq=Millis(START + 9)))
    with pytest.raises(Malformed):
        decode_equivocation(encode_equivocation(first, later))
