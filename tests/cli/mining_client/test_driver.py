"""The external miner against a real RPC server, whose node gives work by hand."""

import asyncio
from dataclasses import replace
from random import Random

import pytest

from chain.primitives.units import Hash32, Millis
from cli.mining_client.driver import LEAST_BETWEEN, MiningClient, OtherNetwork, _meet
from cli.mining_client.link import NodeLink
from cli.mining_client.orders import Order, Verdict
from cli.mining_client.session import Find, Session, SessionStatistics
from cli.rpc_client import RpcRefused, RpcUnreachable
from consensus.hashing import Solution
from net.rpc.ports import ShareVerdict
from tests.helpers.rpc_world import Client, World


class Recorder:
    """A reporter that wakes those who wait for a number of verdicts."""

    def __init__(self) -> None:
        self.verdicts: list[Verdict] = []
        self.orders: list[Order | None] = []
        self.silences: list[str] = []
        self.changed = asyncio.Event()

    def connected(self, url: str, network: str, threads: int) -> None: ...

    def order(self, order: Order | None) -> None:
        self.orders.append(order)
        self.changed.set()

    def verdict(self, find: Find, verdict: Verdict) -> None:
        self.verdicts.append(verdict)
        self.changed.set()

    def silent(self, reason: str, wait_seconds: float) -> None:
        self.silences.append(reason)
        self.changed.set()

    def status(self, statistics: SessionStatistics) -> None: ...

    def stopped(self, statistics: SessionStatistics) -> None: ...

    async def until(self, count: int, of: list[Verdict] | list[Order | None] | list[str]) -> None:
        async with asyncio.timeout(20):
            while len(of) < count:
                self.changed.clear()
                await self.changed.wait()


def clock() -> Millis:
    return Millis(0)


def easy(world: World, number: int) -> Hash32:
    """Give work whose every hash is a share."""
    work = world.new_work(number)
    world.mining.work = replace(work, share_log_target=256 << 16)
    world.events.work()
    return work.id


async def mining(world: World, server: Client, recorder: Recorder) -> MiningClient:
    link = await NodeLink(server.url).__aenter__()
    session = Session(Random(1))
    params = await _meet(link, session, recorder, clock)
    assert params == world.params
    client = MiningClient(params, link, session, recorder, "rig 7", clock)
    client.start(1, 50)
    return client


@pytest.mark.slow
async def test_shares_reach_the_node_and_new_work_replaces_the_old() -> None:
    world, recorder = World(), Recorder()
    async with world.served() as server:
        easy(world, 1)
        client = await mining(world, server, recorder)
        running = asyncio.create_task(client.run())
        try:
            await recorder.until(3, recorder.verdicts)
            assert {worker for _, worker in world.mining.shares} == {"rig 7"}
            second = easy(world, 2)
            await recorder.until(2, recorder.orders)
            assert [order and order.id for order in recorder.orders][-1] == second
            world.mining.work = None
            world.events.work()
            await recorder.until(3, recorder.orders)
            assert recorder.orders[2] is None
            assert not recorder.silences
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await client.close()
            await client.link.__aexit__()


async def test_a_verdict_that_is_none_does_not_keep_the_miner_from_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nonsense(_link: NodeLink, calls: list[object]) -> list[object]:
        return ["well done" for _ in calls]

    monkeypatch.setattr(NodeLink, "batch", nonsense)
    session, order = Session(Random(1)), Order(Hash32(b"\x01" * 32), b"", 7, Hash32(b"\x02" * 32), 9, 9)
    session.work(order)
    session.found(Solution(order.id, bytes(8), 0))
    async with NodeLink("http://127.0.0.1:9") as link:
        await MiningClient(World().params, link, session, Recorder(), "rig 7", clock).close()
    assert not session.has_finds


@pytest.mark.timeout(20)
async def test_a_node_that_answers_at_once_is_not_asked_without_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """The long poll is the node's to keep; one that does not would have the miner ask as fast as it can."""
    asked: list[str] = []
    pauses: list[float] = []

    async def at_once(_link: NodeLink, method: str, *_: object) -> None:
        asked.append(method)
        assert len(asked) < 100

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise asyncio.CancelledError

    monkeypatch.setattr(NodeLink, "call", at_once)
    monkeypatch.setattr("cli.mining_client.driver.asyncio.sleep", pause)
    async with NodeLink("http://127.0.0.1:9") as link:
        client = MiningClient(World().params, link, Session(Random(1)), Recorder(), "rig 7", clock)
        with pytest.raises(asyncio.CancelledError):
            await client._ask()
    assert len(asked) == 3
    assert all(0 < seconds <= LEAST_BETWEEN / 1000 for seconds in pauses)


@pytest.mark.slow
async def test_a_node_that_gives_no_work_is_named() -> None:
    world = World()
    object.__setattr__(world.parts, "mining", None)
    async with world.served() as server:
        client = await mining(world, server, Recorder())
        with pytest.raises(RpcRefused, match="without a reward address"):
            await client.run()
        await client.close()
        await client.link.__aexit__()


@pytest.mark.parametrize(
    ("change", "text"), [({"network_id": bytes(32)}, "another devnet"), ({"name": "elsewhere"}, "'elsewhere'")]
)
async def test_a_node_of_another_network_is_refused(change: dict[str, object], text: str) -> None:
    world = World()
    world.node.params = replace(world.params, **change)  # type: ignore[arg-type]
    async with world.served() as server, NodeLink(server.url) as link:
        with pytest.raises(OtherNetwork, match=text):
            await _meet(link, Session(Random(1)), Recorder(), clock)


async def test_answers_of_a_batch_come_in_the_order_of_its_calls() -> None:
    world = World()
    world.new_work(1)
    assert world.mining.work is not None
    work = "0x" + world.mining.work.id.hex()
    async with world.served() as server, NodeLink(server.url) as link:
        answers = await link.batch(
            [
                ("mappemonde_submitWork", (work, "0x" + "00" * 8, "a")),
                ("mappemonde_submitWork", (work, "0x00", "a")),
                ("mappemonde_submitWork", (work, "0x" + "01" * 8, "a")),
            ]
        )
        assert answers[0] == ShareVerdict.BEST.value
        assert isinstance(answers[1], RpcRefused)
        assert answers[2] == ShareVerdict.SHARE.value
        with pytest.raises(RpcRefused, match="does not exist"):
            await link.call("mappemonde_nothing")


async def test_a_node_that_is_away_is_unreachable() -> None:
    async with NodeLink("http://127.0.0.1:9") as link:
        with pytest.raises(RpcUnreachable, match="no node answers"):
            await link.call("mappemonde_chain")
    with pytest.raises(RpcUnreachable, match="not an http"):
        NodeLink("ws://127.0.0.1:1")
