"""The own record (DESIGN section 3.2): when it is signed, with which `seq`, and when the node must stop signing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from chain.primitives.canonical import pack, unpack
from chain.primitives.errors import Malformed
from chain.primitives.peer import PREFIX_BYTES, PeerId
from chain.primitives.units import Hash32, Millis
from net.core.effects import Persist
from net.core.identity.identity import Identity
from net.core.identity.records import sign_record
from net.core.map._origins import RECORD_BURST, RECORD_MIN_INTERVAL
from net.core.map.peer_map import SEQ_FUTURE
from net.core.wire.record import Direction, Flags, Link, Record

SEQ_AHEAD = Millis(10 * 60 * 1000)
"""How far ahead of its use the own `seq` is written to disk: one write in ten minutes, not one a record."""

RECORD_REFRESH = Millis(4 * 3600 * 1000)
"""An unchanged record is signed anew after this long, ± 10 % so that the network does not refresh in step."""

SETTLE = Millis(3_000)
"""How long changes gather before they are signed: a lost link and its replacement then make one record, not two, and a
joiner signs three records less. The others learn of a link that much later; the node itself waits for nobody."""

OWN_BLOB = "own_record"
"""Name of the blob that holds `born` and the `seq` written ahead."""

_VERSION = 1


@dataclass(frozen=True, slots=True)
class OwnLink:
    """A listed link of this node, as its record will tell it."""

    direction: Direction
    rtt: int
    """Round-trip class; a change of it alone is not worth a new record and travels with the next one."""


class Signing(Enum):
    """Whether the node signs records."""

    WAITING = "waiting"
    """Not before the mesh clock has agreed on the time."""
    ALLOWED = "allowed"
    HALTED = "halted"
    """Another process signs with the same key: this one never signs again."""


class Verdict(Enum):
    """What a record of the node's own id, received from a neighbour, means."""

    OLD = "old"
    """Signed by this process, or before its time and known."""
    EARLIER_RUN = "earlier run"
    """Signed by an earlier run of this node: later records must be newer."""
    DUPLICATE = "duplicate"
    """Signed by somebody else with the same key, now."""


