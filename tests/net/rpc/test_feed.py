"""Notifications over real WebSockets, and what happens to clients that do not read."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import aiohttp
import pytest
from aiohttp import ClientWebSocketResponse

from chain.primitives.units import Millis
from net.core.effects import MapEvent
from net.rpc.feed import Subscription
from net.rpc.filters import FilterKind
from net.rpc.logs import LogCriteria
from net.rpc.policy import RpcLimits
from net.rpc.registry import Caller
from net.rpc.topics import Subject, Subscribed
from tests.helpers.rpc_world import PEER_B, PEER_C, Client, Direct, World
from tests.helpers.transactions import DEVNET_KEYS, sign
from tests.net.rpc.test_methods import BOB, SYSTEM, deposit, text

pytestmark = pytest.mark.slow


@asynccontextmanager
async def connected(client: Client) -> AsyncIterator[ClientWebSocketResponse]:
    async with client.session.ws_connect(client.socket_url) as socket:
        yield socket


async def ask(socket: ClientWebSocketResponse, method: str, *params: object) -> dict[str, object]:
    await socket.send_str(json.dumps({"jsonrpc": "2.0", "id": "q", "method": method, "params": list(params)}))
    answer = json.loads(await socket.receive_str())
    assert answer["id"] == "q", answer
    assert isinstance(answer, dict)
    return answer


async def told(socket: ClientWebSocketResponse, method: str = "eth_subscription") -> tuple[object, object]:
    message = json.loads(await socket.receive_str())
    assert message["method"] == method
    return message["params"]["subscription"], message["params"]["result"]


async def test_every_method_works_over_a_websocket() -> None:
    async with World().served() as client, connected(client) as socket:
        assert (await ask(socket, "eth_chainId"))["result"] == "0x264e4"
        await socket.send_bytes(b'[{"jsonrpc":"2.0","id":1,"method":"net_version"}]')
        assert json.loads(await socket.receive_str()) == [{"jsonrpc": "2.0", "id": 1, "result": "156900"}]
        await socket.send_str("nonsense")
        assert json.loads(await socket.receive_str())["error"]["code"] == -32700
        async with client.session.ws_connect(f"http://127.0.0.1:{client.port}/") as other:
            assert (await ask(other, "eth_blockNumber"))["result"] == "0x0"


async def test_subscribing_over_http_is_refused() -> None:
    async with World().served() as client:
        for method, subject in (("eth_subscribe", "newHeads"), ("mappemonde_subscribe", "map")):
            body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": [subject]}
            _, _, raw = await client.post(body)
            assert json.loads(raw)["error"]["code"] == -32000


async def test_heads_transactions_logs_map_and_work() -> None:
    world = World()
    async with world.served() as client, connected(client) as socket:
        names = {}
        for method, subject, options in (
            ("eth_subscribe", "newPendingTransactions", [True]),
            ("eth_subscribe", "newHeads", []),
            ("eth_subscribe", "logs", [{"address": SYSTEM}]),
            ("mappemonde_subscribe", "heads", []),
            ("mappemonde_subscribe", "map", []),
            ("mappemonde_subscribe", "work", []),
        ):
            names[method[:3] + subject] = (await ask(socket, method, subject, *options))["result"]
        signed = deposit()
        await world.submit(signed.tx.raw)
        name, transaction = await told(socket)
        assert name == names["ethnewPendingTransactions"]
        assert isinstance(transaction, dict)
        assert transaction["hash"] == text(signed.tx.hash)
        built = world.mine()
        name, head = await told(socket)
        assert name == names["ethnewHeads"]
        assert isinstance(head, dict)
        assert head["hash"] == text(built.chained.id)
        assert "transactions" not in head
        name, log = await told(socket)
        assert name == names["ethlogs"]
        assert isinstance(log, dict)
        assert (log["transactionHash"], log["removed"]) == (text(signed.tx.hash), False)
        name, head = await told(socket, "mappemonde_subscription")
        assert name == names["mapheads"]
        assert isinstance(head, dict)
        assert head["time"] == built.chained.time
        world.events.map_event(MapEvent(connected=True, origin=PEER_B, target=PEER_C, at=Millis(7)))
        event = {"event": "connect", "origin": PEER_B.hex(), "target": PEER_C.hex(), "at": 7}
        assert await told(socket, "mappemonde_subscription") == (names["mapmap"], event)
        work = world.new_work(1)
        name, given = await told(socket, "mappemonde_subscription")
        assert isinstance(given, dict)
        assert (name, given["id"]) == (names["mapwork"], text(work.id))
        assert client.server.statistics().subscriptions == 6
        assert (await ask(socket, "eth_unsubscribe", names["ethnewHeads"]))["result"] is True
        assert (await ask(socket, "mappemonde_unsubscribe", names["mapmap"]))["result"] is True
        again = await ask(socket, "eth_unsubscribe", names["ethnewHeads"])
        assert again["error"] == {"code": -32000, "message": "subscription not found"}


async def test_a_reorganisation_removes_logs_and_tells_the_new_heads() -> None:
    world = World()
    async with world.served() as client, connected(client) as socket:
        await world.submit(deposit().tx.raw)
        world.mine()
        await ask(socket, "eth_subscribe", "newHeads")
        await ask(socket, "eth_subscribe", "logs", {})
        side = world.builder.root
        while world.view.head().id != side.id:
            built = world.builder.extend(side, extra=b"other")
            side = built.chained
            world.take(built)
        logs, heads = [], []
        for _ in range(1 + side.height):
            _, result = await told(socket)
            assert isinstance(result, dict)
            if "topics" in result:
                logs.append(result)
            else:
                heads.append(result["number"])
        assert [log["removed"] for log in logs] == [True]
        assert heads == [hex(height) for height in range(1, side.height + 1)]


async def test_a_closed_socket_leaves_nothing_behind() -> None:
    world = World()
    async with world.served() as client:
        async with connected(client) as socket:
            await ask(socket, "eth_subscribe", "newHeads")
            await ask(socket, "eth_newBlockFilter")
            assert client.server.statistics().filters == 1
        await ask_until(client, lambda: client.server.statistics().http.sockets == 0)
        assert client.server.statistics().subscriptions == 0
        assert client.server.statistics().filters == 0


async def ask_until(client: Client, done) -> None:  # type: ignore[no-untyped-def]
    """Let the server work, one call after another, until it is done; bounded by the test's timeout."""
    while not done():
        await client.result("eth_chainId")


