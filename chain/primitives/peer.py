"""The name of a peer."""

from typing import NewType

from chain.primitives.errors import Malformed

PeerId = NewType("PeerId", bytes)
"""A 32-byte x-only secp256k1 public key (BIP340); DESIGN section 3.1."""

PEER_ID_BYTES = 32

PREFIX_BYTES = 12
"""Length of the id prefixes in map records: 8-byte prefixes could be ground (DESIGN section 3.2)."""


def peer_id(raw: bytes) -> PeerId:
    """Return `raw` as a peer id. Raises `Malformed` unless it has 32 bytes; that it is a point is checked on use."""
    if len(raw) != PEER_ID_BYTES:
        raise Malformed(f"a peer id has {PEER_ID_BYTES} bytes, not {len(raw)}")
    return PeerId(raw)


def short(peer: PeerId) -> str:
    """Return the first 8 hex digits: how logs and tables name a peer."""
    return peer.hex()[:8]
