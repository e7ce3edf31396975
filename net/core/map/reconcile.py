"""Closing gaps in the map: a joiner's ranges from several neighbours, and comparison with neighbours later on.

A joiner fetches each part of the id space from one neighbour and compares it with two others; comparing finds what is
missing on either side and mends both (DESIGN section 3.2).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from chain.primitives.errors import Malformed, Penalty
from chain.primitives.peer import PREFIX_BYTES, PeerId
from chain.primitives.units import Millis
from net.core.effects import Priority
from net.core.map._fingerprints import Fingerprints, equal_parts, merged
from net.core.map._flows import want_frame
from net.core.map._marks import NEAR
from net.core.map._serving import Serving
from net.core.map._spread import record_frames
from net.core.map.effects import MapEffect
from net.core.map.gossip import Gossip
from net.core.map.horizon import NO_FINGERPRINT
from net.core.wire.fault import Fault
from net.core.wire.frame import FrameKind, ToPeer
from net.core.wire.gossip import NAMES_MAX, RecordName, RecordsWant, Turn, record_name
from net.core.wire.reconcile import (
    SALT_BYTES,
    WHOLE,
    Busy,
    Compare,
    Differences,
    Fetch,
    Item,
    Items,
    Range,
    RangeAsk,
    Records,
    Summary,
    decode_range_answer,
    decode_range_ask,
    encode_range_ask,
)

KINDS = frozenset({FrameKind.RANGE_ASK, FrameKind.RANGE})
"""The frames this machine takes."""

PARTS = 16
"""Parts a joiner cuts the id space into: enough to use all its links, and one question each in a small network."""

WITNESSES = 2
"""Neighbours each part is compared with besides the one it came from (DESIGN section 3.2)."""

FETCHES_PER_LINK = 2
"""Questions open on one link: while one is answered the other is under way."""

ANSWER_TIMEOUT = Millis(15_000)
"""An answer that takes longer is given up; the part goes to another neighbour."""

ASK_CHUNK = 6
"""Ranges compared in one question: all of them then fit one answer, split."""

SETTLE_AFTER = Millis(2_000)
"""How long the links of fetched records wait for the rest of the map: they are taken up all at once, at half the cost
of taking up each record's before the peers it names are there."""

OPEN_QUESTIONS = 4
"""Questions of one comparison under way at once."""

QUESTIONS_MAX = 512
"""Most questions in one comparison: 1,000 differences in 100,000 peers take 220. A neighbour could go on for ever."""

MENDED_MAX = 20_000
"""Records sent, and asked for, in one comparison at most: 6 MB, within the burst that `guard.limits` allows a link. The
rest is left to the next one."""

LONGEST = Millis(120_000)
"""How long one neighbour may take with one part or one comparison, however often it answers: it could hold them with
crumbs for ever. A part of the largest map takes 20 s over a slow link, a comparison with 1,000 differences a minute."""

SESSIONS_MAX = 4
"""Most comparisons under way at once; each holds sums of the whole map."""

MISMATCH_FOR = Millis(20_000)
"""A neighbour's fingerprint that differs for this long calls for a comparison: a late record explains less."""

EQUAL_FOR = Millis(60_000)
"""How long a neighbour's equal fingerprint spares a comparison with it: twice the longest time between its pings."""

GAP = Millis(60_000)
"""Least time between two comparisons this node begins, plus GAP for every GAP_PEERS peers on the map: a comparison
finds what is on its way too, 18 kB with two dozen records of 2,500 peers."""

GAP_PEERS = 500


@dataclass(slots=True)
class _Part:
    """One part of the id space that a joiner fetches."""

    range: Range
    low: int
    """Where the next question begins."""
    source: PeerId | None = None
    """Whom it was fetched from, or is being."""
    session: int | None = None
    """The question under way."""
    asked_at: Millis = Millis(0)
    since: Millis = Millis(0)
    """When `source` was first asked."""
    fetched: bool = False
    witnesses: set[PeerId] = field(default_factory=set)


@dataclass(slots=True)
class _Comparison:
    """One comparison with one neighbour."""

    peer: PeerId
    sums: Fingerprints
    parts: list[Range]
    waiting: list[Summary]
    since: Millis
    unlisted: int
    """Peers of ours that may still lie in ranges the neighbour lists: an honest one lists none twice."""
    open: int = 0
    questions: int = 0
    heard_at: Millis = Millis(0)
    wanted: int = 0
    spared: int = 0


