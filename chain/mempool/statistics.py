"""What the pool counts."""

from collections.abc import Mapping
from dataclasses import dataclass

from chain.primitives.units import Gas, Wei


@dataclass(frozen=True, slots=True)
class MempoolStatistics:
    """Sizes now and counters since start; read in O(1)."""

    pending: int
    queued: int
    size_bytes: int
    senders: int
    journalled: int
    added: int
    replaced: int
    evicted: int
    """Dropped because the pool was full."""
    expired: int
    """Dropped because they waited too long for a lower nonce, or their sender can no longer pay."""
    mined: int
    restored: int
    """Taken back from undone blocks or the journal."""
    refused: Mapping[str, int]
    """By the name of the rule."""


@dataclass(frozen=True, slots=True)
class FeeStatistics:
    """What waits for the coming blocks at a base fee: the ground of fee advice."""

    base_fee: Wei
    pending: int
    """Pending transactions whose fee cap covers the base fee."""
    pending_gas: Gas
    """Sum of their gas limits."""
    tips: tuple[Wei, ...]
    """The tip that gets into the 1st, 2nd, ... coming block in place of somebody: the lowest of the best transactions
    that fill it; 0 when that block is not full yet."""