class OwnRecord:
    """Contents, times and permission of the own record. The gossip machine alone changes it."""

    def __init__(
        self, network: Hash32, identity: Identity, stored: bytes, jitter: Callable[[int], int], born: Millis | None
    ) -> None:
        """`stored` is what the last Persist of OWN_BLOB wrote, empty at the first start; raises `Malformed`.

        `jitter(n)` gives a number below n by chance. `born` stands in for a lost blob: that of the archived record.
        """
        self._network = network
        self.identity = identity
        self._jitter = jitter
        self._born = born
        self._ahead = Millis(0)
        if stored:
            self._born, self._ahead = _decode_stored(stored)
        self._earlier_until = self._ahead
        self._last = Millis(0)
        self._first_signed: Millis | None = None
        self._links: Mapping[PeerId, OwnLink] = {}
        self._facts: tuple[Flags, int, tuple[int, int, int]] = (Flags(0), 0, (0, 0, 0))
        self._signed_content: object = None
        self._due: Millis | None = None
        self._refresh_at: Millis | None = None
        self._schedule = 0
        self.signing = Signing.WAITING

    @property
    def links(self) -> Mapping[PeerId, OwnLink]:
        """The links the next record will list."""
        return self._links

    def allow(self, now: Millis) -> None:
        """Permit signing: the time has been agreed on. Nothing is signed before."""
        if self.signing is Signing.WAITING:
            self.signing = Signing.ALLOWED
            self._plan(now)

    def halt(self) -> None:
        """Sign nothing ever again."""
        self.signing = Signing.HALTED

    def set_links(self, links: Mapping[PeerId, OwnLink], now: Millis, *, at_once: bool) -> None:
        """Take the listed links as they are now; signed when they have settled, or as soon as the rate allows."""
        self._links = dict(links)
        self._plan(now, at_once=at_once)

    def set_facts(self, flags: Flags, uplink: int, tags: tuple[int, int, int], now: Millis) -> None:
        """Take flags, uplink class and failure domains as they are now."""
        self._facts = (flags, uplink, tags)
        self._plan(now)

    def renewed(self, identity: Identity, now: Millis) -> None:
        """Take the identity with the proof of its new epoch."""
        self.identity = identity
        self._plan(now)

    def _content(self) -> object:
        flags, uplink, tags = self._facts
        links = tuple(sorted((peer[:PREFIX_BYTES], link.direction) for peer, link in self._links.items()))
        return (links, flags, uplink, tags, self.identity.proof)

    def _plan(self, now: Millis, *, at_once: bool = False) -> None:
        if self._content() == self._signed_content:
            self._due = None
            return
        earliest = self._schedule - (RECORD_BURST - 2) * RECORD_MIN_INTERVAL  # one less than others allow
        due = Millis(max(now if at_once else now + SETTLE, earliest))
        self._due = due if self._due is None else min(max(self._due, Millis(earliest)), due)

    def deadline(self) -> Millis | None:
        """Return when `sign` next has work."""
        if self.signing is not Signing.ALLOWED:
            return None
        if self._due is None or self._refresh_at is None:
            return self._refresh_at if self._due is None else self._due
        return min(self._due, self._refresh_at)

    def due(self, now: Millis) -> bool:
        """Tell whether a new record is to be signed now."""
        at = self.deadline()
        return at is not None and now >= at

    def sign(self, now: Millis, auxiliary: bytes) -> tuple[Record, list[Persist]]:
        """Return the new record, with the blob to write first. `now` is mesh time; call it when `due`."""
        return self._sign(now, auxiliary, leaving=False)

    def farewell(self, now: Millis, auxiliary: bytes) -> tuple[Record, list[Persist]] | None:
        """Return the last record before a stop, without links; None when nothing was ever signed or nothing may be."""
        if self.signing is not Signing.ALLOWED or self._first_signed is None:
            return None
        record, _ = self._sign(now, auxiliary, leaving=True)
        self.signing = Signing.WAITING
        self._ahead = record.seq  # a clean stop: the next run may go on from here
        return record, [Persist(OWN_BLOB, encode_stored(record.born, self._ahead))]

    def _sign(self, now: Millis, auxiliary: bytes, *, leaving: bool) -> tuple[Record, list[Persist]]:
        assert self.signing is Signing.ALLOWED, "nothing is signed before the time is agreed on"
        seq = Millis(max(now, self._last + 1))
        born = seq if self._born is None else min(self._born, seq)
        flags, uplink, tags = self._facts
        links = [] if leaving else sorted(self._links.items())
        unsigned = Record(
            network=self._network,
            peer=self.identity.peer,
            born=Millis(born),
            seq=seq,
            nonce=self.identity.proof.nonce,
            epoch=self.identity.proof.epoch,
            flags=flags | Flags.LEAVING if leaving else flags,
            uplink=uplink,
            tags=tags,
            links=tuple(Link(peer[:PREFIX_BYTES], link.direction, link.rtt) for peer, link in links),
            signature=bytes(64),
        )
        record = sign_record(self.identity, unsigned, auxiliary)
        self._born, self._last = record.born, seq
        if self._first_signed is None:
            self._first_signed = seq
        self._signed_content = None if leaving else self._content()
        self._due = None
        self._schedule = max(self._schedule, now) + RECORD_MIN_INTERVAL
        self._refresh_at = Millis(now + RECORD_REFRESH * 9 // 10 + self._jitter(RECORD_REFRESH // 5))
        if seq <= self._ahead:
            return record, []
        self._ahead = Millis(seq + SEQ_AHEAD)
        return record, [Persist(OWN_BLOB, encode_stored(record.born, self._ahead))]

    def judge(self, record: Record, raw: bytes, held: bytes | None, now: Millis) -> Verdict:
        """Say what a validly signed record of the own id means; `held` is the newest this node knows, encoded.

        An earlier run signed nothing past the `seq` it wrote ahead, nor, clocks being right within SEQ_FUTURE, much
        after this run began. If two runs overlap, the younger takes the other for its past for at most SEQ_FUTURE.
        """
        if record.seq < self._last or raw == held:
            return Verdict.OLD
        if self._born not in (None, record.born):
            return Verdict.DUPLICATE
        if self._first_signed is None:
            past = record.seq <= self._earlier_until or self._earlier_until == 0  # 0: the blob was lost
            return Verdict.EARLIER_RUN if past and record.seq <= now + SEQ_FUTURE else Verdict.DUPLICATE
        past = self._last < record.seq <= min(self._earlier_until, self._first_signed + SEQ_FUTURE)
        return Verdict.EARLIER_RUN if past else Verdict.DUPLICATE

    def adopt(self, record: Record, now: Millis) -> None:
        """Go on after a record of an earlier run: the next one is newer and keeps its `born`."""
        self._last = max(self._last, record.seq)
        self._born = record.born
        self._signed_content = None
        self._plan(now)

    @property
    def last(self) -> Millis:
        """`seq` of the newest own record known, 0 if none."""
        return self._last


def encode_stored(born: Millis, ahead: Millis) -> bytes:
    """Return the blob of an id born then that has signed nothing past `ahead`."""
    return pack([_VERSION, born, ahead])


def _decode_stored(raw: bytes) -> tuple[Millis, Millis]:
    match unpack(raw, max_bytes=32, max_items=3):
        case [int(version), int(born), int(ahead)] if version == _VERSION and 0 <= born <= ahead:
            return Millis(born), Millis(ahead)
        case _:
            raise Malformed("not a stored own record")
