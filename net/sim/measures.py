"""What is read off a world: its graph, and how far a message came (how true maps are: `net.sim.truth`)."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from chain.primitives.peer import PeerId
from net.core.effects import LinkKind
from net.sim.arrays.graph import Shape, measure
from net.sim.node import SimNode

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Edges = frozenset[tuple[PeerId, PeerId]]


def true_links(nodes: Iterable[SimNode]) -> Edges:
    """Return the links that are up and listed at both ends."""
    running = [node for node in nodes if node.running]
    listed = {
        node.peer: {one.peer for one in node.mesh.neighbours() if one.kind is LinkKind.LISTED} for node in running
    }
    return frozenset(
        (left, right)
        for left, others in listed.items()
        for right in others
        if left < right and left in listed.get(right, ())
    )


def links_matrix(nodes: Iterable[SimNode]) -> "csr_array":
    """Return the symmetric matrix of the links that are up and listed at both ends, over the nodes that run."""
    from scipy.sparse import csr_array  # noqa: PLC0415 (scipy is slow to load)

    running = [node for node in nodes if node.running]
    place = {node.peer: number for number, node in enumerate(running)}
    pairs = [(place[left], place[right]) for left, right in sorted(true_links(running))]
    ends = np.array(pairs + [(right, left) for left, right in pairs], dtype=np.int64).reshape(-1, 2).T
    return csr_array((np.ones(ends.shape[1], dtype=np.int16), (ends[0], ends[1])), shape=(len(running), len(running)))


def shape(nodes: Iterable[SimNode]) -> Shape:
    """Measure the graph of the links that are up and listed at both ends."""
    return measure(links_matrix(nodes), np.random.default_rng(0))


def reach(nodes: Sequence[SimNode], payload: bytes) -> float:
    """Return the share of running nodes that a published payload has come to."""
    running = [node for node in nodes if node.running]
    return sum(payload in node.arrived for node in running) / len(running)


def delays(nodes: Sequence[SimNode], payload: bytes) -> list[int]:
    """Return when the payload came to each node it came to, in ms after its author published it, ascending."""
    times = sorted(node.arrived[payload] for node in nodes if payload in node.arrived)
    return [at - times[0] for at in times]
