"""The transactions of one sender, by nonce, and which of them could be mined now."""

from dataclasses import dataclass

from chain.primitives.units import Address, Hash32, Millis, Wei
from chain.transaction import SignedTransaction, Transaction


@dataclass(frozen=True, slots=True)
class Entry:
    """One transaction of the pool."""

    signed: SignedTransaction
    number: int
    """Order of arrival in this pool: breaks ties of price."""
    arrived: Millis
    local: bool
    """Whether this node's RPC accepted it: it is in the journal."""
    cost: Wei
    """The most it can take from its sender."""

    @property
    def tx(self) -> Transaction:
        """The transaction."""
        return self.signed.tx

    @property
    def hash(self) -> Hash32:
        """The transaction's hash."""
        return self.signed.tx.hash

    @property
    def size_bytes(self) -> int:
        """Length of its encoding."""
        return len(self.signed.tx.raw)


def effective_tip(tx: Transaction, base_fee: Wei) -> int:
    """Return the tip per gas at a base fee (EIP-1559), negative if the fee cap is below it."""
    return min(tx.max_priority_fee, tx.max_fee - base_fee)


class SenderQueue:
    """The pool's view of one sender; changed by `pool.Mempool` alone.

    Pending are the entries of consecutive nonces from the account's next one whose costs the balance covers together;
    the others are queued. No method leaves a gap below a pending entry.
    """

    __slots__ = ("address", "balance", "entries", "head_number", "nonce", "pending_count", "total_cost")

    def __init__(self, address: Address, nonce: int, balance: Wei, head_number: int) -> None:
        self.address = address
        self.nonce = nonce
        """Nonce of the account's next transaction at the head."""
        self.balance = balance
        self.head_number = head_number
        """Number of the head at which nonce and balance were read."""
        self.entries: dict[int, Entry] = {}
        self.pending_count = 0
        self.total_cost = Wei(0)

    def place(self, entry: Entry) -> Entry | None:
        """Put an entry at its nonce and return the one it replaces. `settle` must follow."""
        replaced = self.entries.get(entry.tx.nonce)
        self.entries[entry.tx.nonce] = entry
        self.total_cost = Wei(self.total_cost + entry.cost - (replaced.cost if replaced else 0))
        return replaced

    def take(self, nonce: int) -> Entry:
        """Remove and return the entry of a nonce. `settle` must follow."""
        entry = self.entries.pop(nonce)
        self.total_cost = Wei(self.total_cost - entry.cost)
        return entry

    def settle(self) -> None:
        """Count again which entries are pending."""
        count, cost = 0, 0
        while (entry := self.entries.get(self.nonce + count)) is not None:
            cost += entry.cost
            if cost > self.balance:
                break
            count += 1
        self.pending_count = count

    def is_pending(self, nonce: int) -> bool:
        """Tell whether the entry of a nonce could be mined now, after those below it."""
        return self.nonce <= nonce < self.nonce + self.pending_count

    def pending(self) -> list[Entry]:
        """Return the pending entries in the order of their nonces."""
        return [self.entries[self.nonce + index] for index in range(self.pending_count)]

    def queued(self) -> list[Entry]:
        """Return the queued entries in the order of their nonces."""
        return [self.entries[nonce] for nonce in sorted(self.entries) if not self.is_pending(nonce)]

    def tail(self) -> Entry:
        """Return the entry of the highest nonce: the only one that nothing here depends on."""
        return self.entries[max(self.entries)]

    def worth(self, base_fee: Wei) -> tuple[int, int]:
        """Return what keeping the tail is worth, lower goes first: (0 if queued else 1, lowest tip up to it).

        A transaction is mined after those below it, so it is worth no more than the poorest of them. So the tail is
        never worth more than the others and dropping tails alone is dropping the lowest tip, without orphans.
        """
        tail = self.tail()
        lowest = min(effective_tip(entry.tx, base_fee) for entry in self.entries.values())
        return int(self.is_pending(tail.tx.nonce)), lowest
