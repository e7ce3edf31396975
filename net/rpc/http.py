"""HTTP requests: what is let in, read within limits, and answered."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import hdrs, web
from aiohttp.web_request import BaseRequest
from multidict import CIMultiDict

from chain.primitives.units import Millis
from net.rpc.dispatcher import Dispatcher
from net.rpc.errors import INVALID_REQUEST, LIMIT_EXCEEDED, RpcError
from net.rpc.guard import BYTES_A_CALL, Doorman, RateLimiter, client_of, is_loopback
from net.rpc.in_flight import Held, InFlight
from net.rpc.policy import RpcPolicy
from net.rpc.registry import Caller
from net.rpc.services import Services
from net.rpc.websocket import HEARTBEAT_SECONDS, Session, SocketServer, Tally, Unread, refusal

JSON_TYPES = frozenset({"application/json", "application/json-rpc", "application/jsonrequest"})
"""Content types taken. A page can send any other to a foreign server without asking it first (CORS)."""

RPC_PATH = "/"
SOCKET_PATHS = frozenset({"/", "/ws"})
PREFLIGHT_SECONDS = "600"

LONG_ANSWER = 128 * 1024
"""Bytes above which an answer may not fit the socket's buffers, so that its reader must be watched."""

_JSON_HEADER = "application/json"


@dataclass(frozen=True, slots=True)
class HttpStatistics:
    """What happened at the door since start."""

    requests: int
    refused: dict[str, int]
    """Requests turned away, by cause."""
    sockets: int
    """WebSockets open now."""
    bytes_in_flight: int
    """Bodies being read and answered now."""
    unread_bytes: int
    """Answers and notifications waiting for WebSockets now."""


