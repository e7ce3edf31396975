"""Our STUN server against aioice's client, and against garbage."""

import socket

import pytest
from aioice import stun
from hypothesis import given
from hypothesis import strategies as st

from chain.primitives.errors import ConfigError, Malformed
from chain.primitives.units import Millis
from net.core.effects import Role
from net.transport.ice import IceSettings
from net.transport.sdp import CandidateKind, decode_description
from net.transport.stun import BURST, binding_response, open_stun
from net.transport.webrtc import Link
from tests.helpers.transport import until


class Silent:
    def frame(self, frame: bytes) -> None:
        raise AssertionError(frame)

    def ended(self, reason: str) -> None:
        raise AssertionError(reason)


def request() -> bytes:
    return bytes(stun.Message(stun.Method.BINDING, stun.Class.REQUEST, b"t" * 12))


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_the_mapped_address_is_the_senders(address: str) -> None:
    response = stun.parse_message(binding_response(request(), address, 4711))
    assert response.transaction_id == b"t" * 12
    assert response.message_class == stun.Class.RESPONSE
    assert response.attributes["XOR-MAPPED-ADDRESS"] == (address, 4711)


def test_a_listener_on_both_families_tells_an_ipv4_sender_its_ipv4_address() -> None:
    response = stun.parse_message(binding_response(request(), "::ffff:192.0.2.1", 4711))
    assert response.attributes["XOR-MAPPED-ADDRESS"] == ("192.0.2.1", 4711)


@given(st.binary(max_size=200) | st.binary(max_size=80).map(lambda tail: request()[:20] + tail))
def test_any_bytes_are_answered_or_malformed(data: bytes) -> None:
    try:
        response = binding_response(data, "192.0.2.1", 1)
    except Malformed:
        return
    assert stun.parse_message(response).attributes["XOR-MAPPED-ADDRESS"] == ("192.0.2.1", 1)


@given(st.integers(0, 19), st.integers(1, 255))
def test_a_changed_header_is_no_request(position: int, change: int) -> None:
    raw = bytearray(request())
    raw[position] ^= change
    if position >= 8:  # the transaction id may be anything
        assert binding_response(bytes(raw), "192.0.2.1", 1)[8:20] == bytes(raw)[8:20]
    else:
        with pytest.raises(Malformed):
            binding_response(bytes(raw), "192.0.2.1", 1)


async def test_a_link_learns_its_address_from_our_server() -> None:
    server = await open_stun("127.0.0.1", 0, lambda: Millis(0))
    link = Link(Role.OFFERER, IceSettings(("127.0.0.1",), stun=("127.0.0.1", server.port)), Silent())
    offer = decode_description(await link.offer())
    await link.close()
    # Seen from loopback the address is the same; aioice lists it again as server-reflexive.
    assert [c.kind for c in offer.candidates] == [CandidateKind.HOST, CandidateKind.REFLEXIVE]
    assert offer.candidates[1].address == "127.0.0.1"
    assert offer.candidates[1].port == offer.candidates[0].port
    assert server.statistics().answered == 1
    await server.close()


async def test_garbage_and_floods_are_counted_not_answered() -> None:
    server = await open_stun("127.0.0.1", 0, lambda: Millis(0))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(BURST + 5):
            sender.sendto(b"garbage", ("127.0.0.1", server.port))
    await until(lambda: server.statistics().malformed + server.statistics().limited == BURST + 5)
    assert server.statistics().malformed == BURST
    assert server.statistics().limited == 5
    assert server.statistics().answered == 0
    await server.close()


async def test_a_port_in_use_is_a_config_error() -> None:
    server = await open_stun("127.0.0.1", 0, lambda: Millis(0))
    with pytest.raises(ConfigError, match="choose another port"):
        await open_stun("127.0.0.1", server.port, lambda: Millis(0))
    await server.close()
