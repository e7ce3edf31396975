"""A whole node behind an RPC server, in memory: the real chain, pool and consensus; only the network is made up.

Blocks are made by `mine`, so that tests say when; time is the chain's own.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from random import Random

import aiohttp

from chain.block import ChainedHeader, encode_header
from chain.fees import next_base_fee
from chain.genesis import Genesis
from chain.importer import Importer
from chain.mempool.policy import MempoolPolicy
from chain.mempool.pool import Mempool
from chain.params import ChainParams
from chain.primitives.hashing import keccak256
from chain.primitives.peer import PeerId
from chain.primitives.units import ZERO_ADDRESS, Address, Hash32, Millis
from chain.transaction import SignedTransaction, parse_transaction, recover_sender
from chain.views import ChainView
from net.rpc.dispatcher import Dispatcher
from net.rpc.events import Events
from net.rpc.methods.table import make_registry
from net.rpc.policy import RpcLimits, RpcPolicy
from net.rpc.ports import (
    BanFact,
    LinkAttempt,
    MapLink,
    MapNode,
    MiningState,
    MiningWorker,
    PeerFact,
    PeerWhy,
    RpcParts,
    ShareVerdict,
    SyncProgress,
    Work,
)
from net.rpc.registry import Caller
from net.rpc.server import RpcServer
from net.rpc.services import Services, make_services
from storage.chain_store import ChainStore
from storage.journal import Journal
from storage.kv import KeyValueStore
from storage.memory import MemoryStore
from tests.helpers.chain_builder import Built, ChainBuilder

TOKEN = "t" * 32
PEER_A, PEER_B, PEER_C = (PeerId(bytes([number]) * 32) for number in (0xA1, 0xB2, 0xC3))


class FakeNetwork:
    """Three peers on the map, two of them neighbours."""

    own_id = PEER_A

    def __init__(self) -> None:
        self.neighbours = [
            PeerFact(PEER_B, "listed", True, Millis(5), "rendezvous", Millis(12), 7, 1000, 2000),
            PeerFact(PEER_C, "listed", False, Millis(9), "relayed", None, None, 0, 0),
        ]
        self.nodes = [
            MapNode(PEER_A, Millis(1), Millis(100), "public", 2),
            MapNode(PEER_B, Millis(2), Millis(101), "public", 1),
            MapNode(PEER_C, Millis(3), Millis(102), "hard", 1),
        ]
        self.links = [MapLink(PEER_A, PEER_B, 3), MapLink(PEER_C, PEER_A, 5)]

    def peers(self) -> Sequence[PeerFact]:
        return self.neighbours

    def why(self, peer: PeerId) -> PeerWhy:
        attempt = LinkAttempt(Millis(1), Millis(2), "listed", outbound=True, step="ice", reason="no candidate answered")
        return PeerWhy(
            peer, on_map=True, reachable=True, linked=None, banned=False, quarantined=False, attempts=(attempt,)
        )

    def map_size(self) -> tuple[int, int]:
        return len(self.nodes), len(self.links)

    def map_nodes(self, after: PeerId | None, limit: int) -> Sequence[MapNode]:
        return [node for node in self.nodes if after is None or node.id > after][:limit]

    def map_links(self, node: PeerId) -> Sequence[MapLink]:
        return [link for link in self.links if link.origin == node]

    def health(self) -> Mapping[str, int | float | str]:
        return {"components": 1, "gap": 0.5}


@dataclass
class FakeNode:
    """The node's own facts."""

    params: ChainParams
    client_version: str = "Mappemonde/v0.0.0/test"
    started_at: Millis = Millis(1_000)
    progress: SyncProgress | None = None

    def sync(self) -> SyncProgress | None:
        return self.progress

    def roles(self) -> Mapping[str, bool]:
        return {"mining": True, "staking": False}

    def alarms(self) -> Mapping[str, str]:
        return {"clock_error": "the clock is off"}


class FakeMining:
    """Work that the test changes; every nonce that ends in zero is the best."""

    def __init__(self) -> None:
        self.work: Work | None = None
        self.shares: list[tuple[bytes, str]] = []

    def current(self) -> Work | None:
        return self.work

    async def submit(self, work_id: Hash32, nonce: bytes, worker: str) -> ShareVerdict:
        if self.work is None or work_id != self.work.id:
            return ShareVerdict.STALE
        self.shares.append((nonce, worker))
        return ShareVerdict.BEST if nonce[-1] == 0 else ShareVerdict.SHARE

    def state(self) -> MiningState:
        worker = MiningWorker("rig 1", 3, 1, 0, 2, Millis(40), 512.04)
        return MiningState("holding", 7, 19.96, 1_000, Millis(50), 2, 4, (worker,))


@dataclass
class FakeAdmin:
    """A ban list."""

    banned: dict[PeerId, str] = field(default_factory=lambda: {PEER_C: "false claim"})

    def bans(self) -> Sequence[BanFact]:
        return [BanFact(peer, reason, Millis(99)) for peer, reason in self.banned.items()]

    def unban(self, peer: PeerId) -> bool:
        return self.banned.pop(peer, None) is not None


