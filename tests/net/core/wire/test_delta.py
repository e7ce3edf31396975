"""Deltas: what one makes of its base is the next record to the byte; of anything else, nothing or `Malformed`."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.primitives.canonical import pack
from chain.primitives.errors import Malformed
from net.core.wire.delta import apply_delta, decode_delta, delta_between, is_delta
from net.core.wire.record import (
    ALL_FLAGS,
    CAP,
    CAP_HEAL,
    RECORD_MAX,
    Direction,
    Flags,
    Link,
    decode_record,
    encode_record,
)
from net.core.wire.record import Record as MapRecord
from tests.helpers.map_world import START, identity, record

WHO = identity(0)
OTHERS = sorted(identity(number).peer for number in range(1, CAP_HEAL + 2))

link_lists = st.dictionaries(
    st.sampled_from(OTHERS), st.tuples(st.just(Direction.IN), st.integers(0, 63)), max_size=CAP
).map(lambda links: tuple(Link(peer[:12], *kind) for peer, kind in sorted(links.items())))
records = st.builds(
    lambda links, later, flags, uplink, signature: replace(
        record(WHO), links=links, seq=START + later, flags=Flags(flags), uplink=uplink, signature=signature
    ),
    link_lists,
    st.integers(0, 1 << 40),
    st.integers(0, ALL_FLAGS),
    st.integers(0, 15),
    st.binary(min_size=64, max_size=64),
)


def listing(count: int, *, seq: int = START) -> MapRecord:
    return record(WHO, dict.fromkeys(OTHERS[:count], Direction.IN), seq=seq)


@given(records, records)
@settings(max_examples=200)
def test_a_delta_makes_the_next_record_to_the_byte(old: MapRecord, new: MapRecord) -> None:
    base, later = encode_record(old), encode_record(new)
    raw = delta_between(base, later)
    assert raw is not None
    assert is_delta(raw)
    assert not is_delta(later)
    assert len(raw) < len(later)
    delta = decode_delta(raw)
    assert (delta.prefix, delta.seq) == (WHO.peer[:12], new.seq)
    assert apply_delta(base, delta) == later
    assert decode_record(later) == new


def test_a_link_more_costs_a_third() -> None:
    """Thirteen links is the mean degree: the record is 337 bytes, the delta 125."""
    base, later = encode_record(listing(13)), encode_record(listing(14, seq=START + 1))
    raw = delta_between(base, later)
    assert raw is not None
    assert len(raw) < 0.4 * len(later)


def test_a_delta_fits_its_base_alone() -> None:
    base, twin, later = listing(3), replace(listing(3), signature=bytes(64)), listing(4, seq=START + 1)
    raw = delta_between(encode_record(base), encode_record(later))
    assert raw is not None
    assert apply_delta(encode_record(twin), decode_delta(raw)) is None


@pytest.mark.parametrize(
    "change", [{"born": START - 1}, {"nonce": 7}, {"epoch": 9}, {"tags": (1, 2, 3)}, {"peer": OTHERS[0]}]
)
def test_what_a_delta_cannot_say_goes_in_full(change: dict[str, object]) -> None:
    later = replace(listing(13, seq=START + 1), **change)  # type: ignore[arg-type]
    assert delta_between(encode_record(listing(13)), encode_record(later)) is None


NAME, SIGNATURE, LINK = WHO.peer[:12] + bytes(16), bytes(64), bytes(13)
GOOD = [NAME, START, 1, 3, b"\x00\x02", LINK, SIGNATURE]


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, NAME[:-1]),
        (0, 7),
        (1, -1),
        (1, 1 << 48),
        (1, True),
        (2, ALL_FLAGS + 1),
        (2, True),
        (3, 16),
        (3, None),
        (4, b"\x02\x00"),
        (4, b"\x01\x01"),
        (4, bytes(range(CAP_HEAL + 1))),
        (5, LINK[:-1]),
        (5, LINK * 60),
        (6, SIGNATURE[:-1]),
        (6, "text"),
    ],
)
def test_hostile_fields_are_malformed(place: int, value: object) -> None:
    assert decode_delta(pack(GOOD)).gone == b"\x00\x02"
    with pytest.raises(Malformed):
        decode_delta(pack([*GOOD[:place], value, *GOOD[place + 1 :]]))


@pytest.mark.parametrize("raw", [b"", pack(GOOD)[:-1], pack([*GOOD, 0]), pack(GOOD) + bytes(RECORD_MAX), b"\x97"])
def test_other_bytes_are_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed):
        decode_delta(raw)


def test_what_a_hostile_delta_makes_is_malformed() -> None:
    """It fits its base, so its sender knows that it makes no record: links out of place, too many, one twice."""
    base = encode_record(listing(CAP))
    fitting = delta_between(base, encode_record(listing(CAP - 1, seq=START + 1)))
    assert fitting is not None
    delta = decode_delta(fitting)
    with pytest.raises(Malformed):
        apply_delta(base, delta._replace(gone=bytes([CAP])))
    listed = OTHERS[0][:12] + b"\x40"
    for came in (listed, b"".join(peer[:12] + b"\x40" for peer in OTHERS[CAP:])):
        later = apply_delta(base, delta._replace(gone=b"", came=came))
        assert later is not None
        with pytest.raises(Malformed):
            decode_record(later)


@given(st.binary(max_size=RECORD_MAX + 1) | st.binary(max_size=200).map(lambda tail: b"\x97" + tail))
@settings(max_examples=200)
def test_any_bytes(raw: bytes) -> None:
    try:
        delta = decode_delta(raw)
    except Malformed:
        return
    assert apply_delta(encode_record(listing(3)), delta) is None
