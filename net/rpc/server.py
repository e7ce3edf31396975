"""The RPC server as the composition root holds it."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from chain.primitives.errors import ListenError
from chain.primitives.units import Millis
from net.rpc.dispatcher import Dispatcher, DispatcherStatistics
from net.rpc.door import Door
from net.rpc.events import Events
from net.rpc.guard import Connections
from net.rpc.http import HttpHandler, HttpStatistics
from net.rpc.methods.table import make_registry
from net.rpc.policy import RpcPolicy
from net.rpc.ports import RpcParts
from net.rpc.services import make_services

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
        self._door: Door | None = None
        self._listener: asyncio.Server | None = None

    async def open(self) -> int:
        """Listen, and return the port. Raises `ListenError` when the address cannot be had."""
        loop = asyncio.get_running_loop()
        limits = self._policy.limits
        self._door = Door(
            self._handler.handle,
            Connections(limits.connections, limits.connections_per_address),
            header_timeout=limits.header_timeout,
            keepalive=limits.keepalive,
            body_bytes=limits.body_bytes,
        )
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