class World:
    """The parts of a node and the hub that joins them."""

    def __init__(
        self,
        limits: RpcLimits | None = None,
        policy: RpcPolicy | None = None,
        *,
        genesis: Genesis | None = None,
        store: KeyValueStore | None = None,
    ) -> None:
        self.builder = ChainBuilder(genesis)
        self.params = self.builder.params
        self.now = Millis(self.builder.root.time)
        self.store = ChainStore(store or MemoryStore())
        self.importer = Importer(self.params, self.builder.genesis, self.store, self.builder.rules)
        self.view = ChainView(self.store, self.params, self.importer)
        self.pool = Mempool(
            self.params,
            MempoolPolicy(),
            Journal(MemoryStore()),
            accounts=self.view.state(self.view.head()),
            base_fee=next_base_fee(self.view.head().header, self.params),
        )
        self.events = Events()
        self.network = FakeNetwork()
        self.node = FakeNode(self.params)
        self.mining = FakeMining()
        self.admin = FakeAdmin()
        self.policy = policy or RpcPolicy(port=0, limits=limits or RpcLimits())
        self.parts = RpcParts(self.view, self.pool, self, self.node, self.network, self.mining, self.admin)
        self.random = Random(1)

    # the node's side

    async def submit(self, raw: bytes) -> Hash32:
        """Be the `Submitter`: pool a transaction and tell of it."""
        signed = recover_sender(parse_transaction(raw, self.params.chain_id))
        added = self.pool.add(signed, self.now, local=True)
        for promoted in added.promoted:
            self.events.pending(promoted)
        return signed.tx.hash

    def mine(self, *, miner: Address = ZERO_ADDRESS, parent: ChainedHeader | None = None, extra: bytes = b"") -> Built:
        """Make a block of what the pool offers, or an empty one on another parent than the head."""
        head = self.view.head()
        chosen: list[SignedTransaction] = []
        if parent is None:
            chosen = list(self.pool.pending(next_base_fee(head.header, self.params)))
        built = self.builder.extend(parent or head, chosen, miner=miner, extra=extra)
        self.take(built)
        return built

    def take(self, built: Built) -> None:
        """Import a block when it is ripe, and tell pool and subscribers."""
        self.now = Millis(max(self.now, built.chained.time))
        result = self.importer.add(built.verified(), self.now)
        if result.move is None:
            return
        head = self.view.head()
        self.pool.head_changed(
            [signed for block in result.applied for signed in block.transactions],
            [signed for block in result.undone for signed in block.transactions],
            accounts=self.view.state(head),
            base_fee=next_base_fee(head.header, self.params),
            now=self.now,
        )
        self.events.heads(
            tuple(block.chained for block in result.applied), tuple(block.chained for block in result.undone)
        )

    def new_work(self, number: int) -> Work:
        """Give the miners other work."""
        head = self.view.head()
        self.mining.work = Work(
            id=keccak256(b"work %d" % number),
            header=encode_header(head.header),
            height=head.height + 1,
            parent_id=head.id,
            log_target=head.log_target,
            seal_floor=head.log_target,
            share_log_target=head.log_target,
            limit=(1 << 250) - 1,
            memory_kib=self.params.pow_memory_kib,
        )
        self.events.work()
        return self.mining.work

    def clock(self) -> Millis:
        """Tell the time of the chain."""
        return self.now

    # the client's side

    def services(self) -> Services:
        """Return services over the parts, without a server."""
        return make_services(self.parts, self.policy, clock=self.clock, entropy=self.random.randbytes)

    @asynccontextmanager
    async def served(self) -> AsyncIterator["Client"]:
        """Run a server on a free port for as long as the block lasts."""
        server = RpcServer(self.parts, self.policy, self.events, clock=self.clock, entropy=self.random.randbytes)
        port = await server.open()
        running = asyncio.create_task(server.run())
        async with aiohttp.ClientSession() as session:
            try:
                yield Client(server, port, session)
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)


class Direct:
    """Calls without a server: the dispatcher over a world."""

    def __init__(self, world: World) -> None:
        self.services = world.services()
        self.registry = make_registry(self.services)
        self.dispatcher = Dispatcher(self.registry, self.services.workers, world.policy.limits)
        world.events.listen(self.services.feed)

    async def raw(self, body: bytes, caller: Caller | None = None) -> bytes | None:
        """Return the answer to a body."""
        return await self.dispatcher.answer(self.dispatcher.read(body), caller or Caller("test"))

    async def reply(self, method: str, *params: object, caller: Caller | None = None) -> dict[str, object]:
        """Return the whole answer to a call."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)})
        text = await self.raw(body.encode(), caller)
        assert text is not None
        answer = json.loads(text)
        assert isinstance(answer, dict)
        return answer

    async def result(self, method: str, *params: object, caller: Caller | None = None) -> object:
        """Return the result of a call that has one."""
        answer = await self.reply(method, *params, caller=caller)
        assert "error" not in answer, answer
        return answer["result"]

    async def record(self, method: str, *params: object) -> dict[str, object]:
        """Return the result of a call that is an object."""
        result = await self.result(method, *params)
        assert isinstance(result, dict), result
        return result

    async def error(self, method: str, *params: object, caller: Caller | None = None) -> tuple[int, str]:
        """Return code and text of a call's error."""
        answer = await self.reply(method, *params, caller=caller)
        error = answer["error"]
        assert isinstance(error, dict), answer
        return error["code"], error["message"]


@dataclass(frozen=True, slots=True)
class Client:
    """A running server and a session to talk to it."""

    server: RpcServer
    port: int
    session: aiohttp.ClientSession

    @property
    def url(self) -> str:
        """Where HTTP is served."""
        return f"http://127.0.0.1:{self.port}/"

    @property
    def socket_url(self) -> str:
        """Where WebSocket is served."""
        return f"ws://127.0.0.1:{self.port}/ws"

    async def post(self, body: object, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of a POST; keyword underscores stand for dashes."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {"Content-Type": "application/json", **{name.replace("_", "-"): text for name, text in headers.items()}}
        async with self.session.post(self.url, data=BytesIO(raw), headers=named) as response:
            return response.status, dict(response.headers), await response.read()

    async def result(self, method: str, *params: object) -> object:
        """Return the result of a call."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        status, _, raw = await self.post(body)
        answer = json.loads(raw)
        assert status == 200
        assert "error" not in answer, answer
        return answer["result"]
