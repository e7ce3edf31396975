"""Headers, tickets and blocks: the records and their canonical encodings (DESIGN section 5)."""

from collections.abc import Sequence
from dataclasses import dataclass

from chain.params import ChainParams
from chain.primitives.canonical import integer_bytes, pack, unpack
from chain.primitives.errors import Malformed
from chain.primitives.fields import bytes_field, int_field, list_field, wide_int_field
from chain.primitives.hashing import keccak256
from chain.primitives.units import ZERO_HASH, Address, Gas, Hash32, LogTarget, Millis, Wei
from chain.rules import InvalidTransaction
from chain.transaction import TX_GAS, Transaction, parse_transaction

HEADER_VERSION = 1
EXTRA_MAX = 32
NONCE_BYTES = 8
KEY_BYTES = 33
VRF_PROOF_BYTES = 81
SIGNATURE_BYTES = 64

HEADER_MAX_BYTES = 394
"""Longest encoded header: seven hashes of 34 bytes, `extra` and base fee as much at most, 22 for the miner, 10 for the
nonce, 9 for each of five integers, 5 for the handicap, 3 each for the version and the array."""

TICKET_MAX_BYTES = 207
"""An encoded ticket has 207 bytes."""

SEALED_MAX_BYTES = HEADER_MAX_BYTES + TICKET_MAX_BYTES + 48

_HEADER_FIELDS = 18
_TIME_LIMIT = 1 << 53
"""Times and heights stay below 2^53, so that they are exact in JSON and in doubles (rule 5)."""
_VERSION_LIMIT = 1 << 16
_HANDICAP_LIMIT = 1 << 32


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
    """Per gas, burnt (EIP-1559); travels as minimal big-endian bytes, since nothing bounds it to 64 bits."""
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
    """Claimed Argon2id hash of the header as a big-endian number; true once `SealRules.check_seal` has passed. Travels
    as minimal big-endian bytes."""
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


def encode_header(header: Header) -> bytes:
    """Return what is hashed and sealed: an array whose last 8 bytes are the nonce, so that miners turn it in place."""
    return pack(
        [
            header.version,
            header.height,
            header.parent_id,
            header.parent_time,
            header.parent_err,
            header.mined_at,
            header.miner,
            header.state_root,
            header.transactions_root,
            header.receipts_root,
            header.gas_used,
            integer_bytes(header.base_fee),
            header.extra,
            header.ticket_commitment,
            header.handicap,
            header.mix,
            header.stakes,
            header.nonce,
        ]
    )


def decode_header(raw: bytes) -> Header:
    """Return the header that `raw` is the only encoding of. Raises `Malformed`."""
    fields = list_field(unpack(raw, max_bytes=HEADER_MAX_BYTES, max_items=_HEADER_FIELDS), count=_HEADER_FIELDS)
    return Header(
        version=int_field(fields[0], below=_VERSION_LIMIT),
        height=int_field(fields[1], below=_TIME_LIMIT),
        parent_id=_hash(fields[2]),
        parent_time=Millis(int_field(fields[3], below=_TIME_LIMIT)),
        parent_err=int_field(fields[4], least=-_TIME_LIMIT, below=_TIME_LIMIT),
        mined_at=Millis(int_field(fields[5], below=_TIME_LIMIT)),
        miner=Address(bytes_field(fields[6], size=20)),
        state_root=_hash(fields[7]),
        transactions_root=_hash(fields[8]),
        receipts_root=_hash(fields[9]),
        gas_used=Gas(int_field(fields[10])),
        base_fee=Wei(wide_int_field(fields[11])),
        extra=bytes_field(fields[12], most=EXTRA_MAX),
        ticket_commitment=_hash(fields[13]),
        handicap=Millis(int_field(fields[14], below=_HANDICAP_LIMIT)),
        mix=_hash(fields[15]),
        stakes=_hash(fields[16]),
        nonce=bytes_field(fields[17], size=NONCE_BYTES),
    )


def _hash(value: object) -> Hash32:
    return Hash32(bytes_field(value, size=32))


def header_id(header: Header) -> Hash32:
    """Return the id of a block: keccak256 of its encoded header."""
    return keccak256(encode_header(header))


def encode_ticket(ticket: Ticket) -> bytes:
    """Return the ticket's canonical encoding."""
    return pack([ticket.validator_key, ticket.vrf_proof, ticket.reward_address, ticket.signature])


def decode_ticket(raw: bytes) -> Ticket:
    """Return the ticket that `raw` encodes; its proof and signature are not checked. Raises `Malformed`."""
    fields = list_field(unpack(raw, max_bytes=TICKET_MAX_BYTES, max_items=4), count=4)
    return Ticket(
        validator_key=bytes_field(fields[0], size=KEY_BYTES),
        vrf_proof=bytes_field(fields[1], size=VRF_PROOF_BYTES),
        reward_address=Address(bytes_field(fields[2], size=20)),
        signature=bytes_field(fields[3], size=SIGNATURE_BYTES),
    )


def ticket_commitment(ticket: Ticket | None) -> Hash32:
    """Return what a header says of its ticket: keccak256 of its encoding, zero without one."""
    return ZERO_HASH if ticket is None else keccak256(encode_ticket(ticket))


def encode_sealed(sealed: SealedHeader) -> bytes:
    """Return `(header, claimed pow, ticket)` as they travel and are stored."""
    ticket = None if sealed.ticket is None else encode_ticket(sealed.ticket)
    return pack([encode_header(sealed.header), integer_bytes(sealed.pow), ticket])


def decode_sealed(raw: bytes) -> SealedHeader:
    """Return the sealed header that `raw` encodes. Raises `Malformed`."""
    fields = list_field(unpack(raw, max_bytes=SEALED_MAX_BYTES, max_items=3), count=3)
    return SealedHeader(
        header=decode_header(bytes_field(fields[0])),
        pow=wide_int_field(fields[1]),
        ticket=None if fields[2] is None else decode_ticket(bytes_field(fields[2])),
    )


def encode_body(transactions: Sequence[Transaction]) -> bytes:
    """Return the transactions of a block: an array of their envelopes."""
    return pack([tx.raw for tx in transactions])


def encoded_size(raw: bytes) -> int:
    """Return how many bytes of a body a transaction's envelope takes."""
    size = len(raw)
    return size + (2 if size < 1 << 8 else 3 if size < 1 << 16 else 5)


def decode_body(raw: bytes, params: ChainParams) -> tuple[Transaction, ...]:
    """Return the transactions of a body, senders not recovered. Raises `Malformed`, for an invalid transaction too."""
    most = params.gas_limit // TX_GAS
    items = list_field(unpack(raw, max_bytes=params.max_body_bytes, max_items=most), most=most)
    try:
        return tuple(parse_transaction(bytes_field(item), params.chain_id) for item in items)
    except InvalidTransaction as error:
        raise Malformed(f"a transaction of the body is invalid: {error}") from None


def encode_block(block: Block) -> bytes:
    """Return a sealed header with its body."""
    return pack([encode_sealed(block.sealed), encode_body(block.transactions)])


def decode_block(raw: bytes, params: ChainParams) -> Block:
    """Return the block that `raw` encodes; that body and header belong together is not checked. Raises `Malformed`."""
    most = params.max_body_bytes + SEALED_MAX_BYTES + 16
    fields = list_field(unpack(raw, max_bytes=most, max_items=2), count=2)
    return Block(
        sealed=decode_sealed(bytes_field(fields[0], most=SEALED_MAX_BYTES)),
        transactions=decode_body(bytes_field(fields[1]), params),
    )
