"""The map's fingerprint as it was at a mark some twenty seconds ago: what pings carry (DESIGN section 3.2).

Where thousands of peers sign, some record is always on its way and no two maps are ever equal. As of a mark that is
older than any record takes, nearly all are, so that a difference says that something is missing. A mark is a multiple
of MARK_EVERY of mesh time; what was signed from then on does not count, nor do records that are about to expire: each
node drops them at a moment of its own.
"""

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis

MARK_EVERY = Millis(10_000)
"""Between two marks. Clocks and frames under way set two neighbours off by one mark at most."""

SETTLED = 2
"""How many marks before the current one the newest is that pings speak of: 20 to 30 s, where the last maps of 2,500
hear of a change after 10."""

NEAR = (0, -1, 1)
"""What a neighbour's mark may differ by."""

AGEING = Millis(120_000)
"""How long before the end of its life a record counts no more: as of a mark half a minute ago nobody has dropped it."""

GATHERED = Millis(AGEING + 60_000)
"""How long before that end such records are gathered, once a minute."""

_KEPT = SETTLED + 1
"""Marks before the current one that are asked for."""


class Marks:
    """What the map's own sum has beyond a mark. `PeerMap` alone holds one; eleven sums, and the ageing records."""

    def __init__(self) -> None:
        self._news: dict[int, int] = {}
        """What records signed after each mark and before the next have added to the sum."""
        self._ageing: dict[PeerId, tuple[Millis, int]] = {}
        """Signing time and summand of the records that are about to expire."""
        self._ageing_before = Millis(0)

    def took(self, seq: Millis, added: int, now: Millis) -> None:
        """Note that a record signed at `seq` has added so much to the sum, less what the one before it was."""
        mark, first = seq // MARK_EVERY, now // MARK_EVERY - _KEPT
        if mark < first:
            return
        if mark not in self._news:
            for past in [known for known in self._news if known < first]:
                del self._news[past]
        self._news[mark] = self._news.get(mark, 0) + added

    def lost(self, peer: PeerId, seq: Millis) -> None:
        """Note that the record of a peer that was signed at `seq` is held no more."""
        if seq < self._ageing_before:
            self._ageing.pop(peer, None)

    def swept(self, ageing: dict[PeerId, tuple[Millis, int]], before: Millis) -> None:
        """Take the signing times and summands of all records signed before this moment."""
        self._ageing, self._ageing_before = ageing, before

    def beyond(self, mark: int, oldest: Millis) -> int:
        """Return what the sum holds beyond records signed from `oldest` to the mark."""
        late = sum(added for known, added in self._news.items() if known >= mark)
        return late + sum(summand for seq, summand in self._ageing.values() if seq < oldest)
