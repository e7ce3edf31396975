"""The one table of what lies where in the database: every prefix, its layout and its version.

A key is one prefix byte and the parts its layout names. Heights are 8 bytes, big-endian, so that keys sort by height.
Changing a layout raises the table's version and `SCHEMA_VERSION`, and adds to the changelog what the operator must do.
"""

from dataclasses import dataclass

from chain.primitives.peer import PeerId
from chain.primitives.units import Hash32

SCHEMA_VERSION = 1
"""Version of the whole database; stamped into it by `migrations.claim`. A newer one is refused."""

HEIGHT_BYTES = 8


@dataclass(frozen=True, slots=True)
class Table:
    """One kind of entry."""

    prefix: bytes
    name: str
    key: str
    """What follows the prefix."""
    value: str
    version: int


META = Table(b"M", "meta", "name as text", "by name: see the META_ keys below", 1)
HEADERS = Table(b"h", "headers", "block id (32)", "msgpack [sealed header, time, err, log target, work, total work]", 1)
BODIES = Table(b"b", "bodies", "block id (32)", "chain.block.encode_body", 1)
RECEIPTS = Table(b"r", "receipts", "block id (32)", "chain.receipt.encode_receipts", 1)
UNDO = Table(b"u", "undo records", "block id (32)", "the hashes (32 each) of the block's transactions, in order", 1)
SUPPLY = Table(
    b"s", "supply", "block id (32)", "msgpack [premine, subsidies, ticket rewards, burnt] as big-endian bytes", 1
)
NODES = Table(b"n", "trie nodes", "keccak256 of the node (32)", "RLP of the node", 1)
BY_HEIGHT = Table(b"i", "blocks by height", "height (8), block id (32)", "empty", 1)
CANONICAL = Table(b"c", "canonical chain", "height (8)", "block id (32)", 1)
TRANSACTIONS = Table(b"x", "canonical transactions", "transaction hash (32)", "block id (32), height (8), index (4)", 1)
BLOBS = Table(b"k", "named blobs of services", "name as text", "the blob", 1)
RECORDS = Table(b"a", "archive of map records", "peer id (32)", "the signed record as received", 1)
JOURNAL = Table(b"j", "mempool journal", "number (8)", "an encoded transaction that RPC accepted", 1)

TABLES = (
    META,
    HEADERS,
    BODIES,
    RECEIPTS,
    UNDO,
    SUPPLY,
    NODES,
    BY_HEIGHT,
    CANONICAL,
    TRANSACTIONS,
    BLOBS,
    RECORDS,
    JOURNAL,
)

META_VERSION = META.prefix + b"version"
"""Schema version, decimal text."""

META_NETWORK = META.prefix + b"network"
"""Network id (32 bytes), then the network's name as text, which only serves error messages."""

META_HEAD = META.prefix + b"head"
"""Id of the canonical head (32 bytes)."""

META_STATE_FLOOR = META.prefix + b"state floor"
"""Height (8 bytes) from which on the state of every stored block is whole, with the registries that blocks on it are
judged by. Below it states were removed (`prune`). Absent while all states are there."""


def block_key(table: Table, block_id: Hash32) -> bytes:
    """Return the key of an entry that goes by a hash: blocks, trie nodes, transactions."""
    return table.prefix + block_id


def height_key(height: int) -> bytes:
    """Return the key of the canonical block of a height."""
    return CANONICAL.prefix + height.to_bytes(HEIGHT_BYTES, "big")


def by_height_key(height: int, block_id: Hash32 | None = None) -> bytes:
    """Return the key of a stored block under its height, or without an id the prefix of all blocks of that height."""
    return BY_HEIGHT.prefix + height.to_bytes(HEIGHT_BYTES, "big") + (block_id or b"")


def blob_key(name: str) -> bytes:
    """Return the key of a named blob."""
    return BLOBS.prefix + name.encode()


def record_key(origin: PeerId) -> bytes:
    """Return the key of a peer's map record."""
    return RECORDS.prefix + origin


def journal_key(number: int) -> bytes:
    """Return the key of a record of the mempool's journal."""
    return JOURNAL.prefix + number.to_bytes(HEIGHT_BYTES, "big")
