"""How records spread: whole along eager links, by name along lazy ones, pulled where a name comes first.

The eager links form a tree that mends itself (Plumtree, Leitão et al. 2007): a link that keeps bringing what is here
already turns lazy, one whose names prove useful turns eager. Every record then crosses each node about once, and a
neighbour that swallows records delays them by PULL_AFTER at most. A new link between two that have eager links begins
lazy: began it eager, a growing network would carry two copies of each record for each one needed. Over a lazy link one
end tells a name first (the origin's last bit decides which) and the other holds its tongue if it hears it: else both
would tell each other what both hold. Rejected: pushing to all links, five copies each.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from chain.primitives.peer import PREFIX_BYTES, PeerId
from chain.primitives.units import Millis
from net.core.effects import Priority
from net.core.moments import soonest
from net.core.wire.frame import FrameKind, ToPeer
from net.core.wire.gossip import (
    NAMES_MAX,
    RecordName,
    RecordsWant,
    Turn,
    encode_have,
    encode_records,
    encode_want,
    record_name,
)
from net.core.wire.gossip import split_batches as cut

FLUSH_EVERY = Millis(500)
"""How long new records gather before a batch goes to the eager links (DESIGN section 3.2)."""

NAMES_EVERY = Millis(2_000)
"""How long names gather for the lazy links: off the fast path, so that fewer frames carry them."""

GOSSIP_BUDGET = 100_000
"""Bytes of records a second that this node sends over all its links together (DESIGN section 3.0)."""

PUSH_MAX = 65_536
"""Most origins waiting for one eager link: one entry each, its newest record. The oldest makes room,
reconciliation finds it later."""

NAMES_WAITING_MAX = 8_192
"""Most names that gather for one flush, of either side; the oldest makes room, reconciliation finds it later."""

HOLDS_MAX = 8_192
"""Most names remembered of what one neighbour holds, from one flush of names to the next: further ones are told it
though it has them."""

EAGER_ENOUGH = 3
"""Eager links from which on a further link begins lazy, if its other end has as many links on the map."""

CROSSING = Millis(30_000)
"""How old news may be that a neighbour does not know yet, or that cross what it sends: a busy one is seconds behind."""

LAZY_AFTER = 3
"""A link turns lazy when repetitions outweigh news by this many (news count double)."""


@dataclass(slots=True)
class _Link:
    side: int
    """0 or 1, the other at the other end: names of origins whose last bit is this one are told here first."""
    eager: bool = True
    lazy_since: Millis | None = None
    """When the first batch came after the link had turned lazy, or the other end was reminded; None while eager."""
    reminded: bool = False
    """Whether the other end was told twice that the link is lazy: turns that cross can leave its ends at odds."""
    score: int = 0
    news: int = 0
    wasted: int = 0
    push: dict[PeerId, tuple[Millis, RecordName]] = field(default_factory=dict)
    """Records to be sent whole: since when, and their names."""
    holds: set[RecordName] = field(default_factory=set)
    """What the other end has told, brought or been sent since the last flush of names: it need not be told."""
    held: set[RecordName] = field(default_factory=set)
    """What that was between the two flushes before."""


class Spread:
    """Outboxes of all links. The gossip machine alone changes it; `raw_of` gives the newest record of an origin."""

    def __init__(self, me: PeerId, raw_of: Callable[[PeerId], bytes | None]) -> None:
        self._me = me
        self._raw_of = raw_of
        self._links: dict[PeerId, _Link] = {}
        self._fresh: tuple[dict[bytes, RecordName], dict[bytes, RecordName]] = ({}, {})
        """Names since the last flush by their prefixes, and by the side that tells them first."""
        self._later: tuple[dict[bytes, RecordName], dict[bytes, RecordName]] = ({}, {})
        """Names of the stretch before: the other side tells what it has not heard."""
        self._rank: Callable[[PeerId], int] = lambda _: 0
        self._flush_at: Millis | None = None
        self._names_at: Millis | None = None
        self._credit = GOSSIP_BUDGET
        self._credit_at: Millis | None = None
        self.healing = False
        """While the node mends its own links or the map, records go at once and to all links."""

    def ranked_by(self, rank: Callable[[PeerId], int]) -> None:
        """Set the order under the budget: smaller first, then newest first."""
        self._rank = rank

    def add(self, peer: PeerId, degree: int) -> list[ToPeer]:
        """Begin to spread over a link to a peer with this many links on the map."""
        link = self._links[peer] = _Link(int(self._me < peer))
        if degree < EAGER_ENOUGH or len(self.eager()) <= EAGER_ENOUGH:
            return []
        self._turn_lazy(link)
        return [_want(peer, RecordsWant(Turn.LAZY, ()))]

    def remove(self, peer: PeerId) -> None:
        """Forget a link and what waits for it."""
        self._links.pop(peer, None)

    def __contains__(self, peer: object) -> bool:
        """Tell whether records are spread over the link to this neighbour."""
        return peer in self._links

    def peers(self) -> list[PeerId]:
        """Return the links records are spread over."""
        return list(self._links)

    def eager(self) -> list[PeerId]:
        """Return the eager links."""
        return [peer for peer, link in self._links.items() if link.eager]

    def offer(self, origin: PeerId, seq: Millis, sender: PeerId | None, now: Millis) -> None:
        """Queue an origin's newest record, signed at `seq`, for all links but the sender's."""
        pushed = False
        name = record_name(origin[:PREFIX_BYTES], seq)
        for peer, link in self._links.items():
            if peer in (sender, origin):
                link.holds.add(name)
            elif link.eager or self.healing:
                link.holds.add(name)
                push = link.push
                if origin in push:
                    del push[origin]
                push[origin] = (now, name)
                pushed = True
                if len(push) > PUSH_MAX:
                    del push[next(iter(push))]
        if pushed:
            due = now if self.healing else Millis(now + FLUSH_EVERY)
            self._flush_at = due if self._flush_at is None else min(self._flush_at, due)
        self._name(origin, name, now)

    def _name(self, origin: PeerId, name: RecordName, now: Millis) -> None:
        fresh = self._fresh[origin[-1] & 1]
        fresh[name[:PREFIX_BYTES]] = name
        if len(fresh) > NAMES_WAITING_MAX:
            del fresh[next(iter(fresh))]
        if self._names_at is None:
            self._names_at = Millis(now + NAMES_EVERY)

    def heard(self, peer: PeerId, names: Sequence[RecordName]) -> None:
        """Note that the neighbour holds the records of these names: it need not be told."""
        link = self._links.get(peer)
        if link is None:
            return
        if len(link.holds) < HOLDS_MAX:
            link.holds.update(names)
        if link.push:
            told = set(names)
            for origin in [origin for origin, (_, name) in link.push.items() if name in told]:
                del link.push[origin]

    def judged(self, peer: PeerId, *, news: int, repeats: int, outdated: int, now: Millis) -> list[ToPeer]:
        """Count what a batch brought; turn the link lazy when it keeps repeating what came by others.

        `outdated` are older than a record that all have had for CROSSING. Repetitions over a link that has been lazy
        for as long remind the other end of it; those that come CROSSING after that are waste.
        """
        link = self._links.get(peer)
        if link is None:
            return []
        if link.eager:
            link.lazy_since = None
        elif link.lazy_since is None:
            link.lazy_since, link.reminded = now, False
        settled = not self.healing and link.lazy_since is not None and now - link.lazy_since >= CROSSING
        link.news += news
        link.wasted += outdated + (repeats if settled and link.reminded else 0)
        link.score = max(0, link.score + repeats - 2 * news)
        if settled and repeats and not link.reminded:
            link.lazy_since, link.reminded = now, True
            return [_want(peer, RecordsWant(Turn.LAZY, ()))]
        if not link.eager or link.score < LAZY_AFTER:
            return []
        self._turn_lazy(link)
        return [_want(peer, RecordsWant(Turn.LAZY, ()))]

    def _turn_lazy(self, link: _Link) -> None:
        link.eager = False
        link.score = 0

    def turn(self, peer: PeerId, turn: Turn) -> None:
        """Carry out what a neighbour's WANT asks of the link."""
        link = self._links.get(peer)
        if link is None or turn is Turn.KEEP:
            return
        if turn is Turn.LAZY:
            self._turn_lazy(link)
        else:
            link.eager = True
            link.lazy_since = None
            link.score = 0

    def ask(self, peer: PeerId, names: Iterable[RecordName], turn: Turn = Turn.EAGER) -> list[ToPeer]:
        """Return the frames that pull records by name; the link turns eager unless told otherwise."""
        wanted = list(names)
        self.turn(peer, turn)
        return [
            _want(peer, RecordsWant(turn, tuple(wanted[at : at + NAMES_MAX])))
            for at in range(0, len(wanted), NAMES_MAX)
        ]

    def conduct(self, peer: PeerId) -> tuple[int, int]:
        """Return how many records a link has brought that were new, and how many that its sender knew to be useless:
        outdated ones, and whole ones after it was asked for names only."""
        link = self._links.get(peer)
        return (0, 0) if link is None else (link.news, link.wasted)

    def deadline(self) -> Millis | None:
        """Return when `flush` next has work."""
        return soonest(self._flush_at, self._names_at)

    def flush(self, now: Millis, *, all_of_it: bool = False) -> list[ToPeer]:
        """Return the frames that are due, within the byte budget unless `all_of_it` (the last before a stop)."""
        frames: list[ToPeer] = []
        if all_of_it or (self._flush_at is not None and now >= self._flush_at):
            frames += self._flush_records(now, all_of_it=all_of_it)
        if self._names_at is not None and (all_of_it or now >= self._names_at):
            frames += self._flush_names(now)
        return frames

    def _flush_names(self, now: Millis) -> list[ToPeer]:
        frames: list[ToPeer] = []
        fresh = [list(names.values()) for names in self._fresh]
        later = [list(names.values()) for names in self._later]
        for peer, link in self._links.items():
            holds, held, side = link.holds, link.held, link.side
            names = [name for name in fresh[side] if name not in holds]
            names += [name for name in later[1 - side] if name not in holds and name not in held]
            frames += [
                ToPeer(peer, FrameKind.RECORDS_HAVE, encode_have(names[at : at + NAMES_MAX]), Priority.RECORD)
                for at in range(0, len(names), NAMES_MAX)
            ]
            link.held, link.holds = link.holds, set()
        self._later, self._fresh = self._fresh, ({}, {})
        self._names_at = Millis(now + NAMES_EVERY) if any(self._later) else None
        return frames

    def _flush_records(self, now: Millis, *, all_of_it: bool) -> list[ToPeer]:
        if self._credit_at is not None and now > self._credit_at:
            earned = (now - self._credit_at) * GOSSIP_BUDGET // 1000
            self._credit = min(GOSSIP_BUDGET, self._credit + earned)
        self._credit_at = now
        waiting = [(peer, origin) for peer, link in self._links.items() for origin in link.push]
        raws = {origin: self._raw_of(origin) for _, origin in waiting}
        total = sum(len(raws[origin] or b"") for _, origin in waiting)
        if total > self._credit and not all_of_it:
            links = self._links
            waiting.sort(key=lambda item: (self._rank(item[1]), -links[item[0]].push[item[1]][0]))
        batches: dict[PeerId, list[bytes]] = {}
        for peer, origin in waiting:
            raw = raws[origin]
            if raw is not None:
                if len(raw) > self._credit and not all_of_it:
                    break
                self._credit -= len(raw)
                batches.setdefault(peer, []).append(raw)
            del self._links[peer].push[origin]
        left = any(link.push for link in self._links.values())
        self._flush_at = Millis(now + FLUSH_EVERY) if left else None
        return [frame for peer, records in batches.items() for frame in record_frames(peer, records)]

    def waiting(self) -> int:
        """Return how many records wait, over all links, and how many names."""
        names = sum(len(side) for side in (*self._fresh, *self._later))
        return names + sum(len(link.push) for link in self._links.values())


def record_frames(peer: PeerId, records: list[bytes], priority: Priority = Priority.RECORD) -> list[ToPeer]:
    """Return the frames that carry encoded records to a neighbour."""
    return [ToPeer(peer, FrameKind.RECORDS, encode_records(batch), priority) for batch in cut(records)]


def _want(peer: PeerId, want: RecordsWant) -> ToPeer:
    return ToPeer(peer, FrameKind.RECORDS_WANT, encode_want(want), Priority.RECORD)
