"""What hangs together and by how little: components, distances, and the peers and links whose loss cuts others off."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from net.core.shape import Positions, Shape

SOURCES = 32
"""Peers from which distances are measured in larger networks: their mean is known to 1 % in a random graph."""


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """The components among the peers that have links. A peer without links is in none."""

    label: Positions
    """Component of each peer, -1 without links; 0 is the largest, ties by their lowest id."""
    sizes: tuple[int, ...]
    """Peers by component, largest first."""

    def members(self, label: int) -> npt.NDArray[np.int64]:
        """Return the positions of a component's peers, ascending."""
        return np.flatnonzero(self.label == label)


def find_pieces(shape: Shape) -> Pieces:
    """Return the components."""
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    if not len(shape):
        return Pieces(np.zeros(0, dtype=np.int32), ())
    _, raw = connected_components(shape.matrix(), directed=False)
    raw = np.where(shape.degrees() > 0, raw, -1)
    names, first, counts = np.unique(raw, return_index=True, return_counts=True)
    found = sorted(
        (-count, at, name)
        for name, at, count in zip(names.tolist(), first.tolist(), counts.tolist(), strict=True)
        if name >= 0
    )
    table = np.full(len(shape) + 1, -1, dtype=np.int32)  # the last entry answers for -1
    for place, (_, _, name) in enumerate(found):
        table[name] = place
    return Pieces(table[raw], tuple(-count for count, _, _ in found))


def mean_distance(shape: Shape, members: npt.NDArray[np.int64], chance: np.random.Generator) -> float:
    """Return the mean number of hops between two peers of one component, from SOURCES of its members or from all."""
    from scipy.sparse.csgraph import breadth_first_order  # noqa: PLC0415

    if len(members) < 2:
        return 0.0
    matrix = shape.matrix()
    sources = members if len(members) <= SOURCES else np.sort(chance.choice(members, SOURCES, replace=False))
    place = np.zeros(len(shape), dtype=np.int64)
    total = 0
    for source in sources.tolist():
        order, before = breadth_first_order(matrix, source, directed=False)
        place[order] = np.arange(len(order))
        parents = place[before[order[1:]]]  # ascending, since the order is breadth first
        level, end, depth = 1, 1, 0
        while level < len(order):
            depth += 1
            end = 1 + int(np.searchsorted(parents, end))  # whoever was found from the level before
            total += depth * (end - level)
            level = end
    return total / (len(sources) * (len(members) - 1))


def least_distance(degrees: npt.NDArray[np.int64]) -> float:
    """Return the mean distance that no graph with these degrees beats by much: the Moore bound.

    Exact for equal degrees d, where d (d-1)^(k-1) peers at most stand k hops away; for others the mean excess degree
    takes the place of d - 1.
    """
    peers, ends = len(degrees), int(degrees.sum())
    if peers < 2 or not ends:
        return 0.0
    room, spread = ends / peers, float((degrees * (degrees - 1)).sum()) / ends
    left, depth, total = float(peers - 1), 0, 0.0
    while left > 1e-9:
        depth += 1
        here = min(left, room)
        total += depth * here
        left -= here
        room *= max(spread, 1.0)  # a ring's level stays as large as the one before
    return total / (peers - 1)


@dataclass(frozen=True, slots=True)
class CutPoint:
    """A peer, or with `other` a link, whose loss takes the component apart."""

    peer: int
    """Position."""
    other: int | None
    """The link's other end, None for a peer."""
    severed: int
    """Peers that would be left outside the largest remaining piece."""


def find_cut_points(shape: Shape, pieces: Pieces) -> list[CutPoint]:
    """Return all articulation peers and links: Tarjan's walk in depth, 0.4 µs a link end."""
    starts, ends = shape.starts.tolist(), shape.ends.tolist()
    label = pieces.label.tolist()
    count = len(shape)
    found_at, low, size, cursor, parent = [0] * count, [0] * count, [1] * count, starts[:-1], [-1] * count
    torn: dict[int, list[int]] = {}  # by peer: sizes of the pieces that hang on it alone
    points: list[CutPoint] = []
    clock = 0
    for root in range(count):
        if found_at[root] or label[root] < 0:
            continue
        whole = pieces.sizes[label[root]]
        clock += 1
        found_at[root] = low[root] = clock
        here = root
        while here >= 0:
            at = cursor[here]
            if at < starts[here + 1]:
                cursor[here] = at + 1
                other = ends[at]
                if not found_at[other]:
                    clock += 1
                    found_at[other] = low[other] = clock
                    parent[other] = here
                    here = other
                elif other != parent[here] and found_at[other] < low[here]:
                    low[here] = found_at[other]
                continue
            above = parent[here]
            if above >= 0:
                size[above] += size[here]
                low[above] = min(low[above], low[here])
                if low[here] >= found_at[above]:
                    torn.setdefault(above, []).append(size[here])
                if low[here] > found_at[above]:
                    points.append(CutPoint(above, here, min(size[here], whole - size[here])))
            here = above
    for peer, parts in torn.items():
        rest = pieces.sizes[label[peer]] - 1 - sum(parts)
        if rest or len(parts) > 1:
            points.append(CutPoint(peer, None, rest + sum(parts) - max(rest, *parts)))
    return sorted(points, key=lambda point: (-point.severed, point.other is None, point.peer, point.other or 0))