class HttpHandler:
    """Answers every HTTP request of the server; `server` makes it the handler of its connections."""

    def __init__(
        self, services: Services, policy: RpcPolicy, dispatcher: Dispatcher, *, entropy: Callable[[int], bytes]
    ) -> None:
        self._services = services
        self._limits = policy.limits
        self._dispatcher = dispatcher
        self._entropy = entropy
        self._doorman = Doorman(policy)
        limits = policy.limits
        self._rates = RateLimiter(limits.calls_per_second, limits.calls_burst, addresses=limits.addresses)
        self._flight = InFlight(limits.bodies_in_flight_bytes)
        self._sockets: set[web.WebSocketResponse] = set()
        self._requests = 0
        self._refused: dict[str, int] = {}
        self._socket_number = 0
        self._unread = Unread()
        self._tally = Tally(limits.subscriptions, limits.subscriptions_per_address)

    def statistics(self) -> HttpStatistics:
        """Return the counters."""
        refused = self._refused | ({"crowding": self._flight.cut} if self._flight.cut else {})
        return HttpStatistics(
            self._requests, refused, len(self._sockets), self._flight.size_bytes, self._unread.size_bytes
        )

    async def close_sockets(self) -> None:
        """Say good-bye to all WebSockets."""
        for socket in tuple(self._sockets):
            await socket.close(code=1001, message=b"the node stops")

    async def handle(self, request: BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        self._requests += 1
        headers = request.headers
        host, origin = headers.get(hdrs.HOST), headers.get(hdrs.ORIGIN)
        if not self._doorman.host_allowed(host):
            return self._turn_away("host", 403, "this Host is not served here: see rpc_hosts")
        if not self._doorman.origin_allowed(origin, host):
            return self._turn_away("origin", 403, "this Origin may not call: see rpc_cors")
        if request.method == hdrs.METH_POST:
            return await self._post(request, origin)
        if request.method == hdrs.METH_OPTIONS:
            response = web.Response(status=204)
        elif request.method == hdrs.METH_GET and headers.get(hdrs.UPGRADE, "").lower() == "websocket":
            return await self._socket(request)
        else:
            response = self._turn_away("method", 405, "POST JSON-RPC, or open a WebSocket")
            response.headers[hdrs.ALLOW] = "POST, OPTIONS"
        if origin is not None:
            _allow(response.headers, origin)
        return response

    async def _post(self, request: BaseRequest, origin: str | None) -> web.Response:
        transport = request.transport
        held = self._flight.enter(
            client_of(request.remote or ""), (lambda: None) if transport is None else transport.abort
        )
        try:
            response = await self._take(request, held)
            if origin is not None:
                _allow(response.headers, origin)
            if isinstance(response.body, bytes) and len(response.body) > LONG_ANSWER:
                await self._deliver(request, response)
            return response
        finally:
            self._flight.leave(held)

    async def _deliver(self, request: BaseRequest, response: web.Response) -> None:
        """Send a long answer while it counts as in flight, and cut off a client that does not read it."""
        try:
            async with asyncio.timeout(self._limits.answer_timeout / 1000):
                await response.prepare(request)
                await response.write_eof()
        except TimeoutError:
            self._refused["unread"] = self._refused.get("unread", 0) + 1
            if request.transport is not None:
                request.transport.abort()

    def _turn_away(self, cause: str, status: int, text: str) -> web.Response:
        self._refused[cause] = self._refused.get(cause, 0) + 1
        error = RpcError(LIMIT_EXCEEDED if status in (429, 503) else INVALID_REQUEST, text)
        response = web.Response(body=refusal(error), status=status, content_type=_JSON_HEADER)
        if status in (413, 408):
            response.force_close()  # the rest of the body is not read
        return response

    # HTTP

    async def _take(self, request: BaseRequest, held: Held) -> web.Response:
        limits = self._limits
        if request.path != RPC_PATH:
            return self._turn_away("path", 404, "JSON-RPC is served at /")
        if request.content_type not in JSON_TYPES or hdrs.CONTENT_ENCODING in request.headers:
            return self._turn_away("content", 415, "the body must be application/json, not compressed")
        length = request.content_length
        if length is not None and length > limits.body_bytes:
            return self._turn_away("body", 413, f"a body has at most {limits.body_bytes} bytes")
        reserved = limits.body_bytes if length is None else length
        if not self._flight.grow(held, reserved):
            return self._turn_away("busy", 503, "the node is busy, try again later")
        return await self._read_and_answer(request, held)

    async def _read_and_answer(self, request: BaseRequest, held: Held) -> web.Response:
        try:
            if request.content.is_eof():
                body = await request.read()  # all of it is here
            else:
                async with asyncio.timeout(self._limits.body_timeout / 1000):
                    body = await request.read()
        except TimeoutError:
            return self._turn_away("slow", 408, "the body did not arrive in time")
        except web.HTTPRequestEntityTooLarge:
            return self._turn_away("body", 413, f"a body has at most {self._limits.body_bytes} bytes")
        parsed = self._dispatcher.read(body)
        del body
        remote = request.remote or ""
        client = client_of(remote)
        if not is_loopback(remote) and not self._rates.take(client, parsed.calls, self._services.clock()):
            return self._turn_away("rate", 429, "rate limit exceeded")
        admin = self._doorman.is_admin(request.headers.get(hdrs.AUTHORIZATION))
        answer = await self._dispatcher.answer(
            parsed, Caller(client, admin=admin), lambda size_bytes: self._flight.grow(held, size_bytes)
        )
        if answer is None:
            return web.Response(status=204)
        if len(answer) >= BYTES_A_CALL and not is_loopback(remote):
            self._rates.charge(client, len(answer), self._services.clock())
        return web.Response(body=answer, content_type=_JSON_HEADER)

    # WebSocket

    async def _socket(self, request: BaseRequest) -> web.StreamResponse:
        limits = self._limits
        if request.path not in SOCKET_PATHS:
            return self._turn_away("path", 404, "WebSockets are served at /ws")
        if len(self._sockets) >= limits.websockets:
            return self._turn_away("sockets", 503, "too many WebSockets, try again later")
        socket = web.WebSocketResponse(
            max_msg_size=limits.socket_message_bytes, heartbeat=HEARTBEAT_SECONDS, compress=False, timeout=2.0
        )
        if not socket.can_prepare(request):
            return self._turn_away("upgrade", 400, "not a WebSocket upgrade")
        self._socket_number += 1
        owner = f"socket {self._socket_number}"
        transport = request.transport
        if transport is None:
            return socket  # the client is gone already
        remote = request.remote or ""
        session = Session(
            socket,
            self._services.feed,
            limits,
            entropy=self._entropy,
            unread=self._unread,
            tally=self._tally,
            client=None if is_loopback(remote) else client_of(remote),
            abort=transport.abort,
        )
        self._sockets.add(socket)
        try:
            await socket.prepare(request)
            admin = self._doorman.is_admin(request.headers.get(hdrs.AUTHORIZATION))
            server = SocketServer(
                session,
                socket,
                self._dispatcher,
                limits,
                caller=Caller(owner, session, admin, client_of(remote)),
                take=self._taker(remote),
                charge=self._charger(remote),
                clock=self._services.clock,
                flight=self._flight,
                abort=transport.abort,
            )
            await server.serve()
        except* (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client is gone: what follows cleans up after it
        finally:
            session.close()
            self._sockets.discard(socket)
            self._services.filters.disown(owner)
        return socket

    def _taker(self, remote: str) -> Callable[[int], bool]:
        if is_loopback(remote):
            return lambda _calls: True
        client = client_of(remote)
        return lambda calls: self._rates.take(client, calls, Millis(self._services.clock()))

    def _charger(self, remote: str) -> Callable[[int], None]:
        if is_loopback(remote):
            return lambda _size_bytes: None
        client = client_of(remote)
        return lambda size_bytes: self._rates.charge(client, size_bytes, Millis(self._services.clock()))


def _allow(headers: CIMultiDict[str], origin: str) -> None:
    """Tell the browser that this page may read the answer."""
    headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
    headers[hdrs.ACCESS_CONTROL_ALLOW_METHODS] = "POST"
    headers[hdrs.ACCESS_CONTROL_ALLOW_HEADERS] = "Content-Type"
    headers[hdrs.ACCESS_CONTROL_MAX_AGE] = PREFLIGHT_SECONDS
    headers[hdrs.VARY] = hdrs.ORIGIN
