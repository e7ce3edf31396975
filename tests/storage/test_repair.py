"""A damaged database is cut back to its last whole block, and the node goes on from there."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from random import Random

import pytest

from chain.block import header_id
from chain.importer import Importer
from chain.primitives.errors import StorageError
from chain.primitives.units import COIN, Hash32
from chain.staking_registry import SYSTEM_ADDRESS
from chain.state import State
from chain.verified import VerifiedBlock
from storage import keys
from storage import repair as repairing
from storage.chain_store import ChainStore
from storage.kv import KeyValueStore
from storage.leveldb import LevelStore, open_level
from storage.memory import MemoryStore
from storage.migrations import claim
from storage.repair import Repaired, repair, salvage
from storage.verify import verify
from tests.helpers.forge import INTERVAL, FakeRules, Forge
from tests.helpers.held_store import held_by_another_process
from tests.helpers.networks import RECEIVER, payment, small_genesis
from tests.helpers.stakes import deposit

GENESIS = small_genesis()
PARAMS = GENESIS.params
HEIGHT = 8


def _blocks() -> list[VerifiedBlock]:
    forge = Forge(GENESIS)
    blocks = [forge.block(forge.root, deposit(GENESIS, 1, 0, value=COIN))]
    for nonce in range(HEIGHT - 1):
        blocks.append(forge.block(forge.chained(blocks[-1]), payment(GENESIS, 0, nonce)))
    return blocks


BLOCKS = _blocks()


def _fill(store: KeyValueStore) -> None:
    claim(store, PARAMS.network_id, PARAMS.name)
    importer = Importer(PARAMS, GENESIS, ChainStore(store), FakeRules())
    for block in BLOCKS:
        importer.add(block, block.arrived)
    side = Forge(GENESIS).block(GENESIS.chained, interval=INTERVAL + 1)
    importer.add(side, side.arrived)
    assert importer.head().height == HEIGHT


def _salvage(store: KeyValueStore) -> Repaired:
    return salvage(store, GENESIS.chained.id, PARAMS)


def _check_goes_on(store: KeyValueStore, height: int) -> None:
    """The node opens at a height, takes the missing blocks again, and finds every transaction."""
    chain = ChainStore(store)
    importer = Importer(PARAMS, GENESIS, chain, FakeRules())
    assert importer.head().height == height
    for block in BLOCKS:
        importer.add(block, BLOCKS[-1].arrived)
    assert importer.head().height == HEIGHT
    assert State(chain, importer.head().header.state_root).balance(RECEIVER) == HEIGHT - 1
    for block in BLOCKS:
        place = chain.transaction_place(block.transactions[0].tx.hash)
        assert place is not None
        assert place.height == block.sealed.header.height


def _block_key(table: keys.Table, height: int) -> bytes:
    return keys.block_key(table, header_id(BLOCKS[height - 1].sealed.header))


def test_a_whole_chain_stays_as_it_is_but_for_side_blocks() -> None:
    store = MemoryStore()
    _fill(store)
    assert _salvage(store) == Repaired(head_height=HEIGHT, removed_blocks=1)
    _check_goes_on(store, HEIGHT)


@pytest.mark.parametrize("table", [keys.HEADERS, keys.BODIES, keys.RECEIPTS, keys.UNDO, keys.SUPPLY])
def test_a_missing_record_cuts_below_its_block(table: keys.Table) -> None:
    store = MemoryStore()
    _fill(store)
    store.write({}, [_block_key(table, 6)], durable=True)
    assert _salvage(store).head_height == 5
    _check_goes_on(store, 5)


def test_a_missing_index_is_written_again_where_its_block_stays() -> None:
    store = MemoryStore()
    _fill(store)
    lost = [key for table in (keys.TRANSACTIONS, keys.BY_HEIGHT) for key, _ in store.iterate(table.prefix)]
    store.write({}, lost, durable=True)
    assert _salvage(store).head_height == HEIGHT
    _check_goes_on(store, HEIGHT)


def test_lost_stamps_are_written_again_for_the_right_network_only() -> None:
    store = MemoryStore()
    _fill(store)
    store.write({}, [keys.META_VERSION, keys.META_NETWORK, keys.META_HEAD], durable=True)
    other = small_genesis(epoch_length=4)
    with pytest.raises(StorageError, match="neither stamps nor block 0"):
        salvage(store, other.chained.id, other.params)
    assert _salvage(store).head_height == HEIGHT
    claim(store, PARAMS.network_id, PARAMS.name)


def _one_node(store: MemoryStore, rng: Random) -> bytes:
    begun = {keys.block_key(keys.NODES, node) for node in GENESIS.trie_nodes}
    return rng.choice([key for key, _ in store.iterate(keys.NODES.prefix) if key not in begun])


@pytest.mark.parametrize(
    "damage", [lambda raw: None, lambda raw: raw[:-1], lambda raw: b"\xc0"], ids=["lost", "cut", "other"]
)
@pytest.mark.parametrize("seed", range(6))
def test_any_damaged_trie_node_cuts_to_a_state_that_can_be_read(
    damage: Callable[[bytes], bytes | None], seed: int
) -> None:
    store = MemoryStore()
    _fill(store)
    key = _one_node(store, Random(seed))
    raw = damage(store.get(key) or b"")
    store.write({} if raw is None else {key: raw}, [key], durable=True)
    _check_goes_on(store, _salvage(store).head_height)


def test_a_lost_registry_that_tickets_are_judged_by_cuts_below_it() -> None:
    store = MemoryStore()
    claim(store, PARAMS.network_id, PARAMS.name)
    chain = ChainStore(store)
    importer = Importer(PARAMS, GENESIS, chain, FakeRules())
    forge = Forge(GENESIS)
    last = 4 * PARAMS.epoch_length
    for _ in range(last + 1):
        block = forge.block(importer.head())
        importer.add(block, block.arrived)
    source = chain.chained(chain.canonical_id(2 * PARAMS.epoch_length - 1) or Hash32(b""))
    assert source is not None
    registry = State(chain, source.header.state_root).account(SYSTEM_ADDRESS).storage_root
    store.write({}, [keys.block_key(keys.NODES, registry)], durable=True)
    verified = verify(store, GENESIS.chained.id, PARAMS, lambda _height, _of: None)
    assert [fault.height for fault in verified.faults] == [source.height]
    assert _salvage(store).head_height == source.height - 1
    again = Importer(PARAMS, GENESIS, ChainStore(store), FakeRules())
    for height in range(source.height, last + 2):
        block = forge.block(again.head())
        again.add(block, block.arrived)
        assert again.head().height == height


def test_without_the_state_of_genesis_nothing_can_be_saved() -> None:
    store = MemoryStore()
    _fill(store)
    store.write({}, [keys.block_key(keys.NODES, node) for node in GENESIS.trie_nodes], durable=True)
    with pytest.raises(StorageError, match="no block is whole"):
        _salvage(store)


def test_a_leveldb_directory_is_repaired_in_place(tmp_path: Path) -> None:
    store = open_level(tmp_path)
    _fill(store)
    store.close()
    for manifest in tmp_path.glob("MANIFEST-*"):
        manifest.write_bytes(b"no manifest")
    with pytest.raises(StorageError, match="db repair"):
        open_level(tmp_path)
    assert repair(tmp_path, GENESIS.chained.id, PARAMS).head_height == HEIGHT
    again = open_level(tmp_path)
    _check_goes_on(again, HEIGHT)
    again.close()


@pytest.mark.slow
def test_a_repair_of_what_a_node_uses_leaves_no_mark(tmp_path: Path) -> None:
    with held_by_another_process(tmp_path), pytest.raises(StorageError, match="in use by another process"):
        repair(tmp_path, GENESIS.chained.id, PARAMS)
    open_level(tmp_path).close()


@pytest.mark.slow
def test_a_repair_that_is_cut_short_is_to_be_finished_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped before LevelDB's part, after it, and before each write of ours: nothing runs on what it leaves."""
    monkeypatch.setattr(repairing, "BATCH", 20)
    for writes in range(100):
        path = tmp_path / str(writes)
        store = open_level(path)
        _fill(store)
        store.write({}, [_block_key(keys.BODIES, 4)], durable=True)
        store.close()
        steps = count(1)

        def step(steps: Iterator[int] = steps, last: int = writes) -> None:
            if next(steps) > last:
                raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            _before(patched, repairing, "repair_level", step)
            _before(patched, LevelStore, "write", step)
            try:
                repair(path, GENESIS.chained.id, PARAMS)
                break
            except KeyboardInterrupt:
                pass
        with pytest.raises(StorageError, match=r"repair .* was cut short: run `mappemonde db repair` again"):
            open_level(path)
        assert repair(path, GENESIS.chained.id, PARAMS).head_height == 3
        store = open_level(path)
        _check_goes_on(store, 3)
        store.close()
    assert writes > 5
    store = open_level(path)
    _check_goes_on(store, 3)
    store.close()


def _before(patched: pytest.MonkeyPatch, owner: object, name: str, step: Callable[[], None]) -> None:
    original: Callable[..., None] = getattr(owner, name)

    def stepping(*args: object, **kwargs: object) -> None:
        step()
        original(*args, **kwargs)

    patched.setattr(owner, name, stepping)
