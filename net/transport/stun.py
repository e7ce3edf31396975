"""A STUN server that tells whoever asks how it is seen from outside (RFC 8489, Binding only).

Nodes ask a neighbour instead of a public service. It answers Binding requests and nothing else: no authentication, no
other methods, no TCP. A request with attributes it does not know is answered as if they were absent, which the ICE
agents we serve do not mind.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from struct import error as StructError  # noqa: N812  # the module gives its exception a lower-case name
from typing import Any, cast

from aioice import stun

from chain.primitives.errors import ListenError, Malformed
from chain.primitives.units import Millis
from net.transport.buckets import PrefixBuckets

REQUEST_MAX = 548
"""Longest request in bytes: a datagram of the IPv4 minimum of 576 without its headers."""

RATE_PER_SECOND = 20
"""Requests per second of one /24 or /48 (DESIGN section 3.4)."""

BURST = 40


@dataclass(frozen=True, slots=True)
class StunStatistics:
    """Counters since the listener was opened."""

    answered: int
    limited: int
    """Requests over the rate of their network."""
    malformed: int


def binding_response(request: bytes, address: str, port: int) -> bytes:
    """Return the answer to a Binding request that came from `address` and `port`. Raises `Malformed` on other bytes.

    The answer is 40 bytes to IPv4 and 52 to IPv6, for at least 20: no amplifier worth spoofing an address for.
    """
    if not stun.HEADER_LENGTH <= len(request) <= REQUEST_MAX:
        raise Malformed(f"a STUN request of {len(request)} bytes")
    if request[0] & 0xC0:  # the codec ignores these bits; RFC 8489 section 5 tells STUN from other protocols by them
        raise Malformed("a datagram that does not begin like STUN")
    if request[4:8] != stun.COOKIE.to_bytes(4, "big"):
        raise Malformed("a datagram without the STUN cookie")
    try:
        message = stun.parse_message(request)
    except (ValueError, StructError, IndexError) as error:
        raise Malformed(f"no STUN message ({error})") from None
    if message.message_class != stun.Class.REQUEST or message.message_method != stun.Method.BINDING:
        raise Malformed("a STUN message that is no Binding request")
    response = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, message.transaction_id)
    mapped = ip_address(address)
    if isinstance(mapped, IPv6Address) and mapped.ipv4_mapped is not None:  # a listener on "::" sees IPv4 senders so
        mapped = mapped.ipv4_mapped
    response.attributes["XOR-MAPPED-ADDRESS"] = (str(mapped), port)
    response.add_fingerprint()
    return bytes(response)


class StunServer(asyncio.DatagramProtocol):
    """The listener. Made by `open_stun`, ended by `close`."""

    def __init__(self, clock: Callable[[], Millis]) -> None:
        self._clock = clock
        self._buckets = PrefixBuckets(RATE_PER_SECOND, BURST)
        self._transport: asyncio.DatagramTransport | None = None
        self._closed = asyncio.get_running_loop().create_future()
        self._answered = 0
        self._limited = 0
        self._malformed = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the socket."""
        # asyncio's own datagram transport is no subclass of this in 3.11
        self._transport = cast(asyncio.DatagramTransport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Learn that the socket is closed."""
        if not self._closed.done():
            self._closed.set_result(None)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Answer one datagram, or drop it."""
        assert self._transport is not None
        address, port = str(addr[0]).partition("%")[0], addr[1]
        if not self._buckets.take(address, self._clock()):
            self._limited += 1
            return
        try:
            response = binding_response(data, address, port)
        except Malformed:
            self._malformed += 1
            return
        self._answered += 1
        self._transport.sendto(response, addr)

    @property
    def port(self) -> int:
        """The UDP port it listens on."""
        assert self._transport is not None
        port: int = self._transport.get_extra_info("sockname")[1]
        return port

    def statistics(self) -> StunStatistics:
        """Return the counters."""
        return StunStatistics(self._answered, self._limited, self._malformed)

    async def close(self) -> None:
        """Stop listening."""
        if self._transport is not None:
            self._transport.close()
            await self._closed


async def open_stun(host: str, port: int, clock: Callable[[], Millis]) -> StunServer:
    """Listen for Binding requests. Raises `ListenError` when the port cannot be had."""
    try:
        _, server = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: StunServer(clock), local_addr=(host, port)
        )
    except OSError as error:
        raise ListenError(f"STUN cannot listen on {host}:{port}/udp ({error.strerror}); choose another port") from None
    return server
