"""The stakes of one moment and the commitment to them that headers carry (DESIGN section 5, rule 8)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chain.primitives.canonical import integer_bytes, pack
from chain.primitives.hashing import keccak256, sha256
from chain.primitives.units import Hash32, Wei
from chain.staking_abi import word
from chain.staking_registry import Registry
from chain.state import State


@dataclass(frozen=True, slots=True)
class StakeSnapshot:
    """What a later epoch's tickets are judged against."""

    total: Wei
    """Sum of the stakes."""
    issued: Wei
    """Coins issued up to here."""
    root: Hash32
    """Merkle root of (key, stake), sorted by key."""
    stakes: Mapping[bytes, Wei]
    """Stake by 33-byte validator key."""
    commitment: Hash32
    """keccak256(msgpack[total, issued, root]); the numbers travel as minimal big-endian bytes."""


def stakes_root(stakes: Mapping[bytes, Wei]) -> Hash32:
    """Return the Merkle root of stakes: the tree of RFC 6962 (section 2.1, SHA-256) over key ‖ stake (32 bytes).

    Leaves and inner nodes are hashed behind 0x00 and 0x01, the left part of n leaves is the largest power of two below
    n, and without leaves the root is SHA-256 of nothing.
    """
    level = [sha256(b"\x00" + key + word(stake)) for key, stake in sorted(stakes.items())]
    if not level:
        return sha256(b"")
    while len(level) > 1:
        # Pairing neighbours and carrying an odd last one up gives the same tree as splitting at powers of two.
        above = [sha256(b"\x01" + level[i] + level[i + 1]) for i in range(0, len(level) - 1, 2)]
        if len(level) & 1:
            above.append(level[-1])
        level = above
    return level[0]


def make_snapshot(stakes: Iterable[tuple[bytes, Wei]], issued: Wei) -> StakeSnapshot:
    """Return the snapshot of these stakes."""
    by_key = dict(stakes)
    total = Wei(sum(by_key.values()))
    root = stakes_root(by_key)
    commitment = keccak256(pack([integer_bytes(total), integer_bytes(issued), root]))
    return StakeSnapshot(total, issued, root, by_key, commitment)


def snapshot(state: State) -> StakeSnapshot:
    """Return the stakes in a state; 30 µs per validator, so once per epoch and branch."""
    registry = Registry(state)
    return make_snapshot((registry.key_and_stake(number) for number in range(registry.count)), registry.issued)
