"""Transfers imported per second on one core: blocks of 2,000 payments between 2,000 accounts, over LevelDB.

`python -m bench.import_transfers [--blocks N] [--profile]` builds a chain, then imports it in one thread as the node
does: decode the body, recover the senders, hand the block to the importer (execution, all roots, one durable batch). It
prints the time of each stage, the rate, and its ratio to bare recovery of the same public keys by coincurve, which no
node in Python can beat on one core. In the node the first two stages run in worker threads beside the importer's.
"""

import argparse
import cProfile
import pstats
import tempfile
import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from time import perf_counter

from coincurve import PublicKey

from chain.block import decode_body, encode_body
from chain.execution import verify_block
from chain.genesis import Genesis, parse_genesis
from chain.importer import Importer
from chain.ports import HeadMove, StoredBlock
from chain.primitives.units import GWEI, Address
from chain.state import WRITER_CACHE_NODES, State
from chain.transaction import SignedTransaction, recover_sender
from chain.trie_nodes import NodeCache
from chain.verified import VerifiedBlock
from storage.chain_store import ChainStore
from storage.leveldb import open_level
from tests.helpers.chain_builder import Built, ChainBuilder
from tests.helpers.transactions import address_of_key, key_of, sign

ACCOUNTS = 2_000
MINER = Address(b"M" * 20)


@dataclass
class Stages:
    """Seconds spent, summed over all blocks."""

    decode: float = 0.0
    recover: float = 0.0
    execute: float = 0.0
    store: float = 0.0
    bare: float = 0.0


class TimedStore(ChainStore):
    """The chain's store, its writes timed."""

    seconds = 0.0

    def commit(self, block: StoredBlock | None, move: HeadMove | None) -> None:
        """Write as the node does."""
        start = perf_counter()
        super().commit(block, move)
        self.seconds += perf_counter() - start


def genesis_of(accounts: int) -> Genesis:
    """Return devnet's genesis with so many accounts that own coins."""
    document = tomllib.loads((resources.files("genesis") / "devnet.toml").read_text())
    owners = [address_of_key(key_of(number)) for number in range(1, accounts + 1)]
    return parse_genesis(document | {"allocations": {"0x" + owner.hex(): "1000 MND" for owner in owners}}, "bench")


def build(builder: ChainBuilder, blocks: int) -> list[Built]:
    """Return blocks in which every account pays the next one."""
    keys = [key_of(number) for number in range(1, ACCOUNTS + 1)]
    owners = [address_of_key(key) for key in keys]
    built: list[Built] = []
    for nonce in range(blocks):
        payments = [
            sign(key, to=owners[(place * 7 + nonce + 1) % ACCOUNTS], nonce=nonce, value=10**15, max_fee=50 * GWEI)
            for place, key in enumerate(keys)
        ]
        built.append(builder.extend(built[-1].chained if built else None, payments, miner=MINER))
    return built


def bare_recovery(transactions: tuple[SignedTransaction, ...]) -> float:
    """Return the seconds of the unavoidable: coincurve's recovery of the public keys."""
    work = [
        (signed.tx.r.to_bytes(32, "big") + signed.tx.s.to_bytes(32, "big") + bytes((signed.tx.y_parity,)), signed)
        for signed in transactions
    ]
    start = perf_counter()
    for signature, signed in work:
        PublicKey.from_signature_and_message(signature, signed.tx.signing_hash, hasher=None)
    return perf_counter() - start


def run(genesis: Genesis, builder: ChainBuilder, blocks: list[Built], path: Path) -> Stages:
    """Import the blocks into a new database."""
    stages = Stages()
    store = TimedStore(open_level(path))
    importer = Importer(genesis.params, genesis, store, builder.rules)
    for built in blocks:
        raw = encode_body(built.block.transactions)
        start = perf_counter()
        transactions = decode_body(raw, genesis.params)
        decoded = perf_counter()
        signed = tuple(recover_sender(tx) for tx in transactions)
        recovered = perf_counter()
        before = store.seconds
        now = built.chained.time
        result = importer.add(VerifiedBlock(built.chained.sealed, signed, now), now)
        done = perf_counter()
        assert result.move is not None
        assert importer.head().id == built.chained.id
        stages.decode += decoded - start
        stages.recover += recovered - decoded
        stages.store += store.seconds - before
        stages.execute += done - recovered - (store.seconds - before)
        stages.bare += bare_recovery(signed)
    return stages


def profile(builder: ChainBuilder, blocks: list[Built]) -> None:
    """Print where the execution of the blocks spends its time."""
    cache = NodeCache(WRITER_CACHE_NODES)
    profiler = cProfile.Profile()
    parent = builder.root
    for built in blocks:
        state = State(builder.nodes, parent.header.state_root, cache)
        profiler.enable()
        verify_block(state, parent.header, built.chained.sealed, built.transactions, builder.params)
        profiler.disable()
        parent = built.chained
    pstats.Stats(profiler).sort_stats("tottime").print_stats(25)


def main() -> None:
    """Build, import, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=5)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    genesis = genesis_of(ACCOUNTS)
    builder = ChainBuilder(genesis)
    blocks = build(builder, options.blocks)
    if options.profile:
        profile(builder, blocks)
        return
    with tempfile.TemporaryDirectory() as folder:
        stages = run(genesis, builder, blocks, Path(folder) / "chain")
    count = ACCOUNTS * options.blocks
    total = stages.decode + stages.recover + stages.execute + stages.store
    print(f"{count} transfers in {options.blocks} blocks, one thread, µs per transfer:")
    for name, seconds in (
        ("decode body", stages.decode),
        ("recover senders", stages.recover),
        ("execute, roots", stages.execute),
        ("LevelDB batch", stages.store),
        ("total", total),
        ("coincurve alone", stages.bare),
    ):
        print(f"  {name:16} {seconds / count * 1e6:7.1f}")
    print(f"{count / total:.0f} transfers/s imported; {stages.bare / total:.2f} of the rate of bare recovery")


if __name__ == "__main__":
    main()
