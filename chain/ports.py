"""What the chain needs from outside, as its consumers see it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from chain.block import ChainedHeader, SealedHeader
from chain.primitives.units import Hash32, Wei


class NodeReader(Protocol):
    """Where trie nodes lie, by hash."""

    def trie_node(self, node_hash: Hash32) -> bytes | None:
        """Return the RLP of a node, None if it is not there."""


@dataclass(frozen=True, slots=True)
class EpochStake:
    """What a block of an epoch is judged against: the snapshot of epoch E-3 and the seed of E-2 on its own branch."""

    seed: Hash32
    """mix at the last block of epoch E-2; zero for E < 2."""
    total: Wei
    """Sum of the active stakes."""
    issued: Wei
    """Coins issued up to the snapshot: subsidies and ticket rewards, and a devnet's premine."""
    root: Hash32
    """Binary Merkle root of (key, stake), sorted by key."""
    stakes: Mapping[bytes, Wei]
    """Active stake by 33-byte validator key."""
    commitment: Hash32
    """What the header's `stakes` must be: keccak256(msgpack[total, issued, root])."""


class SealRules(Protocol):
    """Who may seal and when; `consensus.rules.ConsensusRules` implements it."""

    def chain(self, sealed: SealedHeader, parent: ChainedHeader) -> ChainedHeader:
        """Check all that header, claim and parent say, which is cheap, and return the header in its place.

        Raises `InvalidBlock`. Neither the ticket's proof nor the seal is checked yet.
        """

    def check_stake(self, sealed: SealedHeader, stake: EpochStake) -> None:
        """Check the ticket, the handicap, the mix's source and the stakes commitment. Raises `InvalidBlock`. 1 ms."""

    def check_seal(self, sealed: SealedHeader) -> None:
        """Check the claimed hash by one Argon2id. Raises `InvalidBlock`. 2 ms, releases the GIL: for workers."""

    def schedule_work(self, block: ChainedHeader) -> int:
        """Return W(lt) of a block: the weight the schedule gives it, whatever its hash shows (rule 7's unit)."""


@dataclass(frozen=True, slots=True)
class Supply:
    """Where all coins up to one block came from and went."""

    premine: Wei
    """Allocations of the genesis document."""
    subsidies: Wei
    """Sum of S(n) (rule 9)."""
    ticket_rewards: Wei
    """Sum of the rewards minted for tickets (rule 9)."""
    burnt: Wei
    """Base fees destroyed."""

    @property
    def issued(self) -> Wei:
        """Coins ever made."""
        return Wei(self.premine + self.subsidies + self.ticket_rewards)


@dataclass(frozen=True, slots=True)
class StoredBlock:
    """A block that has been executed: everything that one atomic batch adds for it."""

    chained: ChainedHeader
    body: bytes
    """Encoded transactions (`block.encode_body`)."""
    receipts: bytes
    """Encoded receipts (`receipt.encode_receipts`)."""
    trie_nodes: Mapping[Hash32, bytes]
    """State and storage trie nodes that are new with this block."""
    transaction_hashes: tuple[Hash32, ...]
    supply: Supply
    """After this block, on its own branch."""


@dataclass(frozen=True, slots=True)
class HeadMove:
    """A change of the canonical chain: blocks to undo, newest first, then blocks to apply, oldest first."""

    undo: tuple[Hash32, ...]
    apply: tuple[Hash32, ...]
    head: Hash32


@dataclass(frozen=True, slots=True)
class TransactionPlace:
    """Where a mined transaction stands on the canonical chain."""

    block_id: Hash32
    height: int
    index: int


class ChainStore(NodeReader, Protocol):
    """Blocks, receipts, trie nodes and the canonical index; `storage.chain_store.ChainStore` implements it.

    Reads may come from any thread; writes come from the importer's thread alone.
    """

    def commit(self, block: StoredBlock | None, move: HeadMove | None) -> None:
        """Write a block, a change of the head, or both, in one atomic and durable batch with its undo record."""

    def head_id(self) -> Hash32 | None:
        """Return the id of the canonical head, None in an empty database."""

    def chained(self, block_id: Hash32) -> ChainedHeader | None:
        """Return a stored header in its place, canonical or not."""

    def body(self, block_id: Hash32) -> bytes | None:
        """Return the encoded body of a stored block."""

    def receipts(self, block_id: Hash32) -> bytes | None:
        """Return the encoded receipts of a stored block."""

    def supply(self, block_id: Hash32) -> Supply | None:
        """Return what was issued and burnt up to a stored block."""

    def state_floor(self) -> int:
        """Return the height from which on the state of every stored block is whole: below it states were removed."""

    def canonical_id(self, height: int) -> Hash32 | None:
        """Return the id of the canonical block of a height."""

    def ids_at(self, height: int) -> tuple[Hash32, ...]:
        """Return the ids of all stored blocks of a height, canonical or not."""

    def transaction_place(self, tx_hash: Hash32) -> TransactionPlace | None:
        """Return where a transaction stands on the canonical chain, None if it does not."""