async def test_addresses_and_topics_of_a_socket_are_bounded() -> None:
    large = {"topics": [["0x" + number.to_bytes(32, "big").hex() for number in range(1_000)]] * 4}
    async with World().served() as client, connected(client) as socket:
        first = (await ask(socket, "eth_subscribe", "logs", large))["result"]
        for _ in range(2):
            error = (await ask(socket, "eth_subscribe", "logs", large))["error"]
            assert isinstance(error, dict)
            assert (error["code"], error["message"][:14]) == (-32005, "more than 5000")
            assert "result" in await ask(socket, "eth_subscribe", "logs", {})
            assert "result" in await ask(socket, "eth_subscribe", "newHeads")
        assert (await ask(socket, "eth_unsubscribe", first))["result"] is True
        assert "result" in await ask(socket, "eth_subscribe", "logs", large)


async def test_limits_of_a_socket() -> None:
    world = World(RpcLimits(subscriptions_per_socket=2, websockets=1, socket_message_bytes=1_000))
    async with world.served() as client, connected(client) as socket:
        for _ in range(2):
            assert "result" in await ask(socket, "eth_subscribe", "newHeads")
        error = (await ask(socket, "eth_subscribe", "newHeads"))["error"]
        assert isinstance(error, dict)
        assert error["code"] == -32005
        assert (await ask(socket, "eth_subscribe", "nonsense"))["error"] == {
            "code": -32602,
            "message": "no such subscription, there are newHeads, newPendingTransactions, logs",
        }
        with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
            await client.session.ws_connect(client.socket_url)
        await socket.send_str(" " * 1_001)
        message = await socket.receive()
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, aiohttp.WSCloseCode.MESSAGE_TOO_BIG)


