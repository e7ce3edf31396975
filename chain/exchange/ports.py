"""What the exchange needs to read, as it sees it. All of it is called on the loop's thread and must be quick."""

from collections.abc import Iterable
from typing import Protocol

from chain.block import ChainedHeader
from chain.ports import EpochStake
from chain.primitives.units import Hash32
from chain.transaction import SignedTransaction, Transaction


class BlockSource(Protocol):
    """The imported chain: `storage.chain_store` and the importer's head behind one face."""

    def head(self) -> ChainedHeader:
        """Return the adopted head."""

    def chained(self, block_id: Hash32) -> ChainedHeader | None:
        """Return an imported header in its place, canonical or not; None if it is not stored."""

    def canonical_id(self, height: int) -> Hash32 | None:
        """Return the id of the canonical block of a height."""

    def state_floor(self) -> int:
        """Return the height below which states were removed, so that nothing can be judged on blocks there; 0: none."""

    def body(self, block_id: Hash32) -> bytes | None:
        """Return the encoded body of an imported block."""


class StakeSource(Protocol):
    """The stake registry's snapshots by branch; `importer.Importer` implements it."""

    def epoch_stake(self, parent: ChainedHeader) -> EpochStake:
        """Return what the block after `parent` is judged against. `parent` is imported."""


class PoolReader(Protocol):
    """What the exchange looks up in the mempool; `mempool.pool.Mempool` implements it."""

    def get(self, tx_hash: Hash32) -> SignedTransaction | None:
        """Return a transaction of the pool."""

    def hashes(self) -> Iterable[Hash32]:
        """Return the hashes of all transactions of the pool: short ids are matched against them."""

    def is_settled(self, tx_hash: Hash32, age: int, now: int) -> bool:
        """Tell whether a transaction has been in the pool for at least `age` ms, so that others have it too."""

    def precheck(self, tx: Transaction) -> None:
        """Check what needs neither state nor sender. Raises `InvalidTransaction`."""

    def is_local(self, tx_hash: Hash32) -> bool:
        """Tell whether a transaction of the pool came from this node's own user."""

    def by_merit(self) -> Iterable[SignedTransaction]:
        """Return all of the pool in an order in which another pool takes it: what could be mined now first, by tip."""

    def local(self) -> Iterable[SignedTransaction]:
        """Return what this node's own users sent and no block has taken yet."""
