"""The answering side of map ranges: no state that matters, everything within budgets."""

from bisect import bisect_left

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.effects import Priority
from net.core.map._answers import Answers
from net.core.map._credit import Credit
from net.core.map._fingerprints import Fingerprints, head_of
from net.core.map.peer_map import PeerMap
from net.core.wire.frame import FrameKind, ToPeer
from net.core.wire.reconcile import (
    BODY_MAX,
    COMPARE_MAX,
    ITEMS_MAX,
    Busy,
    Compare,
    Differences,
    Fetch,
    Items,
    RangeAnswer,
    Records,
    Summary,
    encode_range_answer,
)

SERVE_RATE = 400_000
"""Bytes of records a second this node sends to joiners, over all links."""

SERVE_BURST = 4_000_000
"""And at once: one map of 12,000 peers."""

FETCH_BYTES = 60_000
"""Records sent per question, in bytes: four frames, 170 records."""

PASSED_OVER = 30
"""Bytes that a record which is not served counts for: a node that has just started has checked none of its map, and
would look through all of it, 0.1 s for 100,000 peers, for each question of a few bytes."""

HASH_RATE = 100_000
"""Summands a second this node computes for others' questions: 3 % of a core."""

HASH_BURST = 2_000_000
"""And at once: two maps of the largest size."""

SHARED_FROM = 2
"""Below one part in this of HASH_BURST only neighbours that drew nothing for a minute get new sums: who asks on and on
cannot take them from the others."""

DREW_LATELY = Millis(60_000)

LIST_MAX = 32
"""A range that differs is listed when it holds no more than this, else split."""

FINGERPRINTS_MAX = 4
"""Most neighbours whose salted sums are kept for their next question; the oldest makes room."""

KEEP = Millis(10_000)
"""How long sums and the order of ids are kept: a session's questions follow within seconds."""

AWAY = Millis(3_600_000)
"""How long a small device tells others not to ask it for ranges: the longest the message can say."""

BUSY = Millis(1_000)
"""How long a neighbour shall wait when a budget is spent."""


class Serving:
    """Answers questions about ranges. The reconciler alone holds it."""

    def __init__(self, peer_map: PeerMap, answers: Answers) -> None:
        self._map = peer_map
        self._answers = answers
        self._bytes = Credit(SERVE_RATE, SERVE_BURST, SERVE_BURST)
        self._hashes = Credit(HASH_RATE, HASH_BURST, HASH_BURST)
        self._order: tuple[Millis, list[PeerId]] | None = None
        self._sums: dict[PeerId, tuple[Millis, Fingerprints]] = {}
        self._drew: dict[PeerId, Millis] = {}
        """When neighbours last had sums made; one entry a link."""

    def fetch(self, peer: PeerId, ask: Fetch, now: Millis) -> list[ToPeer]:
        """Send the next records of a range; only such as were checked here."""
        if not self._bytes.positive(now):
            return [_answer(peer, Busy(ask.session, BUSY))]
        order = self._ordered(now)
        raws: list[bytes] = []
        size, rest = 0, None
        for at in range(bisect_left(order, ask.range.low.to_bytes(8, "big")), len(order)):
            head = head_of(order[at])
            if head > ask.range.last:
                break
            if size > FETCH_BYTES and head > head_of(order[at - 1]):
                rest = head
                break
            raw = self._answers.true_record(order[at])
            if raw is not None:
                raws.append(raw)
            size += PASSED_OVER if raw is None else len(raw)
        self._bytes.level -= size + 64
        return [_answer(peer, part) for part in _cut(ask.session, raws, rest)]

    def _ordered(self, now: Millis) -> list[PeerId]:
        if self._order is None or self._order[0] <= now - KEEP:
            self._order = (now, self._map.ids())
        return self._order[1]

    def away(self, peer: PeerId, session: int) -> ToPeer:
        """Send a neighbour to others for good: a small device holds no range in full."""
        return _answer(peer, Busy(session, AWAY))

    def compare(self, peer: PeerId, ask: Compare, now: Millis) -> list[ToPeer]:
        """Tell where the neighbour's summaries differ from ours."""
        kept = self._sums.get(peer)
        if kept is None or kept[1].salt != ask.salt:
            if not self._may_draw(peer, now):
                return [_answer(peer, Busy(ask.session, BUSY))]
            self._hashes.level -= len(self._map)
            self._drew[peer] = now
            self._sums.pop(peer, None)
            if len(self._sums) >= FINGERPRINTS_MAX:
                del self._sums[next(iter(self._sums))]
            kept = self._sums[peer] = (now, Fingerprints(self._map, ask.salt))
        sums = kept[1]
        ours = [sums.summary(theirs.range) for theirs in ask.summaries]
        unequal = [mine for mine, theirs in zip(ours, ask.summaries, strict=True) if mine != theirs]
        split: list[Summary] = []
        listed: list[Items] = []
        items_left, entries_left = ITEMS_MAX, COMPARE_MAX - len(unequal)
        for mine in unequal:
            if mine.count <= LIST_MAX and mine.count <= items_left:
                items_left -= mine.count
                listed.append(Items(mine.range, sums.items(sums.span(mine.range))))
                continue
            parts = sums.split(mine.range)
            if len(parts) - 1 <= entries_left:
                entries_left -= len(parts) - 1
                split += parts
            else:
                split.append(mine)
        return [_answer(peer, Differences(ask.session, tuple(split), tuple(listed)))]

    def _may_draw(self, peer: PeerId, now: Millis) -> bool:
        positive, before = self._hashes.positive(now), self._drew.get(peer)
        ample = self._hashes.level * SHARED_FROM > HASH_BURST
        return positive and (ample or before is None or now - before >= DREW_LATELY)

    def link_down(self, peer: PeerId) -> None:
        """Forget a neighbour's session."""
        self._sums.pop(peer, None)
        self._drew.pop(peer, None)

    def deadline(self) -> Millis | None:
        """Return when `sweep` next has work."""
        times = [made for made, _ in self._sums.values()] + ([self._order[0]] if self._order else [])
        return Millis(min(times) + KEEP) if times else None

    def sweep(self, now: Millis) -> None:
        """Drop sums and orders that have been kept long enough: they are as large as the map."""
        self._sums = {peer: kept for peer, kept in self._sums.items() if kept[0] > now - KEEP}
        if self._order is not None and self._order[0] <= now - KEEP:
            self._order = None


def _cut(session: int, raws: list[bytes], rest: int | None) -> list[Records]:
    """Return the answer in frames."""
    parts: list[list[bytes]] = [[]]
    room = BODY_MAX - 32
    for raw in raws:
        if len(raw) + 3 > room or len(parts[-1]) == COMPARE_MAX:
            parts.append([])
            room = BODY_MAX - 32
        parts[-1].append(raw)
        room -= len(raw) + 3
    head = [Records(session, final=False, rest=None, records=tuple(part)) for part in parts[:-1]]
    return [*head, Records(session, final=True, rest=rest, records=tuple(parts[-1]))]


def _answer(peer: PeerId, answer: RangeAnswer) -> ToPeer:
    return ToPeer(peer, FrameKind.RANGE, encode_range_answer(answer), Priority.BULK)
