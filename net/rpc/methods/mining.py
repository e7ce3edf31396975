"""Work for miners in other processes: a long poll, and the answer to it."""

import asyncio

from chain.primitives.units import Hash32
from net.rpc.chain_facts import work_json
from net.rpc.encoding import Json
from net.rpc.errors import RpcError, failed, invalid_params, limited
from net.rpc.kinds import HASH, TEXT, data_kind
from net.rpc.methods.results import WORK, nullable
from net.rpc.ports import MiningWork
from net.rpc.registry import Method, Param, Schema, Where
from net.rpc.services import Services

NONCE_BYTES = 8

VERDICT: Schema = {"type": "string", "enum": ["best", "share", "stale", "weak", "repeated"]}


class MiningMethods:
    """Answers for miners."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._waiting = 0

    def _mining(self) -> MiningWork:
        mining = self._services.parts.mining
        if mining is None:
            raise failed("this node gives no work: it was started without a reward address")
        return mining

    async def get_work(self, known: Hash32 | None) -> Json:
        """Return the work of this moment, waiting for another than the known one as long as the policy allows."""
        mining = self._mining()
        if self._waiting >= self._services.limits.work_waiters:
            raise limited("too many miners are waiting")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._services.limits.work_wait / 1000):
                while True:
                    work = mining.current()
                    if (work and work.id) != known:
                        return work_json(work)  # null for one who hashes: nothing is left to find, rest at once
                    await self._services.feed.work_changed()
        except TimeoutError:
            return work_json(mining.current())
        finally:
            self._waiting -= 1

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
