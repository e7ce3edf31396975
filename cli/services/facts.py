"""What the RPC shows of the node, in the shapes it asks for (`net.rpc.ports`): adapters without state of their own."""

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from importlib.metadata import version

from chain.mempool.pool import Mempool
from chain.params import ChainParams
from chain.primitives.peer import PeerId
from chain.primitives.units import Hash32, Millis
from chain.transaction import SignedTransaction, parse_transaction, recover_sender
from cli.services.exchange import ExchangeService
from cli.services.mining import MiningService, TooManyShares
from consensus.shares import SHARE_LOG_TARGET, worker_rate
from consensus.shares import ShareVerdict as MinerVerdict
from net.core.health.monitor import HealthStatistics
from net.core.health.watch import AlarmKind
from net.core.map.view import MapView
from net.core.mesh import Mesh
from net.core.wire.record import Direction, Flags
from net.rpc.errors import limited
from net.rpc.ports import (
    BanFact,
    LinkAttempt,
    MapLink,
    MapNode,
    MiningState,
    MiningWorker,
    PeerFact,
    PeerWhy,
    ShareVerdict,
    SyncProgress,
    Work,
)
from net.transport.driver import Driver

_SHARES = {
    MinerVerdict.BEST: ShareVerdict.BEST,
    MinerVerdict.SHARE: ShareVerdict.SHARE,
    MinerVerdict.STALE: ShareVerdict.STALE,
    MinerVerdict.WEAK: ShareVerdict.WEAK,
    MinerVerdict.REPEATED: ShareVerdict.REPEATED,
}


def client_version() -> str:
    """Return the text of `web3_clientVersion`."""
    return f"Mappemonde/v{version('mappemonde')}/{platform.system().lower()}/python{platform.python_version()}"


class Submission:
    """Takes transactions of this node's users in."""

    def __init__(
        self,
        params: ChainParams,
        pool: Mempool,
        exchange: ExchangeService,
        clock: Callable[[], Millis],
        took: Callable[[SignedTransaction], None],
    ) -> None:
        self._params = params
        self._pool = pool
        self._exchange = exchange
        self._clock = clock
        self._took = took

    async def submit(self, raw: bytes) -> Hash32:
        """Check, journal, pool and publish a raw transaction. Raises `InvalidTransaction`."""
        tx = parse_transaction(raw, self._params.chain_id)
        self._pool.precheck(tx)
        added = self._pool.add(recover_sender(tx), self._clock(), local=True)
        for signed in added.promoted:
            self._took(signed)
        self._exchange.submit(tx)
        return tx.hash


class NodeFacts:
    """What the node knows of itself."""

    def __init__(
        self,
        params: ChainParams,
        started_at: Millis,
        exchange: ExchangeService,
        roles: Callable[[], Mapping[str, bool]],
        alarms: Callable[[], Mapping[str, str]],
    ) -> None:
        self._params = params
        self._started_at = started_at
        self._exchange = exchange
        self._roles = roles
        self._alarms = alarms

    @property
    def params(self) -> ChainParams:
        """Parameters of the chain."""
        return self._params

    @property
    def client_version(self) -> str:
        """Name and version of this program."""
        return client_version()

    @property
    def started_at(self) -> Millis:
        """When the node started."""
        return self._started_at

    def sync(self) -> SyncProgress | None:
        """Return the progress of a catch-up."""
        progress = self._exchange.progress()
        if progress is None:
            return None
        return SyncProgress(progress.start_height, progress.height, progress.target_height)

    def roles(self) -> Mapping[str, bool]:
        """Return what the node does besides following."""
        return self._roles()

    def alarms(self) -> Mapping[str, str]:
        """Return what the operator should know now."""
        return self._alarms()