class Reconciler:
    """One per node, beside `Gossip`. Bounded: PARTS parts, SESSIONS_MAX comparisons, one entry per link."""

    def __init__(self, gossip: Gossip, *, rng: Random, entropy: Callable[[int], bytes], joining: bool) -> None:
        """`joining`: whether to fetch the whole map; else one from disk is compared with WITNESSES neighbours."""
        self._gossip = gossip
        self._map = gossip.map
        self._whole = gossip.horizon is None
        """A small device's part of the map is neither compared nor served."""
        self._rng = rng
        self._entropy = entropy
        self._serving = Serving(gossip.map, gossip.answers)
        self._links: dict[PeerId, Millis] = {}
        """Neighbours, with the moment from which they may be asked."""
        self._parts = [_Part(part, part.low, fetched=not joining) for part in equal_parts(PARTS)]
        self._comparisons: dict[int, _Comparison] = {}
        self._session = 0
        self._mismatch: dict[PeerId, Millis] = {}
        self._equal: dict[PeerId, Millis] = {}
        """When each neighbour last told of an equal map, unless it has told of another one since."""
        self._turns: dict[PeerId, Millis] = {}
        """When each neighbour came, or was last compared with because its fingerprint differed."""
        self._rest_until = Millis(0)
        self._worked_at = Millis(0)
        self.compared = 0
        """Comparisons begun here."""
        self.mended = 0
        """Records that they found missing at either end."""
        self._witnessed = False
        self._settle_at: Millis | None = None
        self._deadline: Millis | None = None
        self._stale = True
        """Whether `_deadline` is to be found anew: set by every method that changes what it depends on."""

    @property
    def joined(self) -> bool:
        """Whether every part of the map has been fetched (comparison with witnesses may still go on)."""
        return self.witnessed or all(part.fetched for part in self._parts)

    @property
    def witnessed(self) -> bool:
        """Whether every part has also been compared with WITNESSES neighbours; that once true stays so."""
        if not self._witnessed:
            enough = WITNESSES if self._whole else 0
            self._witnessed = all(part.fetched and len(part.witnesses) >= enough for part in self._parts)
        return self._witnessed

    def link_up(self, peer: PeerId, now: Millis) -> list[MapEffect]:
        """Begin to use a link, of any kind."""
        self._stale = True
        self._links[peer] = self._turns[peer] = now
        return self._work(now)

    def link_down(self, peer: PeerId, now: Millis) -> list[MapEffect]:
        """Forget a link; what it was to deliver is asked of others."""
        self._stale = True
        self._links.pop(peer, None)
        self._mismatch.pop(peer, None)
        self._equal.pop(peer, None)
        self._turns.pop(peer, None)
        self._serving.link_down(peer)
        self._give_up(peer)
        return self._work(now)

    def _give_up(self, peer: PeerId) -> None:
        for part in self._parts:
            if part.source == peer and not part.fetched:
                part.source = part.session = None
        for session in [number for number, one in self._comparisons.items() if one.peer == peer]:
            del self._comparisons[session]

    def compare(self, peer: PeerId, now: Millis) -> list[MapEffect]:
        """Compare the whole map with a neighbour now, unless it has lately told of an equal one."""
        equal = self._equal.get(peer)
        return [] if equal is not None and now - equal < EQUAL_FOR else self._begin(peer, [WHOLE], now)

    def heard_fingerprint(self, peer: PeerId, fingerprint: bytes, now: Millis) -> list[MapEffect]:
        """Take the map fingerprint of a neighbour's ping; a lasting difference begins a comparison, with whichever such
        neighbour has waited longest: one that pings most would else keep the others from being compared with."""
        ours = (self._map.fingerprint_at(now, near).to_bytes(16, "big") for near in NEAR)
        self._equal.pop(peer, None)
        if fingerprint == NO_FINGERPRINT or fingerprint in ours:
            self._mismatch.pop(peer, None)
            if fingerprint != NO_FINGERPRINT and peer in self._links:
                self._equal[peer] = now
            return []
        since = self._mismatch.setdefault(peer, now)
        if now - since < MISMATCH_FOR or now < self._rest_until or not self.joined or peer not in self._links:
            return []
        lasting = [other for other, at in self._mismatch.items() if now - at >= MISMATCH_FOR and other in self._links]
        first = min(lasting, key=lambda other: (self._turns[other], other))
        del self._mismatch[first]
        self._turns[first] = now
        self._rest_until = Millis(now + GAP + GAP * len(self._map) // GAP_PEERS)
        return self._begin(first, [WHOLE], now)

    # --- frames ----------------------------------------------------------------------------------------------------

    def receive(self, peer: PeerId, kind: FrameKind, body: bytes, now: Millis) -> list[MapEffect]:
        """Take one frame of `KINDS`. A `Fault` in the result is the neighbour's."""
        self._stale = True
        try:
            if kind is FrameKind.RANGE_ASK:
                ask = decode_range_ask(body)
                if not self._whole:
                    return [self._serving.away(peer, ask.session)]
                if isinstance(ask, Fetch):
                    return list(self._serving.fetch(peer, ask, now))
                return list(self._serving.compare(peer, ask, now))
            match decode_range_answer(body):
                case Records() as records:
                    return self._fetched(peer, records, now)
                case Busy() as busy:
                    return self._busy(peer, busy, now)
                case Differences() as differences:
                    return self._differ(peer, differences, now)
        except Malformed as error:
            return [Fault(peer, error.penalty, str(error))]

    def _fetched(self, peer: PeerId, answer: Records, now: Millis) -> list[MapEffect]:
        part = next((one for one in self._parts if one.session == answer.session and one.source == peer), None)
        if part is None:
            return []  # given up before
        part.asked_at = now
        effects, honest = self._gossip.take_ranged(peer, answer.records, (part.low, part.range.last), now)
        if not honest:
            self._links.pop(peer, None)
            for tainted in self._parts:
                if tainted.source == peer:
                    tainted.source = tainted.session = None
                    tainted.low, tainted.fetched = tainted.range.low, False
            return [*effects, *self._work(now)]
        if self._settle_at is None:
            self._settle_at = Millis(now + SETTLE_AFTER)
        if answer.final:
            part.session = None
            if answer.rest is None:
                part.fetched = True
            elif part.low < answer.rest <= part.range.last:
                part.low = answer.rest
            else:
                return [*effects, Fault(peer, Penalty.BAN, "a map range that leads nowhere")]
            if self.joined:
                effects += self._settle(now)
        return [*effects, *self._work(now)]

    def _settle(self, now: Millis) -> list[MapEffect]:
        self._settle_at = None
        return self._gossip.settle(now)

    def _busy(self, peer: PeerId, answer: Busy, now: Millis) -> list[MapEffect]:
        if peer in self._links:
            self._links[peer] = Millis(now + max(answer.wait, 250))
        self._give_up(peer)
        return self._work(now)

    def _differ(self, peer: PeerId, answer: Differences, now: Millis) -> list[MapEffect]:
        session = self._comparisons.get(answer.session)
        if session is None or session.peer != peer:
            return []
        session.open -= 1
        session.heard_at = now
        for theirs in answer.split:
            if session.sums.summary(theirs.range) != theirs:
                session.waiting.append(session.sums.summary(theirs.range))
        effects: list[MapEffect] = []
        for listed in answer.listed:
            effects += self._mend(session, listed)
        if session.questions >= QUESTIONS_MAX:
            session.waiting.clear()
        return [*effects, *self._ask_on(answer.session, session), *self._work(now)]

    def _mend(self, session: _Comparison, listed: Items) -> list[MapEffect]:
        """Ask for what we miss in a listed range and send what the neighbour misses."""
        peer, theirs = session.peer, {item.prefix: item.seq for item in listed.items}
        wanted = [_name(item) for item in listed.items if self._misses(item)][: MENDED_MAX - session.wanted]
        session.wanted += len(wanted)
        span = session.sums.span(listed.range)[: session.unlisted]
        session.unlisted -= len(span)
        spare: list[bytes] = []
        for at in span:
            if session.spared + len(spare) >= MENDED_MAX:
                break
            origin = session.sums.peer(at)
            seq = self._map.seq(origin)
            if seq is not None and theirs.get(origin[:PREFIX_BYTES], -1) < seq:
                raw = self._gossip.answers.true_record(origin)
                if raw is not None:
                    spare.append(raw)
        session.spared += len(spare)
        self.mended += len(wanted) + len(spare)
        effects: list[MapEffect] = list(record_frames(peer, spare, Priority.BULK))
        for at in range(0, len(wanted), NAMES_MAX):
            want = RecordsWant(Turn.KEEP, tuple(wanted[at : at + NAMES_MAX]))
            effects.append(want_frame(peer, want))
        return effects

    def _misses(self, item: Item) -> bool:
        held = self._map.held_seq(item.prefix)
        return held is None or held < item.seq

    # --- work ------------------------------------------------------------------------------------------------------

    def _begin(self, peer: PeerId, parts: list[Range], now: Millis) -> list[MapEffect]:
        self._stale = True
        if (
            not self._whole
            or len(self._comparisons) >= SESSIONS_MAX
            or any(one.peer == peer for one in self._comparisons.values())
        ):
            return []
        sums = Fingerprints(self._map, self._entropy(SALT_BYTES))
        waiting = [sums.summary(part) for part in merged(parts)]
        session = _Comparison(peer, sums, parts, waiting, now, unlisted=len(sums), heard_at=now)
        self._session += 1
        self.compared += 1
        self._comparisons[self._session] = session
        return self._ask_on(self._session, session)

    def _ask_on(self, number: int, session: _Comparison) -> list[MapEffect]:
        effects: list[MapEffect] = []
        while session.waiting and session.open < OPEN_QUESTIONS:
            chunk, session.waiting = session.waiting[:ASK_CHUNK], session.waiting[ASK_CHUNK:]
            session.open += 1
            session.questions += 1
            effects.append(_ask(session.peer, Compare(number, session.sums.salt, tuple(chunk))))
        if not session.open:
            del self._comparisons[number]
            for part in self._parts:
                covers = any(done.low <= part.range.low and part.range.last <= done.last for done in session.parts)
                if covers and part.source != session.peer and len(part.witnesses) < WITNESSES:
                    part.witnesses.add(session.peer)
        return effects

    def _work(self, now: Millis) -> list[MapEffect]:
        """Put idle links to work: parts to fetch first, then parts to compare."""
        effects: list[MapEffect] = []
        self._worked_at = now
        if self.witnessed:
            return effects
        ready = [peer for peer, since in self._links.items() if since <= now]
        busy = dict.fromkeys(ready, 0)
        for part in self._parts:
            if part.session is not None and part.source in busy:
                busy[part.source] += 1
        for part in self._parts:
            if part.fetched or part.session is not None:
                continue
            free = [peer for peer in ready if busy[peer] < FETCHES_PER_LINK]
            if not free:
                break
            least = min(busy[peer] for peer in free)
            source = part.source if part.source in free else self._rng.choice([p for p in free if busy[p] == least])
            busy[source] += 1
            self._session += 1
            part.since = part.since if part.source == source else now
            part.source, part.session, part.asked_at = source, self._session, now
            effects.append(_ask(source, Fetch(self._session, Range(part.low, part.range.last))))
        if not self.joined:
            return effects
        for peer in ready:
            parts = [p.range for p in self._parts if p.source != peer and _wants(p, peer)]
            under_way = [one.parts for one in self._comparisons.values()]
            if parts and len(under_way) < WITNESSES:
                effects += self._begin(peer, parts, now)
        return effects

    def deadline(self) -> Millis | None:
        """Return when `tick` next has work."""
        if self._stale:
            self._stale = False
            self._deadline = self._find_deadline()
        return self._deadline

    def _find_deadline(self) -> Millis | None:
        times = [_over(part.asked_at, part.since) for part in self._parts if part.session is not None]
        times += [_over(one.heard_at, one.since) for one in self._comparisons.values()]
        if self._settle_at is not None:
            times.append(self._settle_at)
        if not self.witnessed:
            times += [since for since in self._links.values() if since > self._worked_at]
        swept = self._serving.deadline()
        return min(times if swept is None else [*times, swept], default=None)

    def tick(self, now: Millis) -> list[MapEffect]:
        """Give up on silent neighbours, use those that were busy, drop what is kept too long."""
        self._stale = True
        self._serving.sweep(now)
        late = {part.source for part in self._parts if part.session and _over(part.asked_at, part.since) <= now}
        late |= {one.peer for one in self._comparisons.values() if _over(one.heard_at, one.since) <= now}
        for peer in sorted(peer for peer in late if peer is not None):
            self._give_up(peer)
            if peer in self._links:
                self._links[peer] = Millis(now + ANSWER_TIMEOUT)
        settled = self._settle(now) if self._settle_at is not None and now >= self._settle_at else []
        return [*settled, *self._work(now)]


def _over(heard: Millis, since: Millis) -> Millis:
    """Return when a neighbour has been silent, or under way, for too long."""
    return Millis(min(heard + ANSWER_TIMEOUT, since + LONGEST))


def _wants(part: _Part, peer: PeerId) -> bool:
    return len(part.witnesses) < WITNESSES and peer not in part.witnesses


def _name(item: Item) -> RecordName:
    return record_name(item.prefix, item.seq)


def _ask(peer: PeerId, ask: RangeAsk) -> ToPeer:
    return ToPeer(peer, FrameKind.RANGE_ASK, encode_range_ask(ask), Priority.RECORD)
