"""Connections of an HTTP server within limits: aiohttp takes any number, and lets each be silent for ever."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_request import BaseRequest

from chain.primitives.units import Millis
from net.rpc.guard import Connections

log = logging.getLogger(__name__)

HEADER_LINE_MAX = 8_190
"""Longest request line or header, bytes."""

HEADERS_MAX = 64
"""Headers of one request."""


class _NoGarbage(logging.Filter):
    """Keeps requests that are no HTTP out of the log: the client has been told, and it must not be able to fill it."""

    def filter(self, record: logging.LogRecord) -> bool:
        fault = record.exc_info[1] if record.exc_info else None
        return not isinstance(fault, HttpProcessingError)


def _own_log() -> logging.Logger:
    own = logging.Logger(log.name)  # of one server alone: what filters it must not filter others
    own.parent = log
    own.addFilter(_NoGarbage())
    return own


class Door(web.Server):
    """Takes connections within limits, and closes those that send no request in time (slow-loris)."""

    def __init__(
        self,
        handle: Callable[[BaseRequest], Awaitable[web.StreamResponse]],
        counted: Connections,
        *,
        header_timeout: Millis,
        keepalive: Millis,
        body_bytes: int,
    ) -> None:
        """`counted` holds the limits; `header_timeout` is how long the first request's headers may take, `keepalive`
        how long a connection waits for the next one; `body_bytes` bounds what the handler reads of a body."""
        super().__init__(
            handle,
            request_factory=self._request,
            access_log=None,
            logger=_own_log(),
            keepalive_timeout=keepalive / 1000,
            max_line_size=HEADER_LINE_MAX,
            max_field_size=HEADER_LINE_MAX,
            max_headers=HEADERS_MAX,
            auto_decompress=False,
            lingering_time=0,
        )
        self._header_timeout = header_timeout
        self._body_bytes = body_bytes
        self._waiting: dict[RequestHandler, asyncio.TimerHandle] = {}
        self._entered: dict[RequestHandler, str] = {}
        self.counted = counted

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
        return BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=self._body_bytes)

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        peer = transport.get_extra_info("peername")
        remote = str(peer[0]) if isinstance(peer, tuple) else ""
        if not self.counted.enter(remote):
            transport.abort()
            return
        self._entered[handler] = remote
        loop = asyncio.get_running_loop()
        self._waiting[handler] = loop.call_later(self._header_timeout / 1000, transport.abort)

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        timer = self._waiting.pop(handler, None)
        if timer is not None:
            timer.cancel()
        remote = self._entered.pop(handler, None)
        if remote is not None:
            self.counted.leave(remote)
