"""Work for miners in other processes: a long poll, and the answer to it."""

import asyncio

from chain.primitives.units import Hash32
from net.rpc.chain_facts import work_json
from net.rpc.encoding import Json
from net.rpc.errors import RpcError, failed, invalid_params, limited
from net.rpc.fairness import who_yields
from net.rpc.kinds import HASH, TEXT, data_kind
from net.rpc.methods.results import WORK, nullable
from net.rpc.ports import MiningWork
from net.rpc.registry import Caller, Method, Param, Schema, Where
from net.rpc.services import Services

NONCE_BYTES = 8

VERDICT: Schema = {"type": "string", "enum": ["best", "share", "stale", "weak", "repeated"]}


class Waiters:
    """Who waits for work. When all places are taken, the client with most of them gives way: it is answered early."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._by_client: dict[str, dict[asyncio.Timeout, None]] = {}

    def __len__(self) -> int:
        return sum(len(waiting) for waiting in self._by_client.values())

    def enter(self, client: str, patience: asyncio.Timeout) -> None:
        """Begin to wait; raises `RpcError` if nobody holds more places than this client."""
        if len(self) >= self._most:
            crowding = who_yields({name: len(waiting) for name, waiting in self._by_client.items()}, client)
            if crowding is None:
                raise limited("too many miners are waiting")
            eldest = next(iter(self._by_client[crowding]))
            self.leave(crowding, eldest)
            if not eldest.expired():
                eldest.reschedule(asyncio.get_running_loop().time())
        self._by_client.setdefault(client, {})[patience] = None

    def leave(self, client: str, patience: asyncio.Timeout) -> None:
        """Wait no more."""
        waiting = self._by_client.get(client, {})
        waiting.pop(patience, None)
        if not waiting:
            self._by_client.pop(client, None)


class MiningMethods:
    """Answers for miners."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._waiting = Waiters(services.limits.work_waiters)

    def _mining(self) -> MiningWork:
        mining = self._services.parts.mining
        if mining is None:
            raise failed("this node gives no work: it was started without a reward address")
        return mining

    async def get_work(self, caller: Caller, known: Hash32 | None) -> Json:
        """Return the work of this moment, waiting for another than the known one as long as the policy allows."""
        mining = self._mining()
        work = mining.current()
        if (work and work.id) != known:
            return work_json(work)  # null for one who hashes: nothing is left to find, rest at once
        patience = asyncio.timeout(self._services.limits.work_wait / 1000)
        self._waiting.enter(caller.client, patience)
        try:
            async with patience:
                while (work and work.id) == known:
                    await self._services.feed.work_changed()
                    work = mining.current()
                return work_json(work)
        except TimeoutError:
            return work_json(mining.current())
        finally:
            self._waiting.leave(caller.client, patience)

    async def submit_work(self, work_id: Hash32, nonce: bytes, worker: str) -> Json:
        """Return what became of a nonce."""
        if len(nonce) != NONCE_BYTES:
            raise invalid_params(f"invalid argument: a nonce has {NONCE_BYTES} bytes")
        if not worker.isprintable():
            raise _bad_name()
        return (await self._mining().submit(work_id, nonce, worker)).value


def _bad_name() -> RpcError:
    return invalid_params("invalid argument: a worker's name has only printable characters")


def mining_methods(services: Services) -> list[Method]:
    """Return the methods of get-work mining."""
    it = MiningMethods(services)
    return [
        Method(
            "mappemonde_getWork",
            "What to hash; with the id of known work, waits up to 15 s for other",
            (Param("known", HASH, None),),
            nullable(WORK),
            it.get_work,
            Where.WAIT,
            takes_caller=True,
        ),
        Method(
            "mappemonde_submitWork",
            "Hand in a nonce; the answer says whether it was the best, a share, stale, too weak or sent before",
            (
                Param("work", HASH),
                Param("nonce", data_kind("Nonce", NONCE_BYTES)),
                Param("worker", TEXT, ""),
            ),
            VERDICT,
            it.submit_work,
            Where.WAIT,
        ),
    ]
