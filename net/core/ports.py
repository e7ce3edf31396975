"""What the network core needs from outside."""

from collections.abc import Iterator
from typing import Protocol

from chain.primitives.peer import PeerId


class RecordArchive(Protocol):
    """Where signed map records lie as received, by origin. LevelDB in the node, one shared dictionary in the simulator.

    Writes may be buffered: a record lost in a crash is fetched again from the network.
    """

    def put(self, origin: PeerId, record: bytes) -> None:
        """Keep the newest record of an origin in place of the one before."""

    def get(self, origin: PeerId) -> bytes | None:
        """Return the record of an origin, None if there is none."""

    def delete(self, origin: PeerId) -> None:
        """Forget an origin."""

    def items(self) -> Iterator[tuple[PeerId, bytes]]:
        """Yield all records in the order of their origins: what a restarted node loads its map from."""
