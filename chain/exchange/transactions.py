"""Transactions of the network: checked cheap first, judged by the pool, relayed if it takes them."""

from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass

from chain.exchange.asks import Tags
from chain.exchange.bounded import RecentHashes
from chain.exchange.effects import (
    AddTransaction,
    Effect,
    Judgement,
    Penalise,
    Publish,
    RecoverSenders,
    Tag,
    Verdict,
)
from chain.exchange.neighbours import Neighbours
from chain.exchange.ports import PoolReader
from chain.exchange.topics import TRANSACTION_MAX_BYTES, Topic
from chain.params import ChainParams
from chain.primitives.errors import Penalty
from chain.primitives.hashing import keccak256
from chain.primitives.peer import PeerId
from chain.primitives.units import Hash32, Millis
from chain.rules import InvalidTransaction, TxRule
from chain.transaction import SignedTransaction, Transaction, parse_transaction

REJECTED_MAX = 8_192
"""Hashes of refused transactions that are remembered; the oldest goes first."""

REJECTED_LIFETIME = Millis(120_000)
"""How long they are: a block's time, after which nonce, balance or the pool's price may have changed."""

QUEUE_MAX = 1_024
"""Transactions that wait for a worker; beyond it new ones are ignored: 65 ms of work, or 70 ms on two workers."""

BATCH_MAX = 128
"""Transactions per piece of work: 8 ms of a worker."""

BATCHES_MAX = 2
"""Pieces of work at once, so that seals of new blocks never wait long behind them."""

REPUBLISH_INTERVAL = Millis(600_000)
"""Own transactions that no block has taken are published again this often: nodes that joined or restarted lack them."""

TELL_AFTER = Millis(5_000)
"""How soon after a link comes up those go out that nobody was told of, sent while the node had no link or before it was
restarted: more links than one are up by then, and none of them alone can swallow them."""

REPUBLISH_MAX = 64
"""Most of them at a time."""

SHOWN_AFTER = Millis(5_000)
"""How long a transaction is here before neighbours that ask what waits here are told of it. The relay has brought it to
everybody by then, so whoever asks learns neither sooner nor from another place what it would have learnt anyway."""

POLICY_RULES = frozenset(
    {
        TxRule.ALREADY_KNOWN,
        TxRule.REPLACEMENT,
        TxRule.UNDERPRICED,
        TxRule.ACCOUNT_LIMIT,
        TxRule.POOL_FULL,
        TxRule.FEE_BELOW_BASE,
        TxRule.NONCE_LOW,
        TxRule.NONCE_HIGH,
        TxRule.FUNDS,
        TxRule.SIZE,
    }
)
"""What another node may see otherwise, by its settings or its head: never a fault of who relays it."""


@dataclass(slots=True)
class Batch:
    """Transactions that one neighbour gave when it was asked for them; changed by `Transactions` alone."""

    peer: PeerId
    waiting: int = 0
    """How many are on their way to the pool."""
    useful: int = 0
    """How many the pool took, or had already."""
    at_fault: bool = False
    """One of them can never be valid."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    tx: Transaction
    origin: bytes | Batch
    """The relay's name of the message that brought it, or the answer."""


