"""The RPC server as the composition root holds it."""

import asyncio
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_request import BaseRequest

from chain.primitives.errors import ListenError
from chain.primitives.units import Millis
from net.rpc.dispatcher import Dispatcher, DispatcherStatistics
from net.rpc.events import Events
from net.rpc.guard import Connections
from net.rpc.http import HttpHandler, HttpStatistics
from net.rpc.methods.table import make_registry
from net.rpc.policy import RpcLimits, RpcPolicy
from net.rpc.ports import RpcParts
from net.rpc.services import make_services

log = logging.getLogger(__name__)

HEADER_LINE_MAX = 8_190
"""Longest request line or header, bytes."""

HEADERS_MAX = 64
"""Headers of one request."""

STOP_SECONDS = 2.0
"""How long answers under way may take when the server stops."""


@dataclass(frozen=True, slots=True)
class RpcStatistics:
    """What the RPC server counts."""

    calls: DispatcherStatistics
    http: HttpStatistics
    connections: int
    """Open now."""
    connections_refused: int
    filters: int
    """Filters that clients poll."""
    filter_bytes: int
    """What they have collected."""
    filters_expired: int
    subscriptions: int
    notifications: int
    """Sent to WebSockets since start."""
    heads_skipped: int
    """Blocks not told to subscribers during a catch-up."""
    worker_calls: int
    """Calls that run in or wait for worker threads."""


class _NoGarbage(logging.Filter):
    """Keeps requests that are no HTTP out of the log: the client has been told, and it must not be able to fill it."""

    def filter(self, record: logging.LogRecord) -> bool:
        fault = record.exc_info[1] if record.exc_info else None
        return not isinstance(fault, HttpProcessingError)


def _door_log() -> logging.Logger:
    door = logging.Logger(f"{__name__}.door")  # of this server alone
    door.parent = log
    door.addFilter(_NoGarbage())
    return door


class _Door(web.Server):
    """Takes connections within limits, and closes those that send no request in time (slow-loris)."""

    def __init__(self, handler: HttpHandler, limits: RpcLimits) -> None:
        super().__init__(
            handler.handle,
            request_factory=self._request,
            access_log=None,
            logger=_door_log(),
            keepalive_timeout=limits.keepalive / 1000,
            max_line_size=HEADER_LINE_MAX,
            max_field_size=HEADER_LINE_MAX,
            max_headers=HEADERS_MAX,
            auto_decompress=False,
            lingering_time=0,
        )
        self._limits = limits
        self._waiting: dict[RequestHandler, asyncio.TimerHandle] = {}
        self._entered: dict[RequestHandler, str] = {}
        self.counted = Connections(limits.connections, limits.connections_per_address)

    def _request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: RequestHandler,
        writer: AbstractStreamWriter,
        task: "asyncio.Task[None]",
    ) -> BaseRequest:
        timer = self._waiting.pop(protocol, None)
        if timer is not None:
            timer.cancel()
        loop = asyncio.get_running_loop()
        return BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=self._limits.body_bytes)

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        peer = transport.get_extra_info("peername")
        remote = str(peer[0]) if isinstance(peer, tuple) else ""
        if not self.counted.enter(remote):
            transport.abort()
            return
        self._entered[handler] = remote
        loop = asyncio.get_running_loop()
        self._waiting[handler] = loop.call_later(self._limits.header_timeout / 1000, transport.abort)

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        timer = self._waiting.pop(handler, None)
        if timer is not None:
            timer.cancel()
        remote = self._entered.pop(handler, None)
        if remote is not None:
            self.counted.leave(remote)


class RpcServer:
    """Serves JSON-RPC on one port: HTTP at `/`, WebSocket at `/` and `/ws`."""

    def __init__(
        self,
        parts: RpcParts,
        policy: RpcPolicy,
        events: Events,
        *,
        clock: Callable[[], Millis],
        entropy: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        """`clock` tells ms; only differences matter. `entropy` makes ids that nobody can guess."""
        self._policy = policy
        self._services = make_services(parts, policy, clock=clock, entropy=entropy)
        self._dispatcher = Dispatcher(make_registry(self._services), self._services.workers, policy.limits)
        self._handler = HttpHandler(self._services, policy, self._dispatcher, entropy=entropy)
        self._forget = events.listen(self._services.feed)
        self._door: _Door | None = None
        self._listener: asyncio.Server | None = None

    async def open(self) -> int:
        """Listen, and return the port. Raises `ListenError` when the address cannot be had."""
        loop = asyncio.get_running_loop()
        self._door = _Door(self._handler, self._policy.limits)
        host, port = self._policy.host, self._policy.port
        try:
            self._listener = await loop.create_server(self._door, host, port, backlog=512, reuse_address=True)
        except OSError as error:
            raise ListenError(
                f"the RPC cannot listen on {host}:{port} ({error.strerror or error}): "
                "another program uses it, or the address is not this machine's; see rpc_host and rpc_port"
            ) from None
        return int(self._listener.sockets[0].getsockname()[1])

    async def run(self) -> None:
        """Tell subscribers of events until cancelled, then close everything. Call after `open`."""
        try:
            await self._services.feed.run()
        finally:
            await self._close()

    async def _close(self) -> None:
        self._forget()
        if self._listener is not None:
            self._listener.close()
        await self._handler.close_sockets()
        if self._door is not None:
            self._door.pre_shutdown()
            await self._door.shutdown(STOP_SECONDS)
        self._services.workers.close()

    def statistics(self) -> RpcStatistics:
        """Return the counters."""
        services = self._services
        counted = self._door.counted if self._door is not None else Connections(0, 0)
        return RpcStatistics(
            calls=self._dispatcher.statistics(),
            http=self._handler.statistics(),
            connections=counted.open,
            connections_refused=counted.refused,
            filters=len(services.filters),
            filter_bytes=services.filters.size_bytes,
            filters_expired=services.filters.expired,
            subscriptions=services.feed.count(),
            notifications=services.feed.notified,
            heads_skipped=services.feed.skipped,
            worker_calls=services.workers.busy,
        )
