"""When a figure becomes an alarm and when it ceases to be one."""

from dataclasses import dataclass
from enum import Enum


class AlarmKind(Enum):
    """What health warns of; the value is the kind of the `Alarm` effect and the label of the metric."""

    WEAK_CUT = "weak_cut"
    """Two large sides hang together by few links: a partition may come."""
    SINGLE_POINT = "single_point"
    """One peer or one link holds a large part of the network."""
    PARTITION_SEEN = "partition_seen"
    """Many peers that have links cannot be reached from here: the other side of a partition, or crashed together."""
    MAP_SHRANK = "map_shrank"
    """Far fewer peers can be reached than within the last hour."""
    DOMAIN_FRAGILE = "domain_fragile"
    """If one announced failure domain vanished, the others would hang together by few links or none."""
    DOMAIN_CONCENTRATION = "domain_concentration"
    """Too many of this node's own links lead into one announced failure domain."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """Badness is 0 for perfect and grows; what lies between the two numbers changes nothing."""

    raise_at: float
    clear_at: float


THRESHOLDS: dict[AlarmKind, Threshold] = {
    AlarmKind.WEAK_CUT: Threshold(0.75, 0.6),
    AlarmKind.SINGLE_POINT: Threshold(0.10, 0.05),
    AlarmKind.PARTITION_SEEN: Threshold(0.10, 0.05),
    AlarmKind.MAP_SHRANK: Threshold(0.25, 0.15),
    AlarmKind.DOMAIN_FRAGILE: Threshold(0.75, 0.65),
    AlarmKind.DOMAIN_CONCENTRATION: Threshold(0.10, 0.05),
}
"""Badness by kind: 1 less the cut's strength (0.37 in a random graph, so a cut is weak with 2/5 of that, and 0.60 at
most in what is left of one without half of its peers); parts of the linked peers that are severed, out of reach or
gone; own share in a domain past what is due.
Crashed peers stay on the map, linked among themselves, until their records end after 12 h: with 5 % of them about
2.4 % of the linked peers are out of reach, which must not alarm."""

STREAK = 2
"""Surveys in a row that must agree: one may come while a joiner has heard half of the news."""


class Phase(Enum):
    """Of one watch."""

    CALM = 0
    SUSPECT = 1
    ALARM = 2


class Watch:
    """Hysteresis of one kind. Mutable: changed by `observe` alone."""

    def __init__(self, threshold: Threshold) -> None:
        self._threshold = threshold
        self._seen = 0
        self.phase = Phase.CALM

    def observe(self, badness: float) -> bool:
        """Take the figure of one survey; tell whether the alarm begins with it."""
        if self.phase is Phase.ALARM:
            if badness < self._threshold.clear_at:
                self.phase, self._seen = Phase.CALM, 0
            return False
        self._seen = self._seen + 1 if badness >= self._threshold.raise_at else 0
        if self._seen >= STREAK:
            self.phase = Phase.ALARM
            return True
        self.phase = Phase.SUSPECT if self._seen else Phase.CALM
        return False
