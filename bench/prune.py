"""What `db prune` costs and gives back: a chain of thousands of blocks with transfers, pruned by the real command.

`python -m bench.prune [--blocks N] [--transfers N] [--keep BLOCKS ...] [--chain DIRECTORY]` builds a devnet chain by
the real rules, half of whose payments go to new accounts, compacts it, and prunes a copy of it for each `--keep`. It
prints bytes on disk before and after, what was removed, and CPU seconds and peak memory of the command. DIRECTORY keeps
the chain for the next time (default: a temporary one).
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, sleep

from chain.block import encode_body
from chain.judge import genesis_block
from chain.ports import HeadMove, StoredBlock, Supply
from chain.primitives.hashing import keccak256
from chain.primitives.units import GWEI, Address, Hash32, Wei
from chain.receipt import encode_receipts
from chain.transaction import SignedTransaction
from storage.chain_store import ChainStore
from storage.leveldb import open_level
from storage.migrations import claim
from tests.helpers.chain_builder import Built, ChainBuilder, MemoryNodes
from tests.helpers.transactions import DEVNET_KEYS, sign

SAMPLE_SECONDS = 0.05
"""How often a command's memory is looked at."""

NO_SUPPLY = Supply(Wei(0), Wei(0), Wei(0), Wei(0))
"""Stored with the blocks: nothing here reads it."""


class StoredNodes(MemoryNodes):
    """The trie nodes of a store, which is filled by whole blocks."""

    def __init__(self, store: ChainStore) -> None:
        super().__init__()
        self._store = store

    def trie_node(self, node_hash: Hash32) -> bytes | None:
        """Return a stored node."""
        return self._store.trie_node(node_hash)

    def update(self, *_nodes: object, **_named: object) -> None:
        """Keep nothing: the block's batch has them."""


def payments(block: int, count: int) -> Iterable[SignedTransaction]:
    """Return a block's transfers: every other one to an account that is new."""
    senders = len(DEVNET_KEYS)
    for number in range(block * count, (block + 1) * count):
        to = Address(keccak256((number if number % 2 else number * 7 // 11).to_bytes(8, "big"))[:20])
        yield sign(DEVNET_KEYS[number % senders], to=to, nonce=number // senders, value=10**12, max_fee=2 * GWEI)


def stored(built: Built) -> StoredBlock:
    """Return a block as the importer stores it."""
    return StoredBlock(
        chained=built.chained,
        body=encode_body(built.block.transactions),
        receipts=encode_receipts(built.execution.receipts),
        trie_nodes=built.execution.trie_nodes,
        transaction_hashes=tuple(tx.hash for tx in built.block.transactions),
        supply=NO_SUPPLY,
    )


def build(root: Path, blocks: int, transfers: int) -> None:
    """Write a chain into the database of a data directory."""
    builder = ChainBuilder()
    level = open_level(root / "chain")
    claim(level, builder.params.network_id, builder.params.name)
    store = ChainStore(level)
    first = genesis_block(builder.genesis)
    store.commit(first, HeadMove((), (first.chained.id,), first.chained.id))
    builder.nodes = StoredNodes(store)
    parent = builder.root
    for number in range(blocks):
        built = builder.extend(parent, tuple(payments(number, transfers)), miner=Address(b"M" * 20))
        parent = built.chained
        store.commit(stored(built), HeadMove((), (parent.id,), parent.id))
    level.compact()
    level.close()


@dataclass(frozen=True, slots=True)
class Cost:
    """What a command took."""

    cpu_seconds: float
    own_bytes: int
    """Peak of its own memory, looked at every SAMPLE_SECONDS."""
    resident_bytes: int
    """Peak with the pages of tables that LevelDB has mapped, which the system takes back when it needs them."""


def command(root: Path, *words: str) -> tuple[dict[str, object], Cost]:
    """Run a `db` command; return what it told and what it cost."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    line = [sys.executable, "-m", "cli.main", "db", *words, "--network", "devnet", "--datadir", str(root), "--json"]
    own = resident = 0
    with subprocess.Popen(line, stdout=subprocess.PIPE) as running:
        while running.poll() is None:
            status = Path(f"/proc/{running.pid}/status").read_text()
            fields = dict(entry.split(":", 1) for entry in status.splitlines())
            own = max(own, int(fields.get("RssAnon", "0").split()[0]) << 10)
            resident = max(resident, int(fields.get("VmHWM", "0").split()[0]) << 10)
            sleep(SAMPLE_SECONDS)
        assert running.stdout is not None
        told = running.stdout.read()
    assert running.returncode == 0, told
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return json.loads(told), Cost(cpu, own, resident)


def main() -> None:
    """Build, prune copies, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=10_000)
    parser.add_argument("--transfers", type=int, default=10)
    parser.add_argument("--keep", type=int, nargs="*", default=[5_040, 128])
    parser.add_argument("--chain", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = options.chain or Path(folder) / "built"
        if not (root / "chain").is_dir():
            start = perf_counter()
            build(root, options.blocks, options.transfers)
            print(f"{options.blocks} blocks of {options.transfers} transfers built in {perf_counter() - start:.0f} s")
        for keep in options.keep:
            copy = Path(shutil.copytree(root, Path(folder) / f"keep-{keep}"))
            told, cost = command(copy, "prune", "--keep", str(keep))
            print(
                f"keep {keep}: {int(str(told['bytesBefore'])) / 1e6:.1f} MB before, "
                f"{int(str(told['bytesAfter'])) / 1e6:.1f} MB after; {told['removedNodes']} trie nodes removed "
                f"({int(str(told['removedBytes'])) / 1e6:.1f} MB), {told['keptNodes']} kept in {told['keptStates']} "
                f"states; {cost.cpu_seconds:.1f} s CPU, peak memory {cost.own_bytes / 1e6:.0f} MB "
                f"({cost.resident_bytes / 1e6:.0f} MB with mapped tables)"
            )
            _, again = command(copy, "prune", "--keep", str(keep))
            verified, checked = command(copy, "verify")
            assert not verified["faults"]
            print(f"  once more: {again.cpu_seconds:.1f} s CPU; `db verify` of it: {checked.cpu_seconds:.1f} s")


if __name__ == "__main__":
    main()
