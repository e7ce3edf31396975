"""Transactions of types 0, 1 and 2, as Ethereum encodes and signs them (EIP-155, EIP-2718, EIP-2930, EIP-1559)."""

from dataclasses import dataclass
from enum import IntEnum

from chain.primitives.units import Address, Gas, Hash32, Wei


class TxType(IntEnum):
    """EIP-2718 type byte; legacy transactions have none on the wire."""

    LEGACY = 0
    ACCESS_LIST = 1
    DYNAMIC_FEE = 2


@dataclass(frozen=True, slots=True)
class AccessEntry:
    """One account of an access list (EIP-2930): charged for, otherwise unused, since there is no EVM."""

    address: Address
    slots: tuple[Hash32, ...]


@dataclass(frozen=True, slots=True)
class Transaction:
    """A decoded transaction; built only by `decode_transaction`, which guarantees ranges and canonical form."""

    type: TxType
    chain_id: int
    """EIP-155 chain id; always present: unprotected legacy transactions are refused."""
    nonce: int
    """Number of transactions the sender sent before, below 2^64 - 1 (EIP-2681)."""
    max_priority_fee: Wei
    """Highest tip per gas; for types 0 and 1 the gas price."""
    max_fee: Wei
    """Highest total fee per gas; for types 0 and 1 the gas price."""
    gas_limit: Gas
    to: Address
    """Receiver; creation is refused at decoding."""
    value: Wei
    data: bytes
    access_list: tuple[AccessEntry, ...]
    y_parity: int
    """0 or 1 (legacy: v - 35 - 2 * chain_id)."""
    r: int
    s: int
    """At most half the group order (EIP-2)."""
    raw: bytes
    """Encoding as it travels and is hashed: the type byte and RLP payload, or RLP alone for legacy."""
    hash: Hash32
    """keccak256(raw)."""
    signing_hash: Hash32
    """What the sender signed."""


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """A transaction whose sender has been recovered (65 µs, so it is done once, in worker threads)."""

    tx: Transaction
    sender: Address
