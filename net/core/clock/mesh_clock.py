"""The mesh clock: an offset to the driver's clock, led by a Marzullo median over ids, slewed within bounds.

Before a node signs anything its clock must be *agreed*: three ids met through two first contacts lie within AGREE of a
common point, at most AHEAD_MAX ahead of the own clock. The first nodes of a network have nobody to ask: a bootstrap and
the nodes of a devnet are started with `trust_own_clock`, which counts as agreement from the start; they follow the
median all the same once they have neighbours. A joiner without it, whose network has fewer than three other nodes or
only one first contact, waits.

Until then the own clock is a voice, as wide as AGREE, and all ids met through one first contact are one voice together:
the offset moves only to what two voices say. A first contact alone, with however many accomplices, moves the clock by
AGREE at most; else it could set a joiner's time back by years, and every message and record of the honest peers would
come from the future.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis

AGREE = Millis(10_000)
"""How close ids must be to agree on the time (DESIGN section 3.2)."""

AGREE_IDS = 3
AGREE_CONTACTS = 2
"""Ids, and first contacts they were met through, that make an agreement: one liar cannot set a joiner's clock."""

AHEAD_MAX = Millis(60_000)
"""Furthest the mesh may be ahead of the own clock unless the operator confirms (DESIGN section 3.2)."""

SLEW_PPM = 500
"""Fastest the offset follows the median."""

SOURCES_MAX = 128
"""Ids whose newest sample is kept: 64 drawn by private hash, 32 links, and some that just left."""

SAMPLE_LIFE = Millis(900_000)
"""Age at which a sample counts no more."""

TRIP_MAX = Millis(3_000)
"""Longest round trip of a sample. Whoever delays an answer widens an honest id's interval until it holds, and supports,
what liars tell: by this much at most. Honest answers over several hops take a second."""

DRIFT_PPM = 100
"""How much a sample's interval widens as it ages: twice what cheap oscillators are off."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One peer's clock against the driver's."""

    low: Millis
    """Smallest offset that the four time stamps allow: peer's mesh clock minus driver's clock."""
    high: Millis
    """Largest offset."""
    contact: PeerId
    """First contact through which the peer was met: liars come in groups."""
    at: Millis
    """When, by the driver's clock."""


@dataclass(frozen=True, slots=True)
class ClockStatistics:
    """What the clock shows."""

    offset: Millis
    """Mesh time minus the driver's clock."""
    target: Millis
    """Where the median stands and the offset is going."""
    sources: int
    """Ids with a sample."""
    supporting: int
    """Voices whose interval holds the target, the own clock's among them."""
    agreed: bool


