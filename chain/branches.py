"""The recent blocks of all branches that the fork choice looks at, ripe or still ripening. Bounded.

All of them are valid, executed and stored; to forget one here only means that it is no candidate any more until a
descendant comes, which finds it in the store.
"""

from collections.abc import Iterable, Iterator, Mapping

from chain.block import ChainedHeader
from chain.fork_choice import Candidate, sibling_rank
from chain.primitives.units import Hash32, Millis

AHEAD_MAX = Millis(600_000)
"""A block at most this far ahead of the mesh clock is kept (rule 5); beyond it is dropped without blame."""

UNRIPE_PER_PARENT = 2
"""Unripe siblings kept per parent (rule 5): the best two by (time, pow). The second matters if the first is invalid for
others or withheld; a third would win only if two better ones vanished. A worse one is dropped for a better one."""

UNRIPE_MAX = 64
"""Unripe blocks in all; the one furthest in the future goes first. Ten generations of T_MIN fit into AHEAD_MAX, one
branch of which is 20 blocks; the rest is room for forks."""

RECENT_DEPTH = 64
"""Ripe blocks this far below the head are forgotten: their branches come back with their next block."""

RECENT_MAX = 512
"""Ripe blocks in all, eight branches over the whole depth; the one with the least total work goes first."""


class Branches:
    """Candidates by id. Changed by the importer alone; `deadline`, `unripe_children` and `counts` may be called from
    any thread, for which the unripe blocks are replaced as a whole and never changed.
    """

    def __init__(self) -> None:
        self._ripe: dict[Hash32, Candidate] = {}
        self._unripe: Mapping[Hash32, Candidate] = {}

    def __contains__(self, block_id: Hash32) -> bool:
        return block_id in self._ripe or block_id in self._unripe

    def candidate(self, block_id: Hash32) -> Candidate | None:
        """Return a recent block."""
        return self._ripe.get(block_id) or self._unripe.get(block_id)

    def ripe(self) -> Iterable[Candidate]:
        """Return the ripe blocks: what `fork_choice.choose` compares."""
        return self._ripe.values()

    def has_room(self, chained: ChainedHeader, now: Millis) -> bool:
        """Tell whether a new block would be kept: ripe, or among the two best unripe siblings and not too far ahead."""
        if chained.time <= now:
            return True
        if chained.time > now + AHEAD_MAX:
            return False
        rank = sibling_rank(chained)
        better = sum(other.rank < rank for other in self._unripe_siblings(chained.header.parent_id))
        return better < UNRIPE_PER_PARENT

    def add(self, candidate: Candidate, now: Millis) -> None:
        """Keep a block for which there is room; an unripe one may push out a worse sibling, or the one furthest off."""
        chained = candidate.chained
        if chained.time <= now:
            self._ripe[chained.id] = candidate
            return
        unripe = {**self._unripe, chained.id: candidate}
        siblings = [other for other in unripe.values() if other.chained.header.parent_id == chained.header.parent_id]
        for beaten in sorted(siblings, key=lambda other: other.rank)[UNRIPE_PER_PARENT:]:
            del unripe[beaten.chained.id]
        if len(unripe) > UNRIPE_MAX:
            furthest = max(unripe.values(), key=lambda other: other.rank)
            del unripe[furthest.chained.id]
        self._unripe = unripe

    def discard(self, block_id: Hash32) -> None:
        """Forget a block, if it is here."""
        self._ripe.pop(block_id, None)
        self._unripe = {other: candidate for other, candidate in self._unripe.items() if other != block_id}

    def ripen(self, now: Millis) -> bool:
        """Move the blocks whose time has come to the ripe ones; tell whether there were any."""
        ready = {block_id: candidate for block_id, candidate in self._unripe.items() if candidate.chained.time <= now}
        self._ripe.update(ready)
        if ready:
            self._unripe = {block_id: other for block_id, other in self._unripe.items() if block_id not in ready}
        return bool(ready)

    def deadline(self) -> Millis | None:
        """Return when the next block ripens."""
        return min((candidate.chained.time for candidate in self._unripe.values()), default=None)

    def prune(self, head: ChainedHeader) -> None:
        """Forget ripe blocks far below the head, then the lightest while there are too many."""
        floor = head.height - RECENT_DEPTH
        old = [block_id for block_id, candidate in self._ripe.items() if candidate.chained.height < floor]
        for block_id in old:
            del self._ripe[block_id]
        while len(self._ripe) > RECENT_MAX:
            others = (candidate.chained for candidate in self._ripe.values() if candidate.chained.id != head.id)
            del self._ripe[min(others, key=lambda chained: (chained.total_work, chained.id)).id]

    def unripe_children(self, parent_id: Hash32) -> tuple[ChainedHeader, ...]:
        """Return the unripe blocks on a parent, best first: what may be mined on early (rule 5)."""
        siblings = sorted(self._unripe_siblings(parent_id), key=lambda other: other.rank)
        return tuple(candidate.chained for candidate in siblings)

    @property
    def counts(self) -> tuple[int, int]:
        """Ripe and unripe blocks held."""
        return len(self._ripe), len(self._unripe)

    def _unripe_siblings(self, parent_id: Hash32) -> Iterator[Candidate]:
        return (other for other in self._unripe.values() if other.chained.header.parent_id == parent_id)
