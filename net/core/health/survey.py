"""One survey: all figures of one shape. A pure function of the shape, so that equal maps give equal findings."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from chain.primitives.peer import PeerId
from net.core.health.domains import Domain, large_domains, survivors
from net.core.health.pieces import CutPoint, Pieces, find_cut_points, find_pieces, least_distance, mean_distance
from net.core.health.spectrum import Spectrum, measure_spectrum
from net.core.health.tags import DomainKind
from net.core.shape import Shape

SEED = 1
"""Of the numbers that start the power iteration and choose sources of distances: they only need to be no pattern."""


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """What one shape showed. Distances, spectrum and domains are those of its largest component."""

    shape: Shape
    pieces: Pieces
    links: int
    """Confirmed links."""
    mean_degree: float
    """Links per peer in the largest component."""
    distance: float
    """Mean hops between two peers."""
    least_distance: float
    """The Moore bound: what no graph with these degrees beats."""
    spectrum: Spectrum
    cut_points: tuple[CutPoint, ...]
    """Articulation peers and links of all components, the gravest first."""
    domains: tuple[Domain, ...]

    @property
    def linked(self) -> int:
        """Return how many peers have links."""
        return sum(self.pieces.sizes)

    def piece_of(self, peer: PeerId) -> int:
        """Return the size of the component a peer is in, 0 if it has no link or is not on the map."""
        at = self.shape.position(peer)
        label = -1 if at is None else int(self.pieces.label[at])
        return self.pieces.sizes[label] if label >= 0 else 0

    def across(self, peer: PeerId, without: Domain | None = None) -> list[PeerId]:
        """Return the peers on the other side of the weakest cut, ascending; none if the peer is on neither side.

        The cut is that of the largest component, or `without` a domain that of what would be left of it.
        """
        cut, at = self.spectrum.cut, self.shape.position(peer)
        members = self.pieces.members(0)
        if without is not None:
            cut, members = without.cut, survivors(self.shape, members, without.kind, without.tag)
        return [] if cut is None or at is None else self._ids(cut.far(at, members))

    def tagged(self, kind: DomainKind, tag: int) -> list[PeerId]:
        """Return the peers of the largest component that announce a failure domain, ascending."""
        members = self.pieces.members(0)
        return self._ids(members[self.shape.tags[members, kind] == tag])

    def _ids(self, positions: npt.NDArray[np.int64]) -> list[PeerId]:
        return [self.shape.peer(position) for position in positions.tolist()]


def survey(shape: Shape) -> Survey:
    """Measure a shape. Slow in large networks (for times see docs/protocol/health.md): belongs in a worker there."""
    chance = np.random.default_rng(SEED)
    pieces = find_pieces(shape)
    members = pieces.members(0)
    degrees = shape.degrees()[members]
    return Survey(
        shape=shape,
        pieces=pieces,
        links=len(shape.ends) // 2,
        mean_degree=float(degrees.mean()) if len(degrees) else 0.0,
        distance=mean_distance(shape, members, chance),
        least_distance=least_distance(degrees),
        spectrum=measure_spectrum(shape, members, chance),
        cut_points=tuple(find_cut_points(shape, pieces)),
        domains=large_domains(shape, members, chance),
    )
