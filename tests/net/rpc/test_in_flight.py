"""Bodies and answers under way: bounded, and no client's to fill alone."""

import asyncio
import json
import socket

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from chain.primitives.units import Millis
from net.rpc.in_flight import Held, InFlight
from net.rpc.policy import RpcLimits
from tests.helpers.rpc_world import Client, World

CALL = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"}
GREEDY = ("127.0.0.2", 0)


def post(body: bytes, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    head = f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n\r\n"
    return head.encode() + body


def flight(client: Client) -> int:
    return client.server.statistics().http.bytes_in_flight


async def test_slow_bodies_of_one_client_keep_nobody_out() -> None:
    async with World(RpcLimits(bodies_in_flight_bytes=1_000_000)).served() as client:
        streams = [await asyncio.open_connection("127.0.0.1", client.port, local_addr=GREEDY) for _ in range(10)]
        for number, (_, writer) in enumerate(streams):
            writer.write(post(b"[", 100_000))
            while flight(client) < 100_000 * (number + 1):  # noqa: ASYNC110  # the server tells nobody
                await asyncio.sleep(0)
        status, _, raw = await client.post(CALL)
        assert (status, json.loads(raw)["result"]) == (200, "0x264e4")
        assert flight(client) == 900_000
        ended = [asyncio.create_task(reader.read()) for reader, _ in streams]
        done, _ = await asyncio.wait(ended, return_when=asyncio.FIRST_COMPLETED, timeout=10)
        assert len(done) == 1, "the one that was cut"
        extra = post(json.dumps(CALL).encode() + b" " * 200_000)
        reader, writer = await asyncio.open_connection("127.0.0.1", client.port, local_addr=GREEDY)
        writer.write(extra)
        assert (await reader.readline()).startswith(b"HTTP/1.1 503")
        for _, other in [*streams, (reader, writer)]:
            other.close()
        for task in ended:
            task.cancel()


@pytest.mark.slow
async def test_unread_answers_of_one_client_keep_nobody_out() -> None:
    calls = json.dumps([{**CALL, "method": "rpc.discover"}] * 100).encode()
    async with World(RpcLimits(bodies_in_flight_bytes=20_000_000)).served() as client:
        plain = [socket.socket() for _ in range(4)]
        loop = asyncio.get_running_loop()
        for one in plain:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            one.setblocking(False)
            one.bind(GREEDY)
            await loop.sock_connect(one, ("127.0.0.1", client.port))
            await loop.sock_sendall(one, post(calls))
        for _ in range(50):
            status, _, raw = await client.post(CALL)
            assert (status, json.loads(raw)["result"]) == (200, "0x264e4")
            assert flight(client) <= 20_000_000
        status, _, raw = await client.post(json.loads(calls))
        assert (status, len(json.loads(raw))) == (200, 100)
        for one in plain:
            one.close()


async def test_a_batch_whose_answers_have_no_room_says_so() -> None:
    async with World(RpcLimits(bodies_in_flight_bytes=200_000)).served() as client:
        status, _, raw = await client.post([{**CALL, "method": "rpc.discover"}] * 100)
        assert (status, json.loads(raw)["error"]["code"]) == (200, -32005)
        assert flight(client) == 0
        async with client.session.ws_connect(client.socket_url) as connection:
            await connection.send_json([{**CALL, "method": "rpc.discover"}] * 100)
            assert json.loads(await connection.receive_str())["error"]["code"] == -32005
            await connection.send_json(CALL)
            assert json.loads(await connection.receive_str())["result"] == "0x264e4"


async def test_a_client_that_was_cut_can_come_back() -> None:
    limits = RpcLimits(bodies_in_flight_bytes=100_000, body_timeout=Millis(60_000))
    async with World(limits).served() as client:
        connector = aiohttp.TCPConnector(local_addr=GREEDY)
        async with aiohttp.ClientSession(connector=connector) as greedy:
            _, writer = await asyncio.open_connection("127.0.0.1", client.port, local_addr=GREEDY)
            writer.write(post(b"[", 100_000))
            while not flight(client):  # noqa: ASYNC110  # the server tells nobody
                await asyncio.sleep(0)
            assert await client.result("eth_chainId") == "0x264e4"
            async with greedy.post(client.url, json=CALL) as response:
                assert (await response.json())["result"] == "0x264e4"
            writer.close()


STEPS = st.lists(st.tuples(st.sampled_from(["enter", "grow", "leave"]), st.integers(0, 7), st.integers(0, 60)))


@given(STEPS)
def test_the_books_are_kept_and_the_bound_holds(steps: list[tuple[str, int, int]]) -> None:
    books = InFlight(100)
    cut: list[int] = []
    requests: list[Held] = []
    for step, number, size in steps:
        if step == "enter":
            place = len(requests)
            requests.append(books.enter(str(number % 3), lambda place=place: cut.append(place)))  # type: ignore[misc]  # default
        elif requests:
            held = requests[number % len(requests)]
            if step == "leave":
                books.leave(held)
            else:
                before, was_over = held.size_bytes, held.over
                grown = books.grow(held, size)
                assert grown == (held.size_bytes == before + size and not was_over) or not size
        open_ones = [held for held in requests if not held.over]
        assert books.size_bytes == sum(held.size_bytes for held in open_ones) <= 100
        assert sum(books._bytes.values()) == books.size_bytes
        assert books._by_client.keys() == {held.client for held in open_ones}
        assert books.cut == len(cut) == len(set(cut))


async def test_answers_that_sockets_leave_unread_are_in_flight_until_they_are_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reading = asyncio.Event()
    send = web.WebSocketResponse.send_str

    async def waiting(self: web.WebSocketResponse, text: str, compress: int | None = None) -> None:
        await reading.wait()
        await send(self, text, compress)

    monkeypatch.setattr(web.WebSocketResponse, "send_str", waiting)
    calls = [{**CALL, "method": "rpc.discover"}] * 20
    async with World(RpcLimits(bodies_in_flight_bytes=5_000_000)).served() as client:
        sockets = [await client.session.ws_connect(client.socket_url) for _ in range(8)]
        statistics = client.server.statistics
        for one in sockets:
            before = statistics().http.unread_bytes
            await one.send_json(calls)
            while statistics().http.unread_bytes == before:  # noqa: ASYNC110  # the server tells nobody
                await asyncio.sleep(0)
            assert statistics().http.unread_bytes < 5_100_000
        reading.set()
        told = [json.loads((await one.receive()).data) for one in sockets]
        whole = [answer for answer in told if isinstance(answer, list)]
        assert 3 <= len(whole) < 8
        assert all(answer["error"]["code"] == -32005 for answer in told if isinstance(answer, dict))
        while flight(client):  # noqa: ASYNC110  # the server tells nobody
            await asyncio.sleep(0)
