"""What health reads of the map, and how the copy for a survey is taken."""

from typing import TYPE_CHECKING, Protocol

import numpy as np

from chain.primitives.peer import PeerId
from net.core.map.view import MapTable, PeerFacts
from net.core.shape import Shape

if TYPE_CHECKING:
    from scipy.sparse import csr_array


class Structure(Protocol):
    """What health reads of the map, a part of `net.core.map.view.MapView`."""

    @property
    def structure_version(self) -> int:
        """A number that grows when a peer comes or goes or a link is confirmed or lost."""

    def __len__(self) -> int:
        """Return how many peers are on the map."""

    def facts(self, peer: PeerId) -> PeerFacts | None:
        """Return what is known of a peer."""

    def confirmed_neighbours(self, peer: PeerId) -> list[PeerId]:
        """Return the other ends of the peer's confirmed links."""

    def table(self) -> MapTable:
        """Return all peers as arrays, ascending by id."""

    def adjacency(self) -> "csr_array":
        """Return the symmetric matrix of confirmed links in the same order."""


def freeze(view: Structure) -> Shape:
    """Return a copy of the map's structure: 2 ms at 2,500 peers, 0.1 s at 100,000."""
    table, links = view.table(), view.adjacency()
    links.sort_indices()
    return Shape(
        ids=table.ids.tobytes(),
        starts=links.indptr.astype(np.int32),
        ends=links.indices.astype(np.int32),
        tags=table.tags.copy(),
    )
