"""One request, one reply, over real sockets on loopback; and what strangers may do to the port."""

import asyncio
import gc
import logging

import aiohttp
import pytest
from aiohttp import web

from chain.primitives.errors import ConfigError
from net.transport import rendezvous
from net.transport.names import Names
from net.transport.rendezvous import (
    MESSAGE_MAX,
    SUBPROTOCOL,
    CallFailed,
    RendezvousServer,
    call_rendezvous,
    open_rendezvous,
)
from tests.helpers.transport import until

HOST = "127.0.0.1"


async def echo(request: bytes, address: str) -> bytes | None:
    return address.encode() + b" " + request


async def hang_up(request: bytes, address: str) -> bytes | None:
    return None


async def call(url: str, request: bytes) -> bytes:
    return await call_rendezvous(url, request, Names())


def url(server: RendezvousServer) -> str:
    return f"ws://{HOST}:{server.port}"


async def test_a_request_gets_its_reply_and_the_server_the_address() -> None:
    server = await open_rendezvous(HOST, 0, echo)
    assert await call(url(server), b"hello") == b"127.0.0.1 hello"
    assert await call(f"ws://{'ab' * 32}@{HOST}:{server.port}", b"pinned") == b"127.0.0.1 pinned"
    await until(lambda: server.statistics().open == 0)
    assert server.statistics().answered == 2
    await server.close()


async def test_an_unanswered_request_fails_the_call() -> None:
    server = await open_rendezvous(HOST, 0, hang_up)
    with pytest.raises(CallFailed, match="without a reply"):
        await call(url(server), b"hello")
    await server.close()


@pytest.mark.parametrize(
    "bad", ["http://127.0.0.1:1", "ws://", "ws://127.0.0.1:1", "nonsense", "ws://[", "ws://h:99999"]
)
async def test_a_url_that_leads_nowhere_fails_the_call(bad: str) -> None:
    with pytest.raises(CallFailed):
        await call(bad, b"hello")


async def test_a_silent_server_fails_the_call_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(request: bytes, address: str) -> bytes | None:
        await asyncio.Event().wait()
        return None

    server = await open_rendezvous(HOST, 0, silent)
    monkeypatch.setattr(rendezvous, "LIFE_SECONDS", 0.1)
    monkeypatch.setattr(rendezvous, "CLOSE_SECONDS", 0.01)
    with pytest.raises(CallFailed, match="no reply"):
        await call(url(server), b"hello")
    await server.close()


async def test_a_silent_connection_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendezvous, "LIFE_SECONDS", 0.05)
    server = await open_rendezvous(HOST, 0, echo)
    reader, writer = await asyncio.open_connection(HOST, server.port)
    writer.write(b"GET / HTTP/1.1\r\nX-Slow: ")
    assert await reader.read(1) == b""
    writer.close()
    assert server.statistics().open == 0
    await server.close()


async def test_connections_of_one_network_are_bounded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(rendezvous, "CONNECTIONS_PER_NETWORK_MAX", 3)
    server = await open_rendezvous(HOST, 0, echo)
    held = [await asyncio.open_connection(HOST, server.port) for _ in range(5)]
    await until(lambda: server.statistics().refused == 2)
    assert server.statistics().open == 3
    for _, writer in held:
        writer.close()
    await until(lambda: server.statistics().open == 0)
    assert await call(url(server), b"again") == b"127.0.0.1 again"
    await server.close()
    held.clear()
    gc.collect()  # a task that failed unseen would be logged here
    assert [record.getMessage() for record in caplog.records] == []


async def test_an_oversized_request_is_not_handed_on() -> None:
    seen: list[int] = []

    async def count(request: bytes, address: str) -> bytes | None:
        seen.append(len(request))
        return b"ok"

    server = await open_rendezvous(HOST, 0, count)
    assert await call(url(server), bytes(MESSAGE_MAX - 1)) == b"ok"
    with pytest.raises(CallFailed):
        await call(url(server), bytes(MESSAGE_MAX + 1))
    assert seen == [MESSAGE_MAX - 1]
    await server.close()


async def test_a_text_request_and_a_plain_one_are_refused() -> None:
    server = await open_rendezvous(HOST, 0, echo)
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://{HOST}:{server.port}/") as response:
            assert response.status == 426
        async with session.ws_connect(url(server), protocols=(SUBPROTOCOL,)) as socket:
            await socket.send_str("text")
            assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
    await server.close()


async def test_an_oversized_reply_a_redirect_and_another_service_fail_the_call() -> None:
    async def large(request: bytes, address: str) -> bytes | None:
        return bytes(MESSAGE_MAX + 1)

    server = await open_rendezvous(HOST, 0, large)

    async def elsewhere(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/redirect":
            raise web.HTTPFound(f"http://{HOST}:{server.port}/")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        assert (await socket.receive()).type is not aiohttp.WSMsgType.BINARY, "nothing is sent to a stranger"
        return socket

    other = web.Server(elsewhere)
    listener = await asyncio.get_running_loop().create_server(other, HOST, 0)
    port = listener.sockets[0].getsockname()[1]
    for target, why in [
        (url(server), "without a reply"),
        (f"ws://{HOST}:{port}/redirect", "redirects"),
        (f"ws://{HOST}:{port}/other", "no rendezvous"),
    ]:
        with pytest.raises(CallFailed, match=why):
            await call(target, b"hello")
    listener.close()
    await other.shutdown(1.0)
    await server.close()


async def test_a_port_in_use_is_a_config_error_and_closing_frees_it() -> None:
    server = await open_rendezvous(HOST, 0, echo)
    port = server.port
    with pytest.raises(ConfigError, match="choose another port"):
        await open_rendezvous(HOST, port, echo)
    await server.close()
    with pytest.raises(CallFailed):
        await call(f"ws://{HOST}:{port}", b"hello")
    again = await open_rendezvous(HOST, port, echo)
    await again.close()
    gc.collect()  # an unclosed socket would be reported here, as an error


async def test_what_strangers_do_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    asked = asyncio.Event()
    hung_up = asyncio.Event()

    async def late(request: bytes, address: str) -> bytes | None:
        asked.set()
        await hung_up.wait()
        return b"too late"

    server = await open_rendezvous(HOST, 0, late)
    handshake = (
        f"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {'A' * 22}==\r\nSec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
    ).encode()
    masked_request = b"\x82\x81\x00\x00\x00\x00x"
    for garbage in (b"\x16\x03\x01\x00\xa5", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\n: \r\n\r\n", handshake + b"\xff" * 50):
        _, writer = await asyncio.open_connection(HOST, server.port)
        writer.write(garbage)
        await writer.drain()
        writer.close()
    _, writer = await asyncio.open_connection(HOST, server.port)
    writer.write(handshake + masked_request)
    await asked.wait()
    writer.transport.abort()
    await until(lambda: server.statistics().open == 0)
    hung_up.set()
    await server.close()
    assert [record.getMessage() for record in caplog.records] == []
