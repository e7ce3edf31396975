"""Salted fingerprints of ranges of the map: what reconciliation compares (DESIGN section 3.2)."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import accumulate

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.map.peer_map import PeerMap, item_fingerprint
from net.core.wire.reconcile import HEAD_MAX, Range, Summary

SPLIT_INTO = 16
"""Parts of a range that differs and is too large to list: fewer bytes in all than halving, a quarter of the rounds."""

_MASK = (1 << 128) - 1


class Fingerprints:
    """Prefix sums over the map at one moment: any range in two look-ups. 1.5 µs a peer to make; transient."""

    def __init__(self, peer_map: PeerMap, salt: bytes) -> None:
        """`salt` is the session's, 16 bytes."""
        table = peer_map.table()
        self.salt = salt
        self.peers: list[PeerId] = table.peers()
        self.seqs: list[Millis] = [Millis(seq) for seq in table.seq.tolist()]
        self._heads = [head_of(peer) for peer in self.peers]
        summands = (item_fingerprint(peer, seq, salt) for peer, seq in zip(self.peers, self.seqs, strict=True))
        self._sums = list(accumulate(summands, initial=0))

    def span(self, part: Range) -> range:
        """Return the positions of the peers in a range."""
        return range(bisect_left(self._heads, part.low), bisect_right(self._heads, part.last))

    def summary(self, part: Range) -> Summary:
        """Return count and fingerprint of a range."""
        span = self.span(part)
        return Summary(part, len(span), (self._sums[span.stop] - self._sums[span.start]) & _MASK)

    def split(self, part: Range) -> list[Summary]:
        """Return SPLIT_INTO summaries of parts of a range, with about as many of our peers in each."""
        span = self.span(part)
        size = -(-max(len(span), 1) // SPLIT_INTO)
        borders = sorted({self._heads[at] for at in span[size::size]} - {part.low})
        lows = [part.low, *borders]
        lasts = [*(border - 1 for border in borders), part.last]
        return [self.summary(Range(low, last)) for low, last in zip(lows, lasts, strict=True)]


def head_of(peer: PeerId) -> int:
    """Return where an id lies in the id space: its first 8 bytes as a big-endian number."""
    return int.from_bytes(peer[:8], "big")


def equal_parts(count: int) -> list[Range]:
    """Return the id space cut into `count` equal ranges."""
    size = (HEAD_MAX + 1) // count
    return [Range(at * size, (at + 1) * size - 1 if at + 1 < count else HEAD_MAX) for at in range(count)]


def merged(parts: Iterable[Range]) -> list[Range]:
    """Return adjoining ranges joined, in ascending order."""
    joined: list[Range] = []
    for part in sorted(parts, key=lambda one: one.low):
        if joined and joined[-1].last + 1 >= part.low:
            joined[-1] = Range(joined[-1].low, max(joined[-1].last, part.last))
        else:
            joined.append(part)
    return joined
