"""The frozen copy of the map that a survey works on: safe to hand to another thread while the map goes on."""

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from chain.primitives.peer import PeerId

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Positions = npt.NDArray[np.int32]
"""Numbers of peers: their places in the ascending order of the ids."""


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """Peers, their announced failure domains and the links that both ends confirm. The arrays are nobody else's."""

    ids: bytes
    """All ids in ascending order, 32 bytes each."""
    starts: Positions
    """Where the neighbours of each peer begin in `ends`; one entry more than peers."""
    ends: Positions
    """Neighbours of the peers, one after the other; every link stands there twice."""
    tags: npt.NDArray[np.uint16]
    """Shape (n, 3): operator, country, release; 0 for not told."""

    def __len__(self) -> int:
        """Return the number of peers."""
        return len(self.starts) - 1

    def peer(self, position: int) -> PeerId:
        """Return the id at a position."""
        return PeerId(self.ids[32 * position : 32 * position + 32])

    def position(self, peer: PeerId) -> int | None:
        """Return where a peer stands, None if it is not in the shape."""
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if self.ids[32 * middle : 32 * middle + 32] < peer:
                low = middle + 1
            else:
                high = middle
        return low if self.ids[32 * low : 32 * low + 32] == peer else None

    def degrees(self) -> npt.NDArray[np.int64]:
        """Return the number of links of each peer."""
        return np.diff(self.starts).astype(np.int64)

    def matrix(self) -> "csr_array":
        """Return the symmetric matrix of the links, ones as floats."""
        from scipy.sparse import csr_array  # noqa: PLC0415 (scipy takes 0.2 s to load)

        return csr_array((np.ones(len(self.ends)), self.ends, self.starts), shape=(len(self), len(self)))

    def digest(self) -> bytes:
        """Return a name for the content: equal shapes give equal surveys."""
        whole = blake2b(self.ids, digest_size=16)
        for array in (self.starts, self.ends, self.tags):
            whole.update(np.ascontiguousarray(array).tobytes())
        return whole.digest()
