"""Saving what can be saved of a damaged database: `mappemonde db repair`.

LevelDB's own repair keeps the entries it can read and loses the others, so what it leaves may have holes. The chain is
then cut back to the last block up to which everything is whole, its state and the registries that later blocks are
judged by included, and the node syncs the rest again. A pruned database has no states between block 0 and its floor: if
all above the floor are damaged, the cut is at block 0.
Nothing but blocks above the cut and side blocks is removed. The operator is told to keep a copy first.
"""

from dataclasses import dataclass
from pathlib import Path

from chain.branches import RECENT_DEPTH
from chain.epochs import SNAPSHOT_AGE
from chain.params import ChainParams
from chain.primitives.errors import Malformed, StorageError
from chain.primitives.hashing import keccak256
from chain.primitives.units import Hash32
from chain.state import decode_account
from chain.trie_nodes import EMPTY_ROOT, Branch, Extension, Link, decode_node
from storage import keys
from storage.chain_store import ChainStore
from storage.kv import KeyValueStore
from storage.leveldb import mark_repair, open_level, repair_level
from storage.migrations import claim
from storage.state_marks import StateMarks

WHOLE_MAX = 4_000_000
"""Trie nodes remembered as whole while states are checked, 100 bytes each; beyond it nodes are checked again."""

BATCH = 10_000
"""Entries deleted in one batch."""

NEAR = 2 * RECENT_DEPTH
"""Blocks below the head whose states are checked, each where it differs from the next: forks come from there, and as
many states are kept at least when a database is pruned."""

