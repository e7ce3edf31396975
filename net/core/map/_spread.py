"""The outboxes of all links: records go whole where `_flows` says so, by name everywhere else.

A name that comes first is asked for (`_pulls`). Over a lazy link one end tells a name first (the origin's last bit
decides which) and the other holds its tongue if it hears it: else both would tell each other what both hold.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from heapq import merge
from typing import NamedTuple

from chain.primitives.peer import PREFIX_BYTES, PeerId
from chain.primitives.units import Millis
from net.core.effects import Priority
from net.core.map._credit import Credit
from net.core.map._flows import Flows, want_frame
from net.core.map._tree import Trees
from net.core.moments import soonest
from net.core.wire.frame import FrameKind, ToPeer
from net.core.wire.gossip import (
    NAMES_MAX,
    RecordName,
    RecordsWant,
    Turn,
    encode_have,
    encode_records,
    lane_of,
    name_seq,
    record_name,
)
from net.core.wire.gossip import split_batches as cut
from net.core.wire.record import RECORD_MAX, seq_of

FLUSH_EVERY = Millis(500)
"""How long new records gather before a batch goes to the eager links (DESIGN section 3.2)."""

NAMES_AFTER = Millis(2_000)
"""How long names gather for the lazy links: off the fast path, so that fewer frames carry them."""

NAMES_EVERY = Millis(5_000)
"""Least time between two flushes of names. 250 peers that sign four records a second together received 6.6 frames a
second each, 9.3 where names went every 2 s and were asked for after 2 s; 6.1 since the tree is read off the map."""

GOSSIP_BUDGET = 100_000
"""Bytes of records a second that this node sends over all its links together (DESIGN section 3.0)."""

PUSH_PATIENCE = Millis(3_000)
"""How long a record waits for room under the budget before its name goes alone. Of a hub's many eager links most have
it by another way by then."""

PUSH_MAX = 65_536
"""Most origins waiting for one eager link: one entry each, its newest record. The oldest makes room,
reconciliation finds it later."""

NAMES_WAITING_MAX = 8_192
"""Most names that gather for one flush, of either side; the oldest makes room, reconciliation finds it later."""

HOLDS_MAX = 8_192
"""Names of what one neighbour holds, told, brought or sent, from which on no more are remembered until the next flush
of names (a frame of NAMES_MAX is taken whole): further ones are told it though it has them."""

BASE_HELD = Millis(15_000)
"""How old a record may be that a neighbour lacks, though it was named to it: those that it asks first and second are
given seven seconds (`_pulls`). Until then the one after it goes in full, or the neighbour would have to ask for it."""


class _Push(NamedTuple):
    since: Millis
    origin: PeerId
    name: RecordName
    base: bytes | None
    """The record before it, where the neighbour holds that one, or soon will: a delta is enough then."""


@dataclass(slots=True)
class _Link:
    side: int
    """0 or 1, the other at the other end: names of origins whose last bit is this one are told here first."""
    push: dict[bytes, _Push] = field(default_factory=dict)
    """Records to be sent whole, by their origins' prefixes; the one that has waited longest first."""
    holds: set[RecordName] = field(default_factory=set)
    """What the other end has told, brought or been sent since the last flush of names: it need not be told."""
    held: set[RecordName] = field(default_factory=set)
    """What that was between the two flushes before."""