async def refused(socket: ClientWebSocketResponse) -> bool:
    """Tell whether one more subscription is refused for a limit."""
    error = (await ask(socket, "eth_subscribe", "newPendingTransactions")).get("error")
    assert error is None or (isinstance(error, dict) and error["code"] == -32005)
    return error is not None


async def test_subscriptions_of_an_address_are_bounded_over_all_its_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("net.rpc.http.is_loopback", lambda remote: remote == "127.0.0.1")
    world = World(RpcLimits(subscriptions_per_address=3, subscriptions=5))
    elsewhere = aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))
    async with (
        world.served() as client,
        aiohttp.ClientSession(connector=elsewhere) as session,
        session.ws_connect(client.socket_url) as one,
        session.ws_connect(client.socket_url) as two,
        connected(client) as own,
    ):
        name = (await ask(one, "eth_subscribe", "newPendingTransactions"))["result"]
        assert [await refused(one), await refused(two), await refused(two)] == [False, False, True]
        assert [await refused(own), await refused(own), await refused(own)] == [False, False, True]
        await ask(one, "eth_unsubscribe", name)
        assert not await refused(two)
        await two.close()
        while client.server.statistics().subscriptions > 3:  # noqa: ASYNC110  # the server tells nobody
            await asyncio.sleep(0)
        assert [await refused(one), await refused(one), await refused(one)] == [False, False, True]


async def test_a_client_that_does_not_read_is_dropped() -> None:
    world = World(RpcLimits(notifications_queued=4))
    async with world.served() as client, connected(client) as socket:
        await ask(socket, "eth_subscribe", "newPendingTransactions")
        for nonce in range(6):  # nothing is sent between these: the loop does not run
            world.events.pending(sign(DEVNET_KEYS[0], to=BOB, nonce=nonce))
        closed = await socket.receive()
        assert (closed.type, closed.data) == (aiohttp.WSMsgType.CLOSE, aiohttp.WSCloseCode.TRY_AGAIN_LATER)
        await ask_until(client, lambda: client.server.statistics().subscriptions == 0)


@pytest.mark.parametrize("limit", ["unread_bytes", "unread_bytes_in_all"])
async def test_a_client_that_does_not_read_its_answers_is_cut_off(limit: str) -> None:
    world = World(replace(RpcLimits(socket_farewell=Millis(20)), **{limit: 300_000}))  # type: ignore[arg-type]
    async with world.served() as client, client.session.ws_connect(client.socket_url) as socket:
        calls = json.dumps([{"jsonrpc": "2.0", "id": 1, "method": "rpc.discover"}] * 20)
        for _ in range(20):  # 24 MB of answers: more than kernel and client hold
            await socket.send_str(calls)
        await ask_until(client, lambda: client.server.statistics().http.sockets == 0)
        assert client.server.statistics().http.unread_bytes == 0


@dataclass
class Reader:
    """A subscriber without a socket."""

    wanted: int = 1
    got: list[bytes] = field(default_factory=list)
    lost_subjects: list[Subject] = field(default_factory=list)
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def notify(self, text: bytes) -> None:
        self.got.append(text)
        if len(self.got) == self.wanted:
            self.done.set()

    def lost(self, subject: Subject) -> None:
        self.lost_subjects.append(subject)


async def test_a_thousand_subscribers_get_a_head() -> None:
    world = World()
    services = world.services()
    world.events.listen(services.feed)
    readers = [Reader() for _ in range(1_000)]
    for number, reader in enumerate(readers):
        services.feed.add(Subscription(hex(number), Subscribed(Subject.NEW_HEADS), reader))
    running = asyncio.create_task(services.feed.run())
    built = world.mine()
    await readers[-1].done.wait()
    running.cancel()
    assert all(len(reader.got) == 1 for reader in readers)
    last = json.loads(readers[-1].got[0])
    assert last["params"]["subscription"] == hex(999)
    assert last["params"]["result"]["hash"] == text(built.chained.id)


