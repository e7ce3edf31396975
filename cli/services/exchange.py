"""The exchange of chain objects between mesh, workers, importer and pool: carries its effects out and answers back."""

import logging
from collections.abc import Callable
from typing import Protocol

from chain.block import Block
from chain.exchange import effects as out
from chain.exchange import work
from chain.exchange.exchange import Exchange
from chain.exchange.statistics import ExchangeStatistics
from chain.exchange.topics import Topic
from chain.mempool.pool import Mempool
from chain.params import ChainParams
from chain.ports import SealRules
from chain.primitives.errors import Penalty
from chain.primitives.peer import PeerId, short
from chain.primitives.units import Millis
from chain.rules import InvalidBlock, InvalidTransaction
from chain.transaction import SignedTransaction, Transaction
from chain.verified import ImportResult
from cli.services.chain import ChainService
from cli.services.timer import DeadlineTimer
from cli.workers import Lane, Workers
from net.core.effects import (
    LinkDown,
    LinkKind,
    LinkUp,
    Requested,
    RequestFailed,
    RequestId,
    Responded,
    Validate,
    Verdict,
)

log = logging.getLogger("exchange")

_VERDICTS = {
    out.Judgement.ACCEPT: Verdict.ACCEPT,
    out.Judgement.REJECT: Verdict.REJECT,
    out.Judgement.IGNORE: Verdict.IGNORE,
}


class NetworkPort(Protocol):
    """The mesh's application calls, as `net.transport.driver.Driver` offers them."""

    def publish(self, topic: int, payload: bytes) -> None:
        """Send a message to everybody."""

    def verdict(self, key: bytes, verdict: Verdict) -> None:
        """Judge a message."""

    def penalise(self, peer: PeerId, penalty: Penalty, reason: str) -> None:
        """Charge a peer with a fault."""

    def request(self, peer: PeerId, topic: int, payload: bytes) -> RequestId:
        """Ask a neighbour."""

    def respond(self, request: RequestId, payload: bytes) -> None:
        """Answer a request."""

    def refuse(self, request: RequestId, reason: str) -> None:
        """Refuse a request."""


ExchangeEffect = LinkUp | LinkDown | Validate | Requested | Responded | RequestFailed
"""What the mesh has for the exchange."""


