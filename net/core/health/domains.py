"""Announced failure domains: how large each is, and what would remain of the network if it vanished.

Peers announce their tags themselves, so they count for alarms and damage estimates alone (DESIGN section 3.3).
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from net.core.health.spectrum import Cut, measure_spectrum
from net.core.health.tags import DomainKind, domain_name
from net.core.shape import Shape

LARGE_PART = 10
"""A domain is looked at from a tenth of the peers on."""

LARGEST = 8
"""Domains looked at; each costs a search for components and for the weakest cut, 0.4 s at 100,000 peers."""

SEVERED_PART = 10
"""From a tenth of the others on, those that would fall off are a side of the cut; else it is sought among the rest."""

CUT_STEPS = 60
"""Power iterations for the cut of what would remain: where two sides hang together by little, the second eigenvalue is
near 1 and the third, 0.8 at most, falls behind it by a tenth a step."""


@dataclass(frozen=True, slots=True, eq=False)
class Domain:
    """A large failure domain."""

    kind: DomainKind
    tag: int
    """As announced, 1 to 65535."""
    peers: int
    """Members among the peers looked at."""
    share: float
    """Members over the peers looked at."""
    survivors: int
    """Peers that would be left."""
    remains: float
    """Part of the survivors that would still hang together in one piece; 1 when nobody is left."""
    cut: Cut | None
    """The weakest cut among the survivors, with no link across where it is already one between pieces; None when too
    few are left to have two sides."""

    @property
    def name(self) -> str:
        """Return the kind and the tag as one word."""
        return domain_name(self.kind, self.tag)


def large_domains(shape: Shape, members: npt.NDArray[np.int64], chance: np.random.Generator) -> tuple[Domain, ...]:
    """Return the large domains among one component's peers, largest first."""
    count = len(members)
    found: list[tuple[int, DomainKind, int]] = []
    for kind in DomainKind:
        tags, sizes = np.unique(shape.tags[members, kind], return_counts=True)
        found += [
            (-size, kind, tag)
            for tag, size in zip(tags.tolist(), sizes.tolist(), strict=True)
            if tag and size >= 2 and size * LARGE_PART >= count
        ]
    domains = []
    for size, kind, tag in sorted(found)[:LARGEST]:
        left = survivors(shape, members, kind, tag)
        remains, cut = _without(shape, left, chance)
        domains.append(Domain(kind, tag, -size, -size / count, len(left), remains, cut))
    return tuple(domains)


def survivors(shape: Shape, members: npt.NDArray[np.int64], kind: DomainKind, tag: int) -> npt.NDArray[np.int64]:
    """Return the members that do not announce a domain."""
    left: npt.NDArray[np.int64] = members[shape.tags[members, kind] != tag]
    return left


def own_counts(tags: Iterable[tuple[int, int, int]]) -> Counter[tuple[DomainKind, int]]:
    """Return how many of the peers with these tags are in each domain."""
    return Counter((kind, peer[kind]) for peer in tags for kind in DomainKind if peer[kind])


def _without(shape: Shape, left: npt.NDArray[np.int64], chance: np.random.Generator) -> tuple[float, Cut | None]:
    """Return which part of the survivors hangs together, and the weakest cut among them."""
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    if not len(left):
        return 1.0, None
    _, label = connected_components(shape.matrix()[left][:, left], directed=False)
    whole = label == np.bincount(label).argmax()
    mainland, severed = left[whole], left[~whole]
    remains = len(mainland) / len(left)
    if len(severed) * SEVERED_PART < len(left):
        return remains, measure_spectrum(shape, mainland, chance, steps=CUT_STEPS).cut
    degrees = shape.degrees().astype(np.float64)  # with the links into the domain: their ends are what could be joined
    here, there = float(degrees[mainland].sum()), float(degrees[severed].sum())
    return remains, Cut(severed, 0, here * there / (here + there))