class Transactions:
    """The TRANSACTION topic, and what neighbours gave when they were asked for it: both take the same way."""

    def __init__(self, params: ChainParams, pool: PoolReader, neighbours: Neighbours, tags: Tags) -> None:
        self._params = params
        self._pool = pool
        self._neighbours = neighbours
        self._tags = tags
        self._rejected = RecentHashes(most=REJECTED_MAX, lifetime=REJECTED_LIFETIME)
        self._hashes: set[Hash32] = set()
        self._queue: deque[_Waiting] = deque()
        self._batches: dict[Tag, tuple[_Waiting, ...]] = {}
        self._adding: OrderedDict[Tag, _Waiting] = OrderedDict()
        self._fetched = 0
        self._told: dict[Hash32, Millis] = {}
        self._next_republish: Millis | None = None
        self.accepted = 0
        self.refused = 0
        self.ignored = 0
        self.gained = 0

    def validate(self, key: bytes, payload: bytes, sender: PeerId, now: Millis) -> list[Effect]:
        """Judge a published transaction as far as that is cheap, and queue it for a worker."""
        if len(payload) > TRANSACTION_MAX_BYTES:
            return self._judge(key, Judgement.REJECT, TxRule.SIZE.value)
        tx_hash = keccak256(payload)
        is_secret = self.is_secret(tx_hash)
        if tx_hash in self._hashes or (self._pool.get(tx_hash) is not None and not is_secret):
            return self._judge(key, Judgement.IGNORE, TxRule.ALREADY_KNOWN.value)
        if self._rejected.has(tx_hash, now):
            return self._judge(key, Judgement.IGNORE, "refused before")
        neighbour = self._neighbours.get(sender)
        is_full = len(self._hashes) - self._fetched >= QUEUE_MAX
        if neighbour is None or is_full or not neighbour.transactions.take(1, now):
            return self._judge(key, Judgement.IGNORE, "no room")
        if is_secret:
            # Passed on as by who lacked it: whoever publishes another's transaction shall not see whose it is.
            self._told[tx_hash] = now
            return self._judge(key, Judgement.ACCEPT, "")
        try:
            tx = parse_transaction(payload, self._params.chain_id)
            self._pool.precheck(tx)
        except InvalidTransaction as error:
            self._rejected.add(tx_hash, now)
            return self._refuse(key, error)
        self._hashes.add(tx_hash)
        self._queue.append(_Waiting(tx, key))
        return self._flush()

    def take(self, given: Sequence[bytes], peer: PeerId, now: Millis) -> tuple[Batch, list[Effect]]:
        """Judge what a neighbour gave when it was asked, by the rules of the topic. Nothing of it is relayed: who lacks
        it asks as this node did. The first fault that shows ends the reading; the batch is done when none `waiting`."""
        batch, effects = Batch(peer), list[Effect]()
        for raw in given:
            tx_hash = keccak256(raw)
            if tx_hash in self._hashes or self._pool.get(tx_hash) is not None:
                batch.useful += 1
                if self.is_secret(tx_hash):
                    self._told[tx_hash] = now  # from now on shown as if it had come with the others
                continue
            if self._rejected.has(tx_hash, now):
                continue
            try:
                tx = parse_transaction(raw, self._params.chain_id)
                self._pool.precheck(tx)
            except InvalidTransaction as error:
                self._rejected.add(tx_hash, now)
                effects += self._refuse(batch, error)
                if batch.at_fault:
                    break
                continue
            self._hashes.add(tx_hash)
            self._queue.append(_Waiting(tx, batch))
            batch.waiting += 1
            self._fetched += 1
        return batch, effects + self._flush()

    def is_shown(self, tx_hash: Hash32, now: Millis) -> bool:
        """Tell whether a neighbour that asks may learn that a transaction waits here; an own one not before it was
        published, or given by a neighbour, for it would name its origin."""
        if not self._pool.is_local(tx_hash):
            return self._pool.is_settled(tx_hash, SHOWN_AFTER, now)
        told = self._told.get(tx_hash)
        return told is not None and told + SHOWN_AFTER <= now

    def is_secret(self, tx_hash: Hash32) -> bool:
        """Tell whether a transaction of the pool is an own one that nobody knows to be here: this process has neither
        published it nor been given it. To neighbours the node acts as if it lacked it."""
        return self._pool.is_local(tx_hash) and tx_hash not in self._told

    def owns(self, tag: Tag) -> bool:
        """Tell whether a piece of work is this part's."""
        return tag in self._batches or tag in self._adding

    def senders_recovered(
        self, tag: Tag, results: Sequence[SignedTransaction | InvalidTransaction], now: Millis
    ) -> list[Effect]:
        """Offer the transactions whose sender is known to the pool."""
        effects: list[Effect] = []
        for waiting, result in zip(self._batches.pop(tag), results, strict=True):
            if isinstance(result, InvalidTransaction):
                self._arrived(waiting)
                self._rejected.add(waiting.tx.hash, now)
                effects += self._refuse(waiting.origin, result)
            else:
                adding = self._tags.next()
                self._adding[adding] = waiting
                effects.append(AddTransaction(adding, result))
        return effects + self._flush()

    def transaction_added(self, tag: Tag, error: InvalidTransaction | None, now: Millis) -> list[Effect]:
        """Relay what the pool took."""
        waiting = self._adding.pop(tag)
        self._arrived(waiting)
        if error is None:
            return self._judge(waiting.origin, Judgement.ACCEPT, "")
        self._rejected.add(waiting.tx.hash, now)
        return self._refuse(waiting.origin, error)

    def submit(self, tx: Transaction, now: Millis) -> list[Effect]:
        """Publish an own transaction, and again later until a block takes it."""
        self._due_by(Millis(now + REPUBLISH_INTERVAL))
        self._tell([tx], now)
        return [Publish(Topic.TRANSACTION, tx.raw)]

    def link_up(self, now: Millis) -> None:
        """Begin to wait for the next time that own transactions are published."""
        untold = any(self.is_secret(signed.tx.hash) for signed in self._pool.local())
        self._due_by(Millis(now + (TELL_AFTER if untold else REPUBLISH_INTERVAL)))

    def _due_by(self, moment: Millis) -> None:
        self._next_republish = moment if self._next_republish is None else min(self._next_republish, moment)

    def tick(self, now: Millis) -> list[Effect]:
        """Publish own transactions when that is due: those that nobody was told of, and others again."""
        if self._next_republish is None or now < self._next_republish:
            return []
        own = [signed.tx for signed in self._pool.local()]
        self._told = {tx.hash: self._told[tx.hash] for tx in own if tx.hash in self._told}
        untold = [tx for tx in own if self.is_secret(tx.hash)]
        settled = [tx for tx in own if self._pool.is_settled(tx.hash, REPUBLISH_INTERVAL // 2, now)]
        due = (untold or settled)[:REPUBLISH_MAX]
        self._tell(due, now)
        self._next_republish = Millis(now + (TELL_AFTER if untold and len(self._neighbours) else REPUBLISH_INTERVAL))
        return [Publish(Topic.TRANSACTION, tx.raw) for tx in due]

    def deadline(self) -> Millis | None:
        """Return when `tick` has work."""
        return self._next_republish

    def _tell(self, published: Sequence[Transaction], now: Millis) -> None:
        if len(self._neighbours):
            for tx in published:
                self._told.setdefault(tx.hash, now)

    def _arrived(self, waiting: _Waiting) -> None:
        self._hashes.discard(waiting.tx.hash)
        if isinstance(waiting.origin, Batch):
            waiting.origin.waiting -= 1
            self._fetched -= 1

    def _flush(self) -> list[Effect]:
        effects: list[Effect] = []
        while self._queue and len(self._batches) < BATCHES_MAX:
            batch = tuple(self._queue.popleft() for _ in range(min(BATCH_MAX, len(self._queue))))
            tag = self._tags.next()
            self._batches[tag] = batch
            effects.append(RecoverSenders(tag, tuple(waiting.tx for waiting in batch)))
        return effects

    def _refuse(self, origin: bytes | Batch, error: InvalidTransaction) -> list[Effect]:
        judgement = Judgement.IGNORE if error.rule in POLICY_RULES else Judgement.REJECT
        return self._judge(origin, judgement, str(error))

    def _judge(self, origin: bytes | Batch, judgement: Judgement, reason: str) -> list[Effect]:
        if isinstance(origin, Batch):
            return self._judge_given(origin, judgement, reason)
        match judgement:
            case Judgement.ACCEPT:
                self.accepted += 1
            case Judgement.REJECT:
                self.refused += 1
            case Judgement.IGNORE:
                self.ignored += 1
        return [Verdict(origin, judgement, reason)]

    def _judge_given(self, batch: Batch, judgement: Judgement, reason: str) -> list[Effect]:
        match judgement:
            case Judgement.ACCEPT:
                self.gained += 1
                batch.useful += 1
            case Judgement.REJECT:
                # as the relay charges for an invalid message
                batch.at_fault = True
                return [Penalise(batch.peer, Penalty.STRIKE, reason)]
            case Judgement.IGNORE:
                pass
        return []
