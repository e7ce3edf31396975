"""Headers, tickets and blocks: the records and their canonical encodings (DESIGN section 5)."""

from dataclasses import dataclass

from chain.primitives.units import Address, Gas, Hash32, LogTarget, Millis, Wei
from chain.transaction import Transaction

HEADER_VERSION = 1
EXTRA_MAX = 32
NONCE_BYTES = 8


@dataclass(frozen=True, slots=True)
class Header:
    """What is hashed and sealed; the order of the fields is the order on the wire."""

    version: int
    height: int
    parent_id: Hash32
    parent_time: Millis
    """time(parent), ms since the epoch: makes the header checkable on its own."""
    parent_err: int
    """err(parent), the schedule error in ms, signed (rule 1)."""
    mined_at: Millis
    """0, or the moment the block was found if that was at least GAP after the parent's time (rule 5)."""
    miner: Address
    state_root: Hash32
    transactions_root: Hash32
    receipts_root: Hash32
    gas_used: Gas
    base_fee: Wei
    extra: bytes
    """Up to 32 bytes of the miner's choice."""
    ticket_commitment: Hash32
    """keccak256 of the encoded ticket; zero without one."""
    handicap: Millis
    """Rule 3: what the ticket, or its absence, adds to the delay."""
    mix: Hash32
    """Rule 8: the randomness that seeds later epochs."""
    stakes: Hash32
    """Rule 8: commitment to the epoch's stake snapshot."""
    nonce: bytes
    """8 bytes: what miners turn."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A validator's private draw for one parent (rule 8)."""

    validator_key: bytes
    """33-byte compressed secp256k1 key, registered by a deposit."""
    vrf_proof: bytes
    """81 bytes: ECVRF proof of "ticket" ‖ seed(E) ‖ height (rule 11)."""
    reward_address: Address
    signature: bytes
    """64-byte BIP340 signature, tag "mappemonde/ticket", over (chain id, key, parent id, height, reward address)."""


@dataclass(frozen=True, slots=True)
class SealedHeader:
    """A header with the claim of its seal and its ticket: what travels and what is stored."""

    header: Header
    pow: int
    """Claimed Argon2id hash of the header as a big-endian number; true once `SealRules.check_seal` has passed."""
    ticket: Ticket | None


@dataclass(frozen=True, slots=True)
class Block:
    """A sealed header and its body."""

    sealed: SealedHeader
    transactions: tuple[Transaction, ...]


@dataclass(frozen=True, slots=True)
class ChainedHeader:
    """A sealed header in its place: what follows from its ancestors (rules 1 to 6)."""

    sealed: SealedHeader
    id: Hash32
    """keccak256 of the encoded header."""
    time: Millis
    """When the block is ripe, ms since the epoch (rule 5)."""
    err: int
    """Schedule error after this block, ms (rule 1)."""
    log_target: LogTarget
    """lt of this block (rule 2)."""
    work: int
    """Weight of this block (rule 6)."""
    total_work: int
    """Sum of the weights from block 1 to this one."""

    @property
    def header(self) -> Header:
        """The header itself."""
        return self.sealed.header

    @property
    def height(self) -> int:
        """Height of the block."""
        return self.sealed.header.height
