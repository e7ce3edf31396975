"""The external miner on its event loop: one task asks for work, one hands finds in, one tells the operator."""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from random import Random, SystemRandom
from typing import TypeVar

from chain.genesis import NETWORKS, load_genesis
from chain.params import ChainParams
from chain.primitives.errors import Malformed, NodeError
from chain.primitives.units import Millis
from cli.clock import SteadyClock
from cli.exit_codes import ExitCode
from cli.hash_pool import HashPool
from cli.mining_client.link import Call, NodeLink
from cli.mining_client.orders import Order, decode_order, decode_verdict
from cli.mining_client.report import Reporter
from cli.mining_client.session import AskAgain, Find, Session, SessionEffect
from cli.rpc_client import RpcRefused, RpcUnreachable
from consensus.hashing import Solution
from consensus.miner import SetWork, Stop
from net.rpc.errors import LIMIT_EXCEEDED, TIMED_OUT

Result = TypeVar("Result")

LEAST_BETWEEN = Millis(50)
"""Between two questions for work when the first brought nothing new: a node that keeps no long poll, in error or on
purpose, is not asked without pause. After news the next question is not put off: a node tells of a change once."""

STATUS_SECONDS = 1.0
"""How often the operator is told the counters."""

LAST_WORDS_SECONDS = 2.0
"""How long a stop may wait for the last finds to be handed in."""


class OtherNetwork(NodeError):
    """The node is on a network this program does not know, so its seals cannot be made."""

    exit_code = ExitCode.RPC