class ExchangeService:
    """Drives one `Exchange`. All methods belong to the event loop."""

    def __init__(
        self,
        params: ChainParams,
        exchange: Exchange,
        rules: SealRules,
        *,
        network: NetworkPort,
        chain: ChainService,
        pool: Mempool,
        workers: Workers,
        clock: Callable[[], Millis],
        took: Callable[[SignedTransaction], None],
        progressed: Callable[[], None],
        refused: Callable[[out.OwnRefused], None],
    ) -> None:
        """`clock` is the mesh's; `took` is told of each network transaction that the pool made pending, `progressed`
        of the beginning, steps and end of a catch-up, `refused` of own blocks that are invalid."""
        self._params = params
        self._exchange = exchange
        self._rules = rules
        self._network = network
        self._chain = chain
        self._pool = pool
        self._workers = workers
        self._clock = clock
        self._took = took
        self._progressed = progressed
        self._refused = refused
        self._tags: dict[RequestId, out.Tag] = {}
        self._progress: out.SyncProgress | None = None
        self._timer = DeadlineTimer(clock, exchange.deadline, self._tick, workers.fail)

    # from the mesh

    def handle(self, effect: ExchangeEffect) -> None:
        """Take one effect of the mesh."""
        now = self._clock()
        match effect:
            case LinkUp(peer=peer, kind=kind, features=features):
                if kind is LinkKind.LISTED:
                    self._carry_out(self._exchange.link_up(peer, now, features=features))
            case LinkDown(peer=peer):
                self._carry_out(self._exchange.link_down(peer, now))
            case Validate():
                topic = Topic(effect.topic)
                self._carry_out(self._exchange.validate(topic, effect.key, effect.payload, effect.sender, now))
            case Requested():
                topic = Topic(effect.topic)
                self._carry_out(self._exchange.requested(effect.request, topic, effect.peer, effect.payload, now))
            case Responded():
                tag = self._tags.pop(effect.request, None)
                if tag is not None:
                    self._carry_out(self._exchange.responded(tag, effect.payload, now))
            case RequestFailed():
                tag = self._tags.pop(effect.request, None)
                if tag is not None:
                    self._carry_out(self._exchange.request_failed(tag, effect.reason, now))

    # from the node

    def start(self) -> None:
        """Begin to do what is due."""
        self._timer.arm()

    def stop(self) -> None:
        """Do nothing more by itself."""
        self._timer.cancel()

    def found(self, block: Block) -> None:
        """Take a block that this node's miner sealed."""
        self._carry_out(self._exchange.found(block, self._clock()))

    def submit(self, tx: Transaction) -> None:
        """Publish a transaction of this node's user that the pool has taken."""
        self._carry_out(self._exchange.submit(tx, self._clock()))

    def progress(self) -> out.SyncProgress | None:
        """Return how far the catch-up is, None when there is none."""
        return self._progress

    def statistics(self) -> ExchangeStatistics:
        """Return the counters."""
        return self._exchange.statistics()

    def peer_height(self, peer: PeerId) -> int | None:
        """Return the best height that a neighbour told of."""
        status = self._exchange.statuses().get(peer)
        return None if status is None else status.height

    # the effects

    def _tick(self) -> None:
        self._carry_out(self._exchange.tick(self._clock()))

    def _carry_out(self, effects: list[out.Effect]) -> None:
        for effect in effects:
            self._one(effect)
        self._timer.arm()

    def _one(self, effect: out.Effect) -> None:
        match effect:
            case out.Ask():
                request = self._network.request(effect.peer, effect.topic, effect.payload)
                self._tags[request] = effect.tag
            case out.Reply():
                self._network.respond(RequestId(effect.request), effect.payload)
            case out.Refuse():
                self._network.refuse(RequestId(effect.request), effect.reason)
            case out.Verdict():
                if effect.reason:
                    log.debug("message %s: %s: %s", effect.key.hex()[:8], effect.judgement.value, effect.reason)
                self._network.verdict(effect.key, _VERDICTS[effect.judgement])
            case out.Publish():
                self._network.publish(effect.topic, effect.payload)
            case out.Penalise():
                log.warning("peer %s: %s", short(effect.peer), effect.reason, extra={"repeats": True})
                self._network.penalise(effect.peer, effect.penalty, effect.reason)
            case out.OutOfReach():
                log.warning(
                    "peer %s has a heavier chain, up to block %d, that forks off at block %d: the states below block "
                    "%d were removed here (db prune), so it cannot be followed. If the others agree with it, sync anew",
                    short(effect.peer),
                    effect.height,
                    effect.fork_height,
                    effect.state_floor,
                    extra={"repeats": True},
                )
            case out.AddTransaction():
                self._add_transaction(effect)
            case out.Import():
                self._import(effect)
            case out.OwnRefused():
                self._refused(effect)
            case out.SyncProgress():
                self._show(effect)
            case _:
                self._work(effect)

    def _work(self, effect: out.CheckSeals | out.RecoverSenders | out.CheckBody) -> None:
        """Hand slow, pure work to a thread."""
        match effect:
            case out.CheckSeals(tag=tag, checks=checks, urgent=urgent):
                self._workers.do(
                    Lane.URGENT if urgent else Lane.BULK,
                    lambda: work.check_seals(self._rules, checks),
                    lambda found: self._carry_out(self._exchange.seals_checked(tag, found, self._clock())),
                )
            case out.RecoverSenders(tag=tag, transactions=transactions):
                self._workers.do(
                    Lane.BULK,
                    lambda: work.recover_senders(transactions),
                    lambda found: self._carry_out(self._exchange.senders_recovered(tag, found, self._clock())),
                )
            case out.CheckBody(tag=tag, header=header, body=body, urgent=urgent):
                self._workers.do(
                    Lane.URGENT if urgent else Lane.BULK,
                    lambda: work.check_body(self._params, header, body, self._pool.get),
                    lambda found: self._carry_out(self._exchange.body_checked(tag, found, self._clock())),
                )

    def _add_transaction(self, effect: out.AddTransaction) -> None:
        now = self._clock()
        try:
            added = self._pool.add(effect.signed, now, local=False)
        except InvalidTransaction as error:
            self._carry_out(self._exchange.transaction_added(effect.tag, error, now))
            return
        for signed in added.promoted:
            self._took(signed)
        self._carry_out(self._exchange.transaction_added(effect.tag, None, now))

    def _import(self, effect: out.Import) -> None:
        def done(outcome: ImportResult | InvalidBlock) -> None:
            if isinstance(outcome, InvalidBlock):
                log.warning("block %s is invalid: %s", effect.block_id.hex()[:12], outcome, extra={"repeats": True})
                self._carry_out(self._exchange.imported(effect.tag, outcome, self._clock()))
                return
            assert outcome.status is not None, "adding a block has a status"
            self._carry_out(self._exchange.imported(effect.tag, outcome.status, self._clock()))

        self._chain.add(effect.block, done)

    def _show(self, progress: out.SyncProgress) -> None:
        finished = progress.phase is out.SyncPhase.DONE
        self._progress = None if finished else progress
        self._progressed()
        behind = progress.target_height - progress.height
        if not finished and behind > 1:
            left = f", {progress.left // 1000} s left" if progress.left is not None else ""
            log.info(
                "catching up: %s, block %d of %d, %.1f blocks/s from %d peers%s",
                progress.phase.value,
                progress.height,
                progress.target_height,
                progress.milliblocks_per_second / 1000,
                progress.peers,
                left,
                extra={"repeats": True},
            )
