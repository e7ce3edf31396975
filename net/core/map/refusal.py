"""Why the map does not take a record, and what `PeerMap.apply` returns."""

from dataclasses import dataclass
from enum import Enum

from net.core.effects import MapEvent


class Refusal(Enum):
    """Reasons for refusal. None of them is the relayer's fault: stale data travels (DESIGN section 3.2)."""

    FUTURE = "future"
    """Signed more than SEQ_FUTURE ahead of now."""
    EXPIRED = "expired"
    """Signed longer ago than LIFETIME."""
    STALE = "stale"
    """Older than the one held, or than the one whose tombstone is held."""
    DUPLICATE = "duplicate"
    """As old as the one held: the same, or (the caller compares contents) an equivocation."""
    BORN = "born"
    """Names another birth than the one held: with it a proof of equivocation."""
    EXPELLED = "expelled"
    """The origin equivocated and stays out until its next id epoch."""
    BEYOND = "beyond"
    """The peer lies beyond what this node keeps of the map."""
    EPOCH = "epoch"
    """Its proof of work is neither for the epoch it was signed in nor for the one before."""
    FULL = "full"
    """A new origin, and the map holds as many as it may."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a record."""

    refusal: Refusal | None
    """None: the map holds it now."""
    events: list[MapEvent]
    """Links confirmed or lost by it, in the record's order."""


def refused(reason: Refusal) -> Applied:
    """Return the outcome of a record that changed nothing."""
    return Applied(reason, [])
