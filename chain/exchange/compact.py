"""Compact blocks: a sealed header and, for each transaction, six bytes that name it or the transaction itself.

The names are keyed by the block id, so nobody can prepare transactions whose names collide before a block is sealed.
The payload is the same for all receivers: the relay names messages by their bytes.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from chain.block import SEALED_MAX_BYTES, SealedHeader, decode_sealed, encode_sealed
from chain.exchange.messages import PARTS_MAX
from chain.exchange.topics import BLOCK_MAX_BYTES, TRANSACTION_MAX_BYTES
from chain.primitives.canonical import pack, unpack
from chain.primitives.errors import Malformed
from chain.primitives.fields import bytes_field, int_field, list_field
from chain.primitives.units import Hash32
from chain.transaction import Transaction

SHORT_BYTES = 6
"""Length of a short id: with 16,384 transactions in the pool one of 6,000 names is ambiguous once in three million
blocks, and then the body is fetched whole."""


@dataclass(frozen=True, slots=True)
class CompactBlock:
    """What the BLOCK topic carries."""

    sealed: SealedHeader
    short_ids: tuple[bytes, ...]
    """Names of the transactions that are not prefilled, in their order."""
    prefilled: tuple[tuple[int, bytes], ...]
    """(place in the body, encoded transaction), ascending: what the author thinks that others lack."""

    @property
    def count(self) -> int:
        """Number of transactions of the body."""
        return len(self.short_ids) + len(self.prefilled)

    def slots(self) -> list[bytes | None]:
        """Return the body's places: the encoded transaction where it is prefilled, None elsewhere."""
        places: list[bytes | None] = [None] * self.count
        for index, raw in self.prefilled:
            places[index] = raw
        return places


def short_id(block_id: Hash32, tx_hash: Hash32) -> bytes:
    """Return the name of a transaction inside a block: keyed blake2b, 6 bytes."""
    return hashlib.blake2b(tx_hash, digest_size=SHORT_BYTES, key=block_id).digest()


def make_compact(
    sealed: SealedHeader,
    block_id: Hash32,
    transactions: Sequence[Transaction],
    is_known: Callable[[Hash32], bool],
) -> CompactBlock:
    """Return the compact form of a block; what is not `is_known` to the others is prefilled."""
    known = [is_known(tx.hash) for tx in transactions]
    return CompactBlock(
        sealed=sealed,
        short_ids=tuple(
            short_id(block_id, tx.hash) for tx, elsewhere in zip(transactions, known, strict=True) if elsewhere
        ),
        prefilled=tuple(
            (index, tx.raw)
            for index, (tx, elsewhere) in enumerate(zip(transactions, known, strict=True))
            if not elsewhere
        ),
    )


def encode_compact(compact: CompactBlock) -> bytes:
    """Return the payload of the BLOCK topic."""
    return pack(
        [
            encode_sealed(compact.sealed),
            b"".join(compact.short_ids),
            [[index, raw] for index, raw in compact.prefilled],
        ]
    )


def decode_compact(raw: bytes) -> CompactBlock:
    """Return the compact block that `raw` encodes; nothing of it is checked but its form. Raises `Malformed`."""
    fields = list_field(unpack(raw, max_bytes=BLOCK_MAX_BYTES, max_items=PARTS_MAX), count=3)
    names = bytes_field(fields[1], most=PARTS_MAX * SHORT_BYTES)
    if len(names) % SHORT_BYTES:
        raise Malformed("short ids are cut off")
    short_ids = tuple(names[at : at + SHORT_BYTES] for at in range(0, len(names), SHORT_BYTES))
    prefilled = tuple(_prefilled(item) for item in list_field(fields[2], most=PARTS_MAX))
    count = len(short_ids) + len(prefilled)
    if count > PARTS_MAX:
        raise Malformed(f"{count} transactions in a block")
    places = [index for index, _ in prefilled]
    if places and (places[-1] >= count or any(low >= high for low, high in pairwise(places))):
        raise Malformed("places of prefilled transactions do not ascend within the body")
    return CompactBlock(decode_sealed(bytes_field(fields[0], most=SEALED_MAX_BYTES)), short_ids, prefilled)


def _prefilled(item: object) -> tuple[int, bytes]:
    index, raw = list_field(item, count=2)
    return int_field(index, below=PARTS_MAX), bytes_field(raw, most=TRANSACTION_MAX_BYTES)


def match(compact: CompactBlock, block_id: Hash32, hashes: Iterable[Hash32]) -> list[Hash32 | None]:
    """Return for each short id the hash among `hashes` that it names, None if none or more than one does.

    About 1 µs per hash of the pool.
    """
    if not compact.short_ids:
        return []
    wanted = set(compact.short_ids)
    found: dict[bytes, Hash32 | None] = {}
    for tx_hash in hashes:
        name = short_id(block_id, tx_hash)
        if name in wanted:
            found[name] = None if name in found else tx_hash
    return [found.get(name) for name in compact.short_ids]
