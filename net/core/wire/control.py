"""BYE, PING, PONG, URLS, LISTING and TRY: what keeps a link."""

import struct
from dataclasses import dataclass
from enum import IntEnum

from chain.primitives.canonical import pack, unpack
from chain.primitives.errors import Malformed
from chain.primitives.units import Millis
from net.core.wire.fields import MOMENT_MAX, text_field

REASON_MAX = 128
"""Bytes of a farewell's or refusal's text."""

URLS_MAX = 4
"""Rendezvous URLs in one URLS frame."""

URL_MAX = 128
"""Bytes of a rendezvous URL."""

FINGERPRINT_BYTES = 16
"""Length of the map fingerprint in a ping."""

TRY_NONCE_BYTES = 16
"""Random name of one try, which the datagram carries back."""

_PING = struct.Struct(">I16s")
_PONG = struct.Struct(">IQQ")
_TRY = struct.Struct(">H16s")
_STEPS = range(1, 5)


@dataclass(frozen=True, slots=True)
class Ping:
    """A sign of life that asks for one."""

    number: int
    """Echoed by the pong; 32 bits."""
    fingerprint: bytes
    """Additive fingerprint of the sender's map as of some 20 s ago, 16 bytes (`net.core.map._marks`)."""


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer, with the two middle time stamps of a clock sample (DESIGN section 3.7)."""

    number: int
    received: Millis
    """When the ping arrived, by the answerer's mesh clock."""
    sent: Millis
    """When the pong left, by the answerer's mesh clock."""


@dataclass(frozen=True, slots=True)
class Try:
    """Send a datagram to this port of mine: can it be reached?"""

    port: int
    """UDP, 1 to 65535; the address is the one that the link is seen to come from."""
    nonce: bytes
    """TRY_NONCE_BYTES, which the datagram carries."""


class Listing(IntEnum):
    """A step of a link's way into or out of both ends' records."""

    ASK = 1
    """Over a guest link: let us both list this link, I having chosen it."""
    LISTED = 2
    """Agreed: it is listed from now on."""
    REFUSED = 3
    """Not agreed: it stays as it is."""
    HAND_BACK = 4
    """The end that chose the link gives it up: close it without blame."""


def encode_bye(reason: str) -> bytes:
    """Return the body of a BYE frame; the text is cut to REASON_MAX bytes."""
    return pack(reason.encode()[:REASON_MAX].decode(errors="ignore"))


def decode_bye(body: bytes) -> str:
    """Return the reason of a farewell. Raises `Malformed`."""
    return text_field(unpack(body, max_bytes=REASON_MAX + 8, max_items=0), REASON_MAX, "reason")


def encode_ping(ping: Ping) -> bytes:
    """Return the body of a PING frame."""
    return _PING.pack(ping.number, ping.fingerprint)


def decode_ping(body: bytes) -> Ping:
    """Return the ping of a frame's body. Raises `Malformed`."""
    if len(body) != _PING.size:
        raise Malformed(f"a ping of {len(body)} bytes")
    number, fingerprint = _PING.unpack(body)
    return Ping(number, fingerprint)


def encode_pong(pong: Pong) -> bytes:
    """Return the body of a PONG frame."""
    return _PONG.pack(pong.number, pong.received, pong.sent)


def decode_pong(body: bytes) -> Pong:
    """Return the pong of a frame's body. Raises `Malformed`."""
    if len(body) != _PONG.size:
        raise Malformed(f"a pong of {len(body)} bytes")
    number, received, sent = _PONG.unpack(body)
    if not received <= sent <= MOMENT_MAX:
        raise Malformed("a pong that left before its ping came")
    return Pong(number, Millis(received), Millis(sent))


def encode_try(wish: Try) -> bytes:
    """Return the body of a TRY frame."""
    return _TRY.pack(wish.port, wish.nonce)


def decode_try(body: bytes) -> Try:
    """Return the wish of a frame's body. Raises `Malformed`."""
    if len(body) != _TRY.size:
        raise Malformed(f"a try of {len(body)} bytes")
    port, nonce = _TRY.unpack(body)
    if not port:
        raise Malformed("a try of port 0")
    return Try(port, nonce)


def valid_url(url: str) -> bool:
    """Tell whether a text can be a rendezvous URL to store and call later."""
    scheme, separator, rest = url.partition("://")
    return (
        separator == "://"
        and scheme in ("ws", "wss")
        and len(rest) > 0
        and len(url.encode()) <= URL_MAX
        and url.isascii()
        and url.isprintable()
        and not any(letter in url for letter in " \"'<>\\")
    )


def encode_urls(urls: tuple[str, ...]) -> bytes:
    """Return the body of a URLS frame of at most URLS_MAX URLs."""
    assert len(urls) <= URLS_MAX
    return pack(list(urls))


def decode_urls(body: bytes) -> tuple[str, ...]:
    """Return the URLs of a frame's body. Raises `Malformed`, also on a text that is no `ws` URL."""
    value = unpack(body, max_bytes=URLS_MAX * (URL_MAX + 4) + 4, max_items=URLS_MAX)
    if not isinstance(value, list):
        raise Malformed("urls are no array")
    urls = tuple(text_field(item, URL_MAX, "url") for item in value)
    if not all(map(valid_url, urls)):
        raise Malformed("not a rendezvous url")
    return urls


def encode_listing(step: Listing) -> bytes:
    """Return the body of a LISTING frame."""
    return bytes((step,))


def decode_listing(body: bytes) -> Listing:
    """Return the step of a LISTING frame. Raises `Malformed`."""
    if len(body) != 1 or body[0] not in _STEPS:
        raise Malformed("not a listing step")
    return Listing(body[0])
