"""Map records: canonical bytes, public rules, signatures."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.primitives.canonical import pack, unpack
from chain.primitives.errors import Malformed
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.wire.record import (
    ALL_FLAGS,
    CAP,
    CAP_HEAL,
    OWN_MAX,
    OWN_YOUNG,
    RECORD_MAX,
    RTT_CLASSES,
    UPLINK_CLASSES,
    YOUNG,
    Direction,
    Flags,
    Link,
    Record,
    decode_record,
    encode_record,
    fault_of,
    origin_of,
    rtt_class,
    rtt_millis,
    signature_valid,
    uplink_class,
    uplink_rate,
)
from tests.helpers.map_world import NETWORK, START, identity, record


def links(count: int, own: int) -> tuple[Link, ...]:
    return tuple(
        Link(number.to_bytes(12, "big"), Direction.OUT if number < own else Direction.IN, 5) for number in range(count)
    )


@st.composite
def records(draw: st.DrawFn) -> Record:
    prefixes = draw(st.sets(st.binary(min_size=12, max_size=12), max_size=CAP))
    born = draw(st.integers(0, 1 << 40))
    entries = [
        Link(prefix, Direction.OUT if at < OWN_MAX else Direction.IN, draw(st.integers(0, RTT_CLASSES - 1)))
        for at, prefix in enumerate(sorted(prefixes))
    ]
    return Record(
        network=NETWORK,
        peer=PeerId(draw(st.binary(min_size=32, max_size=32).filter(lambda raw: raw[:12] not in prefixes))),
        born=Millis(born),
        seq=Millis(born + draw(st.integers(0, 1 << 40))),
        nonce=draw(st.integers(0, (1 << 32) - 1)),
        epoch=draw(st.integers(0, (1 << 16) - 1)),
        flags=Flags(draw(st.integers(0, ALL_FLAGS))),
        uplink=draw(st.integers(0, UPLINK_CLASSES - 1)),
        tags=draw(st.tuples(*[st.integers(0, 65535)] * 3)),
        links=tuple(entries),
        signature=draw(st.binary(min_size=64, max_size=64)),
    )


@given(records())
@settings(max_examples=50)
def test_round_trip(one: Record) -> None:
    raw = encode_record(one)
    assert decode_record(raw) == one
    assert origin_of(raw) == one.peer
    assert len(raw) <= RECORD_MAX


@given(st.binary(max_size=RECORD_MAX + 8))
def test_any_bytes_give_a_record_or_malformed(raw: bytes) -> None:
    try:
        one = decode_record(raw)
    except Malformed:
        return
    assert encode_record(one) == raw


@given(records(), st.data())
@settings(max_examples=50)
def test_damaged_bytes_give_another_record_or_malformed(one: Record, data: st.DataObject) -> None:
    raw = bytearray(encode_record(one))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        other = decode_record(bytes(raw))
    except Malformed:
        return
    assert other != one
    assert encode_record(other) == bytes(raw)


def test_every_value_of_a_wrong_kind_is_malformed() -> None:
    fields = unpack(encode_record(record(identity(0))), max_bytes=RECORD_MAX, max_items=16)
    assert isinstance(fields, list)
    for at in range(len(fields)):
        for wrong in (None, True, -1, 1 << 50, b"", b"x" * 33, "text", [1]):
            if at == 9 and wrong == b"":
                continue  # no failure domains told is what this record says already
            if at == 10 and wrong == b"":
                continue  # and no links
            broken = [*fields]
            broken[at] = wrong
            with pytest.raises(Malformed):
                decode_record(pack(broken))


def test_a_record_of_thirteen_links_has_about_350_bytes() -> None:
    one = replace(record(identity(0)), links=links(13, 6))
    assert 300 <= len(encode_record(one)) <= 350


@pytest.mark.parametrize(
    ("count", "own", "flags", "age", "valid"),
    [
        (CAP, OWN_MAX, Flags(0), YOUNG + 1, True),
        (CAP + 1, OWN_MAX, Flags(0), YOUNG + 1, False),
        (CAP_HEAL, OWN_MAX, Flags.HEALING, YOUNG + 1, True),
        (CAP_HEAL + 1, OWN_MAX, Flags.HEALING, YOUNG + 1, False),
        (CAP, OWN_MAX + 1, Flags(0), YOUNG + 1, False),
        (CAP, OWN_YOUNG, Flags(0), YOUNG, True),
        (CAP, OWN_YOUNG + 1, Flags(0), YOUNG, False),
    ],
)
def test_public_caps(count: int, own: int, flags: Flags, age: int, valid: bool) -> None:
    one = replace(record(identity(0)), born=Millis(START - age), flags=flags, links=links(count, own))
    assert (fault_of(one) is None) is valid
    if valid:
        assert decode_record(encode_record(one)) == one
    else:
        with pytest.raises(Malformed):
            decode_record(encode_record(one))


def test_order_of_links_and_self_links() -> None:
    one = record(identity(0))
    twice = replace(one, links=(links(1, 1)[0], links(1, 1)[0]))
    swapped = replace(one, links=(links(2, 1)[1], links(2, 1)[0]))
    itself = replace(one, links=(Link(one.peer[:12], Direction.OUT, 0),))
    for bad in (twice, swapped, itself):
        with pytest.raises(Malformed):
            decode_record(encode_record(bad))


def test_born_after_signing_is_malformed() -> None:
    with pytest.raises(Malformed):
        decode_record(encode_record(replace(record(identity(0)), born=Millis(START + 1))))


def test_the_signature_covers_every_field() -> None:
    one = record(identity(0), {identity(1).peer: Direction.OUT})
    assert signature_valid(one)
    changed = [
        replace(one, network=type(one.network)(bytes(32))),
        replace(one, peer=identity(1).peer),
        replace(one, born=Millis(START - 1)),
        replace(one, seq=Millis(START + 1)),
        replace(one, nonce=one.nonce ^ 1),
        replace(one, epoch=one.epoch ^ 1),
        replace(one, flags=one.flags ^ Flags.HEALING),
        replace(one, uplink=one.uplink ^ 1),
        replace(one, tags=(9, 0, 0)),
        replace(one, links=()),
        replace(one, signature=bytes(64)),
    ]
    assert not any(signature_valid(other) for other in changed)


@given(st.integers(0, 100_000))
@settings(max_examples=50)
def test_rtt_classes_are_monotonic_and_bound_from_below(milliseconds: int) -> None:
    assert rtt_class(milliseconds) <= rtt_class(milliseconds + 1) < RTT_CLASSES
    bound = rtt_millis(rtt_class(milliseconds))
    assert bound is not None
    assert bound <= max(milliseconds, 1) < bound * 2
    assert rtt_millis(0) is None


@given(st.integers(0, 10**9))
@settings(max_examples=50)
def test_uplink_classes(rate: int) -> None:
    assert 1 <= uplink_class(rate) < UPLINK_CLASSES
    bound = uplink_rate(uplink_class(rate))
    assert bound is not None
    assert bound <= max(rate, 16_000)
    assert uplink_rate(0) is None
