"""The seal: one Argon2id over the header (DESIGN section 5), and what a miner may report of it."""

from argon2.low_level import Type, hash_secret_raw

from chain.params import ChainParams

SEAL_SALT = b"mappemonde/pow/1"
"""Fixed: the header names its network through its parent, so seals cannot be moved between networks."""

SEAL_BYTES = 32
ARGON2_VERSION = 0x13


def seal_hash(params: ChainParams, header: bytes) -> int:
    """Return `pow`, the Argon2id of an encoded header as a big-endian number.

    0.5 ms per MiB of `pow_memory_kib` on a 2.6 GHz core; releases the GIL, so threads scale.
    """
    digest = hash_secret_raw(
        secret=header,
        salt=SEAL_SALT,
        time_cost=1,
        memory_cost=params.pow_memory_kib,
        parallelism=1,
        hash_len=SEAL_BYTES,
        type=Type.ID,
        version=ARGON2_VERSION,
    )
    return int.from_bytes(digest, "big")
