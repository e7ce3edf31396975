"""Blocks as the methods read them: found by selector, loaded with senders and receipts, and remembered for a while."""

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

from chain.block import ChainedHeader, encode_sealed
from chain.primitives.units import Hash32
from chain.receipt import Receipt, union_bloom
from chain.state import State
from chain.transaction import SignedTransaction
from net.rpc.errors import failed
from net.rpc.kinds import ByHash, Selector, Tag
from net.rpc.ports import ChainReader

CACHED_TRANSACTIONS = 30_000
"""Transactions, with their receipts, of the blocks that are remembered: about 60 MB, five full blocks."""

CACHED_BLOCKS = 2_048
"""Blocks remembered, mostly empty ones."""


@dataclass(frozen=True, slots=True)
class LoadedBlock:
    """A block with everything that its JSON needs."""

    chained: ChainedHeader
    transactions: tuple[SignedTransaction, ...]
    receipts: tuple[Receipt, ...]
    bloom: bytes
    """Union of the receipts' blooms."""
    size_bytes: int
    """Length of the sealed header and the transactions as they travel."""


class Blocks:
    """Finds and loads blocks; safe to use from several threads."""

    def __init__(
        self, chain: ChainReader, *, max_transactions: int = CACHED_TRANSACTIONS, max_blocks: int = CACHED_BLOCKS
    ) -> None:
        self.chain = chain
        self._max_transactions = max_transactions
        self._max_blocks = max_blocks
        self._lock = Lock()
        self._loaded: OrderedDict[Hash32, LoadedBlock] = OrderedDict()
        self._transactions = 0

    def find(self, selector: Selector) -> ChainedHeader | None:
        """Return the header a selector names (`pending` names the head), None if there is none.

        Raises `RpcError` for a block beside the chain that had to be canonical.
        """
        chain = self.chain
        if selector is Tag.LATEST or selector is Tag.PENDING:
            return chain.head()
        if isinstance(selector, int):
            return chain.header_at(selector)
        if isinstance(selector, ByHash):
            found = chain.header(selector.id)
            if found is not None and selector.require_canonical:
                canonical = chain.header_at(found.height)
                if canonical is None or canonical.id != found.id:
                    raise failed("hash is not currently canonical")
            return found
        if selector is Tag.SAFE:
            return chain.safe()
        if selector is Tag.FINALIZED:
            return chain.finalized()
        return chain.header_at(0)

    def require(self, selector: Selector) -> ChainedHeader:
        """Return the header a selector names. Raises `RpcError` when there is none."""
        found = self.find(selector)
        if found is None:
            raise failed("header not found")
        return found

    def state(self, selector: Selector) -> State:
        """Return the state after a block. Raises `RpcError` when there is none."""
        return self.chain.state(self.require(selector))

    def load(self, chained: ChainedHeader) -> LoadedBlock:
        """Return a block with senders and receipts. For workers: 65 µs a transaction unless it is remembered."""
        with self._lock:
            loaded = self._loaded.get(chained.id)
            if loaded is not None:
                self._loaded.move_to_end(chained.id)
                return loaded
        loaded = self._read(chained)
        with self._lock:
            if chained.id not in self._loaded:
                self._loaded[chained.id] = loaded
                self._transactions += len(loaded.transactions)
            while self._loaded and (
                len(self._loaded) > self._max_blocks or self._transactions > self._max_transactions
            ):
                _, dropped = self._loaded.popitem(last=False)
                self._transactions -= len(dropped.transactions)
        return loaded

    def _read(self, chained: ChainedHeader) -> LoadedBlock:
        chain = self.chain
        transactions = tuple(SignedTransaction(tx, chain.sender(tx)) for tx in chain.transactions(chained))
        receipts = chain.receipts(chained)
        assert len(receipts) == len(transactions), f"block {chained.height} has another number of receipts"
        size_bytes = len(encode_sealed(chained.sealed)) + sum(len(signed.tx.raw) for signed in transactions)
        bloom = union_bloom(receipt.bloom for receipt in receipts)
        return LoadedBlock(chained, transactions, receipts, bloom, size_bytes)
