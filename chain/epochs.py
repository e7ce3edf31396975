"""What a block of an epoch is judged against: seed and stake snapshot on the block's own branch (rule 8)."""

from chain.block import ChainedHeader
from chain.params import ChainParams
from chain.ports import ChainStore, EpochStake
from chain.primitives.errors import StorageError
from chain.primitives.units import ZERO_HASH, Hash32
from chain.staking_snapshot import snapshot
from chain.state import State

SNAPSHOT_AGE = 3
"""The snapshot for epoch E is taken at the last block of epoch E - 3, at block 0 for epochs 0 to 2."""

SEED_AGE = 2
"""The seed of epoch E is the mix at the last block of epoch E - 2: known only when the stakes are fixed."""

KEPT = 4
"""Epoch records kept in memory, the least recently used goes first: the running epoch, the next one near a border, and
the same of one rival branch. A record of 10,000 validators is 2 MB."""


class EpochStakes:
    """Epoch records by branch, with the last few remembered. Any thread may ask."""

    def __init__(self, params: ChainParams, store: ChainStore) -> None:
        self._params = params
        self._store = store
        self._kept: dict[tuple[Hash32, Hash32], EpochStake] = {}

    def after(self, parent: ChainedHeader) -> EpochStake:
        """Return what the block after `parent` is judged against. `parent` is stored. 30 µs per validator if new."""
        epoch = self._params.epoch(parent.height + 1)
        # Epochs 0 to 2 look back to block 0, whose registry is empty; tickets are not valid then.
        source = self._last_block(parent, epoch - SNAPSHOT_AGE) or self._ancestor(parent, 0)
        seeded = self._last_block(parent, epoch - SEED_AGE)
        seed = ZERO_HASH if seeded is None else seeded.header.mix
        key = (source.id, seed)
        kept = self._kept
        found = kept.get(key) or self._read(source, seed)
        # A new dict in one assignment instead of a lock: a reader on another thread sees the old or the new one.
        others = [item for item in kept.items() if item[0] != key]
        self._kept = dict([*others[1 - KEPT :], (key, found)])
        return found

    def _read(self, source: ChainedHeader, seed: Hash32) -> EpochStake:
        found = snapshot(State(self._store, source.header.state_root))
        return EpochStake(seed, found.total, found.issued, found.root, found.stakes, found.commitment)

    def _last_block(self, block: ChainedHeader, epoch: int) -> ChainedHeader | None:
        """Return the ancestor of `block` that ended an epoch; None before the first."""
        return None if epoch < 0 else self._ancestor(block, (epoch + 1) * self._params.epoch_length - 1)

    def _ancestor(self, block: ChainedHeader, height: int) -> ChainedHeader:
        """Return the ancestor of a height: down the branch to the canonical chain, and there by the index."""
        while block.height > height:
            if self._store.canonical_id(block.height) == block.id:
                block_id = self._store.canonical_id(height)
                # The head may have moved between the two reads; only an index that still holds the block counts.
                if block_id is not None and self._store.canonical_id(block.height) == block.id:
                    return self._require(block_id)
            else:
                block = self._require(block.header.parent_id)
        return block

    def _require(self, block_id: Hash32) -> ChainedHeader:
        found = self._store.chained(block_id)
        if found is None:
            raise StorageError(
                f"block {block_id.hex()} is missing, the database is damaged: run `mappemonde db repair`"
            )
        return found
