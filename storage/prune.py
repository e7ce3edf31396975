"""Removing old states and side blocks from a stopped node's database: `mappemonde db prune`.

Kept are the states from the *floor* upwards: of every stored block of that height or higher, canonical or not, and the
registries that blocks on these are judged by (rule 8, up to three epochs older). So every block can be judged whose
parent stands on the floor or above, which is all that a node ever does with a state: importing, reorganising, building
templates, tickets, mempool, and RPC about those blocks. The state of block 0 is kept as well, it is the last place a
repair can cut back to. Headers, bodies and receipts of the canonical chain all stay: joiners sync from them.

A side block goes if it lies below the floor and no stored block on or above the floor descends from it.

What a crash leaves at any instruction is a database that runs: everything is marked before anything is removed, the
floor is on disk before that, side blocks go newest first so that none is left without its parent, and a trie node is
removed only if no kept state reaches it. The same command then finishes the work.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from chain.block import ChainedHeader
from chain.branches import RECENT_DEPTH
from chain.fork_choice import marks as fork_choice_marks
from chain.params import ChainParams
from chain.ports import SealRules
from chain.primitives.errors import ConfigError, StorageError
from chain.primitives.units import Hash32
from chain.trie_nodes import EMPTY_ROOT
from storage import keys
from storage.chain_store import ChainStore
from storage.kv import KeyValueStore
from storage.migrations import claim
from storage.repair import BLOCK_TABLES, snapshot_heights
from storage.state_marks import StateMarks

KEEP_MIN = 2 * RECENT_DEPTH
"""Fewest blocks below the head whose states are kept. The fork choice compares the branches of the last RECENT_DEPTH
blocks, and a deep reorganisation is an alarm at a third of that; twice the window leaves room for a head that moves to
a lower block of more work."""

BATCH = 8_192
"""Trie nodes looked at, and at most removed, in one batch: 0.3 MB of keys, one wait for the disk."""

BLOCKS_BATCH = 512
"""Side blocks removed in one batch."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """What a run removed; with `dry_run`, what it would remove."""

    head_height: int
    state_floor: int
    """States are whole from this height on."""
    kept_states: int
    """Blocks whose states are kept."""
    kept_nodes: int
    removed_nodes: int
    removed_blocks: int
    removed_bytes: int
    """Sum of the removed keys and values, before compression."""


def default_keep(params: ChainParams) -> int:
    """Return how many blocks below the head keep their states if the operator says nothing: a week.

    As long as stake stays bound. Sides of a partition that lasted so long can still reorganise to the heavier one, and
    a branch from further below may be the work of validators who have been paid out.
    """
    return max(KEEP_MIN, params.unbonding_blocks)


def prune(
    store: KeyValueStore,
    params: ChainParams,
    rules: SealRules,
    *,
    keep: int,
    dry_run: bool,
    progress: Callable[[str], None],
) -> Pruned:
    """Remove states and side blocks that lie more than `keep` blocks below the head, and below `finalized`.

    Takes 28 µs per node of the kept states and 3 µs per stored node. Raises `ConfigError` when `keep` is under
    KEEP_MIN, and `StorageError` when there is no chain of this network or a state that is to be kept is not whole;
    nothing has been removed then.
    """
    if keep < KEEP_MIN:
        raise ConfigError(f"at least the states of the last {KEEP_MIN} blocks are kept, not {keep}")
    if store.get(keys.META_VERSION) is None and store.get(keys.META_NETWORK) is None:
        raise StorageError("there is no chain in this database")
    claim(store, params.network_id, params.name)
    chain = ChainStore(store)
    work = _Pruning(store, chain, params, _head(chain), progress)
    finalized = fork_choice_marks(params, work.head, rules.schedule_work(work.head), work.parent).finalized
    floor = max(0, min(work.head.height - keep, finalized.height), chain.state_floor())
    return work.run(floor, dry_run=dry_run)


class _Pruning:
    """One run over one store."""

    def __init__(
        self,
        store: KeyValueStore,
        chain: ChainStore,
        params: ChainParams,
        head: ChainedHeader,
        progress: Callable[[str], None],
    ) -> None:
        self._store = store
        self._chain = chain
        self._params = params
        self.head = head
        self._progress = progress
        self._states = 0
        self._marks = StateMarks(chain, self._tell_marked)

    def parent(self, block: ChainedHeader) -> ChainedHeader:
        """Return the parent of a stored block, which is stored as well. Raises `StorageError`."""
        return _require(self._chain, block.header.parent_id)

    def run(self, floor: int, *, dry_run: bool) -> Pruned:
        """Do it."""
        low, high = self._side_blocks(floor)
        if floor == 0:
            return Pruned(self.head.height, 0, self.head.height + 1 + len(high), 0, 0, 0, 0)
        # What leaves the chain below the floor and is built upon above it.
        bridges = [below for block in high if block.height == floor for below in self._off_chain(block)]
        self._mark(floor, high, bridges)
        self._marks.sort()
        if not dry_run:
            # Before the first removal: from now on a missing node below the floor is no damage.
            self._store.write({keys.META_STATE_FLOOR: floor.to_bytes(keys.HEIGHT_BYTES, "big")}, durable=True)
        needed = {block.id for block in bridges}
        doomed = [place for place in reversed(low) if place[1] not in needed]  # newest first
        blocks, block_bytes = self._remove_blocks(doomed, dry_run=dry_run)
        nodes, node_bytes = self._sweep(dry_run=dry_run)
        return Pruned(
            head_height=self.head.height,
            state_floor=floor,
            kept_states=self._states,
            kept_nodes=len(self._marks),
            removed_nodes=nodes,
            removed_blocks=blocks,
            removed_bytes=block_bytes + node_bytes,
        )

    # what is kept

    def _side_blocks(self, floor: int) -> tuple[list[tuple[int, Hash32]], list[ChainedHeader]]:
        """Return height and id of the side blocks below the floor, and those on or above it, both by height."""
        low: list[tuple[int, Hash32]] = []
        high: list[ChainedHeader] = []
        for key, _ in self._store.iterate(keys.BY_HEIGHT.prefix):
            height = int.from_bytes(key[1 : 1 + keys.HEIGHT_BYTES], "big")
            block_id = Hash32(key[1 + keys.HEIGHT_BYTES :])
            if self._chain.canonical_id(height) != block_id:
                if height < floor:
                    low.append((height, block_id))
                else:
                    high.append(_require(self._chain, block_id))
        return low, high

    def _mark(self, floor: int, high: Sequence[ChainedHeader], bridges: Sequence[ChainedHeader]) -> None:
        """Mark the canonical states in order, each beside the one before, then those of side blocks beside these."""
        before = EMPTY_ROOT
        sources = [height for height in snapshot_heights(self._params, floor) if height < floor]
        for height in (*sorted({0, *sources}), *range(floor, self.head.height + 1)):
            block = self._canonical(height)
            self._add(block, before)
            before = block.header.state_root
        base = self._canonical(floor).header.state_root
        for block in bridges:
            if block.height in sources:
                self._add(block, base)
        for block in high:
            parent = self.parent(block)
            self._add(block, parent.header.state_root if parent.height >= floor else base)

    def _off_chain(self, block: ChainedHeader) -> Iterator[ChainedHeader]:
        """Yield the ancestors of a side block down to where its branch leaves the chain."""
        below = self.parent(block)
        while self._chain.canonical_id(below.height) != below.id:
            yield below
            below = self.parent(below)

    def _add(self, block: ChainedHeader, beside: Hash32) -> None:
        try:
            self._marks.add(block.header.state_root, beside=beside)
        except StorageError as error:
            raise StorageError(
                f"the state of block {block.height} is to be kept and is not whole ({error}); nothing was removed: "
                "look with `mappemonde db verify`"
            ) from None
        self._states += 1
        self._tell_marked(len(self._marks))

    def _tell_marked(self, count: int) -> None:
        self._progress(f"marking: {count} nodes, state {self._states}, up to block {self.head.height}")

    # what goes

    def _remove_blocks(self, doomed: Sequence[tuple[int, Hash32]], *, dry_run: bool) -> tuple[int, int]:
        size = 0
        for at in range(0, len(doomed), BLOCKS_BATCH):
            deletes: list[bytes] = []
            for height, block_id in doomed[at : at + BLOCKS_BATCH]:
                deletes += [keys.block_key(table, block_id) for table in BLOCK_TABLES]
                deletes.append(keys.by_height_key(height, block_id))
            # A repair of the tables may have brought parts of a removed block back.
            size += sum(len(key) + len(value) for key in deletes if (value := self._store.get(key)) is not None)
            self._progress(f"side blocks: {at} of {len(doomed)}")
            if not dry_run:
                self._store.write({}, deletes, durable=True)
        return len(doomed), size

    def _sweep(self, *, dry_run: bool) -> tuple[int, int]:
        """Remove the nodes without a mark; return how many, and their bytes."""
        removed = size = 0
        batch: list[tuple[bytes, int]] = []

        def settle() -> tuple[int, int]:
            hashes = [key[1:] for key, _ in batch]
            dead = [item for item, kept in zip(batch, self._marks.marked(hashes), strict=True) if not kept]
            if dead and not dry_run:
                self._store.write({}, [key for key, _ in dead], durable=True)
            return len(dead), sum(length for _, length in dead)

        for key, value in self._store.iterate(keys.NODES.prefix):
            batch.append((key, len(key) + len(value)))
            if len(batch) == BATCH:
                count, length = settle()
                removed, size = removed + count, size + length
                batch.clear()
                # Hashes are evenly spread, so the first two bytes tell how far the walk is.
                self._progress(f"nodes: {int.from_bytes(key[1:3], 'big') * 100 >> 16} %, {removed} of no kept state")
        count, length = settle()
        return removed + count, size + length

    def _canonical(self, height: int) -> ChainedHeader:
        block_id = self._chain.canonical_id(height)
        if block_id is None:
            raise StorageError(f"block {height} is missing: run `mappemonde db repair`")
        return _require(self._chain, block_id)


def _head(chain: ChainStore) -> ChainedHeader:
    head_id = chain.head_id()
    if head_id is None:
        raise StorageError("there is no chain in this database")
    return _require(chain, head_id)


def _require(chain: ChainStore, block_id: Hash32) -> ChainedHeader:
    found = chain.chained(block_id)
    if found is None:
        raise StorageError(f"block {block_id.hex()} is missing: run `mappemonde db repair`")
    return found
