"""Blocks whose parent is not here yet. Bounded in number, bytes and time.

Nothing but the seal of such a block is checked, so whoever sends it has paid one hash at least and maybe no more. Hence
the rule of eviction: the weakest seal goes first. To push out an honest block an attacker must show as much work.
"""

from dataclasses import dataclass

from chain.block import header_id
from chain.primitives.units import Hash32, Millis
from chain.verified import VerifiedBlock

ORPHANS_MAX = 64
"""Blocks kept; when full, the one with the weakest seal goes (highest pow). Sync fetches longer gaps in order, so that
only the last few announcements wait here."""

ORPHAN_BYTES_MAX = 16 << 20
"""Sum of their transactions' bytes; the weakest seal goes first too. Sixteen full blocks."""

ORPHAN_AGE_MAX = Millis(600_000)
"""An orphan older than this is forgotten: its parent will not come."""


@dataclass(frozen=True, slots=True)
class _Orphan:
    block: VerifiedBlock
    block_id: Hash32
    size_bytes: int
    since: Millis


class Orphans:
    """Blocks by id and by the parent they wait for. Changed by the importer alone."""

    def __init__(self) -> None:
        self._by_id: dict[Hash32, _Orphan] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, block_id: Hash32) -> bool:
        return block_id in self._by_id

    def put(self, block: VerifiedBlock, now: Millis) -> bool:
        """Keep a block; tell whether it is (still) here after the weakest have been dropped."""
        self._expire(now)
        orphan = _Orphan(
            block, header_id(block.sealed.header), sum(len(item.tx.raw) for item in block.transactions), now
        )
        if orphan.block_id not in self._by_id:
            self._by_id[orphan.block_id] = orphan
            self._bytes += orphan.size_bytes
        while len(self._by_id) > ORPHANS_MAX or self._bytes > ORPHAN_BYTES_MAX:
            weakest = max(self._by_id.values(), key=lambda other: (other.block.sealed.pow, other.block_id))
            self._remove(weakest)
        return orphan.block_id in self._by_id

    def take_children(self, parent_id: Hash32) -> tuple[VerifiedBlock, ...]:
        """Remove and return the blocks that waited for a parent, best seal first."""
        found = [other for other in self._by_id.values() if other.block.sealed.header.parent_id == parent_id]
        for orphan in found:
            self._remove(orphan)
        return tuple(
            orphan.block for orphan in sorted(found, key=lambda other: (other.block.sealed.pow, other.block_id))
        )

    def missing_ancestor(self, block_id: Hash32) -> Hash32:
        """Return the first ancestor that is not among the orphans: what to ask the network for."""
        missing = block_id
        while (orphan := self._by_id.get(missing)) is not None:
            missing = orphan.block.sealed.header.parent_id
        return missing

    def _expire(self, now: Millis) -> None:
        limit = now - ORPHAN_AGE_MAX
        for orphan in [other for other in self._by_id.values() if other.since < limit]:
            self._remove(orphan)

    def _remove(self, orphan: _Orphan) -> None:
        del self._by_id[orphan.block_id]
        self._bytes -= orphan.size_bytes
