"""The machine that relays published messages between neighbours."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from chain.primitives.errors import Malformed, Penalty
from chain.primitives.hashing import blake2b_128
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.effects import Priority, Verdict
from net.core.moments import soonest
from net.core.relay.conduct import Conduct
from net.core.relay.plan import EAGER_MAX, RelayPlan
from net.core.relay.wants import RATE, ROUND_TRIP, ROUND_TRIP_MAX, Wants
from net.core.wire.assembly import Assembly
from net.core.wire.fault import Fault
from net.core.wire.frame import FrameKind, ToPeer
from net.core.wire.relay import (
    ENTRIES_MAX,
    PUBLISH_MAX,
    Announced,
    decode_announce,
    decode_chunk,
    decode_publish,
    decode_pull,
    encode_announce,
    encode_chunks,
    encode_publish,
    encode_pull,
)

SEEN_MAX = 65_536
SEEN_FOR = Millis(120_000)
"""Keys remembered against repetition, and how long at most (DEDUPE of DESIGN section 3.0); the oldest go first."""

STORE_BYTES_MAX = 32 * 1024 * 1024
"""Payloads kept for those who pull them; the oldest go first."""

PENDING_BYTES_MAX = 8 * 1024 * 1024
"""Bytes of one neighbour's messages that may await their verdict, over all topics: four of the largest payloads."""

LATE_MAX = 32
"""Neighbours that may still draw a kept message when SEEN_FOR is over: honest pulls come within a minute. So many are
remembered beside those linked till then."""

SERVED_PER_MS = 2_000
SERVED_BURST = 8 * 1024 * 1024
"""Bytes that one neighbour may pull a millisecond, and at once."""


@dataclass(frozen=True, slots=True)
class RelayTopic:
    """What the relay must know of a topic."""

    max_bytes: int
    priority: Priority
    max_pending: int
    """Messages of one neighbour that may await their verdict."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message is whole and awaits its verdict."""

    topic: int
    key: bytes
    payload: bytes
    sender: PeerId


Outcome: TypeAlias = ToPeer | Arrived | Fault


@dataclass(frozen=True, slots=True)
class RelayStatistics:
    """Counters since the start."""

    published: int
    """Own messages."""
    arrived: int
    """Messages handed up for a verdict."""
    accepted: int
    duplicates: int
    """Whole copies of messages seen before."""
    pulls: int
    stalls: int
    """Announced, pulled, and not sent within `conduct.PATIENCE`."""
    overflowed: int
    """Dropped because too many of the neighbour's messages awaited their verdict."""


@dataclass(slots=True)
class _Pending:
    topic: int
    payload: bytes
    sender: PeerId
    holders: set[PeerId]


@dataclass(slots=True)
class _Stored:
    topic: int
    payload: bytes
    sent: set[PeerId] = field(default_factory=set)
    """Neighbours that have it, or were sent it over the link that is up."""
    late: int = 0
    """How many have drawn it since SEEN_FOR was over."""


