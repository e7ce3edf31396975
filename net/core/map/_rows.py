"""Columns of the peer map: one row per peer in numpy arrays, with an index from id prefixes to rows.

67 bytes of columns and 5 to 6 of index a peer. Scalars are read and written through memoryviews, which cost half of
what indexing an array costs; whole columns are worked on as arrays.
"""

import numpy as np
import numpy.typing as npt

from chain.primitives.peer import PREFIX_BYTES, PeerId
from chain.primitives.units import Millis

ALIVE = 0x80
"""Bit of `flags`: the row holds a live record."""

TOMB = 0x40
"""Bit of `flags`: the record has expired or was expelled; its `seq` is kept so that older ones stay out."""

RECORD_FLAGS = 0x3F
"""Bits of `flags` that the record carries."""

UPLINK = 0x0F
"""Bits of `meta` for the uplink class."""

MISSING = 0x10
"""Bit of `meta`: the record names peers that were not on the map when it was read."""

AMBIGUOUS = 0x20
"""Bit of `meta`: another known id has the same prefix, so links that name it confirm nothing."""

UNCHECKED = 0x40
"""Bit of `meta`: signature and proof are still to be checked (records a joiner got in ranges)."""

_FILL = 0.75
"""Fullest the index gets: 2.5 probes to find an id, 9 to find it missing, 6 bytes a peer."""

_REFILL = 0.62
"""How full the index is after it has grown."""

_FIRST_ROWS = 256
_MASK = (1 << 64) - 1

Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint32]
Shorts = npt.NDArray[np.uint16]


_EMPTY_BYTES: Bytes = np.empty(0, dtype=np.uint8)
_EMPTY_SHORTS: Shorts = np.empty(0, dtype=np.uint16)
_EMPTY_WORDS: Words = np.empty(0, dtype=np.uint32)


