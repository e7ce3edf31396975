"""Header verification against bare Argon2id, one core: what a synchronising node pays per block."""

import time
from dataclasses import replace

from argon2.low_level import Type, hash_secret_raw

from chain.block import SealedHeader, encode_header
from chain.genesis import Genesis, load_genesis
from chain.ports import EpochStake
from chain.primitives.units import ZERO_ADDRESS, ZERO_HASH, Hash32, Wei
from chain.state import State
from consensus.rules import ConsensusRules
from consensus.seal import SEAL_SALT, seal_hash
from consensus.template import build_candidate

COUNT = 300
STAKE = EpochStake(seed=ZERO_HASH, total=Wei(0), issued=Wei(0), root=ZERO_HASH, stakes={}, commitment=ZERO_HASH)


class Nodes:
    """The trie nodes of a genesis state."""

    def __init__(self, genesis: Genesis) -> None:
        self._nodes = genesis.trie_nodes

    def trie_node(self, node_hash: Hash32) -> bytes | None:
        """Return a node."""
        return self._nodes.get(node_hash)


def first_block(genesis: Genesis) -> SealedHeader:
    """Return a sealed block 1 without transactions whose seal passes the floor."""
    made = build_candidate(
        genesis.params,
        parent=genesis.chained,
        state=State(Nodes(genesis), genesis.header.state_root),
        stake=STAKE,
        draw=None,
        pending=(),
        miner=ZERO_ADDRESS,
    )
    header = made.header
    for nonce in range(1 << 20):
        header = replace(header, nonce=nonce.to_bytes(8, "big"))
        sealed = SealedHeader(header, seal_hash(genesis.params, encode_header(header)), None)
        if sealed.pow >> (min(genesis.params.genesis_log_target, (256 - 18) << 16) >> 16) + 17 == 0:
            return sealed
    raise AssertionError("no seal passes the floor")


def measure(genesis: Genesis) -> None:
    """Print the times for one network."""
    params = genesis.params
    sealed = first_block(genesis)
    rules, raw = ConsensusRules(params), encode_header(sealed.header)
    start = time.perf_counter()
    for _ in range(COUNT):
        hash_secret_raw(raw, SEAL_SALT, 1, params.pow_memory_kib, 1, 32, Type.ID, 0x13)
    bare = time.perf_counter() - start
    start = time.perf_counter()
    for _ in range(COUNT):
        rules.chain(sealed, genesis.chained)
    cheap = time.perf_counter() - start
    start = time.perf_counter()
    for _ in range(COUNT):
        rules.chain(sealed, genesis.chained)
        rules.check_stake(sealed, STAKE)
        rules.check_seal(sealed)
    whole = time.perf_counter() - start
    print(f"{params.name:8} argon2id {bare / COUNT * 1e3:6.3f} ms   checks but the seal {cheap / COUNT * 1e6:5.1f} us")
    print(f"{params.name:8} whole header check {whole / COUNT * 1e3:6.3f} ms, {whole / bare:.3f} of bare argon2id")


def main() -> None:
    """Measure both networks."""
    for name in ("mainnet", "devnet"):
        measure(load_genesis(name))


if __name__ == "__main__":
    main()
