"""Counters of the gossip machine, and its name for what no honest neighbour passes on."""

from collections.abc import Mapping
from dataclasses import dataclass

from chain.primitives.errors import Penalty, RemoteError
from net.core.map.refusal import Refusal


@dataclass(frozen=True, slots=True)
class GossipStatistics:
    """Counters since the start, and sizes now."""

    peers: int
    """Peers on the map."""
    applied: int
    """Records taken."""
    repeated: int
    """Records that were here already."""
    refused: Mapping[Refusal, int]
    held: int
    """Records that wait for their origin's turn."""
    waiting: int
    """Records and names that wait for links."""
    signatures: int
    """Signatures checked."""
    proofs: int
    """Proofs of work checked."""
    deltas: int
    """Records that came as deltas."""
    baseless: int
    """Deltas that followed a record which was not here."""
    signed: int
    """Own records signed."""
    signed_bytes: int
    """Bytes of these in the fewest words: deltas, but for the first."""
    eager: int
    """Eager links."""
    expelled: int
    """Ids expelled for equivocation."""


class Forged(RemoteError):
    """Something an honest neighbour would have checked before it passed it on: costs a ban."""

    def __init__(self, message: str) -> None:
        super().__init__(message, penalty=Penalty.BAN)
