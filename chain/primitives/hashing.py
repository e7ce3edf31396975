"""Hash functions under the names this project uses."""

import hashlib

import sha3

from chain.primitives.units import Hash32


def keccak256(data: bytes) -> Hash32:
    """Return the Keccak-256 digest (the original padding, as Ethereum uses it, not FIPS 202 SHA3)."""
    return Hash32(sha3.keccak_256(data).digest())


def sha256(data: bytes) -> Hash32:
    """Return the SHA-256 digest: `H` in the consensus rules (DESIGN section 5)."""
    return Hash32(hashlib.sha256(data).digest())


def blake2b_256(data: bytes) -> Hash32:
    """Return the 32-byte BLAKE2b digest (RFC 7693): network ids."""
    return Hash32(hashlib.blake2b(data, digest_size=32).digest())


def blake2b_128(data: bytes, *, key: bytes = b"") -> bytes:
    """Return the 16-byte BLAKE2b digest (RFC 7693), keyed if a key of at most 64 bytes is given."""
    return hashlib.blake2b(data, digest_size=16, key=key).digest()


def tagged_hash(tag: str, data: bytes) -> Hash32:
    """Return SHA256(SHA256(tag) ‖ SHA256(tag) ‖ data), the tagged hash of BIP340."""
    prefix = hashlib.sha256(tag.encode()).digest()
    return Hash32(hashlib.sha256(prefix + prefix + data).digest())


EMPTY_KECCAK = keccak256(b"")
"""Code hash of an account without code."""