class NetworkFacts:
    """What the mesh knows."""

    def __init__(
        self,
        own_id: PeerId,
        driver: Driver,
        heights: Callable[[PeerId], int | None],
        health: Callable[[], HealthStatistics | None],
    ) -> None:
        """`heights` tells the best height that a neighbour told of, `health` the figures of the last survey."""
        self._own_id = own_id
        self._driver = driver
        self._heights = heights
        self._health = health

    @property
    def own_id(self) -> PeerId:
        """This node's peer id."""
        return self._own_id

    def peers(self) -> Sequence[PeerFact]:
        """Return the neighbours, longest-lived first."""
        facts = []
        for neighbour in sorted(self._driver.neighbours(), key=lambda link: (link.since, link.peer)):
            received, sent = self._driver.link_traffic(neighbour.link)
            facts.append(
                PeerFact(
                    id=neighbour.peer,
                    kind=neighbour.kind.value,
                    outbound=neighbour.outbound,
                    since=neighbour.since,
                    signalled=neighbour.signalled.value,
                    rtt=neighbour.rtt,
                    head_height=self._heights(neighbour.peer),
                    bytes_in=received,
                    bytes_out=sent,
                )
            )
        return facts

    def map_size(self) -> tuple[int, int]:
        """Return the numbers of peers and confirmed links on the map."""
        view = self._driver.view()
        return len(view), view.confirmed_links

    def map_nodes(self, after: PeerId | None, limit: int) -> Sequence[MapNode]:
        """Return up to `limit` peers of the map in the order of their ids, those after `after`."""
        view = self._driver.view()
        return [_map_node(view, peer) for peer in view.ids_after(after, limit)]

    def map_links(self, node: PeerId) -> Sequence[MapLink]:
        """Return the confirmed links that a peer chose."""
        return [
            MapLink(origin=node, target=link.peer, rtt_class=link.rtt)
            for link in self._driver.view().neighbours(node)
            if link.confirmed and link.direction is Direction.OUT
        ]

    def why(self, peer: PeerId) -> PeerWhy:
        """Return how this node stands with a peer."""
        why = self._driver.why(peer)
        return PeerWhy(
            id=peer,
            on_map=why.on_map,
            reachable=why.reachable,
            linked=None if why.linked is None else why.linked.value,
            banned=why.banned,
            quarantined=why.quarantined,
            attempts=tuple(
                LinkAttempt(
                    started=attempt.started,
                    ended=attempt.ended,
                    kind=attempt.kind.value,
                    outbound=attempt.outbound,
                    step=attempt.step.value,
                    reason=attempt.reason,
                )
                for attempt in why.attempts
            ),
        )

    def health(self) -> Mapping[str, int | float | str]:
        """Return the figures of the map's health; empty before the first survey."""
        found = self._health()
        return {} if found is None else health_figures(found)


CLOCK_PATIENCE = Millis(60_000)
"""How long a start may go without a clock: joining takes seconds, and a first contact that is slow some more."""

MAP_ALARMS: Mapping[str, str] = {
    AlarmKind.WEAK_CUT.value: "two large sides of the network hang together by few links: a partition may come",
    AlarmKind.SINGLE_POINT.value: "one peer or one link holds a large part of the network",
    AlarmKind.PARTITION_SEEN.value: "many linked peers are out of reach: a partition, or they crashed together",
    AlarmKind.MAP_SHRANK.value: "far fewer peers are in reach than within the last hour",
    AlarmKind.DOMAIN_FRAGILE.value: "without one operator, country or release the others would hang together by little",
    AlarmKind.DOMAIN_CONCENTRATION.value: "too many own links lead to one operator, country or release",
}
"""What an alarm of the map says in the node's status; the log's line has the figures of the moment it began."""


def map_alarms(found: HealthStatistics | None) -> dict[str, str]:
    """Return the texts of the map's alarms in force, by kind; none before the first survey."""
    return {} if found is None else {kind: MAP_ALARMS[kind] for kind, on in sorted(found.alarms.items()) if on}


