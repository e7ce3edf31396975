"""What the exchange counts."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ExchangeStatistics:
    """Sizes now and counters since start; read in O(1)."""

    neighbours: int
    blocks_pending: int
    """Announced blocks between claim and import."""
    blocks_waiting: int
    """Announced blocks whose parent is not imported."""
    blocks_held: int
    """Unripe blocks that are not relayed yet."""
    blocks_accepted: int
    blocks_rejected: int
    blocks_ignored: int
    blocks_published: int
    """Own blocks."""
    blocks_invalid: int
    """With a true seal."""
    seals_checked: int
    """Argon2id runs for announced blocks."""
    parts_from_pool: int
    """Transactions of announced blocks that the pool had."""
    parts_fetched: int
    bodies_fetched: int
    """Bodies of announced blocks that were fetched whole."""
    transactions_accepted: int
    transactions_rejected: int
    transactions_ignored: int
    pools_asked: int
    """Neighbours that were asked what waits in their pools."""
    pools_reconciled: int
    """Of them, those that gave all that was lacking here and wanted."""
    pool_transactions_fetched: int
    pool_transactions_gained: int
    """Of them, those that the pool took."""
    pool_bytes_fetched: int
    pools_served: int
    """Lists of what waits here that neighbours were given."""
    pool_transactions_served: int
    served_bytes: int
    requests_refused: int
    syncing: bool
    syncs_completed: int
    """Branches, or segments of one, that were imported to their end."""
    syncs_given_up: int
