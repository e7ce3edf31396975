"""The metrics page among strangers: few connections, no waiting for requests that do not come, one page for many."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from chain.primitives.units import Millis
from net.rpc.metrics import server as metrics_server
from net.rpc.metrics.server import MetricsServer
from tests.helpers.rpc_world import World


@asynccontextmanager
async def served() -> AsyncIterator[tuple[MetricsServer, int]]:
    world = World()
    server = MetricsServer("127.0.0.1", 0, [], chain=world.view, node=world.node, events=world.events)
    port = await server.open()
    try:
        yield server, port
    finally:
        await server.close()


async def _rest(reader: asyncio.StreamReader) -> bytes:
    try:
        return await asyncio.wait_for(reader.read(), 30)
    except ConnectionResetError:
        return b""


async def test_a_request_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_server, "HEADER_TIMEOUT", Millis(20))
    async with served() as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: loc")
        assert await _rest(reader) == b""
        writer.close()


async def test_connections_past_the_limit_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_server, "CONNECTIONS_MAX", 2)
    request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
    async with served() as (_, port):
        pairs = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        for reader, writer in pairs:
            writer.write(request)
            assert (await reader.readline()).split()[1] == b"200"
        reader, late = await asyncio.open_connection("127.0.0.1", port)
        assert await _rest(reader) == b""
        for writer in (late, *(writer for _, writer in pairs)):
            writer.close()


async def test_a_page_is_made_once_for_all_who_ask_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_server, "PAGE_FOR", Millis(3_600_000))
    made: list[bytes] = []
    page = MetricsServer.page

    def count(self: MetricsServer) -> bytes:
        made.append(page(self))
        return made[-1]

    monkeypatch.setattr(MetricsServer, "page", count)
    async with served() as (_, port), aiohttp.ClientSession() as session:

        async def scrape() -> bytes:
            async with session.get(f"http://127.0.0.1:{port}/metrics") as response:
                return await response.read()

        told = await asyncio.gather(*(scrape() for _ in range(20)))
    assert set(told) == set(made)
    assert len(made) == 1
