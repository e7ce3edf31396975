"""The plan of a change of the head: which blocks to undo, which to apply. Carried out by the store in one batch."""

from collections.abc import Callable

from chain.block import ChainedHeader
from chain.ports import HeadMove
from chain.primitives.units import Hash32


def plan(old: ChainedHeader, new: ChainedHeader, parent_of: Callable[[ChainedHeader], ChainedHeader]) -> HeadMove:
    """Return the way from one head to another over their last common ancestor. Both descend from genesis."""
    undo: list[Hash32] = []
    apply: list[Hash32] = []
    left, right = old, new
    while left.id != right.id:
        if left.height >= right.height:
            undo.append(left.id)
            left = parent_of(left)
        else:
            apply.append(right.id)
            right = parent_of(right)
    return HeadMove(tuple(undo), tuple(reversed(apply)), new.id)
