"""The exchange: one class that a driver holds."""

from collections.abc import Callable, Sequence
from random import Random

from chain.block import Block
from chain.exchange.asks import Asks, Tags
from chain.exchange.assembly import Assembly
from chain.exchange.blocks import Blocks
from chain.exchange.bounded import RecentBodies, RecentHashes
from chain.exchange.effects import Effect, Judgement, Penalise, SyncProgress, Tag, Verdict
from chain.exchange.messages import Response, Status, decode_response
from chain.exchange.neighbours import Neighbours
from chain.exchange.policy import ExchangePolicy
from chain.exchange.ports import BlockSource, PoolReader, StakeSource
from chain.exchange.reconcile import Reconciler
from chain.exchange.serve import BUSY, Server
from chain.exchange.statistics import ExchangeStatistics
from chain.exchange.sync import Sync
from chain.exchange.topics import NO_ANSWER, Topic
from chain.exchange.transactions import Transactions
from chain.exchange.waiting import WaitingLists
from chain.params import ChainParams
from chain.ports import SealRules
from chain.primitives.errors import Malformed, Penalty
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from chain.rules import InvalidBlock, InvalidTransaction
from chain.transaction import SignedTransaction, Transaction
from chain.verified import ImportStatus

INVALID_MAX = 1_024
"""Ids of blocks with a true seal and an invalid body that are remembered; each cost its miner a block's work."""

RECENT_BODIES_MAX = 8
"""Bodies kept for neighbours that complete a compact block: at most 8 MiB; two generations of siblings."""

BUSY_REST = Millis(1_000)
"""How long a neighbour that has no budget left for us is not asked for bodies or headers: it refills every second."""

SILENCE_REST = Millis(20_000)
"""How long a neighbour that did not answer in time is not asked for bodies or headers: others are tried meanwhile, and
when all of them were silent, as after a suspended laptop wakes, the node is not left behind for long."""


