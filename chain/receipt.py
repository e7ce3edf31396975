"""Receipts and logs as Ethereum encodes them (yellow paper 4.3.1; EIP-658 status; EIP-2718 envelopes)."""

from dataclasses import dataclass

from chain.primitives.units import Address, Gas, Hash32
from chain.transaction import TxType


@dataclass(frozen=True, slots=True)
class Log:
    """An event of the staking account, the only one that emits any."""

    address: Address
    topics: tuple[Hash32, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a transaction did."""

    type: TxType
    succeeded: bool
    cumulative_gas_used: Gas
    """Gas used in the block up to and with this transaction."""
    bloom: bytes
    """256-byte filter of the logs' addresses and topics (yellow paper 4.3.1)."""
    logs: tuple[Log, ...]
