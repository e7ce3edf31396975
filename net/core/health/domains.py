"""Announced failure domains: how large each is, and what would remain of the network if it vanished.

Peers announce their tags themselves, so they count for alarms and damage estimates alone (DESIGN section 3.3).
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from net.core.shape import Shape

LARGE_PART = 10
"""A domain is looked at from a tenth of the peers on."""

LARGEST = 8
"""Domains looked at; each costs a search for components, 20 ms at 100,000 peers."""


class DomainKind(IntEnum):
    """Place of a tag in a record."""

    OPERATOR = 0
    COUNTRY = 1
    RELEASE = 2


@dataclass(frozen=True, slots=True)
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

    @property
    def name(self) -> str:
        """Return the kind and the tag as one word."""
        return f"{self.kind.name.lower()}_{self.tag}"


def large_domains(shape: Shape, members: npt.NDArray[np.int64]) -> tuple[Domain, ...]:
    """Return the large domains among one component's peers, largest first."""
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    count = len(members)
    found: list[tuple[int, DomainKind, int]] = []
    for kind in DomainKind:
        tags, sizes = np.unique(shape.tags[members, kind], return_counts=True)
        found += [
            (-size, kind, tag)
            for tag, size in zip(tags.tolist(), sizes.tolist(), strict=True)
            if tag and size >= 2 and size * LARGE_PART >= count
        ]
    matrix = shape.matrix() if found else None
    domains = []
    for size, kind, tag in sorted(found)[:LARGEST]:
        left = members[shape.tags[members, kind] != tag]
        remains = 1.0
        if len(left):
            assert matrix is not None, "made when a domain was found"
            _, label = connected_components(matrix[left][:, left], directed=False)
            remains = int(np.bincount(label).max()) / len(left)
        domains.append(Domain(kind, tag, -size, -size / count, len(left), remains))
    return tuple(domains)


def own_counts(tags: Iterable[tuple[int, int, int]]) -> Counter[tuple[DomainKind, int]]:
    """Return how many of the peers with these tags are in each domain."""
    return Counter((kind, peer[kind]) for peer in tags for kind in DomainKind if peer[kind])