class Spread:
    """Outboxes of all links. The gossip machine alone changes it."""

    def __init__(
        self,
        me: PeerId,
        raw_of: Callable[[PeerId], bytes | None],
        between: Callable[[bytes, bytes], bytes | None],
        trees: Trees | None,
    ) -> None:
        """`raw_of` gives the newest record of an origin, `between` the delta from one record to the next, None if there
        can be none; `trees` is None where the map is not the whole one."""
        self.flows = Flows(trees)
        """Which links carry records whole."""
        self._me = me
        self._raw_of = raw_of
        self._between = between
        self._links: dict[PeerId, _Link] = {}
        self._fresh: tuple[dict[bytes, RecordName], dict[bytes, RecordName]] = ({}, {})
        """Names since the last flush by their prefixes, and by the side that tells them first."""
        self._later: tuple[dict[bytes, RecordName], dict[bytes, RecordName]] = ({}, {})
        """Names of the stretch before: the other side tells what it has not heard."""
        self._first: Callable[[], Sequence[Set[PeerId]]] = tuple
        self._flush_at: Millis | None = None
        self._names_at: Millis | None = None
        self._named_at = Millis(0)
        self._budget = Credit(GOSSIP_BUDGET, GOSSIP_BUDGET, GOSSIP_BUDGET)

    def prefer(self, first: Callable[[], Sequence[Set[PeerId]]]) -> None:
        """Set whose records go first in want of room: those of each set before those of the next, then the newest."""
        self._first = first

    def add(self, peer: PeerId, degree: int, now: Millis) -> list[ToPeer]:
        """Begin to spread over a link to a peer with this many links on the map."""
        self._links[peer] = _Link(int(self._me < peer))
        return self.flows.add(peer, degree, now)

    def remove(self, peer: PeerId, now: Millis) -> None:
        """Forget a link and what waits for it."""
        self._links.pop(peer, None)
        self.flows.remove(peer, now)

    def __contains__(self, peer: object) -> bool:
        """Tell whether records are spread over the link to this neighbour."""
        return peer in self._links

    def peers(self) -> list[PeerId]:
        """Return the links records are spread over."""
        return list(self._links)

    def offer(self, origin: PeerId, seq: Millis, base: bytes | None, sender: PeerId | None, now: Millis) -> None:
        """Queue an origin's newest record, signed at `seq`, for all links but the sender's; `base` is the one before it
        if that was here: then only those get the newest in full who may not hold that one.
        """
        self.flows.passed += 1
        prefix = origin[:PREFIX_BYTES]
        name = record_name(prefix, seq)
        entry, in_full = _Push(now, origin, name, base), _Push(now, origin, name, None)
        before = None if base is None else record_name(prefix, seq_of(base))
        crossing = base is not None and seq - seq_of(base) < BASE_HELD
        for peer in (sender, origin):
            known = None if peer is None else self._links.get(peer)
            if known is not None and len(known.holds) < HOLDS_MAX:
                known.holds.add(name)
        pushed = False
        for peer in self.flows.over(lane_of(prefix)):
            if peer in (sender, origin):
                continue
            link = self._links[peer]
            if len(link.holds) < HOLDS_MAX:
                link.holds.add(name)
            push = link.push
            skipped = push.pop(prefix, None)
            behind = skipped is not None or (crossing and before not in link.holds and before not in link.held)
            push[prefix] = in_full if behind else entry
            pushed = True
            if len(push) > PUSH_MAX:
                del push[next(iter(push))]
        if pushed:
            due = now if self.flows.healing else Millis(now + FLUSH_EVERY)
            self._flush_at = due if self._flush_at is None else min(self._flush_at, due)
        self._name(origin, name, now)

    def _name(self, origin: PeerId, name: RecordName, now: Millis) -> None:
        fresh = self._fresh[origin[-1] & 1]
        fresh[name[:PREFIX_BYTES]] = name
        if len(fresh) > NAMES_WAITING_MAX:
            del fresh[next(iter(fresh))]
        if self._names_at is None:
            self._names_at = Millis(max(now + NAMES_AFTER, self._named_at + NAMES_EVERY))

    def heard(self, peer: PeerId, names: Sequence[RecordName]) -> None:
        """Note that the neighbour holds the records of these names: it need not be told."""
        link = self._links.get(peer)
        if link is None:
            return
        if len(link.holds) < HOLDS_MAX:
            link.holds.update(names)
        push = link.push
        if push:
            for name in names:
                waiting = push.get(name[:PREFIX_BYTES])
                if waiting is not None and waiting.name == name:
                    del push[name[:PREFIX_BYTES]]

    def ask(self, peer: PeerId, names: Iterable[RecordName], turn: Turn = Turn.EAGER) -> list[ToPeer]:
        """Return the frames that pull records by name; the link turns eager for such unless told otherwise."""
        wanted = list(names)
        lanes = self.flows.lanes_of(wanted)
        wants = [
            RecordsWant(turn, tuple(wanted[at : at + NAMES_MAX]), lanes) for at in range(0, len(wanted), NAMES_MAX)
        ]
        for want in wants[:1]:
            self.flows.turn(peer, want)
        return [want_frame(peer, want) for want in wants]

    def deadline(self) -> Millis | None:
        """Return when `flush` next has work."""
        return soonest(self._flush_at, self._names_at, self.flows.deadline())

    def flush(self, now: Millis, *, all_of_it: bool = False) -> list[ToPeer]:
        """Return the frames that are due, within the byte budget unless `all_of_it` (the last before a stop)."""
        frames = [] if all_of_it else self.flows.follow(now)
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
            frames += [_have(peer, names[at : at + NAMES_MAX]) for at in range(0, len(names), NAMES_MAX)]
            link.held, link.holds = link.holds, set()
        self._later, self._fresh = self._fresh, ({}, {})
        self._named_at = now
        self._names_at = Millis(now + NAMES_EVERY) if any(self._later) else None
        return frames

    def _flush_records(self, now: Millis, *, all_of_it: bool) -> list[ToPeer]:
        self._budget.earn(now)
        waiting = sum(len(link.push) for link in self._links.values())
        room = all_of_it or waiting * RECORD_MAX <= self._budget.level
        frames: list[ToPeer] = []
        for peer, records in self._take(self._all() if room else self._in_turn(), unbounded=all_of_it).items():
            frames += record_frames(peer, records)
        for peer, link in self._links.items():
            if link.push:
                frames += self._told_late(peer, link, now)
        left = any(link.push for link in self._links.values())
        self._flush_at = Millis(now + FLUSH_EVERY) if left else None
        return frames

    def _take(self, order: Iterable[tuple[PeerId, _Push]], *, unbounded: bool) -> dict[PeerId, list[bytes]]:
        """Take records out of the outboxes in this order, as many as the budget allows."""
        raws: dict[tuple[PeerId, bool], bytes | None] = {}
        batches: dict[PeerId, list[bytes]] = {}
        taken: list[tuple[PeerId, _Push]] = []
        for peer, push in order:
            kind = (push.origin, push.base is None)
            raw = raws[kind] if kind in raws else raws.setdefault(kind, self._entry(push))
            if raw is not None:
                if len(raw) > self._budget.level and not unbounded:
                    break
                self._budget.level -= len(raw)
                batches.setdefault(peer, []).append(raw)
            taken.append((peer, push))
        for peer, push in taken:
            self._links[peer].push.pop(push.name[:PREFIX_BYTES], None)
        return batches

    def _entry(self, push: _Push) -> bytes | None:
        """Return what tells a record in the fewest bytes; None if it is gone, or does not count any more."""
        raw = self._raw_of(push.origin)
        if raw is None or push.base is None or seq_of(raw) & 0xFFFF_FFFF != name_seq(push.name):
            return raw
        return self._between(push.base, raw) or raw

    def _all(self) -> Iterator[tuple[PeerId, _Push]]:
        for peer, link in self._links.items():
            for push in link.push.values():
                yield peer, push

    def _in_turn(self) -> Iterator[tuple[PeerId, _Push]]:
        """Give what waits in the order in which it goes while not all of it can: looks at no more than is taken."""
        links = [(peer, link.push) for peer, link in self._links.items() if link.push]
        before: set[tuple[PeerId, bytes]] = set()
        for origins in self._first():
            for prefix in sorted(origin[:PREFIX_BYTES] for origin in origins):
                for peer, pushes in links:
                    if prefix in pushes and (peer, prefix) not in before:
                        before.add((peer, prefix))
                        yield peer, pushes[prefix]
        for _, at, push in merge(*(_newest_first(at, pushes) for at, (_, pushes) in enumerate(links))):
            if (links[at][0], push.name[:PREFIX_BYTES]) not in before:
                yield links[at][0], push

    def _told_late(self, peer: PeerId, link: _Link, now: Millis) -> list[ToPeer]:
        """Tell the names alone of records that have found no room for long: the neighbour asks for what it has not."""
        late: list[RecordName] = []
        for push in link.push.values():
            if now - push.since < PUSH_PATIENCE:
                break
            late.append(push.name)
        for name in late:
            del link.push[name[:PREFIX_BYTES]]
        return [_have(peer, late[at : at + NAMES_MAX]) for at in range(0, len(late), NAMES_MAX)]

    def waiting(self) -> int:
        """Return how many records wait, over all links, and how many names."""
        names = sum(len(side) for side in (*self._fresh, *self._later))
        return names + sum(len(link.push) for link in self._links.values())


def record_frames(peer: PeerId, records: list[bytes], priority: Priority = Priority.RECORD) -> list[ToPeer]:
    """Return the frames that carry encoded records to a neighbour."""
    return [ToPeer(peer, FrameKind.RECORDS, encode_records(batch), priority) for batch in cut(records)]


def _newest_first(at: int, pushes: dict[bytes, _Push]) -> Iterator[tuple[int, int, _Push]]:
    return ((-push.since, at, push) for push in reversed(pushes.values()))


def _have(peer: PeerId, names: Sequence[RecordName]) -> ToPeer:
    return ToPeer(peer, FrameKind.RECORDS_HAVE, encode_have(names), Priority.RECORD)
