"""How true the nodes' maps are, in arrays: thousands of maps are held against thousands of links."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from net.core.effects import LinkKind
from net.sim.node import SimNode

Codes = npt.NDArray[np.int64]
"""Links as sorted numbers, smaller index times 2^32 plus larger index."""

_SHIFT = 32


@dataclass(frozen=True, slots=True)
class MapQuality:
    """How the nodes' maps compare with the links that exist."""

    precision: float
    """Share of links on the maps that exist, worst node."""
    recall: float
    """Share of existing links on the maps, worst node."""
    mean_precision: float
    """Of all nodes."""
    mean_recall: float
    """Of all nodes."""


def _codes(left: Codes, right: Codes) -> Codes:
    return np.unique(np.minimum(left, right) << _SHIFT | np.maximum(left, right))


def true_codes(nodes: Sequence[SimNode]) -> Codes:
    """Return the links that are up and listed at both ends."""
    index = {node.peer: node.index for node in nodes}
    ends = [
        (node.index, index[one.peer])
        for node in nodes
        if node.running
        for one in node.mesh.neighbours()
        if one.kind is LinkKind.LISTED and one.peer in index
    ]
    here = np.array(ends, dtype=np.int64).reshape(-1, 2)
    codes, counts = np.unique(
        np.minimum(here[:, 0], here[:, 1]) << _SHIFT | np.maximum(here[:, 0], here[:, 1]), return_counts=True
    )
    both: Codes = codes[counts == 2]
    return both


def quality(nodes: Sequence[SimNode], judged: Sequence[SimNode] | None = None) -> MapQuality:
    """Compare the maps of the `judged` nodes (all that run by default) with the links that exist.

    Links between two peers that vanished are left out: nobody alive can withdraw them before their records expire.
    """
    truth = true_codes(nodes)
    index = {node.peer: node.index for node in nodes}
    runs = np.array([node.running for node in nodes], dtype=np.bool_)
    precisions, recalls = [], []
    for node in nodes if judged is None else judged:
        if not node.running:
            continue
        view = node.mesh.view()
        places = np.array([index.get(peer, -1) for peer in view.ids()], dtype=np.int64)
        matrix = view.adjacency().tocoo()
        left, right = places[matrix.row], places[matrix.col]
        told = runs[left] | runs[right]
        seen = _codes(left[told], right[told])
        found = len(np.intersect1d(seen, truth, assume_unique=True))
        precisions.append(found / len(seen) if len(seen) else 0.0)
        recalls.append(found / len(truth) if len(truth) else 1.0)
    return MapQuality(
        precision=min(precisions),
        recall=min(recalls),
        mean_precision=sum(precisions) / len(precisions),
        mean_recall=sum(recalls) / len(recalls),
    )
