"""The global map: one row per peer, links confirmed by both ends, in at most 128 bytes a peer at 13 links.

Entries whose other end is not on the map wait in a bounded table. When that is full, the row is marked instead, and its
record is read again from the archive when such a peer appears and names it: strangers' names never take memory without
bound.
"""

from collections.abc import Callable, Iterable, Set
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from chain.primitives.hashing import blake2b_128
from chain.primitives.peer import PREFIX_BYTES, PeerId
from chain.primitives.units import Millis
from net.core.effects import MapEvent
from net.core.identity.proof import epoch_end, epoch_of, epoch_valid
from net.core.map import _snapshot, _tables
from net.core.map._edges import CONFIRMED, INBOUND, ROWS_MAX, RTT, Edges
from net.core.map._linking import FindChanges, Linking, Reread
from net.core.map._marks import AGEING, GATHERED, MARK_EVERY, SETTLED, Marks
from net.core.map._rows import ALIVE, AMBIGUOUS, MISSING, RECORD_FLAGS, TOMB, UNCHECKED, UPLINK, Rows
from net.core.map._settling import settle
from net.core.map._waiting import Waiting
from net.core.map.refusal import Applied, Refusal, refused
from net.core.map.view import MapLink, MapTable, PeerFacts, peers_of
from net.core.wire.record import Direction, Flags, Record

if TYPE_CHECKING:
    from scipy.sparse import csr_array

SEQ_FUTURE = Millis(60_000)
"""How far ahead of now a record may be signed (DESIGN section 3.0)."""

RECORD_LIFETIME = Millis(12 * 3600 * 1000)
"""How long a record counts after it was signed (DESIGN section 3.0)."""

TOMBSTONE = Millis(13 * 3600 * 1000)
"""How long after its signing a record's `seq` is remembered: longer than any relayer still holds it alive."""

MAX_PEERS = 1_000_000
"""Most rows, tombstones included: 128 MB. New origins are refused beyond, known ones go on."""

EXPELLED_MAX = 4096
"""Most expelled ids remembered; the one that would return first makes room. Each costs an id's proof of work."""

_FINGERPRINT_MASK = (1 << 128) - 1


