"""What probes read: tries' datagrams and STUN responses, or any other bytes."""

import pytest
from aioice import stun
from hypothesis import given
from hypothesis import strategies as st

from net.transport.probes import MARK, mapped_by, nonce_of
from net.transport.stun import binding_response

TRANSACTION = b"t" * 12
REQUEST = bytes(stun.Message(stun.Method.BINDING, stun.Class.REQUEST, TRANSACTION))


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_a_response_tells_the_address_to_who_asked(address: str) -> None:
    response = binding_response(REQUEST, address, 4711)
    assert mapped_by(response, TRANSACTION) == (address, 4711)
    assert mapped_by(response, b"x" * 12) is None
    assert mapped_by(REQUEST, TRANSACTION) is None


@given(st.binary(max_size=600) | st.binary(max_size=60).map(lambda tail: REQUEST[:20] + tail))
def test_any_other_bytes_tell_nothing(data: bytes) -> None:
    assert mapped_by(data, TRANSACTION) is None
    assert nonce_of(data) is None


@given(st.binary(min_size=0, max_size=64))
def test_a_try_carries_sixteen_bytes(rest: bytes) -> None:
    assert nonce_of(MARK + rest) == (rest if len(rest) == 16 else None)
