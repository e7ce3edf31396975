"""What a part of the core says of a peer's behaviour; `net.core.guard` turns it into strikes, bans and closed links."""

from dataclasses import dataclass

from chain.primitives.errors import Penalty
from chain.primitives.peer import PeerId


@dataclass(frozen=True, slots=True)
class Fault:
    """A neighbour did wrong."""

    peer: PeerId
    """The neighbour the frame came from."""
    penalty: Penalty
    reason: str
    """One line for the log and the ban's entry; holds nothing the peer chose at length."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What a neighbour's frame cost this node beyond decoding; the guard counts it per link (DESIGN section 3.8)."""

    peer: PeerId
    argon2: int
    """Proofs of work checked, 0.5 ms each."""
    signatures: int
    """Signatures checked, 60 µs each."""
