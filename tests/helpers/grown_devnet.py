"""A data directory of the devnet with a chain long enough to be pruned, sealed by the real rules."""

from pathlib import Path

from chain.block import ChainedHeader
from chain.importer import Importer
from chain.primitives.units import Address
from storage.chain_store import ChainStore
from storage.leveldb import open_level
from storage.migrations import claim
from tests.helpers.chain_builder import Built, ChainBuilder
from tests.helpers.transactions import DEVNET_KEYS, sign


def payments(builder: ChainBuilder, count: int, parent: ChainedHeader | None = None, extra: bytes = b"") -> list[Built]:
    """Return blocks with one payment each, to an account that was not there before."""
    built: list[Built] = []
    first = 0 if parent is None else parent.height
    for nonce in range(first, first + count):
        to = Address((nonce + 1).to_bytes(20, "big"))
        payment = sign(DEVNET_KEYS[0], to=to, nonce=nonce, value=1, max_fee=10**11)
        built.append(builder.extend(parent, [payment], extra=extra))
        parent = built[-1].chained
    return built


def fill(root: Path, builder: ChainBuilder, blocks: list[Built]) -> None:
    """Import blocks into the database of a data directory."""
    store = open_level(root / "chain")
    claim(store, builder.params.network_id, builder.params.name)
    importer = Importer(builder.params, builder.genesis, ChainStore(store), builder.rules)
    for block in blocks:
        importer.add(block.verified(), block.chained.time)
    store.close()
