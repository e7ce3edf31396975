"""The door: who is let in, and what hostile clients get."""

import asyncio
import json
import socket

import aiohttp
import pytest

from chain.primitives.errors import ConfigError
from chain.primitives.units import Millis
from net.rpc.events import Events
from net.rpc.policy import RpcLimits, RpcPolicy
from net.rpc.server import RpcServer
from tests.helpers.rpc_world import TOKEN, World

CALL = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"}


async def test_errors_are_http_200() -> None:
    async with World().served() as client:
        for body in (b"{", b"[]", b'{"jsonrpc":"2.0","id":1,"method":"nope"}'):
            status, headers, raw = await client.post(body)
            assert status == 200
            assert headers["Content-Type"] == "application/json"
            assert "error" in json.loads(raw)
        status, _, raw = await client.post({"jsonrpc": "2.0", "method": "eth_chainId"})
        assert (status, raw) == (204, b"")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8545", 200),
        ("127.0.0.1", 200),
        ("[::1]:8545", 200),
        ("10.1.2.3:80", 200),
        ("node.example", 200),
        ("NODE.example:443", 200),
        ("evil.example", 403),
        ("localhost.evil.example:8545", 403),
        ("", 403),
    ],
)
async def test_hosts(host: str, status: int) -> None:
    async with World(policy=RpcPolicy(port=0, allowed_hosts=("node.example",))).served() as client:
        assert (await client.post(CALL, Host=host))[0] == status


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://dapp.example", 200),
        ("chrome-extension://abcdef", 200),
        ("moz-extension://abcdef", 200),
        ("https://evil.example", 403),
        ("http://dapp.example", 403),
        ("https://dapp.example.evil.example", 403),
        ("null", 403),
    ],
)
async def test_origins_over_http_and_websocket(origin: str, status: int) -> None:
    async with World(policy=RpcPolicy(port=0, cors_origins=("https://dapp.example",))).served() as client:
        got, headers, _ = await client.post(CALL, Origin=origin)
        assert got == status
        assert headers.get("Access-Control-Allow-Origin") == (origin if status == 200 else None)
        if status == 200:
            async with client.session.ws_connect(client.socket_url, origin=origin):
                pass
        else:
            with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
                await client.session.ws_connect(client.socket_url, origin=origin)


async def test_a_preflight_is_answered_to_listed_pages_only() -> None:
    async with World(policy=RpcPolicy(port=0, cors_origins=("https://dapp.example",))).served() as client:
        for origin, status in (("https://dapp.example", 204), ("https://evil.example", 403)):
            asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
            async with client.session.options(client.url, headers=asked) as response:
                assert response.status == status
                allowed = response.headers.get("Access-Control-Allow-Headers")
                assert allowed == ("Content-Type" if status == 204 else None)


async def test_the_servers_own_page_may_call() -> None:
    async with World().served() as client:
        own = f"http://localhost:{client.port}"
        assert (await client.post(CALL, Host=f"localhost:{client.port}", Origin=own))[0] == 200


async def test_only_json_and_only_post() -> None:
    async with World().served() as client:
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
            assert (await client.post(CALL, Content_Type=kind))[0] == 415
        assert (await client.post(CALL, Content_Type="application/json; charset=utf-8"))[0] == 200
        assert (await client.post(b"\x1f\x8b", Content_Encoding="gzip"))[0] == 415
        async with client.session.get(client.url) as response:
            assert response.status == 405
        async with client.session.post(client.url + "other", json=CALL) as response:
            assert response.status == 404


@pytest.mark.slow
async def test_a_long_body_is_refused_and_the_next_call_served() -> None:
    async with World().served() as client:
        for body in (b" " * (5 * 1024 * 1024 + 1), b" " * (32 * 1024 * 1024)):
            try:
                status, _, _ = await client.post(body)
                assert status == 413
            except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
                pass  # the server did not wait for the rest

            async def chunks(body: bytes = body):  # type: ignore[no-untyped-def]
                for start in range(0, len(body), 1 << 20):
                    yield body[start : start + (1 << 20)]

            kind = {"Content-Type": "application/json"}
            try:
                async with client.session.post(client.url, data=chunks(), headers=kind) as response:
                    assert response.status == 413
            except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
                pass
            assert await client.result("eth_chainId") == "0x264e4"
        assert client.server.statistics().http.refused["body"] == 4
        assert client.server.statistics().http.bytes_in_flight == 0


@pytest.mark.slow
async def test_hostile_batches_leave_the_node_unharmed() -> None:
    async with World().served() as client:
        status, _, raw = await client.post([CALL] * 20_000)
        assert (status, json.loads(raw)["error"]["code"]) == (200, -32600)
        status, _, raw = await client.post([CALL] * 1_000)
        assert (status, len(json.loads(raw))) == (200, 1_000)
        status, _, raw = await client.post(b"[" * 1_000_000)
        assert (status, json.loads(raw)["error"]["code"]) == (200, -32700)
        status, _, raw = await client.post(b'{"jsonrpc":"2.0","id":' + b"9" * 1_000_000 + b"}")
        assert (status, json.loads(raw)["error"]["code"]) == (200, -32700)


async def test_bodies_in_flight_are_bounded() -> None:
    async with World(RpcLimits(bodies_in_flight_bytes=50)).served() as client:
        status, _, raw = await client.post(CALL)
        assert status == 503
        assert json.loads(raw)["error"]["code"] == -32005


