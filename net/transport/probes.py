"""Measures how this node is reached, and sends the datagrams by which neighbours measure theirs (DESIGN section 3.4).

Both work on fresh UDP ports of their own: links are not touched, and a port that has sent nothing is quiet for every
address translator and firewall on the way.
"""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from struct import error as StructError  # noqa: N812  # the module gives its exception a lower-case name
from typing import Any, Protocol

from aioice import stun

from net.core.effects import Paths, ProbeId
from net.core.wire.control import TRY_NONCE_BYTES

MARK = b"mappemonde try 1"
"""What a datagram of a try begins with; its nonce follows."""

ASK_AT_SECONDS = (0.0, 0.5, 1.0, 1.5)
"""When a STUN server is asked: any of these may be lost."""

SEEN_SECONDS = 3.0
"""From the first question to the report."""

QUIET_SECONDS = 14.0
"""How long the quiet port waits: a little less than the mesh waits for its finding."""

COPIES = 2
"""Datagrams sent for one try: one may be lost."""

HEARD_MAX = 16
"""Datagrams handed on of one quiet port: anybody who finds it may send there."""

TRANSACTION_BYTES = 12


class ProbeEvents(Protocol):
    """Who is told what was found."""

    def paths_probed(self, probe: ProbeId, paths: Paths) -> None:
        """Learn what the servers saw, and which port is quiet."""

    def probe_heard(self, probe: ProbeId, nonce: bytes) -> None:
        """Learn that a datagram came to the quiet port."""


class _Port(asyncio.DatagramProtocol):
    """A fresh UDP port; what comes there goes to `taken`."""

    def __init__(self, taken: Callable[[bytes, tuple[str, int]], None]) -> None:
        self._taken = taken

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self._taken(data, (str(addr[0]).partition("%")[0], addr[1]))

    def error_received(self, exc: Exception) -> None:
        """A datagram that could not be delivered: nothing was learned by it."""


async def _open(address: str, taken: Callable[[bytes, tuple[str, int]], None]) -> asyncio.DatagramTransport:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Port(taken), local_addr=(address, 0)
    )
    return transport


def nonce_of(datagram: bytes) -> bytes | None:
    """Return the nonce of a try's datagram, None of any other bytes."""
    whole = len(datagram) == len(MARK) + TRY_NONCE_BYTES and datagram.startswith(MARK)
    return datagram[len(MARK) :] if whole else None


def mapped_by(response: bytes, transaction: bytes) -> tuple[str, int] | None:
    """Return the address and port that a STUN server's response to this transaction tells, None of any other bytes."""
    if not stun.HEADER_LENGTH <= len(response) <= 548 or response[0] & 0xC0:
        return None
    try:
        message = stun.parse_message(response)
        if message.message_class != stun.Class.RESPONSE or message.transaction_id != transaction:
            return None
        address, port = message.attributes["XOR-MAPPED-ADDRESS"]
        return str(ip_address(address)), int(port)
    except (ValueError, KeyError, TypeError, StructError, IndexError):
        return None


class Probes:
    """Probes on some local addresses. Its owner awaits them in tasks of its own."""

    def __init__(self, addresses: Callable[[], Sequence[str]], events: ProbeEvents) -> None:
        """`addresses` tells which local ones there are now."""
        self._addresses = addresses
        self._events = events

    def _beside(self, other: str) -> str | None:
        """Return the own address of the same family, the first if there are several."""
        version = ip_address(other).version
        return next((one for one in self._addresses() if ip_address(one).version == version), None)

    async def probe(self, probe: ProbeId, servers: Sequence[tuple[str, int]]) -> None:
        """Ask the servers from one port, report, and listen on another one for a while."""
        own = self._beside(servers[0][0])
        if own is None or any(self._beside(host) != own for host, _ in servers):
            self._events.paths_probed(probe, Paths(None, ()))
            return
        heard = 0

        def take(datagram: bytes, _sender: tuple[str, int]) -> None:
            nonlocal heard
            nonce = nonce_of(datagram)
            if nonce is not None and heard < HEARD_MAX:
                heard += 1
                self._events.probe_heard(probe, nonce)

        try:
            quiet = await _open(own, take)
        except OSError:
            self._events.paths_probed(probe, Paths(None, ()))
            return
        try:
            seen = await self._ask(own, servers)
            self._events.paths_probed(probe, Paths(quiet.get_extra_info("sockname")[1], seen))
            await asyncio.sleep(QUIET_SECONDS - SEEN_SECONDS)
        finally:
            quiet.close()

    async def _ask(self, own: str, servers: Sequence[tuple[str, int]]) -> tuple[tuple[str, int] | None, ...]:
        """Return how each server sees one fresh port."""
        transactions = {server: secrets.token_bytes(TRANSACTION_BYTES) for server in servers}
        found: dict[tuple[str, int], tuple[str, int]] = {}
        complete = asyncio.Event()

        def take(datagram: bytes, sender: tuple[str, int]) -> None:
            if sender not in transactions or (mapped := mapped_by(datagram, transactions[sender])) is None:
                return
            found[sender] = mapped
            if len(found) == len(transactions):
                complete.set()

        try:
            port = await _open(own, take)
        except OSError:
            return (None,) * len(servers)
        try:
            async with asyncio.timeout(SEEN_SECONDS):
                before = 0.0
                for at in ASK_AT_SECONDS:
                    await _until(complete, at - before)
                    before = at
                    for server, transaction in transactions.items():
                        if server not in found:
                            request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, transaction)
                            port.sendto(bytes(request), server)
                await complete.wait()
        except TimeoutError:
            pass  # who has not answered by now is silent
        finally:
            port.close()
        return tuple(found.get(server) for server in servers)

    async def send(self, address: str, port: int, nonce: bytes) -> None:
        """Send a try's datagram from a fresh port."""
        own = self._beside(address)
        if own is None:
            return
        try:
            fresh = await _open(own, lambda _data, _sender: None)
        except OSError:
            return  # the asker finds that nothing came, and asks another time
        for _ in range(COPIES):
            fresh.sendto(MARK + nonce, (address, port))
        fresh.close()


async def _until(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, at most so long."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
