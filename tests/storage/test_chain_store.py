"""Blocks and the canonical index: one batch, forwards and backwards."""

import pytest

from chain.block import ChainedHeader
from chain.ports import HeadMove, StoredBlock, Supply, TransactionPlace
from chain.primitives.errors import StorageError
from chain.primitives.hashing import keccak256
from chain.primitives.units import Hash32, Wei
from storage import keys
from storage.chain_store import ChainStore
from storage.kv import KeyValueStore
from tests.helpers.chained import child_header, root_header

ROOT = root_header()


def stored(chained: ChainedHeader, *names: str) -> StoredBlock:
    """A block with transactions of these names and one trie node of its own."""
    node = b"node of " + chained.id
    return StoredBlock(
        chained=chained,
        body=b"body of " + chained.id,
        receipts=b"receipts of " + chained.id,
        trie_nodes={keccak256(node): node},
        transaction_hashes=tuple(_tx(name) for name in names),
        supply=Supply(Wei(10**30), Wei(chained.height), Wei(0), Wei(7)),
    )


def _tx(name: str) -> Hash32:
    return keccak256(name.encode())


def _begun(store: KeyValueStore) -> ChainStore:
    chain = ChainStore(store)
    assert chain.head_id() is None
    chain.commit(stored(ROOT), HeadMove((), (ROOT.id,), ROOT.id))
    return chain


def test_a_block_is_found_by_all_its_names_also_after_a_restart(store: KeyValueStore) -> None:
    first = child_header(ROOT, work=1 << 250, pow_hash=1 << 240)
    block = stored(first, "a", "b")
    written = _begun(store)
    written.commit(block, HeadMove((), (first.id,), first.id))
    for chain in (written, ChainStore(store)):
        assert chain.head_id() == first.id
        assert chain.chained(first.id) == first
        assert chain.body(first.id) == block.body
        assert chain.receipts(first.id) == block.receipts
        assert chain.supply(first.id) == block.supply
        assert [chain.trie_node(node) for node in block.trie_nodes] == list(block.trie_nodes.values())
        assert (chain.canonical_id(1), chain.canonical_id(2), chain.canonical_id(-1)) == (first.id, None, None)
        assert chain.ids_at(1) == (first.id,)
        assert chain.transaction_place(_tx("b")) == TransactionPlace(first.id, 1, 1)


def test_what_is_not_there_is_none(store: KeyValueStore) -> None:
    chain, nothing = _begun(store), Hash32(b"?" * 32)
    for read in (chain.chained, chain.body, chain.receipts, chain.supply, chain.trie_node, chain.transaction_place):
        assert read(nothing) is None
    assert chain.ids_at(9) == ()


def test_a_side_block_is_stored_beside_the_canonical_chain(store: KeyValueStore) -> None:
    chain = _begun(store)
    side = child_header(ROOT)
    chain.commit(stored(side, "a"), None)
    assert chain.chained(side.id) == side
    assert (chain.head_id(), chain.canonical_id(1), chain.transaction_place(_tx("a"))) == (ROOT.id, None, None)


def test_a_reorganisation_moves_index_and_transactions_in_one_batch(store: KeyValueStore) -> None:
    chain = _begun(store)
    old = [child_header(ROOT, extra=b"old")]
    old += [child_header(old[0]), child_header(child_header(old[0]))]
    for block, names in zip(old, (("both", "old only"), ("later",), ("last",)), strict=True):
        chain.commit(stored(block, *names), HeadMove((), (block.id,), block.id))
    side = child_header(ROOT, extra=b"new")
    chain.commit(stored(side, "new", "both"), None)
    top = child_header(side)
    undo = tuple(block.id for block in reversed(old))
    chain.commit(stored(top, "later"), HeadMove(undo, (side.id, top.id), top.id))
    assert [chain.canonical_id(height) for height in range(4)] == [ROOT.id, side.id, top.id, None]
    assert chain.transaction_place(_tx("both")) == TransactionPlace(side.id, 1, 1)
    assert chain.transaction_place(_tx("later")) == TransactionPlace(top.id, 2, 0)
    assert chain.transaction_place(_tx("old only")) is None
    assert chain.transaction_place(_tx("last")) is None
    assert chain.chained(old[2].id) == old[2]
    back = HeadMove((top.id, side.id), tuple(block.id for block in old), old[2].id)
    chain.commit(None, back)
    assert [chain.canonical_id(height) for height in range(4)] == [ROOT.id, *(block.id for block in old)]
    assert chain.transaction_place(_tx("both")) == TransactionPlace(old[0].id, 1, 0)
    assert chain.transaction_place(_tx("new")) is None


def test_a_plan_for_unknown_blocks_is_refused_and_writes_nothing(store: KeyValueStore) -> None:
    chain = _begun(store)
    unknown = child_header(ROOT)
    before = list(store.iterate(b""))
    with pytest.raises(StorageError, match="is missing"):
        chain.commit(None, HeadMove((), (unknown.id,), unknown.id))
    assert list(store.iterate(b"")) == before


@pytest.mark.parametrize(
    "raw", [b"", b"\xc1", b"\x96\x00\x00\x00\x00\x00\x00", b"\x96\xc4\x01a\x00\x00\x00\xc4\x00\xc4\x00"]
)
def test_a_damaged_header_is_told(store: KeyValueStore, raw: bytes) -> None:
    _begun(store)
    store.write({keys.block_key(keys.HEADERS, ROOT.id): raw}, durable=False)
    with pytest.raises(StorageError, match="damaged"):
        ChainStore(store).chained(ROOT.id)


def test_a_damaged_supply_is_told(store: KeyValueStore) -> None:
    chain = _begun(store)
    for raw in (b"\xc1", b"\x90"):
        store.write({keys.block_key(keys.SUPPLY, ROOT.id): raw}, durable=False)
        with pytest.raises(StorageError, match="damaged"):
            chain.supply(ROOT.id)


def test_every_table_has_a_prefix_of_its_own() -> None:
    prefixes = [table.prefix for table in keys.TABLES]
    assert len(set(prefixes)) == len(prefixes)
    assert all(len(prefix) == 1 for prefix in prefixes)
    assert all(table.version <= keys.SCHEMA_VERSION for table in keys.TABLES)
