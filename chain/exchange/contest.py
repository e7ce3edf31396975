"""Which new blocks are worth an Argon2id, a relay and their place on the disk: those that beat what is known (rule 10).

Only blocks that were imported are to be beaten. A true seal without its body bars nobody: its author may withhold it,
and if it kept the next best block out, one good hash would stop the chain.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace

from chain.block import ChainedHeader
from chain.exchange.ports import BlockSource
from chain.primitives.units import Hash32, Millis

RECENT_MAX = 256
"""Blocks with a verified seal that are remembered; the oldest goes first. The chain itself is asked too."""


@dataclass(frozen=True, slots=True)
class _Known:
    parent_id: Hash32
    time: Millis
    pow: int
    total_work: int
    is_whole: bool
    """Whether its body is here and valid."""


class Contest:
    """The blocks of verified seal by parent, and the heaviest of them."""

    def __init__(self, source: BlockSource) -> None:
        self._source = source
        self._recent: OrderedDict[Hash32, _Known] = OrderedDict()

    def __len__(self) -> int:
        return len(self._recent)

    def enter(self, chained: ChainedHeader) -> None:
        """Take note of a block whose seal is verified."""
        self._recent[chained.id] = _known(chained, is_whole=False)
        while len(self._recent) > RECENT_MAX:
            self._recent.popitem(last=False)

    def imported(self, block_id: Hash32) -> None:
        """Take note that a block is whole: from now on others have to beat it."""
        known = self._recent.get(block_id)
        if known is not None:
            self._recent[block_id] = replace(known, is_whole=True)

    def strike_out(self, block_id: Hash32) -> None:
        """Forget a block that turned out invalid: it must not keep others out."""
        self._recent.pop(block_id, None)

    def is_worth(self, chained: ChainedHeader) -> bool:
        """Tell whether a claim beats the best whole sibling, or its branch outweighs all that is whole.

        To beat its siblings helps a block as long as its branch is less than a block behind: else the first block on
        any side block would have none to beat, and one good block could carry a tree of those that cost a few hashes.
        A branch that comes up from further behind is fetched whole by catch-up, when it outweighs ours.
        """
        head = self._source.head()
        siblings = self._siblings(chained.header.parent_id)
        if all((chained.time, chained.sealed.pow) < (known.time, known.pow) for known in siblings):
            return chained.total_work + head.work > head.total_work
        heaviest = max((known.total_work for known in self._recent.values() if known.is_whole), default=0)
        return chained.total_work > max(heaviest, head.total_work)

    def is_best(self, block_id: Hash32) -> bool:
        """Tell whether no whole sibling of a block in the contest is better; a block that was forgotten is not."""
        own = self._recent.get(block_id)
        if own is None:
            return False
        siblings = self._siblings(own.parent_id)
        return all((own.time, own.pow) <= (known.time, known.pow) for known in siblings)

    def _siblings(self, parent_id: Hash32) -> list[_Known]:
        siblings = [known for known in self._recent.values() if known.is_whole and known.parent_id == parent_id]
        parent = self._source.chained(parent_id)
        if parent is not None and self._source.canonical_id(parent.height) == parent_id:
            child_id = self._source.canonical_id(parent.height + 1)
            child = None if child_id is None else self._source.chained(child_id)
            if child is not None:
                siblings.append(_known(child, is_whole=True))
        return siblings


def _known(chained: ChainedHeader, *, is_whole: bool) -> _Known:
    return _Known(chained.header.parent_id, chained.time, chained.sealed.pow, chained.total_work, is_whole)
