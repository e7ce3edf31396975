"""What this node's pool holds and prefers; all of it can be configured, none of it makes a transaction invalid."""

from dataclasses import dataclass

from chain.primitives.units import Millis, Wei

PRICE_BUMP_NUMERATOR = 11
PRICE_BUMP_DENOMINATOR = 10
"""A replacement pays at least 11/10 of both fees; exactly that is taken, since MetaMask multiplies by 1.1."""

DEFAULT_MIN_TIP = Wei(1_000_000)
"""0.001 gwei: a thousandth of the least base fee."""

DEFAULT_QUEUE_LIFETIME = Millis(3 * 3_600_000)
"""Three hours, as go-ethereum."""


@dataclass(frozen=True, slots=True)
class MempoolPolicy:
    """The operator's settings of the pool."""

    max_transactions: int = 16_384
    """Most transactions held, pending and queued: three full blocks of transfers; about 30 MB of Python objects."""
    max_bytes: int = 32 << 20
    """Most bytes of encoded transactions held: bounds what large data fields take."""
    max_transaction_bytes: int = 128 << 10
    """Longest transaction taken: four of them fit a quarter of a body."""
    max_per_sender: int = 64
    """Most transactions of one sender: one account cannot fill the pool, an exchange's hot wallet still works."""
    max_nonce_gap: int = 1_024
    """A nonce this far above the account's next one is refused: it could not be mined for hours."""
    min_tip: Wei = DEFAULT_MIN_TIP
    """Lowest tip per gas taken : a full pool of spam costs something."""
    queue_lifetime: Millis = DEFAULT_QUEUE_LIFETIME
    """A transaction that waits this long for a lower nonce is dropped."""
    max_journal: int = 8_192
    """Most records in the journal of what RPC accepted; RPC is told that the pool is full beyond."""
    journal_heads: int = 30
    """Head changes for which the journal keeps a mined transaction, in case its block is undone: the depth of
    `finalized` (rule 7)."""