class PeerMap:
    """The map itself, a `MapView`. One writer: the gossip machine (and who loads a snapshot)."""

    def __init__(
        self,
        secret: bytes,
        reread: Reread,
        *,
        max_peers: int = MAX_PEERS,
        snapshot: bytes | None = None,
        keeps: Callable[[bytes], bool] | None = None,
        changes: FindChanges | None = None,
        summand: Callable[[PeerId, Millis], int] | None = None,
    ) -> None:
        """`secret` is 8 bytes of entropy that key the index; `reread` gives archived records back; `keeps` tells by
        prefix which newcomers are taken (None: all).

        `changes` and `summand` are for those who remember answers (a simulator): `changes_between` and
        `item_fingerprint`. With `changes`, a newer record is compared with the one that `reread` gives, which pays
        only where that costs nothing.

        Raises `Malformed` when a snapshot is given that is damaged: start without it and load the archive.
        """
        assert max_peers < ROWS_MAX, "cells name rows in 24 bits"
        self._rows = Rows(secret)
        self._edges = Edges(self._rows)
        self._waiting = Waiting(self._rows.seq)
        self._linking = Linking(self._rows, self._edges, self._waiting, reread, changes)
        self._reread = reread
        self._summand = summand or item_fingerprint
        self._max_peers = max_peers
        self._keeps = keeps
        self._alive = 0
        self._expelled: dict[PeerId, Millis] = {}
        self._marks = Marks()
        self.version = 0
        self.structure_version = 0
        self.fingerprint = 0
        """Sum modulo 2^128 of `item_fingerprint` over all peers: equal maps have equal ones."""
        if snapshot is not None:
            self.fingerprint, self._expelled = _snapshot.load(snapshot, self._rows, self._edges)
            self._alive = int(np.count_nonzero(self._rows.flags[: self._rows.used] & ALIVE))
            self._linking.count()

    def snapshot(self) -> bytes:
        """Return the map as bytes, for the constructor of the next start: 120 bytes a peer."""
        for row in self._waiting.rows():
            self._rows.meta_view[row] |= MISSING
        return _snapshot.dump(self._rows, self._edges, self.fingerprint, self._expelled)

    # --- writing ---------------------------------------------------------------------------------------------------

    def refusal(self, record: Record, now: Millis) -> Refusal | None:
        """Say why `apply` would not take the record, None if it would: the cheap checks, before any signature."""
        peer, seq = record.peer, record.seq
        if seq > now + SEQ_FUTURE:
            return Refusal.FUTURE
        if seq <= now - RECORD_LIFETIME:
            return Refusal.EXPIRED
        if self._expelled and self._expelled.get(peer, now) > now:
            return Refusal.EXPELLED
        rows = self._rows
        row = rows.find(peer)
        if row >= 0:
            if record.born != rows.born(row):
                return Refusal.BORN
            held = rows.seq(row)
            if seq <= held:
                return Refusal.DUPLICATE if seq == held else Refusal.STALE
        elif rows.used - len(rows.free) >= self._max_peers:
            return Refusal.FULL
        elif self._keeps is not None and not self._keeps(peer[:PREFIX_BYTES]):
            return Refusal.BEYOND
        if not epoch_valid(peer, record.epoch, seq):
            return Refusal.EPOCH
        return None

    def apply(
        self, record: Record, now: Millis, *, checked: bool = True, settle_later: bool = False, judged: bool = False
    ) -> Applied:
        """Take a record whose signature and proof are valid (or, with `checked=False`, will be looked at later).

        Returns the links confirmed or lost by it, or why it was refused; `now` is mesh time. With `settle_later` the
        links of a newcomer count from the next `settle` on: who applies a whole map at once must call it at the end.
        `judged`: the caller has just asked `refusal`, which said None.
        """
        reason = None if judged else self.refusal(record, now)
        if reason is not None:
            return refused(reason)
        rows, peer = self._rows, record.peer
        row = rows.find(peer)
        events: list[MapEvent] = []
        fresh = row < 0 or not rows.flags_view[row] & ALIVE
        earlier: Record | None = None
        added = self._summand(peer, record.seq)
        if row < 0:
            row = self._add(record, now, events)
        elif rows.flags_view[row] & ALIVE:
            earlier, before = self._linking.earlier(row), rows.seq(row)
            added -= self._summand(peer, before)
            self._marks.lost(peer, before)
        else:
            self._revive(row, now)
        rows.set_seq(row, record.seq)
        rows.nonce_view[row] = record.nonce
        rows.epoch_view[row] = record.epoch & 0xFF
        rows.flags_view[row] = ALIVE | int(record.flags)  # the flags' own `|` takes 1 µs
        meta = rows.meta_view[row] & AMBIGUOUS | record.uplink
        rows.meta_view[row] = meta if checked else meta | UNCHECKED
        rows.tags_view[3 * row], rows.tags_view[3 * row + 1], rows.tags_view[3 * row + 2] = record.tags
        self.fingerprint = (self.fingerprint + added) & _FINGERPRINT_MASK
        self._marks.took(record.seq, added, now)
        if fresh:
            self._linking.welcome(row, peer)
        if settle_later and fresh:
            rows.meta_view[row] |= MISSING if record.links else 0
        elif not (earlier and self._linking.change(row, earlier, record, events)):
            self._linking.link(row, record.links, record.seq, events, alone=True)
        self.version += 1
        if events:
            self.structure_version += 1
        return Applied(None, events)

    def settle(self) -> list[MapEvent]:
        """Take up the links of records applied with `settle_later`, each record read once; return those confirmed.

        After a map was applied at once: half of the entries would name peers that come later, and letting them wait one
        by one would take more memory than the map, or a reading for every link.
        """
        events = settle(self._rows, self._edges, self._waiting, self._linking, self._reread)
        if events:
            self.version += 1
            self.structure_version += 1
        return events

    def _add(self, record: Record, now: Millis, events: list[MapEvent]) -> int:
        row, first = self._rows.add(record.peer)
        self._rows.write_born(row, record.born)
        self._revive(row, now)
        if first >= 0:  # two ids with one prefix: nothing that names it can be told apart any more
            self._rows.meta_view[row] |= AMBIGUOUS
            self._rows.meta_view[first] |= AMBIGUOUS
            self._linking.cut(first, record.seq, events)
        return row

    def _revive(self, row: int, now: Millis) -> None:
        self._rows.first_seen_view[row] = now // 1000
        self._alive += 1
        self.structure_version += 1

    def expire(self, now: Millis) -> tuple[list[PeerId], list[MapEvent]]:
        """Turn records past RECORD_LIFETIME into tombstones, forget tombstones past TOMBSTONE and ended expulsions.

        Returns the peers that left the map (for the archive) and the links lost. Looks at all rows, 0.3 ms for
        100,000: call it once a minute.
        """
        rows = self._rows
        seqs, flags = rows.times(rows.seq_high, rows.seq_low), rows.flags[: rows.used]
        due = np.flatnonzero(((flags & ALIVE) != 0) & (seqs <= now - RECORD_LIFETIME)).tolist()
        for peer in [peer for peer, until in self._expelled.items() if until <= now]:
            del self._expelled[peer]
        expired = [rows.peer(row) for row in due]
        events = self._bury(due, now)
        gone = np.flatnonzero(((flags & TOMB) != 0) & (seqs <= now - TOMBSTONE)).tolist()
        if gone:
            rows.release(gone)
        soon = Millis(now - RECORD_LIFETIME + GATHERED)
        ageing = np.flatnonzero(((flags & ALIVE) != 0) & (seqs < soon)).tolist()
        named = [(rows.peer(row), rows.seq(row)) for row in ageing]
        self._marks.swept({peer: (seq, self._summand(peer, seq)) for peer, seq in named}, soon)
        return expired, events

    def remove(self, peers: Iterable[PeerId], now: Millis) -> list[MapEvent]:
        """Take peers off the map; their `seq` stays as a tombstone, so that the same records do not come back."""
        found = [self._rows.find(peer) for peer in peers]
        return self._bury([row for row in found if row >= 0 and self._rows.flags_view[row] & ALIVE], now)

    def forget(self, peers: Iterable[PeerId], now: Millis) -> list[MapEvent]:
        """Take peers off the map without a trace: records that turned out to be forged must not shadow true ones."""
        found = [self._rows.find(peer) for peer in peers]
        due = [row for row in found if row >= 0]
        events = self._bury([row for row in due if self._rows.flags_view[row] & ALIVE], now)
        if due:
            self._rows.release(due)
        return events

    def _bury(self, due: list[int], now: Millis) -> list[MapEvent]:
        rows, edges = self._rows, self._edges
        events: list[MapEvent] = []
        if not due:
            return events
        for row in due:
            self._linking.cut(row, now, events)
            peer = rows.peer(row)
            seq = rows.seq(row)
            self.fingerprint = (self.fingerprint - self._summand(peer, seq)) & _FINGERPRINT_MASK
            self._marks.lost(peer, seq)
            edges.write(row, [])
            rows.flags_view[row] = TOMB
            self._alive -= 1
        buried = np.zeros(rows.used, dtype=np.bool_)
        buried[due] = True
        owners, positions = edges.positions()
        for owner in np.unique(owners[buried[edges.cells[positions] >> 8]]).tolist():
            cells = edges.span(owner)
            edges.write(owner, [cell for cell in cells if not buried[cell >> 8]])
            for cell in cells:
                prefix = rows.peer(cell >> 8)[:PREFIX_BYTES]
                if buried[cell >> 8] and not self._waiting.add(prefix, owner, cell & 0xBF, rows.seq(owner)):
                    rows.meta_view[owner] |= MISSING
        self.version += 1
        self.structure_version += 1
        return events

    def expel(self, peer: PeerId, now: Millis) -> list[MapEvent]:
        """Keep an id off the map until its next epoch: it signed a contradiction (DESIGN section 3.2)."""
        if len(self._expelled) >= EXPELLED_MAX and peer not in self._expelled:
            del self._expelled[min(self._expelled, key=lambda known: (self._expelled[known], known))]
        self._expelled[peer] = epoch_end(peer, epoch_of(peer, now))
        return self.remove([peer], now)

    def known_since(self, moment: Millis) -> None:
        """Take it that this node has been there since `moment` and has seen each peer from then or its `born` on."""
        rows = self._rows
        seen = np.maximum(rows.times(rows.born_high, rows.born_low), moment) // 1000
        rows.first_seen[: rows.used] = np.minimum(rows.first_seen[: rows.used], seen)

    def mark_checked(self, peer: PeerId) -> None:
        """Note that signature and proof of the peer's record were found valid."""
        row = self._rows.find(peer)
        if row >= 0:
            self._rows.meta_view[row] &= ~UNCHECKED

    # --- reading ---------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        """Return how many peers are on the map."""
        return self._alive

    def __contains__(self, peer: object) -> bool:
        """Tell whether a live record of the peer is held."""
        return isinstance(peer, bytes) and len(peer) == 32 and self._live(PeerId(peer)) >= 0

    @property
    def confirmed_links(self) -> int:
        """How many links both ends list."""
        return self._linking.confirmed

    def _live(self, peer: PeerId) -> int:
        row = self._rows.find(peer)
        return row if row >= 0 and self._rows.flags_view[row] & ALIVE else -1

    def expelled(self, peer: PeerId, now: Millis) -> bool:
        """Tell whether the peer is kept out for equivocation."""
        return self._expelled.get(peer, now) > now

    def fingerprint_at(self, now: Millis, near: int = 0) -> int:
        """Return the fingerprint as of the mark that pings sent now speak of (`_marks`), or so many marks after it."""
        mark = now // MARK_EVERY - SETTLED + near
        oldest = Millis(mark * MARK_EVERY - RECORD_LIFETIME + AGEING)
        return (self.fingerprint - self._marks.beyond(mark, oldest)) & _FINGERPRINT_MASK

    def seq(self, peer: PeerId) -> Millis | None:
        """Return the signing time of the record held, None if none."""
        row = self._live(peer)
        return self._rows.seq(row) if row >= 0 else None

    def admits(self, prefix: bytes) -> bool:
        """Tell whether a record under this prefix would find a place: it has one, or newcomers like it are kept."""
        return self._keeps is None or self._rows.by_prefix(prefix) >= 0 or self._keeps(prefix)

    def held_seq(self, prefix: bytes) -> Millis | None:
        """Return the `seq` held or buried for the first id with this prefix, None if there is none."""
        row = self._rows.by_prefix(prefix)
        return self._rows.seq(row) if row >= 0 else None

    def proof(self, peer: PeerId) -> tuple[int, int] | None:
        """Return nonce and last byte of the epoch of the proof held, None if none or not yet checked.

        A record with the same two needs no Argon2: it was done for the one before.
        """
        row = self._live(peer)
        if row < 0 or self._rows.meta_view[row] & UNCHECKED:
            return None
        return self._rows.nonce_view[row], self._rows.epoch_view[row]

    def checked(self, peer: PeerId) -> bool:
        """Tell whether the peer is on the map and signature and proof of its record were checked here."""
        row = self._live(peer)
        return row >= 0 and not self._rows.meta_view[row] & UNCHECKED

    def facts(self, peer: PeerId) -> PeerFacts | None:
        """Return what is known of a peer, None if it is not on the map."""
        row = self._live(peer)
        if row < 0:
            return None
        rows = self._rows
        seq = rows.seq(row)
        epoch = epoch_of(peer, seq)
        tags = rows.tags_view
        return PeerFacts(
            born=rows.born(row),
            seq=seq,
            epoch=epoch if epoch & 0xFF == rows.epoch_view[row] else epoch - 1,
            flags=Flags(rows.flags_view[row] & RECORD_FLAGS),
            uplink=rows.meta_view[row] & UPLINK,
            tags=(tags[3 * row], tags[3 * row + 1], tags[3 * row + 2]),
            listed=rows.count_view[row],
            own=sum(not cell & INBOUND for cell in self._edges.span(row)),
            confirmed=rows.confirmed_view[row],
            first_seen=Millis(rows.first_seen_view[row] * 1000),
            checked=not rows.meta_view[row] & UNCHECKED,
        )

    def by_prefix(self, prefix: bytes) -> PeerId | None:
        """Return the one peer with this 12-byte prefix, None if there is none or more than one."""
        row = self._rows.by_prefix(prefix) if len(prefix) == PREFIX_BYTES else -1
        if row < 0 or not self._rows.flags_view[row] & ALIVE or self._rows.meta_view[row] & AMBIGUOUS:
            return None
        return self._rows.found(row)

    def neighbours(self, peer: PeerId) -> list[MapLink]:
        """Return the peer's listed links to peers on the map, confirmed or not."""
        row = self._live(peer)
        if row < 0:
            return []
        rows = self._rows
        return [
            MapLink(rows.peer(cell >> 8), Direction(cell >> 7 & 1), cell & RTT, bool(cell & CONFIRMED))
            for cell in self._edges.span(row)
        ]

    def confirmed_neighbours(self, peer: PeerId) -> list[PeerId]:
        """Return the other ends of the peer's confirmed links."""
        row = self._live(peer)
        if row < 0:
            return []
        return [self._rows.peer(cell >> 8) for cell in self._edges.span(row) if cell & CONFIRMED]

    def degree(self, peer: PeerId) -> int:
        """Return the number of the peer's confirmed links."""
        row = self._live(peer)
        return self._rows.confirmed_view[row] if row >= 0 else 0

    def linked(self, left: PeerId, right: PeerId) -> bool:
        """Tell whether a confirmed link joins the two."""
        row, target = self._live(left), self._live(right)
        if row < 0 or target < 0:
            return False
        return any(cell >> 8 == target and cell & CONFIRMED for cell in self._edges.span(row))

    def overlap(self, peer: PeerId, others: Set[PeerId]) -> int:
        """Return how many of `others` are confirmed neighbours of `peer`."""
        return sum(other in others for other in self.confirmed_neighbours(peer))

    def ids(self) -> list[PeerId]:
        """Return all peers in ascending order."""
        return peers_of(self.names()[0])

    def names(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        """Return all peers in the order of `ids`, shape (n, 32), and the signing times of their records."""
        return _tables.names(self._rows)

    def ids_after(self, after: PeerId | None, limit: int) -> list[PeerId]:
        """Return up to `limit` (at least 1) peers in ascending order, those above `after`."""
        return _tables.ids_after(self._rows, after, limit)

    def out_of_reach(self, peers: Iterable[PeerId]) -> tuple[int, int]:
        """Return how many peers have confirmed links, and how many of them cannot be reached over such from `peers`."""
        rows = self._rows
        starts = [row for row in map(self._live, peers) if row >= 0]
        linked = rows.confirmed[: rows.used] > 0
        missed = linked & (_tables.hops(rows, self._edges, starts) < 0)
        return int(np.count_nonzero(linked)), int(np.count_nonzero(missed))

    def hops_from_root(self, head: int, peers: Iterable[PeerId]) -> list[int]:
        """Return how many confirmed links lead from each of `peers` to one root for them all, -1 where there is no way.

        The root is the peer with links whose id begins most like `head` (eight bytes, by XOR); where no way leads from
        it to any of `peers`, it is the one of those that they can reach.
        """
        rows, edges = self._rows, self._edges
        found = [self._live(peer) for peer in peers]
        starts = [row for row in found if row >= 0]
        root = _tables.nearest(rows, head, rows.confirmed[: rows.used] > 0)
        if root < 0 or not starts:
            return [-1] * len(found)
        hops = _tables.hops(rows, edges, [root])
        if hops[starts].max() < 0:
            hops = _tables.hops(rows, edges, [_tables.nearest(rows, head, _tables.hops(rows, edges, starts) >= 0)])
        return [int(hops[row]) if row >= 0 else -1 for row in found]

    def table(self) -> MapTable:
        """Return all peers as arrays, in the order of `ids`."""
        return _tables.table(self._rows, self._edges)

    def adjacency(self) -> "csr_array":
        """Return the symmetric matrix of confirmed links, rows and columns in the order of `ids`."""
        return _tables.adjacency(self._rows, self._edges)


def item_fingerprint(peer: PeerId, seq: Millis) -> int:
    """Return the 128-bit summand of (id, seq) in the map's fingerprint."""
    return int.from_bytes(blake2b_128(peer + seq.to_bytes(8, "big")), "big")