class Exchange:
    """What this node says to its neighbours about blocks and transactions, and what it does about what they say.

    `now` is the mesh's time: it decides what is ripe. All methods belong to one thread. Results of work may come in any
    order; those of imports in the order of the `Import` effects.
    """

    def __init__(
        self,
        params: ChainParams,
        policy: ExchangePolicy,
        rules: SealRules,
        *,
        source: BlockSource,
        stakes: StakeSource,
        pool: PoolReader,
        rng: Random,
        entropy: Callable[[int], bytes],
    ) -> None:
        tags = Tags()
        invalid = RecentHashes(most=INVALID_MAX, lifetime=None)
        recent = RecentBodies(most=RECENT_BODIES_MAX)
        self._asks = Asks(tags)
        self._neighbours = Neighbours(policy, source, self._asks)
        self._transactions = Transactions(params, pool, self._neighbours, tags)
        self._waiting = WaitingLists(source, pool, self._transactions, entropy=entropy)
        self._server = Server(params, source, self._neighbours, recent, self._waiting)
        self._reconciler = Reconciler(source, pool, self._transactions, self._neighbours, self._asks, rng)
        self._assembly = Assembly(pool, self._transactions, self._neighbours, self._asks, tags)
        self._blocks = Blocks(
            policy,
            rules,
            source=source,
            stakes=stakes,
            pool=pool,
            neighbours=self._neighbours,
            assembly=self._assembly,
            invalid=invalid,
            recent=recent,
            tags=tags,
        )
        self._sync = Sync(
            policy,
            rules,
            source=source,
            neighbours=self._neighbours,
            asks=self._asks,
            invalid=invalid,
            tags=tags,
            rng=rng,
        )

    # the network

    def link_up(self, peer: PeerId, now: Millis, *, features: int) -> list[Effect]:
        """A neighbour can be talked to: ask where it stands. `features` are those that both ends have."""
        self._neighbours.add(peer, now, features=features)
        self._transactions.link_up(now)
        return self._neighbours.tick(now)

    def link_down(self, peer: PeerId, now: Millis) -> list[Effect]:
        """A neighbour is gone; what it owed goes to others."""
        tags = self._asks.of_peer(peer)
        effects: list[Effect] = []
        for tag in tags:
            effects += self._fail(tag, now)
        self._neighbours.remove(peer)
        self._reconciler.link_down(peer)
        return effects + self._sync.consider(now)

    def validate(self, topic: Topic, key: bytes, payload: bytes, sender: PeerId, now: Millis) -> list[Effect]:
        """Judge a published message; a `Verdict` for `key` comes out now or later."""
        match topic:
            case Topic.BLOCK:
                return self._blocks.validate(key, payload, sender, now) + self._neighbours.tick(now)
            case Topic.TRANSACTION:
                return self._transactions.validate(key, payload, sender, now)
            case Topic.SYNC:
                return [Verdict(key, Judgement.REJECT, "nothing is published on this topic")]

    def requested(self, request: int, topic: Topic, peer: PeerId, payload: bytes, now: Millis) -> list[Effect]:
        """Answer a peer's request: `Reply` or `Refuse`, at once."""
        if topic is not Topic.SYNC:
            return [self._server.refuse(request, "nothing is asked on this topic")]
        effects, status = self._server.requested(request, peer, payload, now)
        return effects if status is None else effects + self._learn(peer, status, now)

    def responded(self, tag: Tag, payload: bytes, now: Millis) -> list[Effect]:
        """Take the answer to an `Ask`; one that comes after its time is passed over."""
        peer = self._asks.close(tag)
        if peer is None:
            return []
        try:
            response = decode_response(payload)
        except Malformed as error:
            return [Penalise(peer, error.penalty, str(error)), *self._dispatch_failure(tag, now)]
        return self._dispatch(tag, peer, response, now)

    def request_failed(self, tag: Tag, reason: str, now: Millis) -> list[Effect]:
        """An `Ask` got no answer: refused, silent, or the peer is gone. A budget that is spent is no fault."""
        peer = self._asks.close(tag)
        if peer is None:
            return []
        if reason == NO_ANSWER:
            return self._silent(tag, peer, now)
        if reason == BUSY:
            self._rest(peer, BUSY_REST, now)
        return self._dispatch_failure(tag, now, is_busy=reason == BUSY)

    # results of work

    def seals_checked(self, tag: Tag, results: Sequence[InvalidBlock | None], now: Millis) -> list[Effect]:
        """Take the result of `CheckSeals`, one per header in order."""
        if self._blocks.owns_seal(tag):
            return self._blocks.seals_checked(tag, results, now)
        return self._sync.seals_checked(tag, results, now) if self._sync.owns(tag) else []

    def senders_recovered(
        self, tag: Tag, results: Sequence[SignedTransaction | InvalidTransaction], now: Millis
    ) -> list[Effect]:
        """Take the result of `RecoverSenders`, one per transaction in order."""
        return self._transactions.senders_recovered(tag, results, now) + self._reconciler.advance(now)

    def body_checked(self, tag: Tag, result: tuple[SignedTransaction, ...] | InvalidBlock, now: Millis) -> list[Effect]:
        """Take the result of `CheckBody`."""
        if self._assembly.owns_check(tag):
            return self._blocks.body_checked(tag, result, now)
        return self._sync.body_checked(tag, result, now) if self._sync.owns(tag) else []

    def imported(self, tag: Tag, outcome: ImportStatus | InvalidBlock, now: Millis) -> list[Effect]:
        """Take what the importer said of an `Import`: its status, or the rule it raised."""
        if self._blocks.owns_import(tag):
            effects, block_id = self._blocks.imported(tag, outcome, now)
        elif self._sync.owns_import(tag):
            effects, block_id = self._sync.imported(tag, outcome, now)
        else:
            return []
        if isinstance(outcome, InvalidBlock):
            return effects
        return effects + self._blocks.parent_imported(block_id, now)

    def transaction_added(self, tag: Tag, error: InvalidTransaction | None, now: Millis) -> list[Effect]:
        """Take what the pool said of an `AddTransaction`."""
        return self._transactions.transaction_added(tag, error, now) + self._reconciler.advance(now)

    # this node's own

    def found(self, block: Block, now: Millis) -> list[Effect]:
        """Take a block that this node's miner sealed: same path as a neighbour's. One whose parent is gone, or that a
        better sibling has beaten, is dropped; for one that breaks a rule there is an `OwnRefused`, now or later."""
        return self._blocks.found(block, now)

    def submit(self, tx: Transaction, now: Millis) -> list[Effect]:
        """Publish a transaction that the pool has taken from this node's own user."""
        return self._transactions.submit(tx, now)

    # time

    def tick(self, now: Millis) -> list[Effect]:
        """Do what is due."""
        effects: list[Effect] = []
        for tag in self._asks.expired(now):
            peer = self._asks.close(tag)
            if peer is not None:
                effects += self._silent(tag, peer, now)
        effects += self._neighbours.tick(now)
        effects += self._blocks.tick(now)
        effects += self._transactions.tick(now)
        effects += self._sync.tick(now)
        return effects + self._reconciler.tick(
            now, is_syncing=self._sync.is_active, caught_up=self._sync.imported_blocks
        )

    def deadline(self) -> Millis | None:
        """Return when `tick` next has work, None while nothing waits."""
        parts = (self._asks, self._neighbours, self._blocks, self._transactions, self._sync, self._reconciler)
        return min((due for part in parts if (due := part.deadline()) is not None), default=None)

    # reading

    def sync_progress(self) -> SyncProgress | None:
        """Return the last report of the catch-up that is going on, None if there is none."""
        return self._sync.last_progress if self._sync.is_active else None

    def statuses(self) -> dict[PeerId, Status | None]:
        """Return what each neighbour last said of its head."""
        return {neighbour.peer: neighbour.status for neighbour in self._neighbours.all()}

    def statistics(self) -> ExchangeStatistics:
        """Return sizes and counters."""
        pending, waiting, held = self._blocks.sizes()
        return ExchangeStatistics(
            neighbours=len(self._neighbours),
            blocks_pending=pending,
            blocks_waiting=waiting,
            blocks_held=held,
            blocks_accepted=self._blocks.accepted,
            blocks_rejected=self._blocks.rejected,
            blocks_ignored=self._blocks.ignored,
            blocks_published=self._blocks.published,
            blocks_invalid=self._blocks.invalid_bodies,
            seals_checked=self._blocks.checked_seals,
            parts_from_pool=self._assembly.from_pool,
            parts_fetched=self._assembly.fetched_parts,
            bodies_fetched=self._assembly.fetched_whole,
            transactions_accepted=self._transactions.accepted,
            transactions_rejected=self._transactions.refused,
            transactions_ignored=self._transactions.ignored,
            pools_asked=self._reconciler.lists_asked,
            pools_reconciled=self._reconciler.completed,
            pool_transactions_fetched=self._reconciler.fetched,
            pool_transactions_gained=self._transactions.gained,
            pool_bytes_fetched=self._reconciler.fetched_bytes,
            pools_served=self._waiting.given,
            pool_transactions_served=self._waiting.picked,
            served_bytes=self._server.served_bytes,
            requests_refused=self._server.refused,
            syncing=self._sync.is_active,
            syncs_completed=self._sync.completed,
            syncs_given_up=self._sync.given_up,
        )

    # dispatch

    def _learn(self, peer: PeerId, status: Status, now: Millis) -> list[Effect]:
        neighbour = self._neighbours.get(peer)
        if neighbour is None:
            return []
        neighbour.status = status
        return self._sync.consider(now)

    def _fail(self, tag: Tag, now: Millis) -> list[Effect]:
        self._asks.close(tag)
        return self._dispatch_failure(tag, now)

    def _silent(self, tag: Tag, peer: PeerId, now: Millis) -> list[Effect]:
        if not self._neighbours.owns(tag):
            self._rest(peer, SILENCE_REST, now)
        return [Penalise(peer, Penalty.STRIKE, NO_ANSWER), *self._dispatch_failure(tag, now)]

    def _rest(self, peer: PeerId, length: Millis, now: Millis) -> None:
        neighbour = self._neighbours.get(peer)
        if neighbour is not None:
            neighbour.rests_until = Millis(max(neighbour.rests_until, now + length))

    def _dispatch(self, tag: Tag, peer: PeerId, response: Response, now: Millis) -> list[Effect]:
        if self._neighbours.owns(tag):
            self._neighbours.close(tag)
            if isinstance(response, Status):
                return self._learn(peer, response, now)
            return [Penalise(peer, Penalty.BAN, "an answer to another question")]
        if self._assembly.owns_ask(tag):
            return self._assembly.responded(tag, peer, response, now)
        if self._reconciler.owns(tag):
            return self._reconciler.responded(peer, response, now)
        return self._sync.responded(tag, peer, response, now) if self._sync.owns(tag) else []

    def _dispatch_failure(self, tag: Tag, now: Millis, *, is_busy: bool = False) -> list[Effect]:
        if self._neighbours.owns(tag):
            self._neighbours.close(tag)
            return []
        if self._assembly.owns_ask(tag):
            return self._assembly.failed(tag, now)
        if self._reconciler.owns(tag):
            return self._reconciler.failed(now, is_busy=is_busy)
        return self._sync.failed(tag, now) if self._sync.owns(tag) else []