def clock_alarm(*, agreed: bool, waited: Millis) -> dict[str, str]:
    """Return what to tell of a clock that nobody confirmed yet, by kind, `waited` ms after the start."""
    if agreed or waited < CLOCK_PATIENCE:
        return {}
    return {
        "clock_not_agreed": "before this node goes on the map and mines, three nodes met through two first contacts "
        "must tell it the time: another --bootstrap helps"
    }


def health_figures(found: HealthStatistics) -> dict[str, int | float | str]:
    """Return the figures of a survey by their names: those of one failure domain or alarm kind after a dot, the alarms
    in force once more as one text."""
    figures: dict[str, int | float | str] = {}
    for field in fields(found):
        words = field.name.split("_")
        name = words[0] + "".join(word.capitalize() for word in words[1:])
        value: object = getattr(found, field.name)
        entries = (
            {f"{name}.{key}": part for key, part in value.items()} if isinstance(value, Mapping) else {name: value}
        )
        for key, part in entries.items():
            assert isinstance(part, int | float), f"{key} is a figure"
            figures[key] = round(part, 4)
    figures["alarm"] = " ".join(sorted(kind for kind, on in found.alarms.items() if on))
    return figures


def _map_node(view: MapView, peer: PeerId) -> MapNode:
    facts = view.facts(peer)
    assert facts is not None, "the id was on the map in the same call"
    hidden = "punchable" if facts.flags & Flags.PUNCHABLE else "hard"
    reach = "public" if facts.flags & Flags.PUBLIC else hidden
    return MapNode(id=peer, born=facts.born, seen=facts.seq, reachability=reach, degree=facts.confirmed)


class MiningFacts:
    """Work for miners in other processes."""

    def __init__(self, params: ChainParams, mining: MiningService) -> None:
        self._params = params
        self._mining = mining

    def current(self) -> Work | None:
        """Return the work of this moment."""
        work = self._mining.current()
        job = None if work is None else self._mining.miner.job(work.job_id)
        if work is None or job is None:
            return None
        header = job.candidate.header
        return Work(
            id=job.id,
            header=job.prefix + header.nonce,
            height=header.height,
            parent_id=header.parent_id,
            log_target=job.terms.log_target,
            seal_floor=job.terms.log_target + (self._params.seal_floor << 16),
            share_log_target=SHARE_LOG_TARGET,
            limit=work.limit,
            memory_kib=self._params.pow_memory_kib,
        )

    async def submit(self, work_id: Hash32, nonce: bytes, worker: str) -> ShareVerdict:
        """Take a nonce."""
        try:
            return _SHARES[await self._mining.share(work_id, nonce, worker)]
        except TooManyShares as error:
            raise limited(str(error)) from None

    def state(self) -> MiningState:
        """Return how mining goes."""
        found = self._mining.statistics()
        now = self._mining.now()
        workers = [
            MiningWorker(
                name=name,
                shares=account.shares,
                blocks=account.blocks,
                stale=account.stale,
                refused=account.refused,
                last_seen=account.last_seen,
                hash_rate=worker_rate(account, now),
            )
            for name, account in reversed(found.workers.items())
        ]
        return MiningState(
            state=found.state.value,
            height=found.height,
            hash_rate=found.hash_rate,
            hashes=found.hashes,
            best_time=found.best_time,
            published=found.published,
            templates=found.templates,
            workers=workers,
        )


class Admin:
    """What only the operator may ask, by token."""

    def __init__(self, mesh: Mesh, driver: Driver, clock: Callable[[], Millis]) -> None:
        self._mesh = mesh
        self._driver = driver
        self._clock = clock

    def bans(self) -> Sequence[BanFact]:
        """Return the bans in force."""
        return [BanFact(id=ban.peer, reason=ban.reason, until=ban.until) for ban in self._mesh.bans(self._clock())]

    def unban(self, peer: PeerId) -> bool:
        """Lift a ban; it stays lifted after a crash."""
        return self._driver.unban(peer)
