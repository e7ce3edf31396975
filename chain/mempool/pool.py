"""The mempool: transactions that wait for a block, by sender and nonce (DESIGN 4.3)."""

from collections import Counter
from collections.abc import Iterator, KeysView, Mapping, Sequence
from dataclasses import dataclass

from chain.mempool.eviction import EvictionOrder
from chain.mempool.journal import Journal
from chain.mempool.order import best_first, fee_statistics
from chain.mempool.policy import PRICE_BUMP_DENOMINATOR, PRICE_BUMP_NUMERATOR, MempoolPolicy
from chain.mempool.ports import AccountReader, JournalStore
from chain.mempool.sender_queue import Entry, SenderQueue
from chain.mempool.statistics import FeeStatistics, MempoolStatistics
from chain.params import ChainParams
from chain.primitives.units import Address, Hash32, Millis, Wei
from chain.rules import InvalidTransaction, TxRule
from chain.transaction import (
    SignedTransaction,
    Transaction,
    check_gas_and_fees,
    parse_transaction,
    recover_sender,
    upfront_cost,
)


@dataclass(frozen=True, slots=True)
class Added:
    """What taking a transaction did to the pool."""

    pending: bool
    """Whether it could be mined now; otherwise it waits for a lower nonce."""
    replaced: SignedTransaction | None
    promoted: tuple[SignedTransaction, ...]
    """Transactions that became pending, in the order of their nonces, itself included."""
    evicted: tuple[Hash32, ...]
    """Transactions that had to leave."""


@dataclass(frozen=True, slots=True)
class HeadChanged:
    """What a change of the head did to the pool."""

    mined: int
    dropped: tuple[Hash32, ...]
    """Transactions that can no longer be mined, or waited too long."""
    restored: tuple[SignedTransaction, ...]
    """Transactions of undone blocks that are pending again."""


