"""The spectral gap, and the weakest cut that the Fiedler vector shows."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from net.core.shape import Shape

STEPS_MAX = 400
"""Power iterations at most: 1.5 s at 100,000 peers. A graph that needs more has a gap near 0, and says so."""

STEPS_LEAST = 30
SETTLED = 2e-5
"""Change of the eigenvalue over ten steps at which it is known well enough for thresholds far coarser."""

SIDE_PART = 20
"""Either side of a cut has at least a twentieth of the peers, and two: the cut of a few is their own affair."""


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """The weakest of the cuts along the Fiedler vector."""

    side: npt.NDArray[np.int64]
    """Positions of the peers of the smaller side, ascending."""
    links: int
    """Confirmed links across."""
    expected: float
    """Links across the same two sides in a random graph with the same degrees."""

    @property
    def strength(self) -> float:
        """Return the links there are over the links expected: a random graph of mean degree 13 has 0.63."""
        return self.links / self.expected if self.expected else 1.0

    def far(self, position: int, members: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the positions across the cut as seen from one; `members` are those of both sides, all ascending.

        Empty for a position on neither side.
        """
        if position in self.side:
            return np.setdiff1d(members, self.side, assume_unique=True)
        return self.side if position in members else self.side[:0]


@dataclass(frozen=True, slots=True, eq=False)
class Spectrum:
    """What the second eigenvector of the walk on the largest component tells."""

    gap: float
    """1 less the second largest eigenvalue of D^-1/2 A D^-1/2: 0.45 in a random graph of mean degree 13, 0 for two
    pieces."""
    cut: Cut | None
    """None where the component is too small to have two sides."""


def measure_spectrum(
    shape: Shape, members: npt.NDArray[np.int64], chance: np.random.Generator, *, steps: int = STEPS_MAX
) -> Spectrum:
    """Return gap and weakest cut of one component, of which `members` are the positions.

    A cut that is weak shows after few `steps`, the gap of a network that has none needs more.
    """
    if len(members) < 2:
        return Spectrum(0.0, None)
    matrix = shape.matrix()
    if len(members) < len(shape):
        matrix = matrix[members][:, members]
    degrees = np.diff(matrix.indptr).astype(np.float64)
    roots = np.sqrt(degrees)
    scaled = matrix.copy()
    scaled.data = 1.0 / (np.repeat(roots, np.diff(matrix.indptr)) * roots[matrix.indices])
    trivial = roots / np.linalg.norm(roots)
    vector = chance.standard_normal(len(members))
    vector -= (vector @ trivial) * trivial
    vector /= np.linalg.norm(vector)
    value = before = -1.0
    for step in range(steps):
        turned = scaled @ vector
        value = float(vector @ turned)
        turned += vector  # the shift by one makes the largest eigenvalue also the largest in size
        turned -= (turned @ trivial) * trivial
        length = float(np.linalg.norm(turned))
        if length < 1e-12:  # two linked peers: the only other eigenvalue is -1
            break
        vector = turned / length
        if step % 10 == 9:
            if step >= STEPS_LEAST and abs(value - before) < SETTLED:
                break
            before = value
    return Spectrum(1.0 - value, _sweep(matrix.indptr, matrix.indices, vector / roots, members))


def _sweep(
    starts: npt.NDArray[np.int32],
    ends: npt.NDArray[np.int32],
    heights: npt.NDArray[np.float64],
    members: npt.NDArray[np.int64],
) -> Cut | None:
    """Return the cut of least strength among those that separate the lowest k members from the others."""
    count = len(members)
    least = max(2, count // SIDE_PART)
    if count < 2 * least:
        return None
    order = np.argsort(heights, kind="stable")
    place = np.empty(count, dtype=np.int64)
    place[order] = np.arange(count)
    degrees = np.diff(starts)
    near, far = place[np.repeat(np.arange(count), degrees)], place[ends]
    opened = np.bincount(near[near < far], minlength=count)  # links from here to later places
    closed = np.bincount(far[near < far], minlength=count)
    crossing = np.cumsum(opened - closed)
    volume = np.cumsum(degrees[order].astype(np.float64))
    whole = volume[-1]
    expected = volume * (whole - volume) / whole
    choices = np.arange(least - 1, count - least)
    best = int(choices[np.argmin(crossing[choices] / expected[choices])])
    lower, upper = members[order[: best + 1]], members[order[best + 1 :]]
    side = lower if len(lower) <= len(upper) else upper
    return Cut(np.sort(side), int(crossing[best]), float(expected[best]))