async def test_a_slow_header_is_cut_off() -> None:
    async with World(RpcLimits(header_timeout=Millis(20))).served() as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
        writer.write(b"POST / HTTP/1.1\r\nHost: local")
        try:
            got = await reader.read()
        except ConnectionResetError:
            got = b""
        assert got == b""
        writer.close()
        assert client.server.statistics().connections <= 1


async def test_a_slow_second_header_is_cut_off() -> None:
    async with World(RpcLimits(keepalive=Millis(20))).served() as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
        body = json.dumps(CALL).encode()
        head = f"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.replace("Host: a", "Host: localhost").encode() + body + b"POST / HTTP/1.1\r\nHos")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        await reader.read()  # ends when the server closes
        writer.close()


async def test_a_slow_body_is_cut_off() -> None:
    async with World(RpcLimits(body_timeout=Millis(20))).served() as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
        head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        writer.write(head.encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 408")
        await reader.read()
        writer.close()
        assert client.server.statistics().http.bytes_in_flight == 0


@pytest.mark.slow
async def test_a_client_that_does_not_read_a_long_answer_is_cut_off() -> None:
    async with World(RpcLimits(answer_timeout=Millis(50))).served() as client:
        calls = json.dumps([{**CALL, "method": "rpc.discover"}] * 300).encode()
        with socket.socket() as plain:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            plain.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(plain, ("127.0.0.1", client.port))
            kind = f"Content-Type: application/json\r\nContent-Length: {len(calls)}\r\n\r\n"
            await loop.sock_sendall(plain, b"POST / HTTP/1.1\r\nHost: localhost\r\n" + kind.encode() + calls)
            while not client.server.statistics().http.refused:
                assert await client.result("eth_chainId") == "0x264e4"
        assert client.server.statistics().http.refused == {"unread": 1}
        assert client.server.statistics().http.bytes_in_flight == 0


async def test_calls_of_strangers_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("net.rpc.http.is_loopback", lambda _remote: False)
    async with World(RpcLimits(calls_per_second=1, calls_burst=3)).served() as client:
        assert (await client.post([CALL] * 2))[0] == 200
        status, _, raw = await client.post([CALL] * 2)
        assert (status, json.loads(raw)["error"]["code"]) == (429, -32005)
        async with client.session.ws_connect(client.socket_url) as connection:
            for expected in ("result", "error"):
                await connection.send_json(CALL)
                assert expected in json.loads(await connection.receive_str())
        assert client.server.statistics().http.refused == {"rate": 1}


async def test_who_asks_for_long_answers_may_call_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("net.rpc.http.is_loopback", lambda _remote: False)
    async with World(RpcLimits(calls_per_second=1, calls_burst=20)).served() as client:
        status, _, raw = await client.post([{**CALL, "method": "rpc.discover"}] * 10)
        assert status == 200
        assert len(raw) > 10 * 16 * 1024
        assert (await client.post(CALL))[0] == 429
        async with client.session.ws_connect(client.socket_url) as connection:
            await connection.send_json(CALL)
            assert json.loads(await connection.receive_str())["error"]["code"] == -32005


async def test_connections_are_bounded() -> None:
    async with World(RpcLimits(connections=2)).served() as client:
        streams = [await asyncio.open_connection("127.0.0.1", client.port) for _ in range(4)]
        cut = 0
        for reader, _ in streams[2:]:
            try:
                cut += await reader.read() == b""
            except ConnectionResetError:
                cut += 1
        assert cut == 2
        assert client.server.statistics().connections_refused == 2
        for _, writer in streams:
            writer.close()


async def test_the_token_opens_admin_methods() -> None:
    async with World(policy=RpcPolicy(port=0, admin_token=TOKEN)).served() as client:
        bans = {**CALL, "method": "mappemonde_bans"}
        for headers, expected in (
            ({}, -32004),
            ({"Authorization": "Bearer " + "x" * 32}, -32004),
            ({"Authorization": TOKEN}, -32004),
        ):
            _, _, raw = await client.post(bans, **headers)
            assert json.loads(raw)["error"]["code"] == expected
        _, _, raw = await client.post(bans, Authorization=f"Bearer {TOKEN}")
        assert json.loads(raw)["result"][0]["reason"] == "false claim"


async def test_a_port_in_use_is_told_in_one_line() -> None:
    world = World()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        policy = RpcPolicy(port=taken.getsockname()[1])
        server = RpcServer(world.parts, policy, Events(), clock=world.clock)
        with pytest.raises(ConfigError, match=r"cannot listen on 127\.0\.0\.1:\d+ \(.*in use"):
            await server.open()


async def test_a_garbage_request_line() -> None:
    async with World().served() as client:
        for garbage in (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"GET\r\n\r\n", b"A" * 20_000 + b"\r\n\r\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
            writer.write(garbage)
            assert b" 400 " in await reader.readline()
            writer.close()
        assert await client.result("eth_chainId") == "0x264e4"


NO_HTTP = [
    b"garbage\r\n\r\n",
    b"POST http://a:99999/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nHost: other\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 9_000 + b"\r\n\r\n",
]


async def test_what_is_no_http_does_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async with World().served() as client:
        for request in NO_HTTP:
            reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
            writer.write(request)
            assert (await reader.readline()).split()[1] == b"400"
            writer.close()
            await writer.wait_closed()
        assert caplog.text == ""
