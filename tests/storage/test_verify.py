"""Every kind of damage is told, and nothing is changed."""

import pytest

from chain.block import header_id
from chain.importer import Importer
from chain.primitives.errors import StorageError
from storage import keys
from storage.chain_store import ChainStore
from storage.memory import MemoryStore
from storage.migrations import claim
from storage.verify import MAX_FAULTS, Verified, sizes, verify
from tests.helpers.forge import FakeRules, Forge
from tests.helpers.networks import payment, small_genesis

GENESIS = small_genesis()
PARAMS = GENESIS.params
HEIGHT = 6


def filled() -> tuple[MemoryStore, list[bytes]]:
    """Return a store with a chain, and the ids of its blocks from height 1 on."""
    store, forge = MemoryStore(), Forge(GENESIS)
    claim(store, PARAMS.network_id, PARAMS.name)
    importer = Importer(PARAMS, GENESIS, ChainStore(store), FakeRules())
    ids: list[bytes] = []
    parent = forge.root
    for nonce in range(HEIGHT):
        block = forge.block(parent, payment(GENESIS, 0, nonce))
        importer.add(block, block.arrived)
        parent = forge.chained(block)
        ids.append(header_id(block.sealed.header))
    return store, ids


def walked(store: MemoryStore) -> Verified:
    before = dict(store.iterate(b""))
    found = verify(store, GENESIS.chained.id, PARAMS, lambda _height, _head: None)
    assert dict(store.iterate(b"")) == before, "verifying changes nothing"
    return found


def test_a_whole_chain_has_no_faults() -> None:
    store, _ = filled()
    assert walked(store) == Verified(HEIGHT, HEIGHT + 1, HEIGHT, ())


@pytest.mark.parametrize("table", [keys.BODIES, keys.RECEIPTS, keys.UNDO, keys.SUPPLY, keys.HEADERS])
def test_a_missing_record_is_told(table: keys.Table) -> None:
    store, ids = filled()
    store.write({}, [table.prefix + ids[2]], durable=True)
    faults = walked(store).faults
    assert faults
    assert {fault.height for fault in faults} == {3}


@pytest.mark.parametrize(
    ("table", "text"),
    [
        (keys.BODIES, "not what the header says"),
        (keys.RECEIPTS, "not what the header says"),
        (keys.UNDO, "undo record"),
        (keys.HEADERS, "another hash"),
    ],
)
def test_another_blocks_record_is_told(table: keys.Table, text: str) -> None:
    store, ids = filled()
    other = store.get(table.prefix + (ids[0] if table is not keys.RECEIPTS else GENESIS.chained.id))
    assert other is not None
    store.write({table.prefix + ids[2]: other}, durable=True)
    assert any(text in fault.text for fault in walked(store).faults if fault.height == 3)


def test_bytes_that_cannot_be_decoded_are_told() -> None:
    for table in (keys.BODIES, keys.RECEIPTS, keys.HEADERS, keys.SUPPLY):
        store, ids = filled()
        store.write({table.prefix + ids[2]: b"\xc1"}, durable=True)
        assert any(fault.height == 3 for fault in walked(store).faults)


def test_gaps_in_the_indexes_are_told() -> None:
    store, _ = filled()
    gone = [key for table in (keys.TRANSACTIONS, keys.BY_HEIGHT) for key, _ in store.iterate(table.prefix)]
    store.write({}, [*gone, keys.height_key(4)], durable=True)
    texts = " ".join(fault.text for fault in walked(store).faults)
    assert "is not in the index" in texts
    assert "not in the index by height" in texts
    assert "no block stands in the canonical index" in texts


def test_a_lost_node_of_the_heads_state_is_told() -> None:
    store, _ = filled()
    chain = ChainStore(store)
    head_id = chain.head_id()
    assert head_id is not None
    head = chain.chained(head_id)
    assert head is not None
    store.write({}, [keys.block_key(keys.NODES, head.header.state_root)], durable=True)
    assert [fault.height for fault in walked(store).faults] == [HEIGHT]


def test_what_is_no_chain_of_this_network_is_refused() -> None:
    with pytest.raises(StorageError, match="no chain"):
        verify(MemoryStore(), GENESIS.chained.id, PARAMS, lambda _height, _head: None)
    store = MemoryStore()
    claim(store, PARAMS.network_id, PARAMS.name)
    assert walked(store).faults[0].text == "the head is not stored"
    assert MAX_FAULTS == 100


def test_tables_are_counted() -> None:
    store, _ = filled()
    found = {size.table.name: size for size in sizes(store)}
    assert set(found) == {table.name for table in keys.TABLES}
    assert found["headers"].entries == found["bodies"].entries == HEIGHT + 1
    assert found["canonical transactions"].value_bytes == HEIGHT * 44
