"""The metrics page: `/metrics` on a port of its own."""

import asyncio
from collections.abc import Iterable

from aiohttp import hdrs, web
from aiohttp.web_request import BaseRequest
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import generate_latest

from chain.primitives.errors import ListenError
from chain.primitives.units import Millis
from net.rpc.door import Door
from net.rpc.events import Events
from net.rpc.guard import Connections, Hosts
from net.rpc.metrics.chain_metrics import ChainListener, chain_facts
from net.rpc.metrics.exposition import RecordCollector, Source
from net.rpc.metrics.families import CHAIN
from net.rpc.ports import ChainReader, NodeFacts

PATH = "/metrics"
STOP_SECONDS = 1.0

CONNECTIONS_MAX = 64
CONNECTIONS_PER_ADDRESS_MAX = 16
"""Open connections, in all and from one address that is not this machine; further ones are closed at once."""

HEADER_TIMEOUT = Millis(10_000)
KEEPALIVE = Millis(75_000)
"""How long a connection may take for its first request, and wait for the next: scrapes come each minute or sooner."""

BODY_BYTES = 1_024
"""What would be read of a request's body; scrapes have none."""

PAGE_FOR = Millis(500)
"""How long a page is told again: making one takes the event loop 2 to 5 ms, however many ask."""


class MetricsServer:
    """Serves the counters of all parts, of the process and of Python."""

    def __init__(
        self,
        host: str,
        port: int,
        sources: Iterable[Source],
        *,
        chain: ChainReader,
        node: NodeFacts,
        events: Events,
        allowed_hosts: tuple[str, ...] = (),
    ) -> None:
        """`sources` are the parts' records with the groups of `families` that tell of them; port 0 takes a free one.

        `allowed_hosts` are the names in a request's Host header that are answered besides `localhost` and addresses: a
        web page on this machine must not read the node's links and accounts by making its own name point here.
        """
        self._host, self._port = host, port
        self._hosts = Hosts(allowed_hosts)
        self._registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._registry.register(RecordCollector([Source(CHAIN, lambda: chain_facts(chain, node)), *sources]))
        self._forget = events.listen(ChainListener(self._registry, node.params.block_time))
        self._listener: asyncio.Server | None = None
        self._server: Door | None = None
        self._page = b""
        self._page_until = 0.0

    def page(self) -> bytes:
        """Return the page as Prometheus reads it."""
        return generate_latest(self._registry)

    async def _handle(self, request: BaseRequest) -> web.Response:
        if not self._hosts.allowed(request.headers.get(hdrs.HOST)):
            return web.Response(status=403, text="this Host is not served here: see metrics_hosts\n")
        if request.path != PATH or request.method not in ("GET", "HEAD"):
            return web.Response(status=404, text=f"metrics are at {PATH}\n")
        now = asyncio.get_running_loop().time()
        if now >= self._page_until:
            self._page, self._page_until = self.page(), now + PAGE_FOR / 1000
        return web.Response(body=self._page, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def open(self) -> int:
        """Listen, and return the port. Raises `ListenError` when the address cannot be had."""
        loop = asyncio.get_running_loop()
        self._server = Door(
            self._handle,
            Connections(CONNECTIONS_MAX, CONNECTIONS_PER_ADDRESS_MAX),
            header_timeout=HEADER_TIMEOUT,
            keepalive=KEEPALIVE,
            body_bytes=BODY_BYTES,
        )
        try:
            self._listener = await loop.create_server(self._server, self._host, self._port, reuse_address=True)
        except OSError as error:
            raise ListenError(
                f"the metrics cannot listen on {self._host}:{self._port} ({error.strerror or error}): "
                "another program uses it, or the address is not this machine's; see metrics_host and metrics_port"
            ) from None
        return int(self._listener.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening and close all connections."""
        self._forget()
        if self._listener is not None:
            self._listener.close()
        if self._server is not None:
            self._server.pre_shutdown()
            await self._server.shutdown(STOP_SECONDS)
