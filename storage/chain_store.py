"""Blocks, receipts, trie nodes and the canonical index on a key-value store.

Trie nodes go by their hash, and here none is removed: the state of every stored block stays readable until `prune`
takes old ones away. One batch per block, written durably: a crash at any instruction leaves the head at the last block
whose batch is complete.
"""

from chain.block import ChainedHeader, decode_sealed, encode_sealed
from chain.ports import HeadMove, StoredBlock, Supply, TransactionPlace
from chain.primitives.cache import Cache
from chain.primitives.canonical import bytes_integer, integer_bytes, pack, unpack
from chain.primitives.errors import Malformed, StorageError
from chain.primitives.units import Hash32, LogTarget, Millis, Wei
from storage import keys
from storage.kv import KeyValueStore

HEADER_CACHE = 1024
"""Headers kept in memory, at most twice as many: 1.5 kB each. Covers every walk of the fork choice."""

NODE_CACHE = 16_384
"""Trie nodes kept in memory, at most twice as many: under 0.6 kB each, so 20 MB at most."""

_HEADER_MAX = 4096
_WORK_BYTES = 40
_HASH = 32


class ChainStore:
    """`chain.ports.ChainStore`: reads from any thread, writes from the importer's alone."""

    def __init__(self, store: KeyValueStore) -> None:
        self._store = store
        self._headers: Cache[Hash32, ChainedHeader] = Cache(HEADER_CACHE)
        self._nodes: Cache[Hash32, bytes] = Cache(NODE_CACHE)

    def commit(self, block: StoredBlock | None, move: HeadMove | None) -> None:
        """Write a block, a change of the head, or both, in one atomic and durable batch with its undo record.

        Raises `StorageError`; nothing has changed then.
        """
        puts: dict[bytes, bytes] = {}
        deletes: set[bytes] = set()
        if block is not None:
            self._add_block(block, puts)
        if move is not None:
            self._add_move(move, block, puts, deletes)
        self._store.write(puts, deletes, durable=True)
        if block is not None:
            self._headers.put(block.chained.id, block.chained)
            for node_hash, node in block.trie_nodes.items():
                self._nodes.put(node_hash, node)

    def head_id(self) -> Hash32 | None:
        """Return the id of the canonical head, None in an empty database."""
        head = self._store.get(keys.META_HEAD)
        return None if head is None else Hash32(head)

    def chained(self, block_id: Hash32) -> ChainedHeader | None:
        """Return a stored header in its place, canonical or not."""
        found = self._headers.get(block_id)
        if found is None:
            raw = self._store.get(keys.block_key(keys.HEADERS, block_id))
            if raw is None:
                return None
            found = _decode_chained(block_id, raw)
            self._headers.put(block_id, found)
        return found

    def body(self, block_id: Hash32) -> bytes | None:
        """Return the encoded body of a stored block."""
        return self._store.get(keys.block_key(keys.BODIES, block_id))

    def receipts(self, block_id: Hash32) -> bytes | None:
        """Return the encoded receipts of a stored block."""
        return self._store.get(keys.block_key(keys.RECEIPTS, block_id))

    def supply(self, block_id: Hash32) -> Supply | None:
        """Return what was issued and burnt up to a stored block."""
        raw = self._store.get(keys.block_key(keys.SUPPLY, block_id))
        return None if raw is None else _decode_supply(block_id, raw)

    def trie_node(self, node_hash: Hash32) -> bytes | None:
        """Return the RLP of a trie node, None if it is not there."""
        node = self._nodes.get(node_hash)
        if node is None:
            node = self._store.get(keys.block_key(keys.NODES, node_hash))
            if node is not None:
                self._nodes.put(node_hash, node)
        return node

    def state_floor(self) -> int:
        """Return the height below which states were removed; 0: none were."""
        raw = self._store.get(keys.META_STATE_FLOOR)
        return 0 if raw is None else int.from_bytes(raw, "big")

    def canonical_id(self, height: int) -> Hash32 | None:
        """Return the id of the canonical block of a height."""
        found = self._store.get(keys.height_key(height)) if height >= 0 else None
        return None if found is None else Hash32(found)

    def ids_at(self, height: int) -> tuple[Hash32, ...]:
        """Return the ids of all stored blocks of a height, canonical or not, sorted."""
        prefix = keys.by_height_key(height)
        return tuple(Hash32(key[len(prefix) :]) for key, _ in self._store.iterate(prefix))

    def transaction_place(self, tx_hash: Hash32) -> TransactionPlace | None:
        """Return where a transaction stands on the canonical chain, None if it does not."""
        raw = self._store.get(keys.block_key(keys.TRANSACTIONS, tx_hash))
        if raw is None:
            return None
        middle = _HASH + keys.HEIGHT_BYTES
        height = int.from_bytes(raw[_HASH:middle], "big")
        return TransactionPlace(Hash32(raw[:_HASH]), height, int.from_bytes(raw[middle:], "big"))

    def _add_block(self, block: StoredBlock, puts: dict[bytes, bytes]) -> None:
        block_id = block.chained.id
        puts[keys.block_key(keys.HEADERS, block_id)] = _encode_chained(block.chained)
        puts[keys.block_key(keys.BODIES, block_id)] = block.body
        puts[keys.block_key(keys.RECEIPTS, block_id)] = block.receipts
        puts[keys.block_key(keys.UNDO, block_id)] = b"".join(block.transaction_hashes)
        puts[keys.block_key(keys.SUPPLY, block_id)] = _encode_supply(block.supply)
        puts[keys.by_height_key(block.chained.height, block_id)] = b""
        for node_hash, node in block.trie_nodes.items():
            puts[keys.block_key(keys.NODES, node_hash)] = node

    def _add_move(
        self, move: HeadMove, block: StoredBlock | None, puts: dict[bytes, bytes], deletes: set[bytes]
    ) -> None:
        assert (move.apply[-1] if move.apply else move.head) == move.head, "a move ends at its head"
        assert not move.undo or move.undo[0] == self.head_id(), "a move starts at the head"
        for block_id in move.undo:
            deletes.add(keys.height_key(self._require(block_id).height))
            deletes.update(keys.block_key(keys.TRANSACTIONS, tx) for tx in self._transactions(block_id))
        for block_id in move.apply:
            fresh = block is not None and block.chained.id == block_id
            chained = block.chained if block is not None and fresh else self._require(block_id)
            hashes = block.transaction_hashes if block is not None and fresh else self._transactions(block_id)
            height = chained.height.to_bytes(keys.HEIGHT_BYTES, "big")
            puts[keys.height_key(chained.height)] = block_id
            for index, tx in enumerate(hashes):
                puts[keys.block_key(keys.TRANSACTIONS, tx)] = block_id + height + index.to_bytes(4, "big")
        puts[keys.META_HEAD] = move.head

    def _require(self, block_id: Hash32) -> ChainedHeader:
        chained = self.chained(block_id)
        if chained is None:
            raise _damaged(f"block {block_id.hex()} is missing")
        return chained

    def _transactions(self, block_id: Hash32) -> tuple[Hash32, ...]:
        raw = self._store.get(keys.block_key(keys.UNDO, block_id))
        if raw is None or len(raw) % _HASH:
            raise _damaged(f"the undo record of block {block_id.hex()} is missing")
        return tuple(Hash32(raw[at : at + _HASH]) for at in range(0, len(raw), _HASH))


