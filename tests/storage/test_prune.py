"""What a prune removes and what it leaves: everything that a node reads again is there, and nothing else is."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from random import Random

import pytest

from chain.block import ChainedHeader
from chain.branches import RECENT_DEPTH
from chain.genesis import load_genesis
from chain.importer import DEEP_REORGANISATION
from chain.params import ChainParams
from chain.primitives.errors import ConfigError, StorageError
from chain.primitives.units import Hash32
from chain.verified import ImportStatus
from storage import keys
from storage import prune as pruning
from storage.kv import KeyValueStore
from storage.leveldb import open_level
from storage.memory import MemoryStore
from storage.prune import KEEP_MIN, Pruned, default_keep, prune
from storage.repair import BLOCK_TABLES, salvage
from storage.verify import verify
from tests.helpers.branching import LATER, Tree, id_of
from tests.helpers.forge import FakeRules
from tests.helpers.networks import small_genesis

GENESIS = small_genesis(epoch_length=3)
PARAMS = GENESIS.params
HEIGHT = 44
KEEP = 22
"""More than the 20 blocks to `finalized` under these rules."""
FLOOR = HEIGHT - KEEP


class Chain:
    """A chain of HEIGHT blocks; beside it branches below the floor, over it, and above."""

    def __init__(self) -> None:
        self.tree = Tree(GENESIS)
        self.line = [self.tree.root]
        for height in range(1, HEIGHT + 1):
            self.line.append(self.tree.grow(self.line[-1], sender=height % 2, stakes=height in (1, 2, 12)))
        self.old = self.tree.chain(self.line[5], 3, sender=2, extra=b"old")
        self.bridge = self.tree.chain(self.line[FLOOR - 9], 12, sender=3, extra=b"bridge")
        self.stump = self.tree.chain(self.bridge[4], 2, sender=2, extra=b"stump")
        self.fresh = self.tree.chain(self.line[FLOOR + 3], 4, sender=2, extra=b"fresh")


CHAIN = Chain()
_FILLED = MemoryStore()
CHAIN.tree.fill(_FILLED)


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "KEEP_MIN", 4)


@pytest.fixture
def filled(store: KeyValueStore) -> KeyValueStore:
    store.write(dict(_FILLED.iterate(b"")), durable=False)
    return store


def run(store: KeyValueStore, *, keep: int = KEEP, dry_run: bool = False) -> Pruned:
    return prune(store, PARAMS, FakeRules(), keep=keep, dry_run=dry_run, progress=lambda _text: None)


def nodes(store: KeyValueStore) -> set[bytes]:
    return {key[1:] for key, _ in store.iterate(keys.NODES.prefix)}


def everything(store: KeyValueStore) -> dict[bytes, bytes]:
    return dict(store.iterate(b""))


def check_whole(store: KeyValueStore, tree: Tree, params: ChainParams = PARAMS) -> None:
    found = verify(store, tree.genesis.chained.id, params, lambda _height, _head: None)
    assert not found.faults


def check_judges(store: KeyValueStore, tree: Tree, floor: int) -> None:
    """Every block on a stored one from the floor on is judged as by a node that removed nothing."""
    importer, _ = tree.open(store)
    control = MemoryStore()
    tree.fill(control)
    whole, _ = tree.open(control)
    for parent in tree.stored(store):
        if parent.height >= floor:
            assert importer.epoch_stake(parent) == whole.epoch_stake(parent)
            child = tree.child_of(parent)
            assert importer.add(child, LATER).status is whole.add(child, LATER).status
    assert importer.head() == whole.head()


@pytest.mark.slow
def test_exactly_what_no_kept_state_reaches_is_removed(filled: KeyValueStore) -> None:
    before = everything(filled)
    kept = CHAIN.tree.needed(filled, FLOOR)
    assert kept < nodes(filled)
    done = run(filled)
    assert (done.head_height, done.state_floor) == (HEIGHT, FLOOR)
    assert nodes(filled) == kept
    after = everything(filled)
    gone = before.keys() - after.keys()
    assert done.removed_nodes == len([key for key in gone if key.startswith(keys.NODES.prefix)]) > 0
    assert done.removed_bytes == sum(len(key) + len(before[key]) for key in gone)
    assert after.keys() - before.keys() == {keys.META_STATE_FLOOR}
    assert all(before[key] == after[key] for key in after.keys() & before.keys())
    check_whole(filled, CHAIN.tree)
    check_judges(filled, CHAIN.tree, FLOOR)


def test_side_blocks_go_unless_a_block_above_the_floor_needs_them(filled: KeyValueStore) -> None:
    done = run(filled)
    assert done.removed_blocks == len(CHAIN.old) + len(CHAIN.stump)
    left = {block.id for block in CHAIN.tree.stored(filled)}
    assert left == {block.id for block in (*CHAIN.line, *CHAIN.bridge, *CHAIN.fresh)}
    for block in (*CHAIN.old, *CHAIN.stump):
        assert all(filled.get(keys.block_key(table, block.id)) is None for table in BLOCK_TABLES)
        assert filled.get(keys.by_height_key(block.height, block.id)) is None


def test_what_a_repair_of_the_tables_brought_back_of_a_side_block_goes_again(filled: KeyValueStore) -> None:
    run(filled)
    aim = everything(filled)
    back = CHAIN.old[1]
    filled.write({keys.by_height_key(back.height, back.id): b""}, durable=True)
    assert run(filled).removed_blocks == 1
    assert everything(filled) == aim


def test_counting_removes_nothing_and_a_second_run_finds_nothing(filled: KeyValueStore) -> None:
    before = everything(filled)
    counted = run(filled, dry_run=True)
    assert everything(filled) == before
    assert run(filled) == counted
    again = run(filled)
    assert (again.removed_nodes, again.removed_blocks, again.removed_bytes) == (0, 0, 0)
    assert (again.kept_nodes, again.state_floor) == (counted.kept_nodes, FLOOR)
    assert run(filled, keep=KEEP + 5).state_floor == FLOOR, "what is gone cannot be kept"


def test_more_is_kept_while_less_is_final(filled: KeyValueStore) -> None:
    done = run(filled, keep=4)
    assert done.state_floor == HEIGHT - 20, "`finalized` is 20 works of 100 below the head"


def test_a_short_chain_keeps_all() -> None:
    store, tree = MemoryStore(), Tree(GENESIS)
    tree.chain(tree.root, 5)
    tree.fill(store)
    before = everything(store)
    assert run(store).state_floor == 0
    assert everything(store) == before


def test_what_cannot_be_pruned_is_refused(store: KeyValueStore) -> None:
    with pytest.raises(ConfigError, match="last 4 blocks"):
        run(store, keep=3)
    with pytest.raises(StorageError, match="no chain"):
        run(store)
    CHAIN.tree.fill(store)
    with pytest.raises(StorageError, match="belongs to network"):
        prune(store, small_genesis().params, FakeRules(), keep=KEEP, dry_run=True, progress=lambda _text: None)


def test_a_week_is_kept_and_never_less_than_the_fork_choice_compares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "KEEP_MIN", KEEP_MIN)
    assert KEEP_MIN == 2 * RECENT_DEPTH > 2 * DEEP_REORGANISATION
    assert default_keep(PARAMS) == KEEP_MIN > PARAMS.unbonding_blocks
    assert default_keep(load_genesis("mainnet").params) == 5040


@pytest.mark.parametrize("seed", range(5))
def test_a_kept_state_with_a_hole_stops_it_before_anything_is_removed(seed: int) -> None:
    store = _FILLED.reopen()
    lost = Random(seed).choice(sorted(CHAIN.tree.needed(store, FLOOR)))
    raw = store.get(keys.NODES.prefix + lost)
    assert raw is not None
    for damage in (None, raw[:-1]):
        store.write(
            {} if damage is None else {keys.NODES.prefix + lost: damage}, [keys.NODES.prefix + lost], durable=True
        )
        before = everything(store)
        with pytest.raises(StorageError, match=r"nothing was removed"):
            run(store)
        assert everything(store) == before


# reorganisations afterwards


def branch(parent: ChainedHeader, length: int) -> Iterator[tuple[ImportStatus | None, ChainedHeader]]:
    """Import a branch into a pruned node, block by block."""
    store = _FILLED.reopen()
    run(store)
    importer, _ = CHAIN.tree.open(store)
    for block in CHAIN.tree.forge.run(parent, length, extra=b"rival"):
        yield importer.add(block, LATER).status, importer.head()
    assert importer.statistics().invalid == 0


def test_a_branch_from_the_floor_can_still_win() -> None:
    told = list(branch(CHAIN.line[FLOOR], KEEP + 1))
    assert {status for status, _ in told[:-1]} == {ImportStatus.SIDE}
    assert told[-1][0] is ImportStatus.ADOPTED
    assert told[-1][1].height == HEIGHT + 1


def test_side_branches_over_the_floor_can_still_win() -> None:
    for tip in (CHAIN.bridge[-1], CHAIN.fresh[-1]):
        *_, (status, head) = branch(tip, HEIGHT - tip.height + 1)
        assert (status, head.height) == (ImportStatus.ADOPTED, HEIGHT + 1)


def test_a_branch_from_below_is_left_alone_and_not_called_invalid() -> None:
    told = list(branch(CHAIN.line[FLOOR - 1], 3))
    assert [status for status, _ in told] == [ImportStatus.PRUNED, ImportStatus.ORPHAN, ImportStatus.ORPHAN]
    assert told[-1][1].height == HEIGHT


def test_orphans_of_a_branch_from_below_are_not_connected() -> None:
    store = _FILLED.reopen()
    run(store)
    importer, _ = CHAIN.tree.open(store)
    first, second = CHAIN.tree.forge.run(CHAIN.line[3], 2, extra=b"late")
    assert importer.add(second, LATER).status is ImportStatus.ORPHAN
    for _ in range(2):
        result = importer.add(first, LATER)
        assert (result.status, result.connected, result.rejected) == (ImportStatus.PRUNED, (), ())


def test_a_missing_node_above_the_floor_is_damage_still() -> None:
    store = _FILLED.reopen()
    run(store)
    root = CHAIN.line[FLOOR + 1].header.state_root
    store.write({}, [keys.block_key(keys.NODES, root)], durable=True)
    importer, _ = CHAIN.tree.open(store)
    with pytest.raises(StorageError, match="missing trie node"):
        importer.add(CHAIN.tree.child_of(CHAIN.line[FLOOR + 1]), LATER)


# interrupted at any batch


class Stopping:
    """A store whose process ends before one of its writes."""

    def __init__(self, store: KeyValueStore, writes: int) -> None:
        self._store = store
        self.left = writes

    def get(self, key: bytes) -> bytes | None:
        return self._store.get(key)

    def write(self, puts: Mapping[bytes, bytes], deletes: Collection[bytes] = (), *, durable: bool) -> None:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        self._store.write(puts, deletes, durable=durable)

    def iterate(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        return self._store.iterate(prefix)

    def close(self) -> None:
        self._store.close()


def copy_of(store: KeyValueStore, path: Path | None) -> KeyValueStore:
    copy: KeyValueStore = MemoryStore() if path is None else open_level(path)
    copy.write(dict(store.iterate(b"")), durable=False)
    return copy


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["memory", "leveldb"])
def test_stopped_before_any_write_the_node_runs_and_the_next_prune_finishes(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "BATCH", 48 if kind == "memory" else 150)
    monkeypatch.setattr(pruning, "BLOCKS_BATCH", 1)
    control = _FILLED.reopen()
    run(control)
    aim = everything(control)
    for writes in range(1_000):
        path = None if kind == "memory" else tmp_path / str(writes)
        store = copy_of(_FILLED, path)
        stopping = Stopping(store, writes)
        try:
            run(stopping)
        except KeyboardInterrupt:
            pass
        else:
            break
        if path is not None:
            store.close()
            store = open_level(path)
        check_whole(store, CHAIN.tree)
        importer, _ = CHAIN.tree.open(copy_of(store, None))
        for parent in (CHAIN.line[FLOOR], CHAIN.bridge[-1], CHAIN.line[-1]):
            assert importer.add(CHAIN.tree.child_of(parent), LATER).status in (ImportStatus.SIDE, ImportStatus.ADOPTED)
        for parent in (CHAIN.old[0], CHAIN.old[-1], CHAIN.line[3]):
            importer.add(CHAIN.tree.child_of(parent), LATER)
        run(store)
        assert everything(store) == aim
        store.close()
    assert writes > 10


def test_nothing_is_built_on_what_an_interrupted_prune_has_left_of_old_states() -> None:
    """A block that can still be executed there would have a state with holes, and stop every later run."""
    floor = FLOOR - 2
    control = _FILLED.reopen()
    run(control, keep=HEIGHT - floor)
    below = CHAIN.line[floor - 1]
    doomed = CHAIN.tree.reached(below) - nodes(control)
    rival = CHAIN.tree.child_of(below)
    assert len(doomed) > 1
    for gone in sorted(doomed):
        store = _FILLED.reopen()
        stamp = {keys.META_STATE_FLOOR: floor.to_bytes(keys.HEIGHT_BYTES, "big")}
        store.write(stamp, [keys.block_key(keys.NODES, Hash32(gone))], durable=True)
        importer, _ = CHAIN.tree.open(store)
        assert importer.add(rival, LATER).status is ImportStatus.PRUNED
        assert run(store, keep=HEIGHT - floor).state_floor == floor


@pytest.mark.slow
def test_a_side_block_that_was_kept_is_taken_up_again_though_its_parent_is_below() -> None:
    store = _FILLED.reopen()
    run(store)
    importer, _ = CHAIN.tree.open(store)
    kept = next(block for block in CHAIN.tree.blocks if id_of(block) == CHAIN.bridge[8].id)
    assert CHAIN.bridge[8].height == FLOOR
    assert importer.add(kept, LATER).status is not ImportStatus.PRUNED


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_any_tree_of_blocks(seed: int) -> None:
    rng = Random(seed)
    tree, store = Tree(GENESIS), MemoryStore()
    tree.random(rng, 70)
    tree.fill(store)
    floor = run(store, keep=rng.randrange(4, 40)).state_floor
    assert nodes(store) == tree.needed(store, floor)
    check_whole(store, tree)
    check_judges(store, tree, floor)
    tips = [block for block in tree.stored(store) if block.height >= floor]
    more = tree.chain(rng.choice(tips), 50, extra=b"more")
    importer, _ = tree.open(store)
    for block in tree.blocks[-50:]:
        importer.add(block, LATER)
    assert importer.head().id == id_of(tree.blocks[-1]) == more[-1].id, "a node goes on from any kept block"
    run(store, keep=4)
    check_whole(store, tree)
    assert nodes(store) == tree.needed(store, run(store, keep=4).state_floor)


# repair of a pruned database


def salvaged(store: KeyValueStore) -> int:
    return salvage(store, GENESIS.chained.id, PARAMS).head_height


def test_a_pruned_database_needs_no_repair_and_survives_one(filled: KeyValueStore) -> None:
    run(filled)
    assert salvaged(filled) == HEIGHT
    _, chain = CHAIN.tree.open(filled)
    assert chain.state_floor() == FLOOR
    filled.write({}, [keys.META_STATE_FLOOR], durable=True)
    assert salvaged(filled) == HEIGHT
    assert chain.state_floor() == FLOOR, "told by the states that are there"


def test_damage_above_the_floor_cuts_to_a_block_that_can_be_built_upon(filled: KeyValueStore) -> None:
    run(filled)
    filled.write({}, [keys.block_key(keys.NODES, CHAIN.line[HEIGHT].header.state_root)], durable=True)
    assert salvaged(filled) == HEIGHT - 1
    check_whole(filled, CHAIN.tree)
    importer, _ = CHAIN.tree.open(filled)
    child = CHAIN.tree.child_of(CHAIN.line[HEIGHT - 1])
    assert importer.add(child, LATER).status is ImportStatus.ADOPTED


@pytest.mark.parametrize("pruned", [False, True])
@pytest.mark.parametrize("lost", ["the root", "a node below"])
def test_a_state_with_a_hole_below_a_whole_head_is_below_the_floor_of_what_was_repaired(
    pruned: bool,
    lost: str,
) -> None:
    """Else a fork from there stops the node, each time it is started, and `prune` finds the hole and stops as well."""
    store = _FILLED.reopen()
    if pruned:
        run(store)
    broken = CHAIN.line[HEIGHT - 2]
    others = set[bytes]().union(*(CHAIN.tree.reached(CHAIN.line[h]) for h in (*range(HEIGHT - 2), HEIGHT - 1, HEIGHT)))
    root = broken.header.state_root
    gone = root if lost == "the root" else min(CHAIN.tree.reached(broken) - others - {root})
    store.write({}, [keys.block_key(keys.NODES, Hash32(gone))], durable=True)
    assert salvaged(store) == HEIGHT
    importer, chain = CHAIN.tree.open(store)
    assert chain.state_floor() == HEIGHT - 1
    assert importer.add(CHAIN.tree.child_of(broken), LATER).status is ImportStatus.PRUNED
    assert importer.add(CHAIN.tree.child_of(CHAIN.line[HEIGHT - 1]), LATER).status is ImportStatus.SIDE
    assert run(store).state_floor == HEIGHT - 1


def test_damage_of_all_kept_states_cuts_to_block_0(filled: KeyValueStore) -> None:
    run(filled)
    roots = {block.header.state_root for block in CHAIN.tree.stored(filled) if block.height}
    filled.write({}, [keys.block_key(keys.NODES, Hash32(root)) for root in roots], durable=True)
    assert salvaged(filled) == 0
    importer, chain = CHAIN.tree.open(filled)
    assert chain.state_floor() == 0
    for block in CHAIN.tree.blocks[:HEIGHT]:
        assert importer.add(block, LATER).status is ImportStatus.ADOPTED
    check_whole(filled, CHAIN.tree)
