"""What simulated nodes share so that a large world fits one machine: equal bytes once, equal questions too."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence

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


class SharedChecks:
    """Real checks with memory: a record that a thousand nodes receive is decoded and verified once."""

    def __init__(self, difficulty: int) -> None:
        self._real = real_checks(difficulty)
        self._records: dict[bytes, Record | Malformed] = {}
        self._signed: dict[int, tuple[Record, bool]] = {}
        """By the record object's identity, which the record beside it keeps from being given away: equal bytes are one
        object here, and hashing a record's fields costs as much as half of its way into a map."""
        self._proved: dict[tuple[PeerId, int, int], bool] = {}
        self._messages: dict[tuple[PeerId, Hash32, bytes], bool] = {}
        self._changed: dict[tuple[int, int], tuple[Record, Record, Changes]] = {}
        """By the identities of the two records, which are kept beside the answer."""
        self._summands: dict[tuple[PeerId, Millis], int] = {}
        self._deltas: dict[bytes, Delta] = {}
        self._followed: dict[int, tuple[Delta, bytes, bytes]] = {}
        """By the delta object's identity: what it follows, and what it makes of that."""
        self._between: dict[tuple[int, int], tuple[bytes, bytes, bytes | None]] = {}
        """By the identities of the two records' bytes, which are kept beside the delta."""

    def reset(self, difficulty: int) -> None:
        """Begin anew under this difficulty."""
        self._real = real_checks(difficulty)
        self.forget()

    def forget(self) -> None:
        """Forget all answers; the same questions get the same ones."""
        self._records.clear()
        self._signed.clear()
        self._proved.clear()
        self._messages.clear()
        self._changed.clear()
        self._summands.clear()
        self._deltas.clear()
        self._followed.clear()
        self._between.clear()

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
            if len(self._records) >= REMEMBERED_MAX:
                self._records.clear()
            self._records[raw] = known
        if isinstance(known, Malformed):
            raise known
        return known

    def _signature(self, record: Record) -> bool:
        known = self._signed.get(id(record))
        if known is None:
            if len(self._signed) >= REMEMBERED_MAX:
                self._signed.clear()
            known = self._signed[id(record)] = (record, self._real.signature(record))
        return known[1]

    def _proof(self, peer: PeerId, nonce: int, epoch: int) -> bool:
        name = (peer, nonce, epoch)
        known = self._proved.get(name)
        if known is None:
            known = self._proved[name] = self._real.proof(peer, nonce, epoch)
        return known

    def _delta(self, raw: bytes) -> Delta:
        known = self._deltas.get(raw)
        if known is None:
            if len(self._deltas) >= REMEMBERED_MAX:
                self._deltas.clear()
            known = self._deltas[raw] = self._real.delta(raw)
        return known

    def _follow(self, base: bytes, delta: Delta) -> bytes | None:
        known = self._followed.get(id(delta))
        if known is not None and known[1] == base:
            return known[2]
        raw = self._real.follow(base, delta)
        if raw is not None:
            if len(self._followed) >= REMEMBERED_MAX:
                self._followed.clear()
            self._followed[id(delta)] = (delta, base, raw)
        return raw

    def _find_between(self, old: bytes, new: bytes) -> bytes | None:
        name = (id(old), id(new))
        known = self._between.get(name)
        if known is None:
            if len(self._between) >= REMEMBERED_MAX:
                self._between.clear()
            known = self._between[name] = (old, new, self._real.between(old, new))
        return known[2]

    def _was_signed(self, peer: PeerId, digest: Hash32, signature: bytes) -> bool:
        name = (peer, digest, signature)
        known = self._messages.get(name)
        if known is None:
            if len(self._messages) >= MESSAGES_MAX:
                self._messages.clear()
            known = self._messages[name] = self._real.signed(peer, digest, signature)
        return known

    def _changes(self, old: Record, new: Record) -> Changes:
        name = (id(old), id(new))
        known = self._changed.get(name)
        if known is None:
            if len(self._changed) >= REMEMBERED_MAX:
                self._changed.clear()
            known = self._changed[name] = (old, new, changes_between(old, new))
        return known[2]

    def _summand(self, peer: PeerId, seq: Millis) -> int:
        name = (peer, seq)
        known = self._summands.get(name)
        if known is None:
            if len(self._summands) >= REMEMBERED_MAX:
                self._summands.clear()
            known = self._summands[name] = item_fingerprint(peer, seq)
        return known


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
