"""Direct messages: round trips, and every way a path can be wrong."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.primitives.errors import Malformed
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.wire.direct import (
    ENABLE_REROUTE,
    Ack,
    Direct,
    Reroute,
    decode_ack,
    decode_direct,
    encode_ack,
    encode_direct,
)


def peer(number: int) -> PeerId:
    return PeerId(number.to_bytes(32, "big"))


PLAIN = Direct(
    message_id=bytes(16),
    sender=peer(1),
    target=peer(4),
    expiry=Millis(1_000),
    flags=ENABLE_REROUTE,
    route=(peer(2), peer(3), peer(4)),
    body=bytes(1_040),
    signature=bytes(64),
    hop=0,
    reroute=None,
)


def test_a_message_survives_the_wire() -> None:
    assert decode_direct(encode_direct(PLAIN)) == PLAIN


def test_a_rerouted_message_takes_the_new_tail() -> None:
    message = replace(PLAIN, hop=1, reroute=Reroute(0, (peer(7), peer(8), peer(4)), bytes(64)))
    again = decode_direct(encode_direct(message))
    assert again == message
    assert again.path() == (peer(2), peer(7), peer(8), peer(4))


@pytest.mark.parametrize(
    "wrong",
    [
        replace(PLAIN, route=(peer(2), peer(2), peer(4))),
        replace(PLAIN, route=(peer(1), peer(3), peer(4))),
        replace(PLAIN, route=(peer(2), peer(3))),
        replace(PLAIN, hop=3),
        replace(PLAIN, route=(*tuple(peer(n) for n in range(10, 18)), peer(4))),
        replace(PLAIN, message_id=bytes(15)),
        replace(PLAIN, signature=bytes(63)),
        replace(PLAIN, body=bytes(5_000)),
        replace(PLAIN, body=b""),
        replace(PLAIN, reroute=Reroute(0, (peer(7), peer(4)), bytes(64))),
        replace(PLAIN, hop=1, flags=0, reroute=Reroute(0, (peer(7), peer(4)), bytes(64))),
        replace(PLAIN, hop=1, reroute=Reroute(0, (peer(7), peer(8)), bytes(64))),
        replace(PLAIN, hop=1, reroute=Reroute(0, (peer(2), peer(4)), bytes(64))),
        replace(PLAIN, hop=1, reroute=Reroute(2, (peer(4),), bytes(64))),
        replace(PLAIN, hop=1, reroute=Reroute(0, (*tuple(peer(n) for n in range(10, 17)), peer(4)), bytes(64))),
    ],
)
def test_a_wrong_path_or_field_is_malformed(wrong: Direct) -> None:
    with pytest.raises(Malformed):
        decode_direct(encode_direct(wrong))


@given(st.binary(max_size=300))
def test_any_bytes_give_a_message_or_malformed(raw: bytes) -> None:
    try:
        message = decode_direct(raw)
    except Malformed:
        return
    assert encode_direct(message) == raw


@given(st.data())
def test_a_changed_byte_gives_a_message_or_malformed(data: st.DataObject) -> None:
    raw = bytearray(encode_direct(PLAIN))
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        message = decode_direct(bytes(raw))
    except Malformed:
        return
    assert encode_direct(message) == bytes(raw)


@given(st.binary(max_size=40))
def test_acks_are_24_bytes_or_malformed(raw: bytes) -> None:
    try:
        ack = decode_ack(raw)
    except Malformed:
        return
    assert len(raw) == 24
    assert encode_ack(ack) == raw


def test_an_ack_survives_the_wire() -> None:
    ack = Ack(b"12345678", 7, b"fifteen bytes..")
    assert decode_ack(encode_ack(ack)) == ack
