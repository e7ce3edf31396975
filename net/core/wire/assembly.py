"""Payloads that arrive in parts: bounded reassembly, for published messages and for requests."""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from chain.primitives.errors import Malformed
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis

Name = TypeVar("Name")

PARTIAL_MAX = 4
"""Unfinished payloads of one neighbour."""

PARTIAL_BYTES_MAX = 2 * 2 * 1024 * 1024
"""Bytes that the unfinished payloads of one neighbour may announce together: two of PAYLOAD_MAX."""

STALL = Millis(10_000)
"""Silence after which an unfinished payload is dropped."""


@dataclass(slots=True)
class _Partial:
    total: int
    at: Millis
    data: bytearray = field(default_factory=bytearray)


class Assembly(Generic[Name]):
    """Unfinished payloads by neighbour and name. Memory grows with what has arrived, not with what was announced."""

    def __init__(self) -> None:
        self._partials: dict[tuple[PeerId, Name], _Partial] = {}
        self._by_peer: dict[PeerId, list[Name]] = {}

    def add(self, peer: PeerId, name: Name, *, offset: int, total: int, data: bytes, now: Millis) -> bytes | None:
        """Take a part; return the payload when it is whole.

        A payload over the bounds, and the rest of one that was dropped, is passed over. Raises `Malformed` when a part
        is out of order or changes the total: a link is reliable and ordered, so only its sender can be at fault.
        """
        partial = self._partials.get((peer, name))
        if partial is None:
            if offset or not self._room(peer, total):
                return None
            if len(data) == total:
                return data
            partial = self._begin(peer, name, total, now)
        if partial.total != total or len(partial.data) != offset:
            raise Malformed(f"a part at {offset} of {total} where {len(partial.data)} of {partial.total} was due")
        partial.data += data
        partial.at = now
        if len(partial.data) < total:
            return None
        self.drop(peer, name)
        return bytes(partial.data)

    def _begin(self, peer: PeerId, name: Name, total: int, now: Millis) -> _Partial:
        names = self._by_peer.setdefault(peer, [])
        names.append(name)
        partial = self._partials[peer, name] = _Partial(total, now)
        return partial

    def _room(self, peer: PeerId, total: int) -> bool:
        names = self._by_peer.get(peer, [])
        announced = sum(self._partials[peer, other].total for other in names)
        return len(names) < PARTIAL_MAX and announced + total <= PARTIAL_BYTES_MAX

    def holds(self, peer: PeerId, name: Name) -> bool:
        """Tell whether a payload of this name is under way from this neighbour."""
        return (peer, name) in self._partials

    def drop(self, peer: PeerId, name: Name) -> None:
        """Forget one unfinished payload."""
        if self._partials.pop((peer, name), None) is not None:
            self._by_peer[peer].remove(name)
            if not self._by_peer[peer]:
                del self._by_peer[peer]

    def drop_peer(self, peer: PeerId) -> None:
        """Forget a neighbour's unfinished payloads."""
        for name in self._by_peer.pop(peer, []):
            del self._partials[peer, name]

    def stalled(self, now: Millis) -> list[tuple[PeerId, Name]]:
        """Drop and return what got no part for STALL."""
        late = [place for place, partial in self._partials.items() if now - partial.at >= STALL]
        for peer, name in late:
            self.drop(peer, name)
        return late

    def deadline(self) -> Millis | None:
        """Return when the first payload stalls."""
        if not self._partials:
            return None
        return min(Millis(partial.at + STALL) for partial in self._partials.values())
