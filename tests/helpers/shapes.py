"""Graphs with known answers, as shapes for the health of the map."""

from collections.abc import Iterable
from itertools import combinations, pairwise
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.map.view import MapTable, PeerFacts
from net.core.shape import Shape
from net.core.wire.record import Flags

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Edge = tuple[int, int]


def make_shape(count: int, edges: Iterable[Edge], operators: dict[int, int] | None = None) -> Shape:
    """Return a shape whose peers are 0 to count - 1; `operators` gives tags by peer."""
    around: list[set[int]] = [set() for _ in range(count)]
    for left, right in edges:
        around[left].add(right)
        around[right].add(left)
    tags = np.zeros((count, 3), dtype=np.uint16)
    for peer, tag in (operators or {}).items():
        tags[peer, 0] = tag
    return Shape(
        ids=b"".join(number.to_bytes(32, "big") for number in range(count)),
        starts=np.cumsum([0, *(len(others) for others in around)]).astype(np.int32),
        ends=np.array([other for others in around for other in sorted(others)], dtype=np.int32),
        tags=tags,
    )


def complete(count: int, first: int = 0) -> list[Edge]:
    """Everyone with everyone."""
    return list(combinations(range(first, first + count), 2))


def ring(count: int) -> list[Edge]:
    """Everyone with the next."""
    return [(number, (number + 1) % count) for number in range(count)]


def star(count: int) -> list[Edge]:
    """Everyone with peer 0."""
    return [(0, number) for number in range(1, count)]


def two_cliques(size: int, bridges: int = 1) -> list[Edge]:
    """Two complete halves joined by a few links between distinct peers."""
    return complete(size) + complete(size, size) + [(number, size + number) for number in range(bridges)]


def barbell(size: int, path: int) -> list[Edge]:
    """Two cliques of `size` with a path of `path` peers between them."""
    middle = [size - 1, *range(2 * size, 2 * size + path), size]
    return complete(size) + complete(size, size) + list(pairwise(middle))


def random_graph(count: int, degree: int, seed: int) -> list[Edge]:
    """Everyone chooses degree / 2 others."""
    rng = Random(seed)
    return sorted(
        {(min(a, b), max(a, b)) for a in range(count) for b in rng.sample(range(count), degree // 2) if a != b}
    )


class ShapeView:
    """The map as health reads it (`net.core.health.structure.Structure`), made of a shape that can be exchanged."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.structure_version = 1

    def show(self, shape: Shape) -> None:
        """Let the map change."""
        self.shape = shape
        self.structure_version += 1

    def __len__(self) -> int:
        return len(self.shape)

    def facts(self, peer: PeerId) -> PeerFacts | None:
        """Return facts of which only the tags are true."""
        at = self.shape.position(peer)
        if at is None:
            return None
        zero = Millis(0)
        tags = self.shape.tags[at].tolist()
        return PeerFacts(zero, zero, 0, Flags.PUBLIC, 0, (tags[0], tags[1], tags[2]), 0, 0, 0, zero, checked=True)

    def confirmed_neighbours(self, peer: PeerId) -> list[PeerId]:
        """Return the peers that the shape links with one."""
        at = self.shape.position(peer)
        if at is None:
            return []
        return [self.shape.peer(end) for end in self.shape.ends[self.shape.starts[at] : self.shape.starts[at + 1]]]

    def table(self) -> MapTable:
        """Return a table of which ids and tags are true."""
        count = len(self.shape)
        small, large = np.zeros(count, dtype=np.uint8), np.zeros(count, dtype=np.int64)
        return MapTable(
            ids=np.frombuffer(self.shape.ids, dtype=np.uint8).reshape(-1, 32),
            born=large,
            seq=large,
            flags=small,
            uplink=small,
            tags=self.shape.tags,
            listed=small,
            own=small,
            confirmed=small,
            first_seen=large,
            checked=small.astype(np.bool_),
        )

    def adjacency(self) -> "csr_array":
        """Return the shape's links."""
        return self.shape.matrix().astype(np.int8)