BLOCK_TABLES = (keys.HEADERS, keys.BODIES, keys.RECEIPTS, keys.UNDO, keys.SUPPLY)
"""What stands under a block's id."""


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a repair left."""

    head_height: int
    """Height of the last whole block: the head from now on."""
    removed_blocks: int
    """Blocks above it, and side blocks, that were removed; the network has them."""


def repair(path: Path, genesis_id: Hash32, params: ChainParams) -> Repaired:
    """Repair the database in a directory that no node has open. Takes minutes on a long chain.

    Raises `StorageError` when it is in use, belongs to another network, or nothing of the chain can be saved.
    """
    with mark_repair(path):
        repair_level(path)
        store = open_level(path, repairing=True)
        try:
            return salvage(store, genesis_id, params)
        finally:
            store.close()


def salvage(store: KeyValueStore, genesis_id: Hash32, params: ChainParams) -> Repaired:
    """Cut the chain in a store back to its last whole block; see `repair`."""
    if store.get(keys.META_VERSION) is None or store.get(keys.META_NETWORK) is None:
        if store.get(keys.height_key(0)) != genesis_id:  # block 0 commits to the network, so its id can stand in
            raise StorageError("neither stamps nor block 0 are left: move the directory away and sync anew")
        store.write(
            {
                keys.META_VERSION: str(keys.SCHEMA_VERSION).encode(),
                keys.META_NETWORK: params.network_id + params.name.encode(),
            },
            durable=True,
        )
    claim(store, params.network_id, params.name)
    chain = ChainStore(store)
    height = _last_recorded(store, chain, genesis_id)
    states = States(chain)
    while height >= 0 and not _can_go_on(chain, states, params, height):
        height -= 1
    if height < 0:
        raise StorageError("no block is whole: move the directory away and sync anew")
    return Repaired(height, _cut(store, chain, height, _state_floor(chain, params, height)))


def _last_recorded(store: KeyValueStore, chain: ChainStore, genesis_id: Hash32) -> int:
    """Return the height up to which every canonical block has all its records; -1 if not even block 0 has."""
    height, parent_id = 0, Hash32(b"")
    while (block_id := chain.canonical_id(height)) is not None:
        try:
            chained = chain.chained(block_id)
        except StorageError:
            break
        if chained is None or any(store.get(keys.block_key(table, block_id)) is None for table in BLOCK_TABLES):
            break
        if block_id != genesis_id if height == 0 else chained.header.parent_id != parent_id:
            break
        height, parent_id = height + 1, block_id
    return height - 1


def snapshot_heights(params: ChainParams, height: int) -> tuple[int, ...]:
    """Return the heights up to this one whose registries blocks above it will be judged by (rule 8)."""
    epoch = params.epoch(height + 1)
    ends = (past * params.epoch_length - 1 for past in range(epoch - SNAPSHOT_AGE + 1, epoch + 1))
    return tuple(sorted({max(0, end) for end in ends}))


def _can_go_on(chain: ChainStore, states: "States", params: ChainParams, height: int) -> bool:
    """Tell whether a block can be executed on the canonical one of a height."""
    needed = (height, *snapshot_heights(params, height))
    return all(states.is_whole(_state_root(chain, number)) for number in needed)


def _state_root(chain: ChainStore, height: int) -> Hash32:
    block_id = chain.canonical_id(height)
    chained = None if block_id is None else chain.chained(block_id)
    assert chained is not None, "the records below the cut have been checked"
    return chained.header.state_root


class States:
    """Checks whether all trie nodes below a root are there and are what their hashes say."""

    def __init__(self, chain: ChainStore) -> None:
        """Take the store that holds the nodes."""
        self._chain = chain
        self._whole: set[bytes] = set()

    def is_whole(self, root: bytes, *, accounts: bool = True) -> bool:
        """Tell whether a trie is whole; values of the state trie lead on to storage tries."""
        if root == EMPTY_ROOT or root in self._whole:
            return True
        raw = self._chain.trie_node(Hash32(root))
        if raw is None or keccak256(raw) != root:
            return False
        try:
            whole = self._below(decode_node(raw), accounts=accounts)
        except Malformed:
            return False
        if whole and len(self._whole) < WHOLE_MAX:
            self._whole.add(root)
        return whole

    def _below(self, link: Link, *, accounts: bool) -> bool:
        if link is None:
            return True
        if isinstance(link, bytes):
            return self.is_whole(link, accounts=accounts)
        if isinstance(link, Branch):
            return all(self._below(child, accounts=accounts) for child in link.children)
        if isinstance(link, Extension):
            return self._below(link.child, accounts=accounts)
        return not accounts or self.is_whole(decode_account(link.value).storage_root, accounts=False)


def _cut(store: KeyValueStore, chain: ChainStore, height: int, floor: int) -> int:
    """Make the canonical block of a height the head and remove what lies above it and beside it."""
    head_id = chain.canonical_id(height)
    assert head_id is not None, "the cut was found by this index"
    kept = {chain.canonical_id(number) for number in range(height + 1)}
    removed = 0
    doomed: list[bytes] = []
    for key, _ in store.iterate(keys.HEADERS.prefix):
        if Hash32(key[1:]) not in kept:
            removed += 1
            doomed += [table.prefix + key[1:] for table in BLOCK_TABLES]
    doomed += [
        key for key, _ in store.iterate(keys.BY_HEIGHT.prefix) if Hash32(key[1 + keys.HEIGHT_BYTES :]) not in kept
    ]
    doomed += [key for key, block_id in store.iterate(keys.CANONICAL.prefix) if Hash32(block_id) not in kept]
    doomed += [key for key, place in store.iterate(keys.TRANSACTIONS.prefix) if Hash32(place[:32]) not in kept]
    # The head first: a repair that is cut short, which is to be finished, finds a head whose blocks are all there.
    puts: dict[bytes, bytes] = {keys.META_HEAD: head_id}
    if floor:
        puts[keys.META_STATE_FLOOR] = floor.to_bytes(keys.HEIGHT_BYTES, "big")
    store.write(puts, () if floor else (keys.META_STATE_FLOOR,), durable=True)
    for at in range(0, len(doomed), BATCH):
        store.write({}, doomed[at : at + BATCH], durable=True)
    _reindex(store, chain, height)
    return removed


def _state_floor(chain: ChainStore, params: ChainParams, height: int) -> int:
    """Return the height from which on states are there; the stamp of a pruned database may be what was lost.

    A state with a hole near the head is below the floor as well: a fork from there could not be judged.
    """
    low = min(chain.state_floor(), height)
    if not low:
        low = height
        while low > 0 and chain.trie_node(_state_root(chain, low - 1)) is not None:
            low -= 1
    differences = StateMarks(chain, lambda _count: None)
    seen = {height, *snapshot_heights(params, height)}  # found whole
    for number in range(height - 1, max(low, height - NEAR) - 1, -1):
        beside = _state_root(chain, number + 1)
        for needed in {number, *snapshot_heights(params, number)} - seen:
            try:
                differences.add(_state_root(chain, needed), beside=beside)
            except StorageError:
                return number + 1
            seen.add(needed)
    return low


def _reindex(store: KeyValueStore, chain: ChainStore, height: int) -> None:
    """Write again the index entries of the blocks that stay: they may have been lost."""
    for number in range(height + 1):
        block_id = chain.canonical_id(number)
        hashes = store.get(keys.block_key(keys.UNDO, Hash32(block_id or b"")))
        assert block_id is not None, "the records below the cut have been checked"
        assert hashes is not None, "the records below the cut have been checked"
        puts = {keys.by_height_key(number, block_id): b""}
        for index in range(len(hashes) // 32):
            place = block_id + number.to_bytes(keys.HEIGHT_BYTES, "big") + index.to_bytes(4, "big")
            puts[keys.block_key(keys.TRANSACTIONS, Hash32(hashes[32 * index : 32 * index + 32]))] = place
        store.write(puts, durable=False)
    store.write({}, durable=True)
