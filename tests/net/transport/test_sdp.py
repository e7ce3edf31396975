"""Any bytes give a description or `Malformed`; what we write, we and aiortc read."""

import ipaddress

import pytest
from aiortc.sdp import SessionDescription
from hypothesis import given
from hypothesis import strategies as st

from chain.primitives.errors import Malformed
from net.transport.sdp import (
    CANDIDATES_MAX,
    SDP_MAX,
    Candidate,
    CandidateKind,
    Description,
    Setup,
    decode_description,
    encode_description,
)

ICE_CHARS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/"


def is_unicast(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return False
    return not (address.is_multicast or address.is_unspecified or str(address) == "255.255.255.255")


candidates = st.builds(
    Candidate,
    foundation=st.text(ICE_CHARS, min_size=1, max_size=32),
    priority=st.integers(1, 2**32 - 1),
    address=st.ip_addresses().filter(is_unicast).map(str).filter(lambda text: "%" not in text),
    port=st.integers(1, 65535),
    kind=st.sampled_from(CandidateKind),
)
descriptions = st.builds(
    Description,
    setup=st.sampled_from(Setup),
    ufrag=st.text(ICE_CHARS, min_size=4, max_size=64),
    password=st.text(ICE_CHARS, min_size=22, max_size=64),
    fingerprint=st.binary(min_size=32, max_size=32),
    candidates=st.lists(candidates, max_size=CANDIDATES_MAX).map(tuple),
    mid=st.text("abc0123._-", min_size=1, max_size=32),
    sctp_port=st.integers(1, 65535),
    message_max=st.integers(0, 2**32 - 1),
)

EXAMPLE = Description(
    setup=Setup.EITHER,
    ufrag="abcd",
    password="p" * 22,
    fingerprint=bytes(range(32)),
    candidates=(Candidate("f1", 2130706431, "192.0.2.7", 40000, CandidateKind.HOST),),
)


def example(old: str = "", new: str = "") -> bytes:
    text = encode_description(EXAMPLE).decode()
    assert old in text
    return text.replace(old, new, 1).encode()


@given(descriptions)
def test_what_is_written_is_read(description: Description) -> None:
    raw = encode_description(description)
    assert decode_description(raw) == description
    assert len(raw) <= SDP_MAX


@given(st.binary(max_size=512))
def test_any_bytes_are_a_description_or_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed):
        decode_description(raw)


@given(st.integers(0, 10**6), st.binary(min_size=1, max_size=12))
def test_damaged_text_is_a_description_or_malformed(position: int, patch: bytes) -> None:
    raw = encode_description(EXAMPLE)
    at = position % len(raw)
    try:
        decode_description(raw[:at] + patch + raw[at + len(patch) :])
    except Malformed:
        return


def test_aiortc_reads_the_same() -> None:
    media = SessionDescription.parse(encode_description(EXAMPLE).decode()).media[0]
    assert media.sctp_port == 5000
    assert media.ice is not None
    assert media.dtls is not None
    assert media.ice.usernameFragment == "abcd"
    assert media.ice_candidates[0].ip == "192.0.2.7"
    assert media.ice_candidates_complete
    assert bytes.fromhex(media.dtls.fingerprints[0].value.replace(":", "")) == EXAMPLE.fingerprint


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("192.0.2.7 40000 typ", "peer.local 40000 typ"),
        ("192.0.2.7 40000 typ", "example.org 40000 typ"),
        ("192.0.2.7 40000 typ", "224.0.0.1 40000 typ"),
        ("192.0.2.7 40000 typ", "0.0.0.0 40000 typ"),
        ("192.0.2.7 40000 typ", "255.255.255.255 40000 typ"),
        ("192.0.2.7 40000 typ", "fe80::1%eth0 40000 typ"),
        ("192.0.2.7 40000 typ", "192.0.2.7 0 typ"),
        ("192.0.2.7 40000 typ", "192.0.2.7 65536 typ"),
        ("typ host", "typ prflx"),
        ("a=mid:0", "a=mid:0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0"),
        ("m=application", "m=audio"),
        ("a=ice-ufrag:abcd\r\n", ""),
        ("a=ice-pwd:pppp", "a=ice-pwd:pp!p"),
        ("a=fingerprint:sha-256", "a=fingerprint:sha-1"),
        ("a=setup:actpass", "a=setup:holdconn"),
        ("a=setup:actpass", "a=setup:actpass\r\na=setup:active"),
        ("a=sctp-port:5000", "a=sctp-port:0"),
        ("a=mid:0", "a=mid:0\r\na=x-" + "x" * 600),
        ("a=mid:0", "a=mid:é"),
    ],
)
def test_one_thing_broken_is_malformed(old: str, new: str) -> None:
    decode_description(example())
    with pytest.raises(Malformed):
        decode_description(example(old, new))


def test_too_many_candidates_and_bytes_are_malformed() -> None:
    line = "a=candidate:f 1 udp 1 192.0.2.9 9 typ host\r\n"
    most = line * (CANDIDATES_MAX - 1)
    assert len(decode_description(example("a=end-of", most + "a=end-of")).candidates) == CANDIDATES_MAX
    with pytest.raises(Malformed, match="candidates"):
        decode_description(example("a=end-of", most + line + "a=end-of"))
    with pytest.raises(Malformed, match="bytes"):
        decode_description(example("a=end-of", "a=x\r\n" * 2000 + "a=end-of"))


def test_candidates_that_cannot_be_used_and_unknown_attributes_are_skipped() -> None:
    extra = (
        "a=candidate:f 1 tcp 1 192.0.2.9 9 typ host tcptype active\r\na=unknown:1\r\n"
        "a=candidate:f 1 udp 1 ::ffff:127.0.0.1 9 typ host\r\na=candidate:"
    )
    assert decode_description(example("a=candidate:", extra)) == EXAMPLE
