"""Which branch is ours: rule 7 of DESIGN section 5, as functions on headers.

Compared are blocks that are ripe and valid. Work decides between branches, with a lead of half a block so that a tie
moves nobody; the better (time, pow) decides between siblings at the tip, so that all nodes that saw both in time end on
the same one, whatever order they came in. Childless siblings are never compared by work: a heavier but later one and a
lighter but earlier one would otherwise each displace the other for ever. With children they are branches.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from chain.block import ChainedHeader
from chain.params import ChainParams
from chain.primitives.units import Hash32, Millis

SAFE_WORKS = (10, 20)
"""`safe` has this many times the tip's schedule work above it: after the ramp of stake, and before its end."""

FINAL_WORKS = (20, 30)
"""The same for `finalized`."""


def sibling_rank(block: ChainedHeader) -> tuple[Millis, int, Hash32]:
    """Return (time, pow) of a block, and its id so that no two are equal."""
    return block.time, block.sealed.pow, block.id


@dataclass(frozen=True, slots=True)
class Candidate:
    """A valid block that may become the head."""

    chained: ChainedHeader
    arrived: Millis | None
    """When it came to this node by the mesh clock; None if that is forgotten (it was stored before a restart)."""

    @property
    def rank(self) -> tuple[Millis, int, Hash32]:
        """What orders siblings: the lower one wins."""
        return sibling_rank(self.chained)


@dataclass(frozen=True, slots=True)
class HeadMarks:
    """The canonical chain in three blocks; immutable and replaced as a whole, so that any thread may read it."""

    head: ChainedHeader
    safe: ChainedHeader
    finalized: ChainedHeader


def late_limit(params: ChainParams) -> Millis:
    """Return LATE: how long after its time a better sibling may come. 5 s of 120, in proportion on faster networks."""
    return Millis(params.block_time // 24)


def in_time(candidate: Candidate, late: Millis) -> bool:
    """Tell whether a block had come by its time + LATE; later it cannot displace a sibling (no late release)."""
    return candidate.arrived is not None and candidate.arrived <= candidate.chained.time + late


def outweighs(branch: ChainedHeader, current: ChainedHeader) -> bool:
    """Tell whether a branch leads by more than half the work of the current tip."""
    return branch.total_work - current.total_work > current.work // 2


def choose(head: Candidate, ripe: Iterable[Candidate], late: Millis) -> Candidate:
    """Return the block that should be head: `head` itself, or one of the ripe blocks.

    `ripe` are the recent ripe valid blocks of all branches (with or without the head); a parent that is not among them
    only matters where it is the head.
    """
    blocks = list(ripe)
    children = _by_parent(blocks)
    tip = _extended(head, children, late)
    while (rival := _heaviest(tip, blocks)) is not None:
        tip = _extended(rival, children, late)  # total work grows with every turn, so this ends
    return _extended(_best_sibling(tip, children, late), children, late)


def _by_parent(blocks: Iterable[Candidate]) -> Mapping[Hash32, list[Candidate]]:
    children: dict[Hash32, list[Candidate]] = {}
    for block in blocks:
        children.setdefault(block.chained.header.parent_id, []).append(block)
    return children


def _extended(tip: Candidate, children: Mapping[Hash32, list[Candidate]], late: Millis) -> Candidate:
    """Follow ripe children to the end; among siblings those that came in time first, then the lower rank."""
    while found := children.get(tip.chained.id):
        tip = min(found, key=lambda child: (not in_time(child, late), child.rank))
    return tip


def _heaviest(tip: Candidate, blocks: Iterable[Candidate]) -> Candidate | None:
    parent_id = tip.chained.header.parent_id
    rivals = [
        block
        for block in blocks
        if block.chained.header.parent_id != parent_id and outweighs(block.chained, tip.chained)
    ]
    return max(rivals, key=lambda block: (block.chained.total_work, block.chained.id), default=None)


def _best_sibling(tip: Candidate, children: Mapping[Hash32, list[Candidate]], late: Millis) -> Candidate:
    better = [
        block
        for block in children.get(tip.chained.header.parent_id, ())
        if block.rank < tip.rank and in_time(block, late) and not _outgrown(block, tip, children, late)
    ]
    return min(better, key=lambda block: block.rank, default=tip)


def _outgrown(block: Candidate, tip: Candidate, children: Mapping[Hash32, list[Candidate]], late: Millis) -> bool:
    """Tell whether a block has descendants, so that it is a branch and no mere sibling, and the tip outweighs them."""
    end = _extended(block, children, late)
    return end is not block and outweighs(tip.chained, end.chained)


def marks(
    params: ChainParams, head: ChainedHeader, unit: int, parent_of: Callable[[ChainedHeader], ChainedHeader]
) -> HeadMarks:
    """Return the head with its `safe` and `finalized` ancestors; genesis while the chain is short.

    `unit` is the schedule work of the head (rule 7). Work above counts, not blocks: weak ones confirm little.
    """
    ramping = head.height < params.stake_start + params.stake_ramp
    safe = _buried(head, head, unit * SAFE_WORKS[ramping], parent_of)
    return HeadMarks(head, safe, _buried(head, safe, unit * FINAL_WORKS[ramping], parent_of))


def _buried(
    head: ChainedHeader, start: ChainedHeader, work: int, parent_of: Callable[[ChainedHeader], ChainedHeader]
) -> ChainedHeader:
    """Walk down from `start` to the first block with `work` above it."""
    block = start
    while block.height > 0 and head.total_work - block.total_work < work:
        block = parent_of(block)
    return block
