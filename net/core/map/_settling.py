"""A whole map's links at once: what `linking.Linking.link` does row by row, in arrays.

A joiner applies the records of the whole map before it looks at their links, since half of these name peers whose
records come later. Row by row, 100,000 records take eight seconds in which the node does nothing else.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from net.core.effects import MapEvent
from net.core.map._edges import CONFIRMED, Edges
from net.core.map._linking import Linking, Reread
from net.core.map._rows import ALIVE, AMBIGUOUS, MISSING, Rows
from net.core.map._waiting import Waiting
from net.core.wire.record import Record

Ints = npt.NDArray[np.int64]


CHUNK = 4_096
"""Records held at a time: 10 MB of them. Their links become 24 bytes each at once."""


class _Entries(NamedTuple):
    """Links that rows without cells list and whose other ends are on the map, in the order of the rows."""

    owners: Ints
    targets: Ints
    lows: Ints
    """Direction (bit 7) and round-trip class."""

    @property
    def inward(self) -> Ints:
        return self.lows >> 7


def settle(rows: Rows, edges: Edges, waiting: Waiting, linking: Linking, reread: Reread) -> list[MapEvent]:
    """Take up the links of all rows marked MISSING; return those confirmed."""
    events: list[MapEvent] = []
    begun: list[int] = []
    """Rows that have cells: few, and taken one by one."""
    parts: list[_Entries] = []
    pending = np.flatnonzero((rows.meta[: rows.used] & MISSING) != 0)
    for start in range(0, len(pending), CHUNK):
        blank: list[tuple[int, Record]] = []
        for row in pending[start : start + CHUNK].tolist():
            if rows.count_view[row]:
                begun.append(row)
            elif (record := _record(rows, reread, row)) is not None:
                blank.append((row, record))
        if blank:
            parts.append(_found(rows, waiting, blank))
    if parts:
        entries = _Entries(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
        partners = _partners(rows, entries)
        cells = entries.targets << 8 | entries.lows | np.where(partners >= 0, CONFIRMED, 0)
        edges.append(entries.owners, cells.astype(np.uint32))
        events += _confirmed(rows, linking, entries, partners)
        _confirm_with_others(rows, linking, entries, partners, events)
    for row in begun:
        record = _record(rows, reread, row)
        if record is not None:
            linking.link(row, record.links, record.seq, events, alone=False)
    return events


def _record(rows: Rows, reread: Reread, row: int) -> Record | None:
    record = reread(rows.peer(row)) if rows.flags_view[row] & ALIVE else None
    return record if record is not None and record.seq == rows.seq(row) else None


def _found(rows: Rows, waiting: Waiting, blank: list[tuple[int, Record]]) -> _Entries:
    """Return the links to peers on the map; have the others wait, or mark their rows where there is no room."""
    links = [link for _, record in blank for link in record.links]
    owners = np.repeat([row for row, _ in blank], [len(record.links) for _, record in blank])
    lows = np.array([direction << 7 | rtt for _, direction, rtt in links], dtype=np.int64)
    targets = rows.by_prefixes(b"".join([link.prefix for link in links]))
    there = targets >= 0
    there[there] = (rows.flags[targets[there]] & ALIVE) != 0
    rows.meta[[row for row, _ in blank]] &= np.uint8(0xFF ^ MISSING)
    for at in np.flatnonzero(~there).tolist():
        row = int(owners[at])
        if not waiting.add(links[at].prefix, row, int(lows[at]), rows.seq(row)):
            rows.meta_view[row] |= MISSING
    return _Entries(owners[there], targets[there], lows[there])


def _partners(rows: Rows, entries: _Entries) -> Ints:
    """Return for each entry the place of the one by which the other end lists the same link, -1 if none does."""
    low, high = np.minimum(entries.owners, entries.targets), np.maximum(entries.owners, entries.targets)
    links = low << 25 | high << 1 | entries.inward ^ (entries.owners > low)  # the way as the lower row sees it
    order = np.argsort(links, kind="stable")
    twice = np.flatnonzero(links[order[1:]] == links[order[:-1]])
    left, right = order[twice], order[twice + 1]
    partners = np.full(len(links), -1, dtype=np.int64)
    partners[left], partners[right] = right, left
    clear = ((rows.meta[entries.owners] | rows.meta[entries.targets]) & AMBIGUOUS) == 0
    return np.where(clear, partners, -1)


def _confirmed(rows: Rows, linking: Linking, entries: _Entries, partners: Ints) -> list[MapEvent]:
    """Count the links that both ends list and tell of them, each once, in the order of the later rows."""
    both = partners >= 0
    rows.confirmed[: rows.used] += np.bincount(entries.owners[both], minlength=rows.used).astype(np.uint8)
    once = both & (entries.owners > entries.targets)
    owners, targets, inward = entries.owners[once], entries.targets[once], entries.inward[once] != 0
    linking.confirmed += len(owners)
    ids = {row: rows.peer(row) for row in np.union1d(owners, targets).tolist()}
    seqs = rows.times(rows.seq_high, rows.seq_low)
    origins, ends = np.where(inward, targets, owners), np.where(inward, owners, targets)
    moments = np.maximum(seqs[owners], seqs[targets])
    told = zip(origins.tolist(), ends.tolist(), moments.tolist(), strict=True)
    return [MapEvent(True, ids[origin], ids[end], at) for origin, end, at in told]  # noqa: FBT003 (names cost as much)


def _confirm_with_others(
    rows: Rows, linking: Linking, entries: _Entries, partners: Ints, events: list[MapEvent]
) -> None:
    """Confirm the links to rows that had their cells before."""
    settled = np.zeros(rows.used, dtype=np.bool_)
    settled[entries.owners] = True
    others = (partners < 0) & ~settled[entries.targets] & (rows.count[entries.targets] > 0)
    for owner, target, inward in zip(
        entries.owners[others].tolist(), entries.targets[others].tolist(), entries.inward[others].tolist(), strict=True
    ):
        linking.confirm(owner, target, inward << 7, events, may_reread=False)
