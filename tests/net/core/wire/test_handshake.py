"""HELLO and AUTH bodies."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.primitives.errors import Malformed
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.effects import LinkKind, Role
from net.core.wire.handshake import Hello, Transcript, decode_auth, decode_hello, encode_hello

HELLO = Hello(PeerId(bytes(32)), 1, 3, 2**64 - 1, LinkKind.GUEST, Millis(1_750_000_000_000), bytes(32))

TRANSCRIPT = Transcript(
    network_id=bytes(32),
    offerer=PeerId(b"o" * 32),
    answerer=PeerId(b"a" * 32),
    offerer_fingerprint=b"f" * 32,
    answerer_fingerprint=b"g" * 32,
    offerer_nonce=b"n" * 32,
    answerer_nonce=b"m" * 32,
    offerer_hello=b"hello",
    answerer_hello=b"hullo",
)


def test_a_hello_survives_the_wire() -> None:
    assert decode_hello(encode_hello(HELLO)) == HELLO


@pytest.mark.parametrize(
    "wrong",
    [
        replace(HELLO, version_low=0),
        replace(HELLO, version_low=4),
        replace(HELLO, nonce=bytes(31)),
        replace(HELLO, peer=PeerId(bytes(33))),
        replace(HELLO, mesh_time=Millis(2**60)),
    ],
)
def test_a_field_out_of_range_is_malformed(wrong: Hello) -> None:
    with pytest.raises(Malformed):
        decode_hello(encode_hello(wrong))


@given(st.binary(max_size=300))
def test_any_bytes_give_a_hello_or_malformed(raw: bytes) -> None:
    try:
        hello = decode_hello(raw)
    except Malformed:
        return
    assert encode_hello(hello) == raw


@given(st.binary(max_size=100))
def test_an_auth_is_64_bytes(raw: bytes) -> None:
    if len(raw) == 64:
        assert decode_auth(raw) == raw
    else:
        with pytest.raises(Malformed):
            decode_auth(raw)


def test_every_field_of_the_transcript_counts() -> None:
    digests = {TRANSCRIPT.digest(Role.OFFERER), TRANSCRIPT.digest(Role.ANSWERER)}
    for name in Transcript.__slots__:
        values = {field: getattr(TRANSCRIPT, field) for field in Transcript.__slots__}
        values[name] = bytes(reversed(values[name])) + b"!"
        changed = Transcript(**values)
        digests.add(changed.digest(Role.OFFERER))
    assert len(digests) == 2 + len(Transcript.__slots__)
