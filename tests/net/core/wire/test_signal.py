"""What direct messages carry."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.primitives.errors import Malformed
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.effects import LinkKind
from net.core.wire.fields import MOMENT_MAX
from net.core.wire.signal import (
    PAD_BYTES,
    SDP_MAX,
    TIME_BYTES,
    Answer,
    Offer,
    Refusal,
    Refused,
    Signal,
    TimeAsk,
    TimeReply,
    decode_signal,
    encode_signal,
)

ATTEMPT = bytes(range(16))
SIGNALS: list[Signal] = [
    Offer(ATTEMPT, LinkKind.LISTED, None, b"sdp"),
    Offer(ATTEMPT, LinkKind.GUEST, PeerId(bytes(32)), bytes(SDP_MAX)),
    Answer(ATTEMPT, b"sdp" * 700),
    Refused(ATTEMPT, Refusal.FULL),
    TimeAsk(ATTEMPT),
    TimeReply(ATTEMPT, Millis(5), Millis(9)),
]


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: type(signal).__name__)
def test_a_signal_survives_padded(signal: Signal) -> None:
    plain = encode_signal(signal, salt=b"salt")
    if isinstance(signal, TimeAsk | TimeReply):
        assert len(plain) == TIME_BYTES
    else:
        assert len(plain) % PAD_BYTES == 0
    assert decode_signal(plain) == signal


def test_padding_that_says_something_is_malformed() -> None:
    plain = encode_signal(SIGNALS[0], salt=b"salt")
    with pytest.raises(Malformed):
        decode_signal(plain[:-1] + b"x")
    with pytest.raises(Malformed):
        decode_signal(plain + bytes(PAD_BYTES))


def test_each_signal_has_one_length() -> None:
    asked, refused = (encode_signal(SIGNALS[at], salt=b"salt") for at in (4, 3))
    for other in (asked + bytes(PAD_BYTES - TIME_BYTES), asked[:-1], asked + b"\0", refused[:TIME_BYTES]):
        with pytest.raises(Malformed):
            decode_signal(other)
    longest = TimeReply(ATTEMPT, Millis(MOMENT_MAX - 1), Millis(MOMENT_MAX))
    assert decode_signal(encode_signal(longest, salt=b"salt")) == longest


@given(st.binary(max_size=200), st.integers(0, 300), st.sampled_from((TIME_BYTES, PAD_BYTES)))
def test_any_bytes_give_a_signal_or_malformed(raw: bytes, length: int, pad: int) -> None:
    plain = length.to_bytes(4, "big") + bytes(4) + raw
    plain += bytes(-len(plain) % pad)
    try:
        signal = decode_signal(plain)
    except Malformed:
        return
    assert encode_signal(signal, salt=bytes(4)) == plain
