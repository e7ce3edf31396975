"""Salted fingerprints of ranges of the map: what reconciliation compares (DESIGN section 3.2)."""

from collections.abc import Iterable

import numpy as np

from chain.primitives.peer import PREFIX_BYTES, PeerId
from chain.primitives.siphash import siphash13
from chain.primitives.units import Millis
from net.core.map.peer_map import PeerMap
from net.core.wire.reconcile import HEAD_MAX, SUM_MAX, Item, Range, Summary

SPLIT_INTO = 16
"""Parts of a range that differs and is too large to list: fewer bytes in all than halving, a quarter of the rounds."""


class Fingerprints:
    """Prefix sums over the map at one moment: any range in two look-ups. 0.25 µs a peer to make; transient."""

    def __init__(self, peer_map: PeerMap, salt: bytes) -> None:
        """`salt` is the session's, SALT_BYTES: it keys the SipHash-1-3 of (id, seq) that are added modulo 2^64."""
        self.salt = salt
        self._ids, self._seqs = peer_map.names()
        words = np.empty((len(self._ids), 5), dtype=np.uint64)
        words[:, :4] = self._ids.view("<u8")
        words[:, 4] = self._seqs
        self._heads = self._ids.view(">u8")[:, 0].astype(np.uint64)
        self._sums = np.zeros(len(words) + 1, dtype=np.uint64)
        np.cumsum(siphash13(salt, words), out=self._sums[1:])

    def __len__(self) -> int:
        """Return how many peers there were."""
        return len(self._ids)

    def peer(self, position: int) -> PeerId:
        """Return the id at a position."""
        return PeerId(self._ids[position].tobytes())

    def items(self, span: range) -> tuple[Item, ...]:
        """Return the names of the records at these positions."""
        seqs = self._seqs[span.start : span.stop].tolist()
        return tuple(Item(self.peer(at)[:PREFIX_BYTES], Millis(seq)) for at, seq in zip(span, seqs, strict=True))

    def span(self, part: Range) -> range:
        """Return the positions of the peers in a range."""
        low, last = np.uint64(part.low), np.uint64(part.last)
        return range(int(self._heads.searchsorted(low)), int(self._heads.searchsorted(last, side="right")))

    def summary(self, part: Range) -> Summary:
        """Return count and fingerprint of a range."""
        span = self.span(part)
        fingerprint = (int(self._sums[span.stop]) - int(self._sums[span.start])) & SUM_MAX
        return Summary(part, len(span), fingerprint)

    def split(self, part: Range) -> list[Summary]:
        """Return SPLIT_INTO summaries of parts of a range, with about as many of our peers in each."""
        span = self.span(part)
        size = -(-max(len(span), 1) // SPLIT_INTO)
        borders = sorted({int(self._heads[at]) for at in span[size::size]} - {part.low})
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
