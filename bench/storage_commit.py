"""What a block costs on disk, what a sync costs, and what the store's caches weigh.

`python -m bench.storage_commit [DIRECTORY]` imports blocks of 0, 100 and 1,000 transfers to new accounts over LevelDB,
and prints per block: the whole import after recovery of the senders, the store's one batch with and without waiting for
the disk, and the bytes in it. Then the price of a sync alone, of reads, and the memory of full caches. DIRECTORY lies
on the disk to be measured (default: the system's temporary directory).
"""

import sys
import tempfile
import tracemalloc
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from time import perf_counter

from chain.importer import Importer
from chain.ports import HeadMove, StoredBlock, Supply
from chain.primitives.hashing import keccak256
from chain.primitives.units import Address, Wei
from chain.verified import VerifiedBlock
from storage.chain_store import HEADER_CACHE, NODE_CACHE, ChainStore
from storage.leveldb import LevelStore, open_level
from storage.memory import MemoryStore
from tests.helpers.chained import child_header, root_header, run_of
from tests.helpers.forge import FakeRules, Forge
from tests.helpers.networks import payment, small_genesis

SIZES = (0, 100, 1000)
BLOCKS = 6
SYNCS = 300
NODE_BYTES = 300
"""Mean size of a trie node here: branches near the root have 532, leaves about 110."""


class Meter:
    """A store whose writes are timed; `durable` can be turned off."""

    def __init__(self, store: LevelStore, *, durable: bool) -> None:
        self._store = store
        self._durable = durable
        self.seconds = 0.0
        self.written = 0

    def get(self, key: bytes) -> bytes | None:
        """Pass on."""
        return self._store.get(key)

    def write(self, puts: Mapping[bytes, bytes], deletes: Collection[bytes] = (), *, durable: bool) -> None:
        """Pass on, timed."""
        start = perf_counter()
        self._store.write(puts, deletes, durable=durable and self._durable)
        self.seconds += perf_counter() - start
        self.written += sum(len(key) + len(value) for key, value in puts.items())

    def iterate(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Pass on."""
        return self._store.iterate(prefix)

    def close(self) -> None:
        """Pass on."""
        self._store.close()


def measure_blocks(directory: Path) -> None:
    """Print the cost per block."""
    genesis = small_genesis()
    print(f"{'transfers':>9} {'import ms':>10} {'batch ms':>9} {'no sync ms':>11} {'batch kB':>9}")
    for size in SIZES:
        forge = Forge(genesis)
        blocks: list[VerifiedBlock] = []
        parent, nonce = forge.root, 0
        for _ in range(BLOCKS):
            receivers = [Address(keccak256(number.to_bytes(8, "big"))[:20]) for number in range(nonce, nonce + size)]
            paid = [payment(genesis, 0, nonce + place, to=to) for place, to in enumerate(receivers)]
            blocks.append(forge.block(parent, *paid))
            parent, nonce = forge.chained(blocks[-1]), nonce + size
        whole, batch, written = _import(directory / f"sync-{size}", blocks, durable=True)
        _, unsynced, _ = _import(directory / f"plain-{size}", blocks, durable=False)
        figures = (whole * 1e3, batch * 1e3, unsynced * 1e3, written / 1e3)
        print(f"{size:>9} {figures[0]:>10.2f} {figures[1]:>9.2f} {figures[2]:>11.2f} {figures[3]:>9.1f}")


def _import(path: Path, blocks: list[VerifiedBlock], *, durable: bool) -> tuple[float, float, float]:
    genesis = small_genesis()
    meter = Meter(open_level(path), durable=durable)
    importer = Importer(genesis.params, genesis, ChainStore(meter), FakeRules())
    meter.seconds, meter.written = 0.0, 0
    start = perf_counter()
    for block in blocks:
        importer.add(block, block.arrived)
    whole = perf_counter() - start
    meter.close()
    return whole / len(blocks), meter.seconds / len(blocks), meter.written / len(blocks)


def measure_sync(directory: Path) -> None:
    """Print what waiting for the disk costs."""
    store = open_level(directory / "syncs")
    for durable in (False, True):
        times = []
        for number in range(SYNCS):
            start = perf_counter()
            store.write({number.to_bytes(8, "big"): bytes(200)}, durable=durable)
            times.append(perf_counter() - start)
        times.sort()
        kind = "with sync" if durable else "without sync"
        print(f"a write of 200 bytes {kind}: median {times[SYNCS // 2] * 1e3:.3f} ms, p99 {times[-4] * 1e3:.3f} ms")
    store.close()


def measure_reads(directory: Path) -> None:
    """Print what a trie node costs from the cache and from LevelDB."""
    store = open_level(directory / "reads")
    nodes = {
        keccak256(number.to_bytes(4, "big")): number.to_bytes(4, "big") * (NODE_BYTES // 4) for number in range(50_000)
    }
    root = root_header()
    block = StoredBlock(root, b"", b"", nodes, (), Supply(Wei(0), Wei(0), Wei(0), Wei(0)))
    ChainStore(store).commit(block, HeadMove((), (root.id,), root.id))
    cold = ChainStore(store)
    wanted = list(nodes)[:NODE_CACHE]
    for kind in ("from LevelDB", "from the cache"):
        start = perf_counter()
        for node_hash in wanted:
            cold.trie_node(node_hash)
        print(f"a trie node {kind}: {(perf_counter() - start) / len(wanted) * 1e6:.2f} µs")
    store.close()


def measure_caches() -> None:
    """Print the memory of caches filled to their limit."""
    chain = ChainStore(MemoryStore())
    nodes = {}
    for number in range(2 * NODE_CACHE):
        node = number.to_bytes(4, "big") * (NODE_BYTES // 4)
        nodes[keccak256(node)] = node
    headers = run_of(root_header(), 2 * HEADER_CACHE)
    nothing = Supply(Wei(0), Wei(0), Wei(0), Wei(0))
    chain.commit(StoredBlock(child_header(root_header()), b"", b"", nodes, (), nothing), None)
    for header in headers:
        chain.commit(StoredBlock(header, b"", b"", {}, (), nothing), None)
    fresh = ChainStore(chain._store)  # the caches alone, without the store below
    tracemalloc.start()
    for node_hash in nodes:
        fresh.trie_node(bytes(node_hash))  # type: ignore[arg-type]  # a copy, as a reader's hash would be
    after_nodes = tracemalloc.get_traced_memory()[0]
    for header in headers:
        fresh.chained(header.id)
    after_headers = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    below = sum(sys.getsizeof(node) + sys.getsizeof(name) for name, node in nodes.items())
    print(f"{2 * NODE_CACHE} trie nodes cached: {(after_nodes + below) / 1e6:.1f} MB")
    print(f"{2 * HEADER_CACHE} headers cached: {(after_headers - after_nodes) / 1e6:.1f} MB")


def main() -> None:
    """Measure all."""
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as name:
        measure_blocks(Path(name))
        measure_sync(Path(name))
        measure_reads(Path(name))
    measure_caches()


if __name__ == "__main__":
    main()