def _encode_chained(chained: ChainedHeader) -> bytes:
    return pack(
        [
            encode_sealed(chained.sealed),
            chained.time,
            chained.err,
            chained.log_target,
            integer_bytes(chained.work),
            integer_bytes(chained.total_work),
        ]
    )


def _decode_chained(block_id: Hash32, raw: bytes) -> ChainedHeader:
    try:
        match unpack(raw, max_bytes=_HEADER_MAX, max_items=6):
            case [bytes(sealed), int(time), int(err), int(log_target), bytes(work), bytes(total_work)]:
                return ChainedHeader(
                    decode_sealed(sealed),
                    block_id,
                    Millis(time),
                    err,
                    LogTarget(log_target),
                    bytes_integer(work, max_bytes=_WORK_BYTES),
                    bytes_integer(total_work, max_bytes=_WORK_BYTES),
                )
    except Malformed as error:
        raise _damaged(f"header {block_id.hex()}: {error}") from None
    raise _damaged(f"header {block_id.hex()} has another layout")


def _encode_supply(supply: Supply) -> bytes:
    sums = (supply.premine, supply.subsidies, supply.ticket_rewards, supply.burnt)
    return pack([integer_bytes(number) for number in sums])


def _decode_supply(block_id: Hash32, raw: bytes) -> Supply:
    try:
        match unpack(raw, max_bytes=_HEADER_MAX, max_items=4):
            case [bytes(premine), bytes(subsidies), bytes(rewards), bytes(burnt)]:
                return Supply(*(Wei(bytes_integer(number)) for number in (premine, subsidies, rewards, burnt)))
    except Malformed as error:
        raise _damaged(f"supply at {block_id.hex()}: {error}") from None
    raise _damaged(f"supply at {block_id.hex()} has another layout")


def _damaged(what: str) -> StorageError:
    return StorageError(f"the database is damaged ({what}): make a copy of it, then run `mappemonde db repair`")
