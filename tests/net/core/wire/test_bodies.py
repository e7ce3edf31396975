"""Control, relay, application and rendezvous bodies: round trips, bounds, and any bytes."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.primitives.errors import Malformed
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.wire import app, control, relay, rendezvous
from net.core.wire.signal import Refusal


def test_control_bodies_survive() -> None:
    assert control.decode_bye(control.encode_bye("shutting down")) == "shutting down"
    assert control.decode_bye(control.encode_bye("é" * 200)) == "é" * 64
    ping, pong = control.Ping(7, bytes(16)), control.Pong(7, Millis(5), Millis(6))
    assert control.decode_ping(control.encode_ping(ping)) == ping
    assert control.decode_pong(control.encode_pong(pong)) == pong
    urls = ("ws://example.org:6369", "wss://[::1]:6369")
    assert control.decode_urls(control.encode_urls(urls)) == urls
    for step in control.Listing:
        assert control.decode_listing(control.encode_listing(step)) is step


@pytest.mark.parametrize("url", ["http://x", "ws://", "ws://a b", "ws://" + "x" * 128, "x", "ws://a\n"])
def test_what_is_no_rendezvous_url_is_malformed(url: str) -> None:
    with pytest.raises(Malformed):
        control.decode_urls(control.encode_urls((url,)))


def test_a_pong_from_before_its_ping_is_malformed() -> None:
    with pytest.raises(Malformed):
        control.decode_pong(control.encode_pong(control.Pong(1, Millis(2), Millis(1))))


@pytest.mark.parametrize("size", [0, 1, app.PART_MAX, app.PART_MAX + 1, 3 * app.PART_MAX])
def test_a_payload_is_cut_and_joined(size: int) -> None:
    payload = bytes(index % 251 for index in range(size))
    parts = [app.decode_part(body) for body in app.encode_parts(9, 2, payload)]
    assert b"".join(part.data for part in parts) == payload
    assert {(part.number, part.topic, part.total) for part in parts} == {(9, 2, size)}


@pytest.mark.parametrize("size", [relay.PUBLISH_MAX + 1, 2 * relay.CHUNK_MAX, 100_000])
def test_a_large_message_is_cut_and_joined(size: int) -> None:
    payload = bytes(index % 251 for index in range(size))
    chunks = [relay.decode_chunk(body) for body in relay.encode_chunks(3, bytes(16), payload)]
    assert b"".join(chunk.data for chunk in chunks) == payload


def test_relay_bodies_survive() -> None:
    assert relay.decode_publish(relay.encode_publish(3, b"payload")) == (3, b"payload")
    entries = [relay.Announced(1, bytes(16), 10), relay.Announced(2, b"k" * 16, 0)]
    assert relay.decode_announce(relay.encode_announce(entries)) == entries
    assert relay.decode_pull(relay.encode_pull([bytes(16), b"k" * 16])) == [bytes(16), b"k" * 16]


def test_announcements_and_pulls_are_bounded() -> None:
    for decode, entry in ((relay.decode_announce, 22), (relay.decode_pull, 16)):
        with pytest.raises(Malformed):
            decode(bytes(entry * (relay.ENTRIES_MAX + 1)))
        with pytest.raises(Malformed):
            decode(b"")


def test_rendezvous_bodies_survive() -> None:
    request = rendezvous.Request(bytes(32), PeerId(b"j" * 32), b"offer")
    assert rendezvous.decode_request(rendezvous.encode_request(request)) == request
    for answer, refusal in ((b"answer", None), (None, Refusal.FULL)):
        reply = rendezvous.Reply(PeerId(b"h" * 32), PeerId(b"p" * 32), answer, refusal, bytes(64))
        assert rendezvous.decode_reply(rendezvous.encode_reply(reply)) == reply
    for answer, refusal in ((b"answer", Refusal.FULL), (None, None)):
        reply = rendezvous.Reply(PeerId(b"h" * 32), PeerId(b"p" * 32), answer, refusal, bytes(64))
        with pytest.raises(Malformed):
            rendezvous.decode_reply(rendezvous.encode_reply(reply))


DECODERS: list[Callable[[bytes], object]] = [
    control.decode_bye,
    control.decode_ping,
    control.decode_pong,
    control.decode_urls,
    control.decode_listing,
    app.decode_part,
    app.decode_refuse,
    relay.decode_publish,
    relay.decode_announce,
    relay.decode_pull,
    relay.decode_chunk,
    rendezvous.decode_request,
    rendezvous.decode_reply,
]


@pytest.mark.parametrize("decode", DECODERS, ids=lambda decode: decode.__name__)
@given(raw=st.binary(max_size=200))
def test_any_bytes_give_a_message_or_malformed(decode: Callable[[bytes], object], raw: bytes) -> None:
    try:
        decode(raw)
    except Malformed:
        return
