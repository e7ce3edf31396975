"""The composition root: the one place that knows the concrete classes and puts a node together."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from random import Random, SystemRandom

import uvloop

from chain.exchange.effects import OwnRefused
from chain.exchange.exchange import Exchange
from chain.exchange.policy import ExchangePolicy
from chain.exchange.topics import BLOCK_MAX_BYTES, SYNC_MAX_BYTES, TRANSACTION_MAX_BYTES, Topic
from chain.fees import next_base_fee
from chain.genesis import Genesis, load_genesis
from chain.importer import Importer
from chain.mempool.pool import Mempool
from chain.primitives.errors import NodeError
from chain.primitives.peer import short
from chain.primitives.units import Hash32, Millis
from chain.transaction import SignedTransaction
from chain.verified import ImportResult
from chain.views import ChainView
from cli.clock import SteadyClock
from cli.config import NodeConfig
from cli.datadir import DataDir, load_identity, load_token, make_datadir
from cli.exit_codes import ExitCode
from cli.services.chain import ChainService, HeadChange
from cli.services.consensus_watch import ConsensusWatch
from cli.services.exchange import ExchangeService
from cli.services.facts import Admin, MiningFacts, NetworkFacts, NodeFacts, Submission, clock_alarm, map_alarms
from cli.services.hub import Hub
from cli.services.identity import IdentityKeeper
from cli.services.mining import MiningService, default_threads, is_behind
from cli.services.staking import StakingFacts
from cli.services.tickets import TICKET_TOPIC, TicketService
from cli.settings import check_settings, driver_settings, mesh_config, pool_policy, reward_address, rpc_policy
from cli.staking.unlock import unlock_validators
from cli.workers import Workers
from consensus.rules import ConsensusRules
from consensus.staker import Validator
from consensus.ticket import Draw
from consensus.ticket_relay import MESSAGE_MAX as TICKET_MAX_BYTES
from net.core.app.topics import TopicSpec
from net.core.effects import Alarm, LinkKind, Priority
from net.core.identity.identity import Identity
from net.core.mesh import Mesh
from net.core.overlay.anchors import ANCHORS_BLOB
from net.rpc.events import Events
from net.rpc.metrics import families
from net.rpc.metrics.exposition import Source
from net.rpc.metrics.server import MetricsServer
from net.rpc.ports import RpcParts
from net.rpc.server import RpcServer
from net.transport.driver import Driver
from storage.archive import RecordArchive
from storage.bucket import Bucket
from storage.chain_store import ChainStore
from storage.journal import Journal
from storage.kv import KeyValueStore
from storage.leveldb import open_level
from storage.migrations import claim

log = logging.getLogger("node")

TOPICS = (
    TopicSpec(Topic.BLOCK, "block", BLOCK_MAX_BYTES, Priority.BLOCK),
    TopicSpec(Topic.TRANSACTION, "transaction", TRANSACTION_MAX_BYTES, Priority.TRANSACTION, max_pending=1024),
    TopicSpec(Topic.SYNC, "sync", SYNC_MAX_BYTES, Priority.BULK, relayed=False),
    TopicSpec(TICKET_TOPIC, "ticket", TICKET_MAX_BYTES, Priority.TRANSACTION),
)
"""What the chain says on the network."""

FLUSH_SECONDS = 30.0
"""How often gathered map records go to disk: what a crash loses of them is fetched again."""


class DuplicateIdentity(NodeError):
    """The same identity runs somewhere else: going on would make both worthless to the network."""

    exit_code = ExitCode.DUPLICATE


@dataclass(frozen=True, slots=True)
class _Disk:
    """What lies on disk, opened."""

    datadir: DataDir
    store: KeyValueStore
    archive: RecordArchive
    bucket: Bucket


def run_node(config: NodeConfig, *, stop_with_parent: bool = False) -> None:
    """Run a full node until it is told to stop. Raises `NodeError` for whatever the operator can mend."""
    genesis = load_genesis(config.network)
    check_settings(config, genesis.params)
    validators = unlock_validators(config)
    datadir = make_datadir(config.datadir, config.network)
    clock = SteadyClock()
    store = open_level(datadir.database)
    try:
        claim(store, genesis.params.network_id, genesis.params.name)
        identity = load_identity(
            datadir,
            genesis.params,
            clock(),
            lambda: log.info("searching the identity's proof of work (minutes on mainnet)"),
        )
        disk = _Disk(datadir, store, RecordArchive(store), Bucket(store))
        main = _main(config, genesis, identity, disk, clock, validators, stop_with_parent=stop_with_parent)
        uvloop.run(main)
        disk.archive.flush()
    finally:
        store.close()


async def _main(
    config: NodeConfig,
    genesis: Genesis,
    identity: Identity,
    disk: _Disk,
    clock: SteadyClock,
    validators: tuple[Validator, ...],
    *,
    stop_with_parent: bool,
) -> None:
    node = Node(config, genesis, identity, disk, clock, validators)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, node.stop)
    if stop_with_parent:
        loop.add_reader(sys.stdin.fileno(), node.stop)
    try:
        await node.run()
    except* NodeError as errors:
        raise _first(errors) from None


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


class Node:
    """A full node put together. Build it, `run` it on its event loop; `stop` ends `run`."""

    def __init__(
        self,
        config: NodeConfig,
        genesis: Genesis,
        identity: Identity,
        disk: _Disk,
        clock: Callable[[], Millis],
        validators: tuple[Validator, ...] = (),
    ) -> None:
        """`validators` are unlocked: what this node wins tickets with."""
        self._config = config
        self._identity = identity
        self._disk = disk
        self._clock = clock
        self._started_at = clock()
        self._stopping = asyncio.Event()
        self._stakes = bool(validators)
        self._clock_told = False
        params = genesis.params
        self._params = params
        self._workers = Workers()
        self._events = Events()
        self._hub = Hub(self._events)

        rules = ConsensusRules(params)
        store = ChainStore(disk.store)
        self._importer = Importer(params, genesis, store, rules)
        self._view = ChainView(store, params, self._importer)
        head = self._view.head()
        self._pool = Mempool(
            params,
            pool_policy(config),
            Journal(disk.store),
            accounts=self._view.state(head),
            base_fee=next_base_fee(head.header, params),
        )
        self._pool.restore(clock())

        chance = Random(SystemRandom().getrandbits(256))
        blobs = {name: disk.bucket.get(name) or b"" for name in disk.bucket.names()}
        self._mesh = Mesh(
            mesh_config(config, params),
            identity,
            TOPICS,
            rng=chance,
            entropy=os.urandom,
            archive=disk.archive,
            blobs=blobs,
        )
        self._driver = Driver(self._mesh, self._hub, disk.bucket, driver_settings(config), clock)
        mesh_clock = self._driver.mesh_time
        self._chain = ChainService(params, self._importer, self._view, self._pool, self._workers, mesh_clock)
        self._exchange = ExchangeService(
            params,
            Exchange(
                params,
                ExchangePolicy.for_block_time(params.block_time),
                rules,
                source=self._view,
                stakes=self._importer,
                pool=self._pool,
                rng=chance,
                entropy=os.urandom,
            ),
            rules,
            network=self._driver,
            chain=self._chain,
            pool=self._pool,
            workers=self._workers,
            clock=mesh_clock,
            took=self._took,
            progressed=self._reconsider_sealing,
            refused=self._own_refused,
        )
        account = reward_address(config)
        self._mining: MiningService | None = None
        if account is not None:
            self._mining = MiningService(
                params,
                importer=self._importer,
                view=self._view,
                pool=self._pool,
                workers=self._workers,
                clock=mesh_clock,
                reward_address=account,
                extra=config.extra.encode(),
                rng=chance,
                found=self._exchange.found,
                work_changed=self._events.work,
            )
        self._tickets = TicketService(
            params,
            importer=self._importer,
            view=self._view,
            workers=self._workers,
            clock=mesh_clock,
            validators=validators,
            network=self._driver,
            best=self._better_ticket,
        )
        if self._mining is not None:
            self._mining.ask_draws_of(self._tickets.best_draw)
        self._keeper = IdentityKeeper(
            identity, params.id_difficulty, disk.datadir, self._workers, clock, self._proof_renewed
        )
        self._hub.connect(self._exchange, self._tickets, self._reconsider_sealing, self._alarm)
        self._watch = ConsensusWatch(params, self._view)
        for listener in (self._watch, self._tickets, self._mining, self):
            if listener is not None:
                self._chain.listen(listener)
        self._node_facts = NodeFacts(params, self._started_at, self._exchange, self._roles, self._alarms_in_force)
        self._rpc = self._make_rpc()
        self._metrics = self._make_metrics()

    def stop(self) -> None:
        """End `run`: the operator asked."""
        self._stopping.set()

    async def run(self) -> None:
        """Serve until `stop` or a failure, then close everything in order. Raises what failed, in a group."""
        log.info("%s node %s, block %d", self._params.name, short(self._identity.peer), self._view.head().height)
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(self._workers.run(), name="workers")]
            await asyncio.sleep(0)  # from here on the workers take failures
            network = tasks.create_task(self._driver.run(), name="network")
            try:
                self._chain.start()
                self._exchange.start()
                self._tickets.start()
                running.append(tasks.create_task(self._flush(), name="flush"))
                running.append(tasks.create_task(self._keeper.run(), name="identity"))
                if self._mining is not None:
                    running.append(tasks.create_task(self._mining.run(), name="mining"))
                    if self._config.mine:
                        self._mining.start_threads(
                            self._config.mine_threads or default_threads(), self._config.mine_rate
                        )
                if self._rpc is not None:
                    port = await self._rpc.open()
                    log.info("JSON-RPC at http://%s:%d, WebSocket at /ws", self._config.rpc_host, port)
                    running.append(tasks.create_task(self._rpc.run(), name="rpc"))
                if self._metrics is not None:
                    port = await self._metrics.open()
                    log.info("metrics at http://%s:%d/metrics", self._config.metrics_host, port)
                if self._knows_nobody():
                    log.warning("this node knows no other and waits to be called: --bootstrap names one to meet")
                self._reconsider_sealing()
                await self._stopping.wait()
                log.info("stopping")
            finally:
                if self._metrics is not None:
                    await self._metrics.close()
                self._chain.stop()
                self._exchange.stop()
                self._tickets.stop()
                self._driver.stop()
                await asyncio.wait([network])
                for task in running:
                    task.cancel()
        log.info("stopped at block %d", self._view.head().height)

    def _knows_nobody(self) -> bool:
        told = self._config.bootstrap or self._config.trust_own_clock
        return not told and not self._disk.bucket.get(ANCHORS_BLOB) and len(self._mesh.view()) <= 1  # itself

    async def _flush(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            self._disk.archive.flush()
            self._warn_of_clock()
            self._watch.clock_error(Millis(self._clock() - self._driver.mesh_time()))

    def _make_rpc(self) -> RpcServer | None:
        if not self._config.rpc_host:
            return None
        parts = RpcParts(
            chain=self._view,
            pool=self._pool,
            submitter=Submission(self._params, self._pool, self._exchange, self._driver.mesh_time, self._took),
            node=self._node_facts,
            network=NetworkFacts(self._identity.peer, self._driver, self._exchange.peer_height, self._mesh.health),
            mining=None if self._mining is None else MiningFacts(self._params, self._mining),
            admin=Admin(self._mesh, self._driver, self._clock),
            staking=StakingFacts(self._params, self._tickets),
        )
        return RpcServer(
            parts, rpc_policy(self._config, load_token(self._disk.datadir)), self._events, clock=self._clock
        )

    def _make_metrics(self) -> MetricsServer | None:
        config = self._config
        if not config.metrics_host:
            return None
        rpc, mining = self._rpc, self._mining
        sources = [
            Source(families.IMPORTER, self._importer.statistics),
            Source(families.MEMPOOL, self._pool.statistics),
            Source(families.EXCHANGE, self._exchange.statistics),
            Source(families.CONSENSUS, self._watch.statistics),
            Source(families.MINER, lambda: None if mining is None else mining.statistics()),
            Source(families.TICKETS, self._tickets.statistics),
            Source(families.RPC, lambda: None if rpc is None else rpc.statistics()),
            Source(families.LINKS, self._driver.statistics),
            Source(families.MESH, self._mesh.statistics),
            Source(families.HEALTH, self._mesh.health),
        ]
        return MetricsServer(
            config.metrics_host,
            config.metrics_port,
            sources,
            chain=self._view,
            node=self._node_facts,
            events=self._events,
            allowed_hosts=config.metrics_hosts,
        )

    # what happens

    def imported(self, result: ImportResult) -> None:
        """A block was stored: nothing for subscribers."""

    def head_changed(self, change: HeadChange) -> None:
        """Tell subscribers; pool, tickets and miner have followed already."""
        applied = tuple(block.chained for block in change.result.applied)
        self._events.heads(applied, tuple(block.chained for block in change.result.undone))
        for signed in change.pool.restored:
            self._events.pending(signed)

    def _took(self, signed: SignedTransaction) -> None:
        """The pool took a transaction that could be mined next."""
        self._events.pending(signed)
        if self._mining is not None:
            self._mining.transactions_changed()

    def _own_refused(self, refused: OwnRefused) -> None:
        if self._mining is not None:
            self._mining.refused(refused)

    def _better_ticket(self, parent_id: Hash32, draw: Draw) -> None:
        if self._mining is not None:
            self._mining.ticket(parent_id, draw)

    def _reconsider_sealing(self) -> None:
        """Stake while this node is not behind; mine if it also has company, or is the first of its network."""
        now = self._driver.mesh_time()
        behind = is_behind(self._params, self._exchange.progress(), self._view.head(), now)
        self._tickets.activate(active=not behind)
        if self._mining is not None:
            company = self._config.trust_own_clock or any(
                link.kind is LinkKind.LISTED for link in self._driver.neighbours()
            )
            self._mining.activate(active=company and not behind)

    def _roles(self) -> dict[str, bool]:
        return {"mining": self._config.mine, "staking": self._stakes, "rendezvous": bool(self._config.rendezvous_host)}

    def _proof_renewed(self, identity: Identity) -> None:
        effects = self._mesh.identity_renewed(identity, self._clock())
        assert not effects, "the next record carries the proof; nothing is sent for it alone"

    def _clock_alarm(self) -> dict[str, str]:
        agreed = self._mesh.statistics().clock.agreed
        return clock_alarm(agreed=agreed, waited=Millis(self._clock() - self._started_at))

    def _warn_of_clock(self) -> None:
        """Log once in the life of the process that no time is agreed on."""
        if not self._clock_told:
            for kind, text in self._clock_alarm().items():
                log.warning("%s: %s", kind, text)
                self._clock_told = True

    def _alarms_in_force(self) -> dict[str, str]:
        return {**self._clock_alarm(), **self._watch.alarms(), **map_alarms(self._mesh.health())}

    def _alarm(self, alarm: Alarm) -> None:
        if alarm.kind == "duplicate_identity":
            self._workers.fail(DuplicateIdentity(alarm.text))
