"""Pooled array of link entries: each row of the map owns one span of 4-byte cells.

A cell is target row (24 bits), direction (1), confirmed (1), round-trip class (6). Spans have exactly the size they
need; freed ones are kept by size, since nearly all spans have 11 to 15 cells and soon find a taker.
"""

from array import array
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from net.core.map._rows import Rows, Words

ROWS_MAX = 1 << 24
"""Most rows a cell can name."""

INBOUND = 0x80
"""Bit of a cell: the other end chose the link (`wire.record.Direction.IN`)."""

CONFIRMED = 0x40
"""Bit of a cell: the other end lists it too, in the other direction."""

RTT = 0x3F
"""Bits of a cell: round-trip class."""

_WASTE = 16
"""The pool is compacted when free cells pass one in this many: 3 bytes a peer at worst."""

_FIRST_CELLS = 4096


class Edges:
    """The pool. Offsets and counts stand in the rows' columns; only `PeerMap` and its helpers hold one."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self.cells: Words = np.empty(_FIRST_CELLS, dtype=np.uint32)
        self.view = self.cells.data
        self.used = 0
        self._free: dict[int, array[int]] = {}
        self._wasted = 0

    def span(self, row: int) -> list[int]:
        """Return a copy of the row's cells."""
        start = self._rows.offset_view[row]
        return self.view[start : start + self._rows.count_view[row]].tolist()

    def write(self, row: int, cells: Sequence[int]) -> None:
        """Replace the row's cells. Invalidates every position a caller remembers."""
        rows, size, before = self._rows, len(cells), self._rows.count_view[row]
        if size != before:
            if before:
                self._free.setdefault(before, array("I")).append(rows.offset_view[row])
                self._wasted += before
            rows.count_view[row] = 0
            if size:
                rows.offset_view[row] = self._take(size)
                rows.count_view[row] = size
        start = rows.offset_view[row] if size else 0
        self.view[start : start + size] = array("I", cells)

    def _take(self, size: int) -> int:
        spare = self._free.get(size)
        if spare:
            self._wasted -= size
            return spare.pop()
        if self._wasted > self.used // _WASTE + _FIRST_CELLS:
            self.compact()
        return self._extend(size)

    def _extend(self, size: int) -> int:
        if self.used + size > len(self.cells):
            grown = np.empty(len(self.cells) + len(self.cells) // 4 + size, dtype=np.uint32)
            grown[: self.used] = self.cells[: self.used]
            self._put(grown)
        start = self.used
        self.used += size
        return start

    def append(self, owners: npt.NDArray[np.int64], cells: Words) -> None:
        """Give rows that have no cells theirs: `owners` names the row of each, those of one row one after the other."""
        start = self._extend(len(cells))
        self.cells[start : start + len(cells)] = cells
        rows, firsts, counts = np.unique(owners, return_index=True, return_counts=True)
        self._rows.offset[rows] = start + firsts
        self._rows.count[rows] = counts

    def _put(self, cells: Words) -> None:
        self.cells = cells
        self.view = cells.data

    def positions(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return for every cell in use, row by row: its row, and its position in the pool."""
        counts = self._rows.count[: self._rows.used].astype(np.int64)
        owners = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
        firsts = np.cumsum(counts) - counts
        inside = np.arange(len(owners), dtype=np.int64) - firsts[owners]
        return owners, self._rows.offset[: self._rows.used].astype(np.int64)[owners] + inside

    def compact(self) -> None:
        """Move all spans together, in the order of their rows: 20 ms for 100,000 peers."""
        counts = self._rows.count[: self._rows.used].astype(np.int64)
        _owners, positions = self.positions()
        packed = self.cells[positions]
        grown = np.empty(len(packed) + len(packed) // 4 + _FIRST_CELLS, dtype=np.uint32)
        grown[: len(packed)] = packed
        self._put(grown)
        self._rows.offset[: self._rows.used] = np.cumsum(counts) - counts
        self.used = len(packed)
        self._free.clear()
        self._wasted = 0

    def fill(self, cells: Words) -> None:
        """Take the cells of a snapshot; offsets and counts are in the rows' columns already."""
        grown = np.empty(len(cells) + len(cells) // 16 + _FIRST_CELLS, dtype=np.uint32)
        grown[: len(cells)] = cells
        self._put(grown)
        self.used = len(cells)

    def find(self, row: int, target: int, direction: int) -> int:
        """Return the pool position of the row's cell that names `target` in `direction` (0 or INBOUND), -1 if none."""
        wanted = target << 1 | direction >> 7
        start = self._rows.offset_view[row]
        for place, cell in enumerate(self.view[start : start + self._rows.count_view[row]].tolist()):
            if cell >> 7 == wanted:
                return start + place
        return -1