class Relay:
    """See the module. Mutable: changed by its own methods alone."""

    def __init__(self, topics: Mapping[int, RelayTopic], plan: RelayPlan) -> None:
        self._topics = topics
        self._plan = plan
        self._served: dict[PeerId, tuple[float, Millis]] = {}
        self._round_trips: dict[PeerId, Millis] = {}
        self._seen: OrderedDict[bytes, Millis] = OrderedDict()
        self._pending: dict[bytes, _Pending] = {}
        self._pending_of: dict[tuple[PeerId, int], int] = {}
        self._pending_bytes: dict[PeerId, int] = {}
        self._store: OrderedDict[bytes, _Stored] = OrderedDict()
        self._stored_bytes = 0
        self._wants = Wants()
        self.conduct = Conduct()
        """For those who choose neighbours, to read."""
        self._assembly: Assembly[bytes] = Assembly()
        self._counts = dict.fromkeys(RelayStatistics.__dataclass_fields__, 0)

    def statistics(self) -> RelayStatistics:
        """Return the counters."""
        return RelayStatistics(**self._counts)

    def linked(self, peer: PeerId, now: Millis) -> None:
        """Take a new neighbour in."""
        self._served[peer] = (float(SERVED_BURST), now)
        self.conduct.linked(peer)

    def unlinked(self, peer: PeerId) -> None:
        """Forget a neighbour that is gone."""
        self._served.pop(peer, None)
        self._round_trips.pop(peer, None)
        self._assembly.drop_peer(peer)
        self._wants.forget_peer(peer)
        self.conduct.unlinked(peer)
        for pending in self._pending.values():
            pending.holders.discard(peer)
        for key, stored in self._store.items():
            # What was on its way is lost with the link. Old ones were not: else each new link would be worth a burst.
            if key in self._seen:
                stored.sent.discard(peer)

    def measured(self, peer: PeerId, round_trip: Millis) -> None:
        """Take a neighbour's measured round trip."""
        self._round_trips[peer] = min(round_trip, ROUND_TRIP_MAX)

    def publish(self, topic: int, payload: bytes, now: Millis) -> list[Outcome]:
        """Send an own message to all; a repeated one is not sent again, unless there was nobody to send it to.

        Raises `KeyError` on an unknown topic.
        """
        spec = self._topics[topic]
        assert len(payload) <= spec.max_bytes, f"{len(payload)} bytes on topic {topic}"
        key = _key(topic, payload)
        if not self._served or not self._first_sight(key, now):
            return []
        self._counts["published"] += 1
        return self._spread(topic, key, payload, set())

    def verdict(self, key: bytes, verdict: Verdict, now: Millis) -> list[Outcome]:
        """Take the application's verdict on an `Arrived` message; one on an unknown key changes nothing."""
        pending = self._pending.pop(key, None)
        if pending is None:
            return []
        place = (pending.sender, pending.topic)
        self._pending_of[place] -= 1
        if not self._pending_of[place]:
            del self._pending_of[place]
        left = self._pending_bytes.pop(pending.sender, 0) - len(pending.payload)
        if left > 0:
            self._pending_bytes[pending.sender] = left
        if verdict is Verdict.REJECT:
            return [Fault(pending.sender, Penalty.STRIKE, f"an invalid message on topic {pending.topic}")]
        if verdict is Verdict.IGNORE:
            return []
        self._counts["accepted"] += 1
        return self._spread(pending.topic, key, pending.payload, pending.holders)

    def receive(self, peer: PeerId, kind: FrameKind, body: bytes, now: Millis) -> list[Outcome]:
        """Take a PUBLISH, ANNOUNCE, PULL or CHUNK frame. Raises `Malformed`."""
        match kind:
            case FrameKind.PUBLISH:
                topic, payload = decode_publish(body)
                self._bounded(topic, len(payload))
                return self._arrive(peer, topic, _key(topic, payload), payload, now)
            case FrameKind.ANNOUNCE:
                return self._announced(peer, decode_announce(body), now)
            case FrameKind.PULL:
                return self._pulled(peer, decode_pull(body), now)
            case FrameKind.CHUNK:
                return self._chunk(peer, body, now)
            case _:
                raise AssertionError(f"{kind.name} is no frame of the relay")

    def deadline(self) -> Millis | None:
        """Return when `tick` has work next."""
        return soonest(self._wants.deadline(), self._assembly.deadline(), self.conduct.deadline())

    def tick(self, now: Millis) -> list[Outcome]:
        """Pull what is due; strike those that announced and did not send."""
        out: list[Outcome] = [
            Fault(peer, Penalty.STRIKE, "a payload that stopped half way") for peer, _ in self._assembly.stalled(now)
        ]
        pulls: dict[PeerId, list[bytes]] = {}
        for key, want in self._wants.due(now):
            if now < want.under_way_until and any(self._assembly.holds(peer, key) for peer in self._served):
                self._wants.put_off(key, want, Millis(now + ROUND_TRIP))
            elif want.holders:
                peer = want.holders.pop(0)
                want.asked.append((peer, now))
                self.conduct.asked(peer, key, now)
                answer = 2 * self._round_trips.get(peer, ROUND_TRIP) + want.size // RATE
                self._wants.put_off(key, want, Millis(now + answer))
                pulls.setdefault(peer, []).append(key)
            else:
                self._wants.arrived(key)
        for peer in self.conduct.stalled(now):
            self._counts["stalls"] += 1
            out.append(Fault(peer, Penalty.STRIKE, "announced and not sent"))
        for peer, keys in pulls.items():
            self._counts["pulls"] += len(keys)
            for start in range(0, len(keys), ENTRIES_MAX):
                out.append(ToPeer(peer, FrameKind.PULL, encode_pull(keys[start : start + ENTRIES_MAX]), Priority.BLOCK))
        return out

    def _announced(self, peer: PeerId, entries: list[Announced], now: Millis) -> list[Outcome]:
        if peer not in self._served:
            return []  # a guest, or a link that only reconciles: nobody would count what it keeps back
        for entry in entries:
            self._bounded(entry.topic, entry.size)
            pending = self._pending.get(entry.key)
            if pending is not None:
                pending.holders.add(peer)
            elif entry.key in self._seen:
                if entry.key in self._store:
                    self._store[entry.key].sent.add(peer)
            elif entry.key not in self._store:
                pushed = entry.size <= EAGER_MAX
                self._wants.note(peer, entry.topic, entry.key, size=entry.size, wait=pushed, now=now)
        return self.tick(now)

    def _pulled(self, peer: PeerId, keys: list[bytes], now: Millis) -> list[Outcome]:
        out: list[Outcome] = []
        for key in keys:
            stored = self._store.get(key)
            if stored is None or peer in stored.sent:
                continue
            late = key not in self._seen
            if (late and stored.late >= LATE_MAX) or not self._spend(peer, len(stored.payload), now):
                continue
            stored.late += late
            stored.sent.add(peer)
            out += self._whole(peer, stored.topic, key, stored.payload)
        return out

    def _chunk(self, peer: PeerId, body: bytes, now: Millis) -> list[Outcome]:
        chunk = decode_chunk(body)
        self._bounded(chunk.topic, chunk.total)
        if chunk.key in self._seen:
            self._assembly.drop(peer, chunk.key)
            self._counts["duplicates"] += not chunk.offset
            if not chunk.offset or self.conduct.awaits(peer, chunk.key):
                self.conduct.delivered(peer, chunk.key, new=False)
            return []
        payload = self._assembly.add(peer, chunk.key, offset=chunk.offset, total=chunk.total, data=chunk.data, now=now)
        if payload is None:
            return []
        if _key(chunk.topic, payload) != chunk.key:
            raise Malformed("a payload under another's key")
        return self._arrive(peer, chunk.topic, chunk.key, payload, now)

    def _bounded(self, topic: int, size: int) -> None:
        spec = self._topics.get(topic)
        if spec is None:
            raise Malformed(f"a message on topic {topic}, which is none")
        if size > spec.max_bytes:
            raise Malformed(f"{size} bytes on topic {topic}, which takes {spec.max_bytes}")

    def _arrive(self, peer: PeerId, topic: int, key: bytes, payload: bytes, now: Millis) -> list[Outcome]:
        place = (peer, topic)
        self.conduct.delivered(peer, key, new=key not in self._seen)
        full = self._pending_of.get(place, 0) >= self._topics[topic].max_pending
        full = full or self._pending_bytes.get(peer, 0) + len(payload) > PENDING_BYTES_MAX
        if key not in self._seen and full:
            self._counts["overflowed"] += 1
            return []
        holders = self._wants.arrived(key) | {peer}
        if not self._first_sight(key, now):
            self._counts["duplicates"] += 1
            if key in self._pending:
                self._pending[key].holders |= holders
            elif key in self._store:
                self._store[key].sent |= holders
            return []
        self._counts["arrived"] += 1
        self._pending[key] = _Pending(topic, payload, peer, holders)
        self._pending_of[place] = self._pending_of.get(place, 0) + 1
        self._pending_bytes[peer] = self._pending_bytes.get(peer, 0) + len(payload)
        return [Arrived(topic, key, payload, peer)]

    def _first_sight(self, key: bytes, now: Millis) -> bool:
        while self._seen and (len(self._seen) >= SEEN_MAX or self._oldest_seen() <= now - SEEN_FOR):
            self._seen.popitem(last=False)
        if key in self._seen:
            return False
        self._seen[key] = now
        return True

    def _oldest_seen(self) -> Millis:
        return self._seen[next(iter(self._seen))]

    def _spread(self, topic: int, key: bytes, payload: bytes, holders: set[PeerId]) -> list[Outcome]:
        others = [peer for peer in sorted(self._served) if peer not in holders]
        eager = self._plan.eager(topic, key, len(payload), others)
        self._keep(key, _Stored(topic, payload, holders | set(eager)))
        out: list[Outcome] = []
        for peer in eager:
            out += self._whole(peer, topic, key, payload)
        entry = encode_announce([Announced(topic, key, len(payload))])
        priority = self._topics[topic].priority
        out += [ToPeer(peer, FrameKind.ANNOUNCE, entry, priority) for peer in others if peer not in eager]
        return out

    def _whole(self, peer: PeerId, topic: int, key: bytes, payload: bytes) -> list[Outcome]:
        priority = self._topics[topic].priority
        self.conduct.gave(peer, key)
        if len(payload) <= PUBLISH_MAX:
            return [ToPeer(peer, FrameKind.PUBLISH, encode_publish(topic, payload), priority)]
        return [ToPeer(peer, FrameKind.CHUNK, body, priority) for body in encode_chunks(topic, key, payload)]

    def _keep(self, key: bytes, stored: _Stored) -> None:
        self._store[key] = stored
        self._stored_bytes += len(stored.payload)
        while self._stored_bytes > STORE_BYTES_MAX or len(self._store) > SEEN_MAX:
            _, oldest = self._store.popitem(last=False)
            self._stored_bytes -= len(oldest.payload)

    def _spend(self, peer: PeerId, size: int, now: Millis) -> bool:
        if peer not in self._served:
            return False  # a guest, or a link that only reconciles
        tokens, at = self._served[peer]
        tokens = min(float(SERVED_BURST), tokens + (now - at) * SERVED_PER_MS)
        self._served[peer] = (tokens - size if tokens >= size else tokens, now)
        return tokens >= size


def _key(topic: int, payload: bytes) -> bytes:
    return blake2b_128(topic.to_bytes(2, "big") + payload)
