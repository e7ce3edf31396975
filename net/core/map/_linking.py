"""Cells in line with records: which links each row lists, and which of them the other end lists too."""

from bisect import insort
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from chain.primitives.peer import PREFIX_BYTES, PeerId
from chain.primitives.units import Millis
from net.core.effects import MapEvent
from net.core.map._edges import CONFIRMED, INBOUND, RTT, Edges
from net.core.map._rows import ALIVE, AMBIGUOUS, MISSING, Rows
from net.core.map._waiting import Waiting
from net.core.map.changes import Changes
from net.core.wire.record import Link, Record

Reread: TypeAlias = Callable[[PeerId], Record | None]
"""Gives the record of a peer again as it was last applied, None if it is lost."""

FindChanges: TypeAlias = Callable[[Record, Record], Changes]
"""`changes.changes_between`, or what remembers its answers."""


class Linking:
    """Writes cells and confirmations. `PeerMap` alone holds one."""

    def __init__(self, rows: Rows, edges: Edges, waiting: Waiting, reread: Reread, changes: FindChanges | None) -> None:
        self._rows = rows
        self._edges = edges
        self._waiting = waiting
        self._reread = reread
        self._changes = changes
        self.confirmed = 0
        """Links that both ends list."""

    def count(self) -> None:
        """Count the confirmed links of a snapshot."""
        self.confirmed = int(np.sum(self._rows.confirmed[: self._rows.used], dtype=np.int64)) // 2

    def earlier(self, row: int) -> Record | None:
        """Return the record held of a live row, None unless comparing with it is cheap and all its links have cells."""
        if self._changes is None or self._rows.meta_view[row] & (MISSING | AMBIGUOUS):
            return None
        record = self._reread(self._rows.peer(row))
        if record is None or record.seq != self._rows.seq(row) or len(record.links) != self._rows.count_view[row]:
            return None
        return record

    def change(self, row: int, old: Record, new: Record, events: list[MapEvent]) -> bool:
        """Do what `link` does by the changes from the record held alone; False, nothing done, where that does not do.

        Cell and link stand at the same position, since every link of the record held has a cell.
        """
        assert self._changes is not None, "only `earlier` gives records to compare with"
        rows, edges = self._rows, self._edges
        changes = self._changes(old, new)
        come: list[int] = []
        for _, link in changes.come:
            target = rows.by_prefix(link.prefix)
            if target < 0 or not rows.flags_view[target] & ALIVE or rows.meta_view[target] & MISSING:
                return False
            come.append(target << 1 | link.direction)
        if not (changes.gone or come or changes.timed):
            return True
        cells = edges.span(row)
        gone = [cells.pop(place) for place in changes.gone]
        for (place, link), key in zip(changes.come, come, strict=True):
            cells.insert(place, key << 7 | link.rtt)
        for place, rtt in changes.timed:
            cells[place] = cells[place] & ~RTT | rtt
        for cell in gone:
            if cell & CONFIRMED:
                self._unconfirm(row, cell, new.seq, events)
        edges.write(row, cells)
        for key in come:
            self.confirm(row, key >> 1, (key & 1) << 7, events, may_reread=False)
        return True

    def welcome(self, row: int, peer: PeerId) -> None:
        """Give those who listed the newcomer before it appeared their cells."""
        for lister, low, _ in self._waiting.take(peer[:PREFIX_BYTES]):
            if self._rows.flags_view[lister] & ALIVE and lister != row:
                cells = self._edges.span(lister)
                insort(cells, row << 8 | low, key=lambda cell: self._rows.peer(cell >> 8))
                self._edges.write(lister, cells)

    def link(self, row: int, links: Sequence[Link], at: Millis, events: list[MapEvent], *, alone: bool) -> None:
        """Bring the row's cells in line with `links`, confirm what the other ends list, cut what is listed no more.

        `alone`: other ends' records may be read again for it. Cells stand in the order of their targets' ids, as links
        do in a record.
        """
        rows, edges = self._rows, self._edges
        ids, flags = rows.id_view, rows.flags_view
        old, place = edges.span(row), 0
        missing, cells, fresh, gone = 0, [], [], []
        for prefix, direction, rtt in links:
            # Both lists are in the order of the prefixes and differ little: walking along both spares nearly all
            # look-ups in the index.
            target = before = -1
            while place < len(old):
                start = (old[place] >> 8) * 32
                known = ids[start : start + PREFIX_BYTES].tobytes()
                if known > prefix:
                    break
                before = old[place]
                place += 1
                if known == prefix:
                    target = before >> 8
                    break
                gone.append(before)
            if target < 0:
                before = 0
                target = rows.by_prefix(prefix)
                if target < 0 or not flags[target] & ALIVE:
                    if not self._waiting.add(prefix, row, direction << 7 | rtt, rows.seq(row)):
                        missing = MISSING
                    continue
            key = target << 1 | direction
            if before and before >> 7 != key:  # the link goes the other way now
                gone.append(before)
                before = 0
            cells.append(key << 7 | before & CONFIRMED | rtt)
            if not before & CONFIRMED:
                fresh.append(key)
        for cell in (*gone, *old[place:]):
            if cell & CONFIRMED:
                self._unconfirm(row, cell, at, events)
        edges.write(row, cells)
        rows.meta_view[row] = rows.meta_view[row] & ~MISSING | missing
        for key in fresh:
            self.confirm(row, key >> 1, (key & 1) << 7, events, may_reread=alone)

    def confirm(self, row: int, target: int, direction: int, events: list[MapEvent], *, may_reread: bool) -> None:
        """Confirm the link that the row lists, if the other end lists it too; `direction` is 0 or INBOUND."""
        rows, edges = self._rows, self._edges
        if (rows.meta_view[row] | rows.meta_view[target]) & AMBIGUOUS:
            return
        theirs = edges.find(target, row, direction ^ INBOUND)
        if theirs < 0:
            if may_reread and rows.meta_view[target] & MISSING:
                record = self._reread(rows.peer(target))
                if record is not None and record.seq == rows.seq(target):
                    self.link(target, record.links, record.seq, events, alone=False)
            return
        ours = edges.find(row, target, direction)
        edges.view[theirs] |= CONFIRMED
        edges.view[ours] |= CONFIRMED
        rows.confirmed_view[row] += 1
        rows.confirmed_view[target] += 1
        self.confirmed += 1
        events.append(self._event(row, target, direction, max(rows.seq(row), rows.seq(target)), connected=True))

    def _unconfirm(self, row: int, cell: int, at: Millis, events: list[MapEvent]) -> None:
        """Take back a confirmation; the row's own cell is about to be rewritten by the caller."""
        rows, edges, target = self._rows, self._edges, cell >> 8
        direction = cell & INBOUND
        theirs = edges.find(target, row, direction ^ INBOUND)
        edges.view[theirs] &= ~CONFIRMED
        rows.confirmed_view[row] -= 1
        rows.confirmed_view[target] -= 1
        self.confirmed -= 1
        events.append(self._event(row, target, direction, at, connected=False))

    def _event(self, row: int, target: int, direction: int, at: Millis, *, connected: bool) -> MapEvent:
        ends = (target, row) if direction else (row, target)
        return MapEvent(connected, self._rows.peer(ends[0]), self._rows.peer(ends[1]), at)

    def cut(self, row: int, at: Millis, events: list[MapEvent]) -> None:
        """Unconfirm all links of a row; its cells stay."""
        cells = self._edges.span(row)
        for cell in cells:
            if cell & CONFIRMED:
                self._unconfirm(row, cell, at, events)
        self._edges.write(row, [cell & ~CONFIRMED for cell in cells])
