"""Link entries that name peers not yet on the map: they take effect the moment such a peer appears.

While a joiner fetches the map, most entries wait a while here; in a steady network nearly none do.
"""

from collections.abc import Callable

from chain.primitives.units import Millis

WAITING_MAX = 262_144
"""Most entries that wait, 40 MB: what a joiner needs at 80,000 peers fetched in any order. Beyond, rows are marked and
their records read again when needed: records full of strangers' names then cost time, not memory."""

LISTERS_MAX = 64
"""Most entries that name one absent peer, twice what an honest one has links: each further lister would make every
later one dearer, and ids enough could list the same strangers."""

_PURGE_AFTER = 65_536

Entry = tuple[int, int, Millis]
"""Row that lists the absent peer, direction and round-trip class as in its cell, `seq` of its record."""


class Waiting:
    """The table. `PeerMap` alone changes it."""

    def __init__(self, seq_of: Callable[[int], Millis]) -> None:
        """`seq_of` gives the present `seq` of a row: entries of older records are void."""
        self._seq_of = seq_of
        self._entries: dict[bytes, list[Entry]] = {}
        self._count = 0
        self._since_purge = 0

    def __len__(self) -> int:
        """Return how many entries wait, void ones included."""
        return self._count

    def add(self, prefix: bytes, row: int, low: int, seq: Millis) -> bool:
        """Keep an entry until a peer with this prefix appears; False when there is no room."""
        before = self._entries.get(prefix)
        if before is not None:
            kept = [entry for entry in before if entry[0] != row]
            if len(kept) >= LISTERS_MAX:
                kept = [entry for entry in kept if self._seq_of(entry[0]) == entry[2]]
            self._count -= len(before) - len(kept)
            self._entries[prefix] = kept
        self._since_purge += 1
        if self._count >= WAITING_MAX and self._since_purge > _PURGE_AFTER:
            self._purge()
        entries = self._entries.get(prefix, [])
        if self._count >= WAITING_MAX or len(entries) >= LISTERS_MAX:
            return False
        self._entries.setdefault(prefix, []).append((row, low, seq))
        self._count += 1
        return True

    def _purge(self) -> None:
        self._since_purge = 0
        valid = {
            prefix: [entry for entry in entries if self._seq_of(entry[0]) == entry[2]]
            for prefix, entries in self._entries.items()
        }
        self._entries = {prefix: entries for prefix, entries in valid.items() if entries}
        self._count = sum(len(entries) for entries in self._entries.values())

    def take(self, prefix: bytes) -> list[Entry]:
        """Take out the valid entries that name this prefix."""
        entries = self._entries.pop(prefix, [])
        self._count -= len(entries)
        return [entry for entry in entries if self._seq_of(entry[0]) == entry[2]]

    def rows(self) -> list[int]:
        """Return the rows with valid entries, ascending."""
        entries = [entry for waiting in self._entries.values() for entry in waiting]
        return sorted({row for row, _, seq in entries if self._seq_of(row) == seq})
