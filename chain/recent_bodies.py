"""The transactions of recent blocks with their senders, so that a reorganisation need not recover them again."""

from chain.block import decode_body
from chain.params import ChainParams
from chain.ports import ChainStore
from chain.primitives.errors import Malformed, StorageError
from chain.primitives.units import Hash32
from chain.rules import InvalidTransaction
from chain.transaction import SignedTransaction, recover_sender

TRANSACTIONS_MAX = 20_000
"""Transactions kept, of the newest blocks; about 30 MB. Recovering a full block's senders takes 0.4 s."""


class RecentBodies:
    """Bodies by block id, the oldest forgotten first. For one thread."""

    def __init__(self, params: ChainParams, store: ChainStore) -> None:
        self._params = params
        self._store = store
        self._kept: dict[Hash32, tuple[SignedTransaction, ...]] = {}
        self._count = 0

    def put(self, block_id: Hash32, transactions: tuple[SignedTransaction, ...]) -> None:
        """Keep a body."""
        if block_id in self._kept:
            return
        self._kept[block_id] = transactions
        self._count += len(transactions)
        while len(self._kept) > 1 and (self._count > TRANSACTIONS_MAX or len(self._kept) > TRANSACTIONS_MAX // 16):
            self._count -= len(self._kept.pop(next(iter(self._kept))))

    def get(self, block_id: Hash32) -> tuple[SignedTransaction, ...]:
        """Return the body of a stored block. Raises `StorageError` when it is not there or damaged."""
        kept = self._kept.get(block_id)
        return self._read(block_id) if kept is None else kept

    def _read(self, block_id: Hash32) -> tuple[SignedTransaction, ...]:
        raw = self._store.body(block_id)
        try:
            if raw is not None:
                return tuple(recover_sender(tx) for tx in decode_body(raw, self._params))
        except (Malformed, InvalidTransaction):
            pass
        raise StorageError(f"the body of block {block_id.hex()} is missing or damaged: run `mappemonde db repair`")
