"""What is measured on a graph of 10^4 to 10^6 peers, and the random graph it is compared with."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from net.sim.arrays.network import Ints

if TYPE_CHECKING:
    from scipy.sparse import csr_array

ALL_PAIRS_UPTO = 12_000
"""Peers up to which distances are measured from every peer; above, from SOURCES drawn at random."""

SOURCES = 1_024

_WORD = 64
_SWAPS_MAX = 1_000
_TOLERANCE = 1e-3
"""Of Lanczos: 0.03 % of lambda2 at 100,000 peers, in a quarter of the time of 1e-5."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Measures of one graph."""

    peers: int
    links: int
    mean_degree: float
    least_degree: int
    greatest_degree: int
    components: int
    giant: float
    """Share of peers in the largest component."""
    mean_path: float
    """Mean distance in hops, over pairs that are connected."""
    diameter: int
    """Greatest distance found: of all pairs up to ALL_PAIRS_UPTO peers, else from SOURCES peers, a lower bound."""
    lambda2: float
    """Second largest eigenvalue of D^-1/2 A D^-1/2: 1 in pieces, 2 sqrt(d - 1) / d at best."""


def measure(adjacency: "csr_array", rng: np.random.Generator) -> Shape:
    """Return the measures; peers without links belong to the graph."""
    degrees = np.diff(adjacency.indptr)
    sizes = component_sizes(adjacency)
    mean_path, diameter = distances(adjacency, rng)
    return Shape(
        peers=len(degrees),
        links=int(degrees.sum()) // 2,
        mean_degree=float(degrees.mean()),
        least_degree=int(degrees.min()),
        greatest_degree=int(degrees.max()),
        components=len(sizes),
        giant=float(sizes.max() / len(degrees)),
        mean_path=mean_path,
        diameter=diameter,
        lambda2=second_eigenvalue(adjacency, rng),
    )


def component_sizes(adjacency: "csr_array") -> Ints:
    """Return the number of peers in each component."""
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415 (scipy is slow to load)

    _, labels = connected_components(adjacency, directed=False)
    return np.bincount(labels).astype(np.int64)


def second_eigenvalue(adjacency: "csr_array", rng: np.random.Generator) -> float:
    """Return lambda2 of D^-1/2 A D^-1/2 by Lanczos; peers without links are left out."""
    from scipy.sparse import diags_array  # noqa: PLC0415
    from scipy.sparse.linalg import eigsh  # noqa: PLC0415

    degrees = np.diff(adjacency.indptr)
    linked = np.flatnonzero(degrees)
    if len(linked) < 4:
        return 1.0
    scale = diags_array(1 / np.sqrt(degrees[linked].astype(np.float64)))
    matrix = scale @ adjacency[linked][:, linked].astype(np.float64) @ scale
    start = rng.random(len(linked))
    values = eigsh(matrix, k=2, which="LA", tol=_TOLERANCE, v0=start, return_eigenvectors=False)
    return float(min(values))


def distances(adjacency: "csr_array", rng: np.random.Generator) -> tuple[float, int]:
    """Return mean and greatest distance, by breadth-first search from 64 peers at once, one bit each."""
    peers = adjacency.shape[0]
    sources = np.arange(peers) if peers <= ALL_PAIRS_UPTO else rng.choice(peers, SOURCES, replace=False)
    linked = np.flatnonzero(np.diff(adjacency.indptr))
    starts, targets = adjacency.indptr[linked], adjacency.indices
    total = pairs = deepest = 0
    if not len(linked):
        return 0.0, 0
    for at in range(0, len(sources), _WORD):
        bits = np.zeros(peers, dtype=np.uint64)
        some = sources[at : at + _WORD]
        bits[some] = np.uint64(1) << np.arange(len(some), dtype=np.uint64)
        known, hops = len(some), 0
        while True:
            bits[linked] |= np.bitwise_or.reduceat(bits[targets], starts)
            reached = int(np.bitwise_count(bits).sum()) if hasattr(np, "bitwise_count") else _count(bits)
            if reached == known:
                break
            hops += 1
            total += hops * (reached - known)
            known = reached
        pairs += known - len(some)
        deepest = max(deepest, hops)
    return total / max(1, pairs), deepest


def _count(bits: npt.NDArray[np.uint64]) -> int:
    return int(np.unpackbits(bits.view(np.uint8)).sum())


def random_graph(degrees: Ints, rng: np.random.Generator) -> "csr_array":
    """Return a uniform-looking simple graph with these degrees: stubs matched at random, then loops and double links
    exchanged with random other links until none is left. An odd stub is left out."""
    stubs = rng.permutation(np.repeat(np.arange(len(degrees), dtype=np.int64), degrees))
    left, right = stubs[: len(stubs) // 2 * 2 : 2].copy(), stubs[1::2].copy()
    for _ in range(_SWAPS_MAX):
        bad = _misfits(left, right, len(degrees))
        if not len(bad):
            break
        others = rng.integers(len(right), size=len(bad))
        _, first = np.unique(others, return_index=True)
        bad, others = bad[first], others[first]
        apart = ~np.isin(others, bad)
        bad, others = bad[apart], others[apart]
        right[bad], right[others] = right[others], right[bad]
    else:
        keep = np.ones(len(left), dtype=np.bool_)  # a sequence no simple graph has: its surplus is left out
        keep[_misfits(left, right, len(degrees))] = False
        left, right = left[keep], right[keep]
    from scipy.sparse import csr_array  # noqa: PLC0415

    ends = (np.concatenate((left, right)), np.concatenate((right, left)))
    return csr_array((np.ones(2 * len(left), dtype=np.int16), ends), shape=(len(degrees), len(degrees)))


def _misfits(left: Ints, right: Ints, peers: int) -> Ints:
    """Return the positions of loops and of links that repeat an earlier one."""
    key = np.minimum(left, right) * peers + np.maximum(left, right)
    _, first = np.unique(key, return_index=True)
    fresh = np.zeros(len(key), dtype=np.bool_)
    fresh[first] = True
    return np.flatnonzero(~fresh | (left == right))


def ideal_path(peers: int, degree: int) -> float:
    """Return the mean distance in the tree in which every peer has `degree` links and no two lead to the same peer:
    Moore's bound, which no graph of this size reaches."""
    left, level, hops, total = peers - 1, degree, 1, 0
    while left > 0:
        here = min(left, level)
        total += here * hops
        left, level, hops = left - here, level * (degree - 1), hops + 1
    return total / max(1, peers - 1)
