"""First contact: one request and one reply over a WebSocket, as server and as client.

Both ends only carry bytes; what they mean is the mesh's (`net.core.mesh`). The server takes whoever finds the port, so
connections are few, short and small: see the limits. The client calls URLs that strangers told us, so it sends nothing
before the other side has agreed to our subprotocol, follows no redirect, and presents no credentials.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import aiohttp
from aiohttp import web
from yarl import URL

from chain.primitives.errors import ListenError, NodeError
from net.transport.buckets import network_of
from net.transport.names import Names

log = logging.getLogger(__name__)

SUBPROTOCOL = "mappemonde.rendezvous.1"
"""Offered by the client and confirmed by the server, so that neither talks to some other WebSocket service."""

MESSAGE_MAX = 16 * 1024
"""Largest request or reply in bytes."""

LIFE_SECONDS = 10.0
"""Longest life of a connection, from its first packet, whatever it is doing (DESIGN section 3.4)."""

CONNECTIONS_MAX = 64
"""Most connections at once; further ones are dropped unread."""

CONNECTIONS_PER_NETWORK_MAX = 16
"""Most connections at once from one /24 or /48."""

CALLS_MAX = 8
"""Most calls of our own at once."""

CLOSE_SECONDS = 1.0
"""For the closing handshakes when the listener is closed."""


class CallFailed(NodeError):
    """A rendezvous call came to nothing; the text says why."""


Answer = Callable[[bytes, str], Awaitable[bytes | None]]
"""Takes a request and the caller's IP address, returns the reply, or None to hang up."""


@dataclass(frozen=True, slots=True)
class RendezvousStatistics:
    """Counters of the listener."""

    open: int
    accepted: int
    refused: int
    """Connections over a limit."""
    answered: int


class _DebugOnly(logging.LoggerAdapter[logging.Logger]):
    """aiohttp logs an error with a traceback for each request it cannot read and each caller that hangs up early.

    That is whatever strangers do; what fails on our side of `Answer` is raised by the driver.
    """

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        super().log(min(level, logging.DEBUG), msg, *args, **kwargs)


class _BoundedServer(web.Server):
    """aiohttp's server, which by itself takes any number of connections and lets each be silent for ever."""

    def __init__(self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> None:
        super().__init__(handler, access_log=None, keepalive_timeout=LIFE_SECONDS, logger=_DebugOnly(log))
        self._networks: dict[object, str] = {}
        self._per_network: Counter[str] = Counter()
        self._timers: dict[object, asyncio.TimerHandle] = {}
        self.accepted = 0
        self.refused = 0

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Count a connection in, or drop it."""
        super().connection_made(handler, transport)
        peer = transport.get_extra_info("peername")
        network = network_of(peer[0]) if peer else ""
        if len(self._networks) >= CONNECTIONS_MAX or self._per_network[network] >= CONNECTIONS_PER_NETWORK_MAX:
            self.refused += 1
            # not at once: aiohttp has yet to start its task for the connection, and asserts that it is still there
            asyncio.get_running_loop().call_soon(transport.abort)
            return
        self.accepted += 1
        self._networks[handler] = network
        self._per_network[network] += 1
        self._timers[handler] = asyncio.get_running_loop().call_later(LIFE_SECONDS, transport.abort)

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        """Count a connection out."""
        super().connection_lost(handler, exc)
        network = self._networks.pop(handler, None)
        if network is not None:
            self._timers.pop(handler).cancel()
            self._per_network[network] -= 1
            if not self._per_network[network]:
                del self._per_network[network]

    @property
    def open(self) -> int:
        """Connections open now."""
        return len(self._networks)


class RendezvousServer:
    """The listener. Made by `open_rendezvous`, ended by `close`; its owner answers through the callable it gave."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._server = _BoundedServer(self._serve)
        self._listener: asyncio.Server | None = None
        self._answered = 0

    async def listen(self, host: str, port: int) -> None:
        """Begin. Raises `ListenError` when the port cannot be had."""
        loop = asyncio.get_running_loop()
        try:
            self._listener = await loop.create_server(self._server, host, port, backlog=CONNECTIONS_MAX)
        except OSError as error:
            why = error.strerror or str(error)
            raise ListenError(f"the rendezvous cannot listen on {host}:{port} ({why}); choose another port") from None

    @property
    def port(self) -> int:
        """The TCP port it listens on."""
        assert self._listener is not None
        port: int = self._listener.sockets[0].getsockname()[1]
        return port

    def statistics(self) -> RendezvousStatistics:
        """Return the counters."""
        server = self._server
        return RendezvousStatistics(server.open, server.accepted, server.refused, self._answered)

    async def close(self) -> None:
        """Stop listening and hang up on whoever is connected."""
        if self._listener is not None:
            self._listener.close()
        await self._server.shutdown(CLOSE_SECONDS)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        socket = web.WebSocketResponse(
            protocols=(SUBPROTOCOL,), max_msg_size=MESSAGE_MAX, timeout=CLOSE_SECONDS, compress=False
        )
        if not socket.can_prepare(request) or SUBPROTOCOL not in request.headers.get("Sec-WebSocket-Protocol", ""):
            return web.Response(status=426, text="a Mappemonde rendezvous: connect by WebSocket\n")
        await socket.prepare(request)
        message = await socket.receive()
        if message.type is aiohttp.WSMsgType.BINARY and request.remote is not None:
            reply = await self._answer(message.data, request.remote)
            if reply is not None and not socket.closed:
                await socket.send_bytes(reply)
                self._answered += 1
        await socket.close()
        return socket


async def open_rendezvous(host: str, port: int, answer: Answer) -> RendezvousServer:
    """Listen for joiners. Raises `ListenError` when the port cannot be had."""
    server = RendezvousServer(answer)
    await server.listen(host, port)
    return server


async def call_rendezvous(url: str, request: bytes, names: Names) -> bytes:
    """Send a request to a rendezvous and return its reply. Raises `CallFailed` within `LIFE_SECONDS`.

    The id that a bootstrap URL may pin (`ws://<id>@host:port`) is for the mesh to check; it is not sent.
    """
    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(_refuse_redirect)
    try:
        target = URL(url).with_user(None)
        if target.scheme not in ("ws", "wss") or not target.host:
            raise CallFailed("not a ws:// or wss:// URL")
        async with (
            asyncio.timeout(LIFE_SECONDS),
            aiohttp.TCPConnector(resolver=names) as connector,
            aiohttp.ClientSession(
                connector=connector, trace_configs=[trace], cookie_jar=aiohttp.DummyCookieJar()
            ) as session,
            session.ws_connect(target, protocols=(SUBPROTOCOL,), max_msg_size=MESSAGE_MAX) as socket,
        ):
            if socket.protocol != SUBPROTOCOL:
                raise CallFailed("the other side is no rendezvous")
            await socket.send_bytes(request)
            message = await socket.receive()
            if message.type is not aiohttp.WSMsgType.BINARY:
                raise CallFailed("closed without a reply")
            reply: bytes = message.data
            return reply
    except TimeoutError:
        raise CallFailed(f"no reply within {LIFE_SECONDS:.0f} s") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise CallFailed(str(error) or type(error).__name__) from None


async def _refuse_redirect(
    _session: aiohttp.ClientSession, _context: SimpleNamespace, _params: aiohttp.TraceRequestRedirectParams
) -> None:
    raise CallFailed("the other side redirects")