async def test_a_catch_up_skips_heads_and_ends_what_would_lack_logs() -> None:
    world = World(RpcLimits(feed_backlog=3))
    services = world.services()
    feed = services.feed
    world.events.listen(feed)
    heads, logs = Reader(wanted=3), Reader()
    everything = LogCriteria(None, None, None, frozenset(), ())
    feed.add(Subscription("0x1", Subscribed(Subject.NEW_HEADS), heads))
    feed.add(Subscription("0x2", Subscribed(Subject.LOGS, criteria=everything), logs))
    services.filters.add(FilterKind.LOGS, Caller("me"), world.now, everything)
    kept = services.filters.add(FilterKind.BLOCKS, Caller("me"), world.now)
    for _ in range(6):  # the feed does not run between these
        world.mine()
    assert (logs.lost_subjects, len(services.filters), feed.skipped) == ([Subject.LOGS], 1, 3)
    running = asyncio.create_task(feed.run())
    await heads.done.wait()
    running.cancel()
    told_heights = [json.loads(message)["params"]["result"]["number"] for message in heads.got]
    assert told_heights == ["0x4", "0x5", "0x6"]
    assert kept in services.filters._filters


@dataclass
class Noting:
    """A client that notes in which turn of the loop it was told."""

    turn: list[int]
    told: list[int] = field(default_factory=list)

    def notify(self, _text: bytes) -> None:
        self.told.append(self.turn[0])

    def lost(self, subject: Subject) -> None:
        raise AssertionError(subject)


async def test_others_get_turns_while_many_are_told_of_logs() -> None:
    world = World()
    direct = Direct(world)
    feed, turn = direct.services.feed, [0]
    client = Noting(turn)
    wish = Subscribed(Subject.LOGS, criteria=LogCriteria(None, None, None, frozenset(), ()))
    names = [hex(number) for number in range(50)]
    for name in names:
        feed.add(Subscription(name, wish, client))
    leaving = Subscription(names[-1], wish, client)

    async def another_client() -> None:
        while len(client.told) < 49:
            turn[0] += 1
            if turn[0] == 20:
                feed.remove(leaving)
            await asyncio.sleep(0)

    await direct.result("eth_sendRawTransaction", text(deposit().tx.raw))
    world.mine()
    running = asyncio.create_task(feed.run())
    await asyncio.wait_for(another_client(), 5)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert len(client.told) == 49
    assert all(client.told.count(at) == 1 for at in client.told)


async def test_filters_hold_one_text_of_a_log_and_those_that_collect_too_much_are_gone() -> None:
    world = World(RpcLimits(filter_bytes_in_all=3_000))
    direct = Direct(world)
    filters = direct.services.filters
    names = [await direct.result("eth_newFilter", {}, caller=Caller(who)) for who in ("a", "b", "b", "b")]
    await direct.result("eth_sendRawTransaction", text(deposit().tx.raw))
    world.mine()
    running = asyncio.create_task(direct.services.feed.run())
    while not filters.expired:  # noqa: ASYNC110  # the feed has nobody to wake when a filter is gone
        await asyncio.sleep(0)
    running.cancel()
    kept = [found.collected[0] for found in filters._filters.values()]
    assert len({id(log) for log in kept}) == 1
    assert len(kept) == 3
    assert await direct.error("eth_getFilterChanges", names[1]) == (-32000, "filter not found")
    collected = await direct.result("eth_getFilterChanges", names[0])
    assert isinstance(collected, list)
    assert collected == await direct.result("eth_getLogs", {})
    assert len(collected) == 1
    assert filters.size_bytes == sum(found.size_bytes for found in filters._filters.values())
