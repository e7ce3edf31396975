"""What readers see of the chain: the canonical chain and the stored blocks beside it, from any thread.

A view holds no lock and no state but caches: the head is one immutable record of the importer, replaced after its
batch is on disk, and everything else is looked up by ids that never change their meaning. A reader that wants one
consistent picture takes a head first and asks for the rest by it.
"""

from typing import Protocol

from chain.block import Block, ChainedHeader, decode_body
from chain.fork_choice import HeadMarks
from chain.params import ChainParams
from chain.ports import ChainStore, Supply, TransactionPlace
from chain.primitives.cache import Cache
from chain.primitives.errors import Malformed, StorageError
from chain.primitives.units import Address, Hash32
from chain.receipt import Receipt, decode_receipts
from chain.rules import InvalidTransaction
from chain.state import State
from chain.transaction import Transaction, recover_sender
from chain.trie_nodes import NodeCache

SENDERS_CACHE = 16_384
"""Senders remembered, at most twice as many: 200 bytes each. Recovering one takes 65 µs."""

BODIES_CACHE = 32
"""Decoded bodies and receipts remembered, at most twice as many: a wallet asks for the same block several times. A full
block has 5,700 transactions, 8 MB decoded; such blocks are rare."""

READER_CACHE_NODES = 8_192
"""Decoded state nodes, up to twice as many, that all readers share: what wallets poll, about 16 MB at most. Without it
a balance costs 60 µs of decoding, with it 10."""


class HeadSource(Protocol):
    """Who knows the head; `importer.Importer` implements it."""

    def marks(self) -> HeadMarks:
        """Return head, safe and finalized block in one consistent record."""


class ChainView:
    """Reads only; safe from any thread."""

    def __init__(self, store: ChainStore, params: ChainParams, heads: HeadSource) -> None:
        self._store = store
        self._params = params
        self._heads = heads
        self._senders: Cache[Hash32, Address] = Cache(SENDERS_CACHE)
        self._bodies: Cache[Hash32, tuple[Transaction, ...]] = Cache(BODIES_CACHE)
        self._nodes = NodeCache(READER_CACHE_NODES)
        self._receipts: Cache[Hash32, tuple[Receipt, ...]] = Cache(BODIES_CACHE)

    @property
    def params(self) -> ChainParams:
        """Parameters of the chain."""
        return self._params

    def head(self) -> ChainedHeader:
        """Return the canonical head; its state is readable from the moment this returns it."""
        return self._heads.marks().head

    def safe(self) -> ChainedHeader:
        """Return the deepest block that fork choice holds safe (rule 7)."""
        return self._heads.marks().safe

    def finalized(self) -> ChainedHeader:
        """Return the deepest block that fork choice holds finalized (rule 7)."""
        return self._heads.marks().finalized

    def header(self, block_id: Hash32) -> ChainedHeader | None:
        """Return a stored header, canonical or not."""
        return self._store.chained(block_id)

    def chained(self, block_id: Hash32) -> ChainedHeader | None:
        """Return a stored header, canonical or not: `header` under the name that the exchange's port has."""
        return self._store.chained(block_id)

    def header_at(self, height: int) -> ChainedHeader | None:
        """Return the canonical header of a height, None above the head."""
        block_id = self._store.canonical_id(height)
        return None if block_id is None else self._store.chained(block_id)

    def canonical_id(self, height: int) -> Hash32 | None:
        """Return the id of the canonical block of a height, None above the head."""
        return self._store.canonical_id(height)

    def state_floor(self) -> int:
        """Return the height below which states were removed; 0: none were."""
        return self._store.state_floor()

    def body(self, block_id: Hash32) -> bytes | None:
        """Return the encoded body of a stored block: what is served to other nodes."""
        return self._store.body(block_id)

    def block(self, block_id: Hash32) -> Block | None:
        """Return a stored block with its body."""
        found = self._store.chained(block_id)
        return None if found is None else Block(found.sealed, self.transactions(found))

    def transactions(self, block: ChainedHeader) -> tuple[Transaction, ...]:
        """Return the body of a stored block."""
        known = self._bodies.get(block.id)
        if known is None:
            raw = self._store.body(block.id)
            try:
                known = decode_body(_present(raw, block, "body"), self._params)
            except Malformed as error:
                raise _damaged(block, f"body: {error}") from None
            self._bodies.put(block.id, known)
        return known

    def receipts(self, block: ChainedHeader) -> tuple[Receipt, ...]:
        """Return the receipts of a stored block, as many as it has transactions."""
        known = self._receipts.get(block.id)
        if known is None:
            raw = self._store.receipts(block.id)
            try:
                known = decode_receipts(_present(raw, block, "receipts"))
            except Malformed as error:
                raise _damaged(block, f"receipts: {error}") from None
            self._receipts.put(block.id, known)
        return known

    def place(self, tx_hash: Hash32) -> TransactionPlace | None:
        """Return where a transaction stands on the canonical chain."""
        return self._store.transaction_place(tx_hash)

    def sender(self, tx: Transaction) -> Address:
        """Return the sender of a mined transaction (65 µs unless remembered; releases the GIL)."""
        known = self._senders.get(tx.hash)
        if known is None:
            try:
                known = recover_sender(tx).sender
            except InvalidTransaction as error:
                raise StorageError(
                    f"transaction {tx.hash.hex()} is damaged ({error}): run `mappemonde db repair`"
                ) from None
            self._senders.put(tx.hash, known)
        return known

    def state(self, block: ChainedHeader) -> State:
        """Return the state after a block, to be read by the caller alone; what it writes reaches nobody.

        States of blocks below `state_floor` may have been removed; reading a node that is missing raises
        `trie.MissingNode`.
        """
        return State(self._store, block.header.state_root, self._nodes)

    def supply(self, block: ChainedHeader) -> Supply:
        """Return what has been issued and burnt up to a stored block."""
        found = self._store.supply(block.id)
        if found is None:
            raise _damaged(block, "the supply is missing")
        return found


def _present(raw: bytes | None, block: ChainedHeader, what: str) -> bytes:
    if raw is None:
        raise _damaged(block, f"the {what} is missing")
    return raw


def _damaged(block: ChainedHeader, what: str) -> StorageError:
    return StorageError(f"block {block.id.hex()} is damaged ({what}): run `mappemonde db repair`")