async def mine(url: str, worker: str, threads: int, hashes_per_second: int, reporter: Reporter) -> None:
    """Mine for the node at an address until SIGINT or SIGTERM.

    `threads` 0 takes all cores, `hashes_per_second` 0 sets no limit. Waits for the node for as long as it does not
    answer. Raises `RpcRefused` when the node gives no work, `OtherNetwork` when it is not one of ours.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    session = Session(Random(SystemRandom().getrandbits(256)))
    clock = SteadyClock()
    async with NodeLink(url) as link:
        params = await _until(stopping, _meet(link, session, reporter, clock))
        if params is None:
            return
        count = threads or os.cpu_count() or 1
        reporter.connected(url, params.name, count)
        client = MiningClient(params, link, session, reporter, worker, clock)
        client.start(count, hashes_per_second)
        try:
            await _until(stopping, client.run())
        finally:
            await client.close()
        reporter.stopped(session.statistics())


async def _until(stopping: asyncio.Event, work: Coroutine[object, object, Result]) -> Result | None:
    """Run something until it ends or the stop is asked for; None in the latter case."""
    running = asyncio.ensure_future(work)
    waiting = asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait((running, waiting), return_when=asyncio.FIRST_COMPLETED)
        return running.result() if running.done() else None
    finally:
        running.cancel()
        waiting.cancel()
        await asyncio.gather(running, waiting, return_exceptions=True)


async def _meet(link: NodeLink, session: Session, reporter: Reporter, clock: Callable[[], Millis]) -> ChainParams:
    """Wait for the node and return the parameters of its network, which this program knows by itself."""
    while True:
        try:
            answer = await link.call("mappemonde_chain")
        except (RpcUnreachable, RpcRefused) as error:
            if isinstance(error, RpcRefused) and not _passing(error):
                raise OtherNetwork(f"{link.url} is no node of this chain: {error}") from None
            wait = session.silent(clock()) / 1000
            reporter.silent(str(error), wait)
            await asyncio.sleep(wait)
            continue
        name = answer.get("name") if isinstance(answer, dict) else None
        if not isinstance(answer, dict) or name not in NETWORKS:
            raise OtherNetwork(f"the node at {link.url} is on network {str(name)[:40]!r}, which is not known here")
        params = load_genesis(str(name)).params
        if answer.get("networkId") != "0x" + params.network_id.hex():
            raise OtherNetwork(f"the node at {link.url} is on another {name} than this program: use the same version")
        return params


class MiningClient:
    """The miner once it knows its node's network."""

    def __init__(
        self,
        params: ChainParams,
        link: NodeLink,
        session: Session,
        reporter: Reporter,
        worker: str,
        clock: Callable[[], Millis],
    ) -> None:
        self._params = params
        self.link = link
        self._session = session
        self._reporter = reporter
        self._worker = worker
        self._clock = clock
        self._pool = HashPool(params, self._found)
        self._something_found = asyncio.Event()
        self._answers = asyncio.Event()
        self._worked = False

    def start(self, threads: int, hashes_per_second: int) -> None:
        """Start the threads; they rest until work comes."""
        self._pool.start(threads, hashes_per_second)

    async def run(self) -> None:
        """Mine until cancelled. Raises `RpcRefused` when the node refused from the start to give work."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._ask(), name="ask for work")
                tasks.create_task(self._hand_in(), name="hand in finds")
                tasks.create_task(self._watch(), name="watch")
        except* NodeError as errors:
            raise errors.exceptions[0] from None

    async def close(self) -> None:
        """End the threads and hand in what they found, if the node answers at once."""
        await self._pool.close()
        self._session.hashed(self._pool.hashes, self._clock())
        try:
            async with asyncio.timeout(LAST_WORDS_SECONDS):
                while finds := self._session.take_finds():
                    await self._submit(finds)
        except (RpcUnreachable, RpcRefused, Malformed, TimeoutError):
            return  # whatever was found is lost with the process: said in the docs

    def _found(self, solution: Solution) -> None:
        self._session.found(solution)
        if self._session.has_finds:
            self._something_found.set()

    def _carry_out(self, effects: list[SessionEffect]) -> bool:
        """Carry effects out and return whether to ask again."""
        again = False
        for effect in effects:
            match effect:
                case SetWork():
                    self._pool.desk.set(effect)
                case Stop():
                    self._pool.desk.set(None)
                case AskAgain():
                    again = True
        return again

    async def _ask(self) -> None:
        while True:
            known, asked_at = self._session.known, self._clock()
            try:
                order = await self._get_work(known)
                before = self._session.known
                effects = self._session.work(order)
                self._carry_out(effects)
                if self._session.known != before:
                    self._reporter.order(order)
                if not effects and (rest := asked_at + LEAST_BETWEEN - self._clock()) > 0:
                    await asyncio.sleep(rest / 1000)
            except (RpcUnreachable, RpcRefused, Malformed) as error:
                if isinstance(error, RpcRefused) and not self._worked and not _passing(error):
                    raise
                await self._pause(error)

    async def _get_work(self, known: bytes | None) -> Order | None:
        answer = await self.link.call("mappemonde_getWork", None if known is None else "0x" + known.hex())
        order = decode_order(answer, self._params)
        self._worked = True
        self._answers.set()
        return order

    async def _pause(self, error: NodeError) -> None:
        self._answers.clear()
        wait = self._session.silent(self._clock()) / 1000
        self._reporter.silent(str(error), wait)
        await asyncio.sleep(wait)

    async def _hand_in(self) -> None:
        while True:
            await self._something_found.wait()
            await self._answers.wait()
            self._something_found.clear()
            while finds := self._session.take_finds():
                try:
                    if await self._submit(finds):
                        self._carry_out(self._session.lower_limit(await self._get_work(None)))
                except (RpcUnreachable, RpcRefused, Malformed):
                    self._something_found.set()
                    self._answers.clear()  # until the next answer to the question for work
                    break

    async def _submit(self, finds: list[Find]) -> bool:
        """Hand finds in; keep them if the node does not answer. Returns whether to ask for work again."""
        calls: list[Call] = [
            ("mappemonde_submitWork", ("0x" + find.order.id.hex(), "0x" + find.nonce.hex(), self._worker))
            for find in finds
        ]
        try:
            answers = await self.link.batch(calls)
        except (RpcUnreachable, RpcRefused, asyncio.CancelledError):
            self._session.put_back(finds)
            raise
        again = False
        for index, (find, answer) in enumerate(zip(finds, answers, strict=True)):
            if isinstance(answer, RpcRefused):
                if _passing(answer):
                    self._session.put_back(finds[index:])
                    raise answer
                self._session.refused()
                continue
            verdict = decode_verdict(answer)
            self._reporter.verdict(find, verdict)
            again |= self._carry_out(self._session.answered(find, verdict))
        return again

    async def _watch(self) -> None:
        while True:
            now = self._clock()
            self._session.hashed(self._pool.hashes, now)
            self._carry_out(self._session.tick(now))
            self._reporter.status(self._session.statistics())
            await asyncio.sleep(STATUS_SECONDS)


def _passing(error: RpcRefused) -> bool:
    """Tell whether a refusal is one that time heals: a limit, or a node too busy to answer."""
    return error.code in (LIMIT_EXCEEDED, TIMED_OUT)
