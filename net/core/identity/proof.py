"""Proof of work of a peer id (DESIGN section 3.1): a speed bump on making ids, renewed every two weeks.

It costs a desktop core two minutes on mainnet and so keeps nobody out who wants in: 64 cores hold 600,000 ids. What
defends the network is the choice of neighbours (caps and the hash rank of section 3.3).
"""

from argon2.low_level import Type, hash_secret_raw

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis

ID_EPOCH = Millis(14 * 24 * 3600 * 1000)
"""Length of an id's epoch (DESIGN section 3.0). Each id's epochs begin at an offset of its own, so that the network
does not renew its proofs all at once."""

NONCE_LIMIT = 1 << 32
"""Nonces are below this: at the highest difficulty in use, 2^18, the chance that none fits is e^-16384."""

EPOCH_LIMIT = 1 << 16
"""Epoch numbers are below this: the year 4480."""

_SALT = b"mappemonde/id/1"
_MEMORY_KIB = 1024


def epoch_of(peer: PeerId, at: Millis) -> int:
    """Return the number of the id's epoch at a moment."""
    return (at + int.from_bytes(peer[:8], "big") % ID_EPOCH) // ID_EPOCH


def epoch_end(peer: PeerId, epoch: int) -> Millis:
    """Return the first moment after the id's epoch: when the next one begins, and when an expulsion ends."""
    return Millis((epoch + 1) * ID_EPOCH - int.from_bytes(peer[:8], "big") % ID_EPOCH)


def epoch_valid(peer: PeerId, epoch: int, at: Millis) -> bool:
    """Tell whether a proof for `epoch` counts at a moment: the current epoch's and the previous one's do.

    For a record `at` is its own signing time, so that all peers judge it alike.
    """
    return epoch_of(peer, at) - epoch in (0, 1)


def proof_hash(peer: PeerId, nonce: int, epoch: int) -> int:
    """Return Argon2id(id ‖ nonce ‖ epoch) as a number: 1 MiB, one pass, 0.5 ms; releases the GIL."""
    password = peer + nonce.to_bytes(4, "big") + epoch.to_bytes(4, "big")
    raw = hash_secret_raw(
        password, _SALT, time_cost=1, memory_cost=_MEMORY_KIB, parallelism=1, hash_len=32, type=Type.ID, version=0x13
    )
    return int.from_bytes(raw, "big")


def proof_valid(peer: PeerId, nonce: int, epoch: int, difficulty: int) -> bool:
    """Tell whether the hash is under 2^256 / difficulty. The expensive check: after length, time, rate, signature."""
    if not (0 <= nonce < NONCE_LIMIT and 0 <= epoch < EPOCH_LIMIT):
        return False
    return proof_hash(peer, nonce, epoch) < (1 << 256) // difficulty


def find_proof(peer: PeerId, epoch: int, difficulty: int, start: int = 0) -> int:
    """Return a nonce that proves the id for `epoch`, trying from `start` on: `difficulty` hashes on average.

    Blocks for 0.5 ms a hash, two minutes on mainnet: the caller runs it in a worker, or in parts by `search_proof`.
    """
    nonce = search_proof(peer, epoch, difficulty, start, NONCE_LIMIT)
    assert nonce is not None, "one of 2^32 nonces fits"
    return nonce


def search_proof(peer: PeerId, epoch: int, difficulty: int, start: int, count: int) -> int | None:
    """Return the first of `count` nonces from `start` on (cyclic below NONCE_LIMIT) that proves the id, else None.

    Lets several workers share a search, and a caller show progress or stop.
    """
    target = (1 << 256) // difficulty
    for step in range(count):
        nonce = (start + step) % NONCE_LIMIT
        if proof_hash(peer, nonce, epoch) < target:
            return nonce
    return None