class MeshClock:
    """See the module. Mutable: changed by its own methods alone."""

    def __init__(self, *, trusted: bool) -> None:
        """`trusted` takes the own clock as agreed (trust_own_clock)."""
        self._agreed = trusted
        self._samples: OrderedDict[PeerId, Sample] = OrderedDict()
        self._offset = 0.0
        self._target = 0
        self._supporting = 0
        self._moved_at: Millis | None = None
        self._latest = Millis(0)

    @property
    def agreed(self) -> bool:
        """Whether records may be signed."""
        return self._agreed

    def mesh_time(self, now: Millis) -> Millis:
        """Return the mesh time at a moment of the driver's clock; it never runs backwards."""
        moment = now + round(self._offset)
        if moment > self._latest:
            self._latest = Millis(moment)
        return self._latest

    def driver_time(self, moment: Millis) -> Millis:
        """Return the moment of the driver's clock at a mesh time under the present offset."""
        return Millis(moment - round(self._offset))

    def coarse(self, peer: PeerId, contact: PeerId, mesh_time: Millis, now: Millis) -> None:
        """Take the time a peer told in its handshake: half a second either way covers its way here."""
        if peer not in self._samples:
            self._put(peer, Sample(Millis(mesh_time - now - 500), Millis(mesh_time - now + 500), contact, now))

    def sample(
        self, peer: PeerId, contact: PeerId, *, asked: Millis, received: Millis, sent: Millis, now: Millis
    ) -> None:
        """Take four time stamps: asked and now by the driver's clock, received and sent by the peer's mesh clock.

        The peer's offset lies between `sent - now` and `received - asked`: neither way took negative time. Nor did the
        peer: by telling otherwise it would widen its interval until it holds, and supports, whatever others tell. An
        answer that was under way for over TRIP_MAX says too little.
        """
        low, high = Millis(sent - now), Millis(received - asked)
        if low <= high and received <= sent and now - asked <= TRIP_MAX:
            self._put(peer, Sample(low, high, contact, now))

    def forget(self, peer: PeerId) -> None:
        """Drop a peer's sample: it proved a liar or left."""
        self._samples.pop(peer, None)

    def _put(self, peer: PeerId, sample: Sample) -> None:
        self._samples[peer] = sample
        self._samples.move_to_end(peer)
        if len(self._samples) > SOURCES_MAX:
            self._samples.popitem(last=False)

    def tick(self, now: Millis) -> str | None:
        """Move the offset; returns why no agreement is possible when the samples themselves rule it out."""
        self._forget_old(now)
        self._target, self._supporting = self._median(now) if self._agreed else self._first_voices(now)
        if not self._agreed:
            return self._try_agree()
        elapsed = 0 if self._moved_at is None else now - self._moved_at
        self._moved_at = now
        reach = elapsed * SLEW_PPM / 1_000_000
        self._offset += min(max(self._target - self._offset, -reach), reach)
        return None

    def _try_agree(self) -> str | None:
        near = [sample for sample in self._samples.values() if self._holds(sample, AGREE)]
        if len(near) < AGREE_IDS or len({sample.contact for sample in near}) < AGREE_CONTACTS:
            self._step_to(self._target if self._target <= AHEAD_MAX else 0)
            return None
        if self._target > AHEAD_MAX:
            return f"the network's time is {self._target // 1000} s ahead of this machine's: set its clock"
        self._step_to(self._target)
        self._agreed = True
        return None

    def _step_to(self, offset: int) -> None:
        """Set the clock; before anything is signed it may also go backwards."""
        self._offset = float(offset)
        self._latest = Millis(0)

    def _holds(self, sample: Sample, slack: int) -> bool:
        return sample.low - slack <= self._target <= sample.high + slack

    def _forget_old(self, now: Millis) -> None:
        for peer in [peer for peer, sample in self._samples.items() if now - sample.at > SAMPLE_LIFE]:
            del self._samples[peer]

    def _median(self, now: Millis) -> tuple[int, int]:
        """Return the middle of the stretch that most ids share (Marzullo), and how many do.

        The own offset is one more opinion, lest two nodes chase each other.
        """
        own = round(self._offset)
        edges = [(own - 1, -1), (own + 1, 1)]
        for low, high, _ in self._stretches(now):
            edges += [(low, -1), (high, 1)]
        edges.sort()
        best, best_low, best_high, count = 0, 0, 0, 0
        for place, (edge, kind) in enumerate(edges):
            count -= kind
            if count > best:
                best, best_low, best_high = count, edge, edges[place + 1][0]
        return (best_low + best_high) // 2, best

    def _first_voices(self, now: Millis) -> tuple[int, int]:
        """Return the same before the time is agreed: the ids of one first contact are one voice, the own clock another.

        Of stretches that as many share, one that the own clock shares comes first, then the nearest to it.
        """
        edges: list[tuple[int, int, PeerId | None]] = [(-AGREE, -1, None), (AGREE, 1, None)]
        for low, high, contact in self._stretches(now):
            edges += [(low, -1, contact), (high, 1, contact)]
        edges.sort(key=lambda edge: edge[:2])
        best, middle = (0, False, 0), 0
        voices: Counter[PeerId | None] = Counter()
        for place, (edge, kind, voice) in enumerate(edges):
            voices[voice] -= kind
            if not voices[voice]:
                del voices[voice]
            if kind > 0 or len(voices) < best[0]:
                continue
            between = (edge + edges[place + 1][0]) // 2
            found = (len(voices), None in voices, -abs(between))
            if found > best:
                best, middle = found, between
        return middle, best[0]

    def _stretches(self, now: Millis) -> Iterator[tuple[int, int, PeerId]]:
        """Yield the offsets between which each id may be, wider with their age, and its first contact."""
        for sample in self._samples.values():
            widen = (now - sample.at) * DRIFT_PPM // 1_000_000
            yield sample.low - widen, sample.high + widen, sample.contact

    def statistics(self) -> ClockStatistics:
        """Return what the clock shows."""
        return ClockStatistics(
            offset=Millis(round(self._offset)),
            target=Millis(self._target),
            sources=len(self._samples),
            supporting=self._supporting,
            agreed=self._agreed,
        )
