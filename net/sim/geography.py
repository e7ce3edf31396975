"""Where simulated nodes stand and what that costs in time."""

from dataclasses import dataclass
from math import acos, cos, radians, sin
from random import Random

_REGIONS = (
    (40, -75, 8),
    (37, -120, 6),
    (50, 8, 10),
    (53, 30, 8),
    (22, 78, 6),
    (34, 115, 8),
    (36, 138, 3),
    (-23, -46, 6),
)
"""Latitude, longitude and spread in degrees of where people run nodes."""

EARTH_KM = 6371.0

KM_PER_MS = 120.0
"""Light in fibre covers 200 km a millisecond; cables are not straight."""

LAST_MILE_MS = 4.0
"""Access networks of both ends together."""


@dataclass(frozen=True, slots=True)
class Place:
    """A point on the Earth, in degrees."""

    latitude: float
    longitude: float


def random_place(rng: Random) -> Place:
    """Return a place in one of the regions."""
    latitude, longitude, spread = rng.choice(_REGIONS)
    return Place(latitude + rng.uniform(-spread, spread), longitude + rng.uniform(-spread, spread))


def latency(left: Place, right: Place) -> float:
    """Return the one-way delay in ms."""
    a, b = radians(left.latitude), radians(right.latitude)
    across = sin(a) * sin(b) + cos(a) * cos(b) * cos(radians(left.longitude - right.longitude))
    return LAST_MILE_MS + EARTH_KM * acos(min(1.0, max(-1.0, across))) / KM_PER_MS
