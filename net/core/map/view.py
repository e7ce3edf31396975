"""The map as the other parts of the core read it: `MapView`, and the records its methods return."""

from collections.abc import Iterable, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.wire.record import Direction, Flags

if TYPE_CHECKING:
    from scipy.sparse import csr_array


@dataclass(frozen=True, slots=True)
class PeerFacts:
    """What the newest record of a peer says about it, and what this node saw of it."""

    born: Millis
    """Signing time of the peer's first record."""
    seq: Millis
    """Signing time of its newest record."""
    epoch: int
    """Id epoch of its proof of work."""
    flags: Flags
    uplink: int
    """Uplink class; see `wire.record.uplink_rate`."""
    tags: tuple[int, int, int]
    """Failure domains it announces: operator, country, release."""
    listed: int
    """Links its record lists that name peers on this map."""
    own: int
    """How many of these it lists as `out`."""
    confirmed: int
    """How many of these the other end lists too, in the other direction."""
    first_seen: Millis
    """When this node first held a record of it, rounded down to the second (MIN_AGE counts from here)."""
    checked: bool
    """Whether signature and proof were checked here: False only for a while after joining."""


@dataclass(frozen=True, slots=True)
class MapLink:
    """One entry of a peer's record whose other end is on this map."""

    peer: PeerId
    """The other end."""
    direction: Direction
    """Seen from the peer whose record it is."""
    rtt: int
    """Round-trip class; see `wire.record.rtt_millis`."""
    confirmed: bool
    """Whether the other end lists it too, in the other direction: only then does the link count."""


@dataclass(frozen=True, slots=True)
class MapTable:
    """All peers at one moment as arrays, one entry per peer, ascending by id. Transient: make, use, drop."""

    ids: npt.NDArray[np.uint8]
    """Shape (n, 32)."""
    born: npt.NDArray[np.int64]
    seq: npt.NDArray[np.int64]
    flags: npt.NDArray[np.uint8]
    uplink: npt.NDArray[np.uint8]
    tags: npt.NDArray[np.uint16]
    """Shape (n, 3)."""
    listed: npt.NDArray[np.uint8]
    own: npt.NDArray[np.uint8]
    confirmed: npt.NDArray[np.uint8]
    first_seen: npt.NDArray[np.int64]
    checked: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        """Return the number of peers."""
        return len(self.ids)

    def peer(self, position: int) -> PeerId:
        """Return the id at a position."""
        return PeerId(self.ids[position].tobytes())


def peers_of(ids: npt.NDArray[np.uint8]) -> list[PeerId]:
    """Return the rows of an array of shape (n, 32) as ids."""
    raw = ids.tobytes()
    return [PeerId(raw[at : at + 32]) for at in range(0, len(raw), 32)]


class MapView(Protocol):
    """The global map, to read. Links count as they are confirmed by both ends unless a method says otherwise."""

    @property
    def version(self) -> int:
        """A number that grows with every change of peers, facts or links: for what is derived and kept."""

    @property
    def structure_version(self) -> int:
        """A number that grows when a peer comes or goes or a link is confirmed or lost, not by mere refreshing."""

    def __len__(self) -> int:
        """Return how many peers are on the map, those without links included."""

    def __contains__(self, peer: object) -> bool:
        """Tell whether a live record of the peer is held."""

    @property
    def confirmed_links(self) -> int:
        """How many links both ends list: O(1)."""

    def ids_after(self, after: PeerId | None, limit: int) -> list[PeerId]:
        """Return up to `limit` (at least 1) peers in ascending order, those above `after`: a page, O(n) and no sort."""

    def ids(self) -> list[PeerId]:
        """Return all peers in ascending order: O(n log n)."""

    def names(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        """Return all peers in the order of `ids`, shape (n, 32), and the signing times of their records."""

    def facts(self, peer: PeerId) -> PeerFacts | None:
        """Return what is known of a peer, None if it is not on the map."""

    def by_prefix(self, prefix: bytes) -> PeerId | None:
        """Return the one peer with this 12-byte prefix, None if there is none or more than one."""

    def neighbours(self, peer: PeerId) -> list[MapLink]:
        """Return the peer's listed links to peers on the map, confirmed or not.

        Empty for an unknown peer, as are the next three.
        """

    def confirmed_neighbours(self, peer: PeerId) -> list[PeerId]:
        """Return the other ends of the peer's confirmed links."""

    def degree(self, peer: PeerId) -> int:
        """Return the number of the peer's confirmed links."""

    def linked(self, left: PeerId, right: PeerId) -> bool:
        """Tell whether a confirmed link joins the two."""

    def overlap(self, peer: PeerId, others: Set[PeerId]) -> int:
        """Return how many of `others` are confirmed neighbours of `peer`."""

    def out_of_reach(self, peers: Iterable[PeerId]) -> tuple[int, int]:
        """Return how many peers have confirmed links, and how many of them cannot be reached over such from `peers`."""

    def table(self) -> MapTable:
        """Return all peers as arrays, in the order of `ids`."""

    def adjacency(self) -> "csr_array":
        """Return the symmetric matrix of confirmed links (int8 ones), rows and columns in the order of `ids`."""
