"""The expensive questions about what peers signed, as arguments: a simulator answers each once for all its nodes."""

from collections.abc import Callable
from dataclasses import dataclass

from chain.primitives.keys import schnorr_valid
from chain.primitives.peer import PeerId
from chain.primitives.units import Hash32, Millis
from net.core.identity.proof import proof_valid
from net.core.map.changes import Changes
from net.core.wire.delta import Delta, apply_delta, decode_delta, delta_between
from net.core.wire.record import Record, decode_record, signature_valid


@dataclass(frozen=True, slots=True)
class Checks:
    """Pure functions. A stand-in may only remember what they answered."""

    decode: Callable[[bytes], Record]
    """Bytes to record; raises `Malformed` alone. 30 µs."""
    signature: Callable[[Record], bool]
    """Whether the origin signed it. 70 µs."""
    proof: Callable[[PeerId, int, int], bool]
    """Whether (id, nonce, epoch) is a proof of work of the network's difficulty. 0.5 ms."""
    delta: Callable[[bytes], Delta] = decode_delta
    """Bytes to delta; raises `Malformed` alone. 11 µs."""
    follow: Callable[[bytes, Delta], bytes | None] = apply_delta
    """The record that a delta makes of the one held; raises `Malformed` alone. 11 µs."""
    between: Callable[[bytes, bytes], bytes | None] = delta_between
    """The delta from one record of an origin to the next. 14 µs."""
    signed: Callable[[PeerId, Hash32, bytes], bool] = schnorr_valid
    """Whether a peer signed a digest: for direct messages, which every relay checks. 57 µs."""
    changes: Callable[[Record, Record], Changes] | None = None
    """What changed from one record of an origin to the next, where both are at hand at no cost; see `PeerMap`."""
    summand: Callable[[PeerId, Millis], int] | None = None
    """`item_fingerprint` without salt, remembered."""


def real_checks(difficulty: int) -> Checks:
    """Return the checks of a node on a network with this ID_DIFFICULTY."""

    def proof(peer: PeerId, nonce: int, epoch: int) -> bool:
        return proof_valid(peer, nonce, epoch, difficulty)

    return Checks(decode=decode_record, signature=signature_valid, proof=proof)
