"""What simulated nodes share so that a large world fits one machine: equal bytes once, equal questions too."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import TypeVar

from chain.primitives.errors import Malformed
from chain.primitives.peer import PeerId
from chain.primitives.units import Hash32, Millis
from net.core.health.survey import Survey, survey
from net.core.map.changes import Changes, changes_between
from net.core.map.checks import Checks, real_checks
from net.core.map.peer_map import item_fingerprint
from net.core.shape import Shape
from net.core.wire.delta import Delta
from net.core.wire.record import Record

REMEMBERED_MAX = 200_000
"""Records whose decoding and signature are remembered; all are forgotten together past it."""

MESSAGES_MAX = 20_000
"""Signatures of direct messages remembered: each is asked for again within a second."""

SURVEYS_MAX = 64
"""Surveys remembered; the oldest goes first."""


K = TypeVar("K")
V = TypeVar("V")


class Memory(dict[K, V]):
    """Answers by their questions; all are forgotten together once there are too many."""

    def __init__(self, most: int = REMEMBERED_MAX) -> None:
        super().__init__()
        self._most = most

    def keep(self, question: K, answer: V) -> V:
        """Remember an answer, and return it."""
        if len(self) >= self._most:
            self.clear()
        self[question] = answer
        return answer


class SharedChecks:
    """Real checks with memory: a record that a thousand nodes receive is decoded and verified once."""

    def __init__(self, difficulty: int) -> None:
        self._real = real_checks(difficulty)
        self._records: Memory[bytes, Record | Malformed] = Memory()
        self._signed: Memory[int, tuple[Record, bool]] = Memory()
        """By the record object's identity, which the record beside it keeps from being given away: equal bytes are one
        object here, and hashing a record's fields costs as much as half of its way into a map."""
        self._proved: Memory[tuple[PeerId, int, int], bool] = Memory()
        self._messages: Memory[tuple[PeerId, Hash32, bytes], bool] = Memory(MESSAGES_MAX)
        self._changed: Memory[tuple[int, int], tuple[Record, Record, Changes]] = Memory()
        """By the identities of the two records, which are kept beside the answer."""
        self._summands: Memory[tuple[PeerId, Millis], int] = Memory()
        self._deltas: Memory[bytes, Delta] = Memory()
        self._followed: Memory[int, tuple[Delta, bytes, bytes]] = Memory()
        """By the delta object's identity: what it follows, and what it makes of that."""
        self._between: Memory[tuple[int, int], tuple[bytes, bytes, bytes | None]] = Memory()
        """By the identities of the two records' bytes, which are kept beside the delta."""

    def reset(self, difficulty: int) -> None:
        """Begin anew under this difficulty."""
        self._real = real_checks(difficulty)
        self.forget()

    def forget(self) -> None:
        """Forget all answers; the same questions get the same ones."""
        for memory in (
            self._records,
            self._signed,
            self._proved,
            self._messages,
            self._changed,
            self._summands,
            self._deltas,
            self._followed,
            self._between,
        ):
            memory.clear()

    def checks(self) -> Checks:
        """Return the checks to give to every mesh of the world."""
        return Checks(
            decode=self._decode,
            signature=self._signature,
            proof=self._proof,
            delta=self._delta,
            follow=self._follow,
            between=self._find_between,
            signed=self._was_signed,
            changes=self._changes,
            summand=self._summand,
        )

    def _decode(self, raw: bytes) -> Record:
        known = self._records.get(raw)
        if known is None:
            try:
                known = self._real.decode(raw)
            except Malformed as error:
                known = error
            self._records.keep(raw, known)
        if isinstance(known, Malformed):
            raise known
        return known

    def _signature(self, record: Record) -> bool:
        known = self._signed.get(id(record))
        if known is None:
            known = self._signed.keep(id(record), (record, self._real.signature(record)))
        return known[1]

    def _proof(self, peer: PeerId, nonce: int, epoch: int) -> bool:
        name = (peer, nonce, epoch)
        known = self._proved.get(name)
        return self._proved.keep(name, self._real.proof(peer, nonce, epoch)) if known is None else known

    def _delta(self, raw: bytes) -> Delta:
        known = self._deltas.get(raw)
        return self._deltas.keep(raw, self._real.delta(raw)) if known is None else known

    def _follow(self, base: bytes, delta: Delta) -> bytes | None:
        known = self._followed.get(id(delta))
        if known is not None and known[1] == base:
            return known[2]
        raw = self._real.follow(base, delta)
        if raw is not None:
            self._followed.keep(id(delta), (delta, base, raw))
        return raw

    def _find_between(self, old: bytes, new: bytes) -> bytes | None:
        name = (id(old), id(new))
        known = self._between.get(name)
        if known is None:
            known = self._between.keep(name, (old, new, self._real.between(old, new)))
        return known[2]

    def _was_signed(self, peer: PeerId, digest: Hash32, signature: bytes) -> bool:
        name = (peer, digest, signature)
        known = self._messages.get(name)
        return self._messages.keep(name, self._real.signed(peer, digest, signature)) if known is None else known

    def _changes(self, old: Record, new: Record) -> Changes:
        name = (id(old), id(new))
        known = self._changed.get(name)
        if known is None:
            known = self._changed.keep(name, (old, new, changes_between(old, new)))
        return known[2]

    def _summand(self, peer: PeerId, seq: Millis) -> int:
        name = (peer, seq)
        known = self._summands.get(name)
        return self._summands.keep(name, item_fingerprint(peer, seq)) if known is None else known


class SharedSurveys:
    """Surveys of the map with memory: what nodes with the same map ask is measured once."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, Survey] = OrderedDict()

    def survey(self, shape: Shape) -> Survey:
        """Return the survey of a shape."""
        name = shape.digest()
        known = self._known.get(name)
        if known is None:
            if len(self._known) >= SURVEYS_MAX:
                self._known.popitem(last=False)
            known = self._known[name] = survey(shape)
        return known


class Pool:
    """One copy of every record for all archives of a world."""

    def __init__(self) -> None:
        self._bytes: dict[bytes, bytes] = {}

    def raws(self) -> list[bytes]:
        """Return all records."""
        return list(self._bytes)

    def take(self, raws: Sequence[bytes]) -> None:
        """Take in the records of a world read from disk."""
        self._bytes = {raw: raw for raw in raws}

    def intern(self, raw: bytes) -> bytes:
        """Return the pool's copy."""
        if len(self._bytes) > REMEMBERED_MAX:
            self._bytes.clear()
        return self._bytes.setdefault(raw, raw)


class SharedArchive:
    """A `RecordArchive` of one node over the world's pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._records: dict[PeerId, bytes] = {}

    def put(self, origin: PeerId, record: bytes) -> None:
        """See `RecordArchive.put`."""
        self._records[origin] = self._pool.intern(record)

    def get(self, origin: PeerId) -> bytes | None:
        """See `RecordArchive.get`."""
        return self._records.get(origin)

    def delete(self, origin: PeerId) -> None:
        """See `RecordArchive.delete`."""
        self._records.pop(origin, None)

    def items(self) -> Iterator[tuple[PeerId, bytes]]:
        """See `RecordArchive.items`."""
        yield from sorted(self._records.items())