class Rows:
    """The columns and the index. Only `PeerMap` and its helpers in this folder hold one; they may write its views."""

    def __init__(self, secret: bytes) -> None:
        """`secret`, 8 bytes, keys the index: a peer that could place ids in it would make look-ups slow."""
        self._key = int.from_bytes(secret[:8], "little") | 1
        self.used = 0
        """Rows ever used: all valid row numbers are below."""
        self.free: list[int] = []
        self.twins: dict[PeerId, int] = {}
        """Rows of ids whose prefix an earlier id holds: the index finds the earlier one only."""
        self.ids = self.epoch = self.flags = self.meta = self.count = self.confirmed = _EMPTY_BYTES
        self.seq_low = self.born_low = self.tags = _EMPTY_SHORTS
        self.seq_high = self.born_high = self.nonce = self.offset = self.first_seen = _EMPTY_WORDS
        self._found_peer = b""
        self._found_row = -1
        """The last look-up: a record's way through the checks asks for its origin several times."""
        self._allocate(_FIRST_ROWS)
        self.reindex()

    def _allocate(self, capacity: int) -> None:
        """Grow every column. Pages of `np.empty` that are never written take no memory."""
        self.capacity = capacity
        self.ids = _grown(self.ids, capacity * 32)
        self.epoch = _grown(self.epoch, capacity)
        self.flags = _grown(self.flags, capacity)
        self.meta = _grown(self.meta, capacity)
        self.count = _grown(self.count, capacity)
        self.confirmed = _grown(self.confirmed, capacity)
        self.seq_low = _grown_shorts(self.seq_low, capacity)
        self.born_low = _grown_shorts(self.born_low, capacity)
        self.tags = _grown_shorts(self.tags, capacity * 3)
        self.seq_high = _grown_words(self.seq_high, capacity)
        self.born_high = _grown_words(self.born_high, capacity)
        self.nonce = _grown_words(self.nonce, capacity)
        self.offset = _grown_words(self.offset, capacity)
        self.first_seen = _grown_words(self.first_seen, capacity)
        self._view()

    def _view(self) -> None:
        self.id_view = self.ids.data
        self.epoch_view = self.epoch.data
        self.flags_view = self.flags.data
        self.meta_view = self.meta.data
        self.count_view = self.count.data
        self.confirmed_view = self.confirmed.data
        self.seq_low_view = self.seq_low.data
        self.born_low_view = self.born_low.data
        self.tags_view = self.tags.data
        self.seq_high_view = self.seq_high.data
        self.born_high_view = self.born_high.data
        self.nonce_view = self.nonce.data
        self.offset_view = self.offset.data
        self.first_seen_view = self.first_seen.data

    def resize(self, used: int) -> None:
        """Make room for exactly this many rows, all in use: before a snapshot is read into the columns."""
        self._allocate(max(used, _FIRST_ROWS))
        self.used = used

    def by_prefix(self, prefix: bytes) -> int:
        """Return the row of the first id with this prefix, -1 if none."""
        index, ids = self._index_view, self.id_view
        slot = (((int.from_bytes(prefix[:8], "little") * self._key & _MASK) >> 32) * self._slots) >> 32
        while row := index[slot]:
            start = (row - 1) * 32
            if ids[start : start + PREFIX_BYTES] == prefix:
                return row - 1
            slot += 1
        return -1

    def by_prefixes(self, prefixes: bytes) -> npt.NDArray[np.int64]:
        """Return `by_prefix` of each of the prefixes that stand one after the other."""
        index = np.asarray(self._index_view)
        ids = self.ids.reshape(-1, 32)[:, :PREFIX_BYTES]
        wanted = np.frombuffer(prefixes, dtype=np.uint8).reshape(-1, PREFIX_BYTES)
        slots = self._homes(wanted[:, :8].copy().view("<u8").ravel()).astype(np.int64)
        found = np.full(len(wanted), -1, dtype=np.int64)
        searching = np.arange(len(wanted))
        while len(searching):
            rows = index[slots[searching]].astype(np.int64) - 1
            searching, rows = searching[rows >= 0], rows[rows >= 0]
            same = (ids[rows] == wanted[searching]).all(axis=1)
            found[searching[same]] = rows[same]
            searching = searching[~same]
            slots[searching] += 1
        return found

    def _homes(self, heads: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
        """Return where the search for ids with these first eight bytes begins in the index."""
        return ((heads * np.uint64(self._key)) >> np.uint64(32)) * np.uint64(self._slots) >> np.uint64(32)

    def find(self, peer: PeerId) -> int:
        """Return the row of an id, tombstones included, -1 if none."""
        if peer == self._found_peer:
            return self._found_row
        row = self.by_prefix(peer[:PREFIX_BYTES])
        if row >= 0 and self.peer(row) != peer:
            row = self.twins.get(peer, -1)
        self._found_peer, self._found_row = peer, row
        return row

    def peer(self, row: int) -> PeerId:
        """Return the id of a row."""
        return PeerId(self.id_view[row * 32 : row * 32 + 32].tobytes())

    def found(self, row: int) -> PeerId:
        """Return the id of a row that was looked up by its prefix: what is asked next is most often about this peer."""
        peer = self._found_peer = self.peer(row)
        self._found_row = row
        return peer

    def seq(self, row: int) -> Millis:
        """Return the signing time of a row's record."""
        return Millis(self.seq_high_view[row] << 16 | self.seq_low_view[row])

    def set_seq(self, row: int, seq: Millis) -> None:
        """Write the signing time of a row's record."""
        self.seq_high_view[row] = seq >> 16
        self.seq_low_view[row] = seq & 0xFFFF

    def born(self, row: int) -> Millis:
        """Return the `born` of a row's record."""
        return Millis(self.born_high_view[row] << 16 | self.born_low_view[row])

    def add(self, peer: PeerId) -> tuple[int, int]:
        """Return a blank row for an id that has none, and the row of another id with its prefix, -1 if none."""
        self._found_peer = b""
        first = self.by_prefix(peer[:PREFIX_BYTES])
        if self.free:
            row = self.free.pop()
        else:
            if self.used == self.capacity:
                self._allocate(self.capacity + self.capacity // 4)
            row = self.used
            self.used += 1
        self.id_view[row * 32 : row * 32 + 32] = peer
        for view in (self.flags_view, self.meta_view, self.count_view, self.confirmed_view):
            view[row] = 0
        self.set_seq(row, Millis(0))
        if first >= 0:
            self.twins[peer] = row
        else:
            self._indexed += 1
            self._enter(row, peer)
        return row, first

    def write_born(self, row: int, born: Millis) -> None:
        """Write the `born` of a row's record."""
        self.born_high_view[row] = born >> 16
        self.born_low_view[row] = born & 0xFFFF

    def _enter(self, row: int, peer: PeerId) -> None:
        if self._indexed > self._slots * _FILL:
            self.reindex(pending=row)
            return
        index = self._index_view
        slot = (((int.from_bytes(peer[:8], "little") * self._key & _MASK) >> 32) * self._slots) >> 32
        while index[slot]:
            slot += 1
        if slot + 1 == len(index):  # the last slot stays empty: every search ends there
            self.reindex(pending=row)
        else:
            index[slot] = row + 1

    def release(self, rows: "list[int]") -> None:
        """Give back rows that no link names any more. The index is made anew: call it for many at once."""
        self._found_peer = b""
        for row in rows:
            self.flags_view[row] = 0
            self.twins.pop(self.peer(row), None)
        promoted: set[bytes] = set()
        for peer in list(self.twins):  # an id whose namesake is gone takes its place in the index
            prefix = peer[:PREFIX_BYTES]
            if not self.flags_view[self.by_prefix(prefix)] and prefix not in promoted:
                promoted.add(prefix)
                del self.twins[peer]
        self.free.extend(rows)
        self.reindex()

    def reindex(self, pending: int = -1) -> None:
        """Make the index anew from the columns: vectorised linear probing, 20 ms for 100,000 rows.

        `pending` is a row just taken whose flags are still blank.
        """
        inside = self.flags[: self.used] != 0
        if pending >= 0:
            inside[pending] = True
        for row in self.twins.values():
            inside[row] = False
        rows = np.flatnonzero(inside)
        self._indexed = len(rows)
        self._slots = int(max(len(rows), _FIRST_ROWS) / _REFILL)
        heads = self.ids.reshape(-1, 32)[: self.used, :8].copy().view("<u8").ravel()[rows]
        homes = self._homes(heads)
        order = np.argsort(homes, kind="stable")
        steps = np.arange(len(rows), dtype=np.int64)
        slots = np.maximum.accumulate(homes[order].astype(np.int64) - steps) + steps if len(rows) else steps
        size = max(self._slots, int(slots[-1]) + 1 if len(rows) else 0) + 64
        index = np.zeros(size, dtype=np.uint32)
        index[slots] = rows[order] + 1
        self._index_view = index.data

    def times(self, high: Words, low: Shorts) -> npt.NDArray[np.int64]:
        """Return a column of 48-bit times, for all rows used."""
        return (high[: self.used].astype(np.int64) << 16) | low[: self.used]


def _grown(old: Bytes, size: int) -> Bytes:
    fresh = np.empty(size, dtype=np.uint8)
    fresh[: len(old)] = old
    return fresh


def _grown_shorts(old: Shorts, size: int) -> Shorts:
    fresh = np.empty(size, dtype=np.uint16)
    fresh[: len(old)] = old
    return fresh


def _grown_words(old: Words, size: int) -> Words:
    fresh = np.empty(size, dtype=np.uint32)
    fresh[: len(old)] = old
    return fresh
