"""What RPC accepted, kept so that a restart does not lose it (DESIGN 4.3)."""

from collections import OrderedDict

from chain.mempool.ports import JournalStore
from chain.primitives.units import Hash32
from chain.rules import InvalidTransaction, TxRule
from chain.transaction import Transaction


class Journal:
    """Numbers the records of a `JournalStore` and forgets those that are no longer needed.

    A record is the encoded transaction. A mined transaction's record stays for some head changes: a block can be
    undone, and a crash between undoing and mining again must not lose it.
    """

    def __init__(self, store: JournalStore, *, max_records: int, keep_heads: int) -> None:
        self._store = store
        self._max_records = max_records
        self._keep_heads = keep_heads
        self._numbers: dict[Hash32, int] = {}
        self._mined: OrderedDict[Hash32, int] = OrderedDict()
        self._next = 0
        self._heads = 0

    def __contains__(self, tx_hash: object) -> bool:
        return tx_hash in self._numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def replay(self) -> list[tuple[int, bytes]]:
        """Return all records, oldest first: called once, at start; `adopt` or `discard` answers each of them."""
        records = list(self._store.records())
        self._next = max((number for number, _ in records), default=-1) + 1
        return records

    def adopt(self, number: int, tx_hash: Hash32) -> None:
        """Keep a replayed record."""
        self._numbers[tx_hash] = number

    def discard(self, numbers: tuple[int, ...]) -> None:
        """Forget replayed records that cannot be read."""
        if numbers:
            self._store.delete(numbers)

    def check_room(self, tx_hash: Hash32) -> None:
        """Raise `InvalidTransaction` (POOL_FULL) when a transaction has no record and none can be added."""
        if tx_hash not in self._numbers and len(self._numbers) >= self._max_records:
            raise InvalidTransaction(TxRule.POOL_FULL, detail="the journal is full")

    def write(self, tx: Transaction) -> None:
        """Keep a transaction, for which there is room; it is durable on return."""
        if tx.hash in self._numbers:
            return
        self._store.append(self._next, tx.raw)
        self._numbers[tx.hash] = self._next
        self._next += 1

    def dropped(self, hashes: list[Hash32]) -> None:
        """Forget transactions that left the pool for good."""
        numbers = [self._numbers.pop(tx_hash) for tx_hash in hashes if tx_hash in self._numbers]
        for tx_hash in hashes:
            self._mined.pop(tx_hash, None)
        if numbers:
            self._store.delete(tuple(numbers))

    def mined(self, hashes: list[Hash32]) -> None:
        """Take note of a new head and of the transactions it mined; forget those mined long ago."""
        self._heads += 1
        for tx_hash in hashes:
            if tx_hash in self._numbers:
                self._mined[tx_hash] = self._heads
                self._mined.move_to_end(tx_hash)
        old = []
        for tx_hash, head in self._mined.items():
            if head + self._keep_heads > self._heads:
                break
            old.append(tx_hash)
        self.dropped(old)

    def undone(self, tx_hash: Hash32) -> None:
        """A mined transaction is pending again."""
        self._mined.pop(tx_hash, None)
