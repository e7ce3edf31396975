"""Calls that wait for threads and for work: whoever asks most gives way, and scans hold up nobody else."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.primitives.units import Millis
from net.rpc.errors import LIMIT_EXCEEDED, RpcError
from net.rpc.fairness import FairQueue, who_yields
from net.rpc.methods.mining import Waiters
from net.rpc.policy import RpcLimits
from net.rpc.registry import Caller
from net.rpc.workers import CLIENT, Workers
from tests.helpers.rpc_world import Direct, World

Task = asyncio.Task[object]


class Bench:
    """Calls that end when the test says, in the order in which they were let run."""

    def __init__(self, workers: Workers) -> None:
        self.workers = workers
        self.gate = threading.Event()
        self.ran: list[str] = []
        self._lock = threading.Lock()

    async def ask(self, client: str, *, scan: bool = False, name: str = "") -> Task:
        """Begin a call of a client and let it get as far as it comes by itself."""

        def work() -> object:
            with self._lock:
                self.ran.append(name or client)
            assert self.gate.wait(20)
            return name or client

        async def call() -> object:
            CLIENT.set(client)
            return await (self.workers.scan(work) if scan else self.workers.run(work))

        task = asyncio.create_task(call())
        await asyncio.sleep(0)
        return task


@asynccontextmanager
async def bench(threads: int, *, queue: int) -> AsyncIterator[Bench]:
    workers = Workers(threads, queue=queue)
    made = Bench(workers)
    try:
        yield made
    finally:
        made.gate.set()
        workers.close()


def refused(tasks: list[Task]) -> int:
    errors = [task.exception() for task in tasks if task.done()]
    assert all(isinstance(error, RpcError) and error.code == LIMIT_EXCEEDED for error in errors)
    return len(errors)


async def test_scans_that_fill_their_queue_hold_up_no_other_call() -> None:
    async with bench(2, queue=64) as it:
        scans = [await it.ask("heavy", scan=True) for _ in range(100)]
        assert refused(scans) == 100 - 65
        quick = await asyncio.wait_for(it.workers.run(lambda: "quick"), 10)
        assert quick == "quick"
        it.gate.set()
        done = await asyncio.gather(*scans, return_exceptions=True)
        assert done.count("heavy") == 65


async def test_one_client_cannot_keep_the_others_out_of_the_queue() -> None:
    async with bench(1, queue=8) as it:
        greedy = [await it.ask("greedy") for _ in range(20)]
        assert refused(greedy) == 20 - 9
        modest = [await it.ask("modest", name=f"modest {number}") for number in range(5)]
        assert refused(greedy) == 20 - 9 + 4
        assert refused(modest) == 1, "both have four now"
        it.gate.set()
        await asyncio.gather(*greedy, *modest, return_exceptions=True)
        assert it.ran[0] == "greedy"
        assert it.ran[1:9] == [name for number in range(4) for name in ("greedy", f"modest {number}")]


async def test_a_call_that_is_given_up_leaves_the_queue() -> None:
    async with bench(1, queue=1) as it:
        running = await it.ask("a")
        waiting = await it.ask("a", name="given up")
        assert it.workers.busy == 2
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert it.workers.busy == 1
        after = await it.ask("a", name="after")
        it.gate.set()
        assert (await running, await after) == ("a", "after")
        assert it.ran == ["a", "after"]


async def test_with_a_single_thread_scans_and_calls_take_turns() -> None:
    async with bench(1, queue=8) as it:
        tasks = [await it.ask("first")]
        tasks += [await it.ask("a", scan=True, name="scan") for _ in range(2)]
        tasks += [await it.ask("b", name="call") for _ in range(2)]
        it.gate.set()
        await asyncio.gather(*tasks)
        assert it.ran == ["first", "scan", "call", "scan", "call"]


async def test_the_feed_goes_before_all_that_wait() -> None:
    async with bench(1, queue=2) as it:
        tasks = [await it.ask("a") for _ in range(3)]
        feed = asyncio.create_task(it.workers.run_always(lambda: it.ran.append("feed")))
        await asyncio.sleep(0)
        it.gate.set()
        await asyncio.gather(*tasks, feed)
        assert it.ran == ["a", "feed", "a", "a"]


async def test_what_waits_when_the_server_stops_is_cancelled() -> None:
    async with bench(1, queue=4) as it:
        tasks = [await it.ask("a"), await it.ask("a"), await it.ask("a", scan=True)]
        it.workers.close()
        it.gate.set()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert done[0] == "a"
        assert [type(error) for error in done[1:]] == [asyncio.CancelledError] * 2


async def test_heavy_log_queries_let_balances_and_blocks_through() -> None:
    world = World()
    direct = Direct(world)
    gate = threading.Event()

    def scan(_criteria: object) -> list[object]:
        assert gate.wait(20)
        return []

    object.__setattr__(direct.registry.get("eth_getLogs"), "run", scan)
    heavy = [asyncio.create_task(direct.reply("eth_getLogs", {}, caller=Caller("heavy"))) for _ in range(66)]
    await asyncio.sleep(0)
    for _ in range(3):
        await asyncio.wait_for(direct.record("eth_getBlockByNumber", "0x0", True), 10)
    other = asyncio.create_task(direct.reply("eth_getLogs", {}, caller=Caller("other")))
    gate.set()
    assert (await other)["result"] == []
    answers = await asyncio.gather(*heavy)
    assert sum("error" in answer for answer in answers) == 2


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans())))
def test_no_client_holds_more_than_another_that_was_sent_away(steps: list[tuple[str, bool]]) -> None:
    queue: FairQueue[tuple[str, int]] = FairQueue(6)
    held: dict[str, list[int]] = {"a": [], "b": [], "c": []}
    for number, (client, takes) in enumerate(steps):
        if takes and len(queue):
            owner, taken = queue.pop()
            assert held[owner].pop(0) == taken
            continue
        displaced = queue.put(client, (client, number))
        held[client].append(number)
        if displaced is not None:
            loser, gone = displaced
            held[loser].remove(gone)
            assert len(queue) == 6
            assert len(held[loser]) + 1 >= max(map(len, held.values()))
        assert len(queue) == sum(map(len, held.values())) <= 6


def test_nobody_yields_to_one_who_holds_as_much() -> None:
    assert who_yields({}, "a") is None
    assert who_yields({"a": 2, "b": 2}, "a") is None
    assert who_yields({"a": 2, "b": 3}, "a") == "b"
    assert who_yields({"a": 2}, "new") == "a"


# work for miners


async def test_one_client_cannot_take_all_places_of_those_who_wait_for_work() -> None:
    world = World(RpcLimits(work_waiters=4, work_wait=Millis(15_000)))
    direct = Direct(world)
    work = world.new_work(1)
    known = "0x" + work.id.hex()

    async def ask(caller: Caller) -> asyncio.Task[dict[str, object]]:
        task = asyncio.create_task(direct.reply("mappemonde_getWork", known, caller=caller))
        await asyncio.sleep(0)
        return task

    greedy = [await ask(Caller(f"socket {number}", address="10.0.0.1")) for number in range(6)]
    assert [task.done() for task in greedy] == [False] * 4 + [True] * 2
    assert (await greedy[4])["error"] == {"code": LIMIT_EXCEEDED, "message": "too many miners are waiting"}
    modest = [await ask(Caller("10.0.0.2")) for _ in range(3)]
    for early in greedy[:2]:
        answer = await asyncio.wait_for(early, 10)
        assert isinstance(answer["result"], dict)
        assert answer["result"]["id"] == known, "who gives way is told what is known"
    assert "error" in await modest[2], "both hold two"
    new = world.new_work(2)
    for task in (*greedy[2:4], *modest[:2]):
        result = (await task)["result"]
        assert isinstance(result, dict)
        assert result["id"] == "0x" + new.id.hex()


async def test_places_are_given_back() -> None:
    waiters = Waiters(2)
    patience = [asyncio.timeout(None) for _ in range(3)]
    waiters.enter("a", patience[0])
    waiters.enter("b", patience[1])
    with pytest.raises(RpcError, match="too many miners"):
        waiters.enter("a", patience[2])
    waiters.leave("a", patience[0])
    waiters.leave("a", patience[0])
    waiters.enter("a", patience[2])
    assert len(waiters) == 2