class Mempool:
    """Transactions by sender and nonce. One thread changes it; `get` may be called from any."""

    def __init__(
        self,
        params: ChainParams,
        policy: MempoolPolicy,
        journal: JournalStore,
        *,
        accounts: AccountReader,
        base_fee: Wei,
    ) -> None:
        """`accounts` is the state after the head, `base_fee` that of the block to come."""
        self._params = params
        self._policy = policy
        self._journal = Journal(journal, max_records=policy.max_journal, keep_heads=policy.journal_heads)
        self._accounts = accounts
        self._base_fee = base_fee
        self._head_number = 0
        self._entries: dict[Hash32, Entry] = {}
        self._senders: dict[Address, SenderQueue] = {}
        self._order = EvictionOrder(self._senders)
        self._size = 0
        self._pending = 0
        self._next_number = 0
        self._counts: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()

    # taking

    def precheck(self, tx: Transaction) -> None:
        """Check what needs neither state nor sender. Raises `InvalidTransaction`; 3 µs."""
        try:
            self._check_alone(tx)
        except InvalidTransaction as error:
            self._refused[error.rule.name] += 1
            raise

    def add(self, signed: SignedTransaction, now: Millis, *, local: bool) -> Added:
        """Take a transaction; if `local`, it is in the journal when this returns. Raises `InvalidTransaction`."""
        try:
            self._check_alone(signed.tx)
            added = self._add(signed, now, local=local)
        except InvalidTransaction as error:
            self._refused[error.rule.name] += 1
            raise
        self._counts["added"] += 1
        return added

    def restore(self, now: Millis) -> tuple[SignedTransaction, ...]:
        """Take what the journal holds: called once at start. Returns what is in the pool again."""
        kept: list[SignedTransaction] = []
        useless: list[int] = []
        mined: list[Hash32] = []
        refused: list[Hash32] = []
        for number, raw in self._journal.replay():
            try:
                signed = recover_sender(parse_transaction(raw, self._params.chain_id))
            except InvalidTransaction:
                useless.append(number)
                continue
            self._journal.adopt(number, signed.tx.hash)
            try:
                self._check_alone(signed.tx)
                self._add(signed, now, local=True)
            except InvalidTransaction as error:
                # mined meanwhile, in a block that can still be undone, or written under other settings
                (mined if error.rule is TxRule.NONCE_LOW else refused).append(signed.tx.hash)
            else:
                kept.append(signed)
        self._journal.discard(tuple(useless))
        self._journal.dropped(refused)
        self._journal.mined(mined)
        self._counts["restored"] += len(kept)
        return tuple(kept)

    def head_changed(
        self,
        applied: Sequence[SignedTransaction],
        undone: Sequence[SignedTransaction],
        *,
        accounts: AccountReader,
        base_fee: Wei,
        now: Millis,
    ) -> HeadChanged:
        """Follow the chain: `applied` and `undone` are the transactions of the blocks that joined and left it.

        `accounts` is the state after the new head, `base_fee` that of the block to come.
        """
        self._accounts, self._base_fee = accounts, base_fee
        self._head_number += 1
        mined = {signed.tx.hash for signed in applied}
        # who else may have more or less now, by a reward, is looked at when its next transaction comes
        touched = {account for signed in (*applied, *undone) for account in (signed.sender, signed.tx.to)}
        mined_here = [tx_hash for tx_hash in mined if tx_hash in self._entries]
        for queue in {id(queue): queue for queue in [self._drop(self._entries[item]) for item in mined_here]}.values():
            self._settle(queue)
        self._journal.mined([signed.tx.hash for signed in applied])
        dropped: list[Hash32] = []
        for address in sorted(touched & set(self._senders)):
            dropped += self._refresh(self._senders[address])
        dropped += self._expire(now)
        self._order.reprice(base_fee)
        restored = self._take_back([signed for signed in undone if signed.tx.hash not in mined], now)
        self._journal.dropped(dropped)
        self._counts["mined"] += len(mined_here)
        self._counts["expired"] += len(dropped)
        return HeadChanged(mined=len(mined_here), dropped=tuple(dropped), restored=tuple(restored))

    # reading

    def get(self, tx_hash: Hash32) -> SignedTransaction | None:
        """Return a transaction of the pool."""
        entry = self._entries.get(tx_hash)
        return entry.signed if entry else None

    def hashes(self) -> KeysView[Hash32]:
        """Return the hashes of all transactions, in the order of their arrival or replacement."""
        return self._entries.keys()

    def is_settled(self, tx_hash: Hash32, age: int, now: int) -> bool:
        """Tell whether a transaction has been here for at least `age` ms, so that other nodes have it too."""
        entry = self._entries.get(tx_hash)
        return entry is not None and entry.arrived + age <= now

    def is_local(self, tx_hash: Hash32) -> bool:
        """Tell whether a transaction of the pool is one that this node's RPC accepted."""
        entry = self._entries.get(tx_hash)
        return entry is not None and entry.local

    def is_pending(self, tx_hash: Hash32) -> bool:
        """Tell whether a transaction could be mined now."""
        entry = self._entries.get(tx_hash)
        return entry is not None and self._senders[entry.signed.sender].is_pending(entry.tx.nonce)

    def next_nonce(self, address: Address) -> int:
        """Return the nonce after the account's last pending transaction: the count at the tag `pending`."""
        queue = self._senders.get(address)
        if queue is None or queue.head_number != self._head_number:
            nonce = self._accounts.account(address).nonce
            return nonce if queue is None else max(nonce, queue.nonce + queue.pending_count)
        return queue.nonce + queue.pending_count

    def pending(self, base_fee: Wei) -> Iterator[SignedTransaction]:
        """Yield what could be mined at a base fee, best tip first, each sender's in order: a deterministic snapshot."""
        return best_first([queue.pending() for queue in self._senders.values()], base_fee)

    def by_merit(self) -> Iterator[SignedTransaction]:
        """Yield everything in an order in which another pool takes it: what could be mined next, best tip first, then
        the others by sender; each sender's in the order of their nonces."""
        best = list(self.pending(self._base_fee))
        yield from best
        if len(best) == len(self._entries):
            return
        listed = {signed.tx.hash for signed in best}
        for _, queue in sorted(self._senders.items()):
            for nonce in sorted(queue.entries):
                if queue.entries[nonce].hash not in listed:
                    yield queue.entries[nonce].signed

    def fee_statistics(self, base_fee: Wei) -> FeeStatistics:
        """Return what fills the coming blocks at a base fee; one pass over the pool, 55 ms when it is full."""
        return fee_statistics([queue.pending() for queue in self._senders.values()], base_fee, self._params.gas_limit)

    def content(self) -> Mapping[Address, tuple[tuple[SignedTransaction, ...], tuple[SignedTransaction, ...]]]:
        """Return all transactions by sender, pending and queued, in the order of their nonces."""
        return {
            address: (
                tuple(entry.signed for entry in queue.pending()),
                tuple(entry.signed for entry in queue.queued()),
            )
            for address, queue in sorted(self._senders.items())
        }

    def local(self) -> tuple[SignedTransaction, ...]:
        """Return what this node's RPC accepted and is not mined: it is published again from time to time."""
        return tuple(entry.signed for entry in self._entries.values() if entry.local)

    def statistics(self) -> MempoolStatistics:
        """Return sizes and counters."""
        return MempoolStatistics(
            pending=self._pending,
            queued=len(self._entries) - self._pending,
            size_bytes=self._size,
            senders=len(self._senders),
            journalled=len(self._journal),
            added=self._counts["added"],
            replaced=self._counts["replaced"],
            evicted=self._counts["evicted"],
            expired=self._counts["expired"],
            mined=self._counts["mined"],
            restored=self._counts["restored"],
            refused=dict(self._refused),
        )

    # checks, cheap first

    def _check_alone(self, tx: Transaction) -> None:
        if tx.hash in self._entries:
            raise InvalidTransaction(TxRule.ALREADY_KNOWN)
        if len(tx.raw) > self._policy.max_transaction_bytes:
            raise InvalidTransaction(TxRule.SIZE, expected=self._policy.max_transaction_bytes, got=len(tx.raw))
        check_gas_and_fees(tx, self._params.gas_limit)
        if tx.max_fee < self._params.initial_base_fee:
            raise InvalidTransaction(TxRule.FEE_BELOW_BASE, expected=self._params.initial_base_fee, got=tx.max_fee)
        if tx.max_priority_fee < self._policy.min_tip:
            raise InvalidTransaction(TxRule.UNDERPRICED, expected=self._policy.min_tip, got=tx.max_priority_fee)

    def _check_in_queue(self, tx: Transaction, queue: SenderQueue) -> Entry | None:
        """Return the entry that must make room inside the sender's own queue, None if there is room."""
        if tx.nonce < queue.nonce:
            raise InvalidTransaction(TxRule.NONCE_LOW, expected=queue.nonce, got=tx.nonce)
        if tx.nonce > queue.nonce + self._policy.max_nonce_gap:
            raise InvalidTransaction(TxRule.NONCE_HIGH, expected=queue.nonce, got=tx.nonce)
        old = queue.entries.get(tx.nonce)
        crowded = None
        if old is not None:
            _check_bump(old.tx, tx)
        elif len(queue.entries) >= self._policy.max_per_sender:
            crowded = queue.tail()
            if crowded.tx.nonce < tx.nonce:
                raise InvalidTransaction(TxRule.ACCOUNT_LIMIT, expected=self._policy.max_per_sender)
        leaving = old or crowded
        needed = queue.total_cost + upfront_cost(tx) - (leaving.cost if leaving else 0)
        if needed > queue.balance:
            raise InvalidTransaction(TxRule.FUNDS, expected=needed, got=queue.balance)
        return crowded

    # changes

    def _add(self, signed: SignedTransaction, now: Millis, *, local: bool) -> Added:
        tx = signed.tx
        if tx.hash in self._entries:
            raise InvalidTransaction(TxRule.ALREADY_KNOWN)
        queue = self._queue(signed.sender)
        crowded = self._check_in_queue(tx, queue)
        if local:
            self._journal.check_room(tx.hash)
        entry = Entry(signed, self._next_number, now, local, upfront_cost(tx))
        self._next_number += 1
        before = queue.pending_count
        if crowded is not None:
            self._remove(crowded)
        replaced = self._place(queue, entry)
        evicted = self._make_room(entry)
        if entry.hash not in self._entries:
            leaving = replaced or crowded
            if leaving is not None:
                self._place(self._queue(signed.sender), leaving)
            raise InvalidTransaction(TxRule.UNDERPRICED, detail="the pool is full of better ones")
        if local:
            self._journal.write(tx)
        gone = [*evicted, *([crowded.hash] if crowded else []), *([replaced.hash] if replaced else [])]
        self._journal.dropped(gone)
        self._counts["evicted"] += len(evicted)
        self._counts["replaced"] += replaced is not None
        promoted = tuple(
            later.signed for later in queue.pending() if later is entry or later.tx.nonce >= queue.nonce + before
        )
        return Added(
            pending=queue.is_pending(tx.nonce),
            replaced=replaced.signed if replaced else None,
            promoted=promoted,
            evicted=tuple(evicted),
        )

    def _queue(self, address: Address) -> SenderQueue:
        """Return the sender's queue with its account as of the present head."""
        queue = self._senders.get(address)
        if queue is None:
            account = self._accounts.account(address)
            return SenderQueue(address, account.nonce, account.balance, self._head_number)
        if queue.head_number != self._head_number:
            dropped = self._refresh(queue)
            self._journal.dropped(dropped)
            self._counts["expired"] += len(dropped)
        return queue

    def _refresh(self, queue: SenderQueue) -> list[Hash32]:
        """Read the account again; drop what is used up or beyond its balance, highest nonces first."""
        account = self._accounts.account(queue.address)
        queue.nonce, queue.balance, queue.head_number = account.nonce, account.balance, self._head_number
        stale = [entry for nonce, entry in queue.entries.items() if nonce < queue.nonce]
        for entry in stale:
            self._remove(entry)
        while queue.entries and queue.total_cost > queue.balance:
            stale.append(queue.tail())
            self._remove(queue.tail())
        if queue.entries:
            self._settle(queue)
        return [entry.hash for entry in stale]

    def _expire(self, now: Millis) -> list[Hash32]:
        limit = now - self._policy.queue_lifetime
        old = [
            entry
            for queue in list(self._senders.values())
            if len(queue.entries) > queue.pending_count
            for entry in queue.queued()
            if entry.arrived < limit
        ]
        for entry in old:
            self._remove(entry)
        return [entry.hash for entry in old]

    def _take_back(self, undone: list[SignedTransaction], now: Millis) -> list[SignedTransaction]:
        restored = []
        for signed in sorted(undone, key=lambda item: (item.sender, item.tx.nonce)):
            local = signed.tx.hash in self._journal
            try:
                self._check_alone(signed.tx)
                self._add(signed, now, local=local)
            except InvalidTransaction:
                # no longer valid on the new branch, or this pool's policy would not take it: as if it came anew
                continue
            self._journal.undone(signed.tx.hash)
            restored.append(signed)
        self._counts["restored"] += len(restored)
        return restored

    def _make_room(self, newcomer: Entry) -> list[Hash32]:
        """Drop the poorest tails until the pool fits its bounds; the newcomer may be among them."""
        evicted: list[Entry] = []
        while len(self._entries) > self._policy.max_transactions or self._size > self._policy.max_bytes:
            first = self._order.first()
            assert first is not None, "a pool over its bounds is not empty"
            queue = self._senders[first[0]]
            tail = queue.tail()
            self._remove(tail)
            if tail is newcomer:
                # what left for a newcomer that does not stay comes back
                for entry in reversed(evicted):
                    self._place(self._queue(entry.signed.sender), entry)
                return []
            evicted.append(tail)
        return [entry.hash for entry in evicted]

    def _place(self, queue: SenderQueue, entry: Entry) -> Entry | None:
        self._senders.setdefault(queue.address, queue)
        replaced = queue.place(entry)
        if replaced is not None:
            del self._entries[replaced.hash]
            self._size -= replaced.size_bytes
        self._entries[entry.hash] = entry
        self._size += entry.size_bytes
        self._settle(queue)
        return replaced

    def _remove(self, entry: Entry) -> None:
        self._settle(self._drop(entry))

    def _drop(self, entry: Entry) -> SenderQueue:
        """Take an entry out; `_settle` must follow for its queue."""
        queue = self._senders[entry.signed.sender]
        queue.take(entry.tx.nonce)
        del self._entries[entry.hash]
        self._size -= entry.size_bytes
        return queue

    def _settle(self, queue: SenderQueue) -> None:
        before = queue.pending_count
        queue.settle()
        self._pending += queue.pending_count - before
        if not queue.entries:
            del self._senders[queue.address]
        self._order.update(queue.address, self._base_fee)


def _check_bump(old: Transaction, new: Transaction) -> None:
    """A replacement pays at least a tenth more on both fees, so that replacing is no free way to fill links."""
    for before, after in ((old.max_fee, new.max_fee), (old.max_priority_fee, new.max_priority_fee)):
        if after * PRICE_BUMP_DENOMINATOR < before * PRICE_BUMP_NUMERATOR:
            least = -(-before * PRICE_BUMP_NUMERATOR // PRICE_BUMP_DENOMINATOR)
            raise InvalidTransaction(TxRule.REPLACEMENT, expected=least, got=after)
