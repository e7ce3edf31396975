"""What went by lately, in two generations of a set: half the memory of entries with a time each."""

from collections.abc import Iterable
from typing import Generic, TypeVar

from chain.primitives.hashing import blake2b_128
from net.core.wire.gossip import RecordName

SAMPLE = 16
"""The signature of one in this many records of no use is checked all the same, by the keyed digest: who sends
inventions by the thousand, old ones, early ones or copies, is found with its first frame or two."""

T = TypeVar("T", bound=bytes)

GENERATION_MAX = 32_768
"""Most entries of one generation; the oldest generation goes when the youngest is full (DEDUPE, DESIGN section 3.0)."""


class Recent(Generic[T]):
    """Entries of the last one to two periods between calls of `age`. The gossip machine alone changes it."""

    def __init__(self) -> None:
        self._young: set[T] = set()
        self._old: set[T] = set()

    def enter(self, entry: T) -> None:
        """Remember an entry."""
        self._young.add(entry)
        if len(self._young) >= GENERATION_MAX:
            self.age()

    def age(self) -> None:
        """Forget the older generation and begin a new one."""
        self._old, self._young = self._young, set()

    def __contains__(self, entry: object) -> bool:
        """Tell whether an entry is remembered."""
        return entry in self._young or entry in self._old

    def __len__(self) -> int:
        """Return how many entries are remembered."""
        return len(self._young) + len(self._old)


class Names(Recent[RecordName]):
    """Names of records lately taken: most names that neighbours tell are found here, without a look at the map."""

    def unknown(self, names: Iterable[RecordName]) -> list[RecordName]:
        """Return, in their order, the names that are not remembered."""
        young, old = self._young, self._old
        return [name for name in names if name not in young and name not in old]


class Seen(Recent[bytes]):
    """The filter against repetition: keyed digests of records whose signature was checked (DESIGN section 3.2).

    The key keeps others from choosing records that share a digest with one they want kept from us. Only records whose
    signature was checked are entered: else a forger fills the filter.
    """

    def __init__(self, key: bytes) -> None:
        """`key` is 16 bytes of entropy."""
        super().__init__()
        self._key = key

    def digest(self, raw: bytes) -> bytes:
        """Return the keyed digest of a record's bytes."""
        return blake2b_128(raw, key=self._key)

    def sampled(self, digest: bytes) -> bool:
        """Tell whether this record is one of those in SAMPLE that are looked at though they are of no use."""
        return digest[0] % SAMPLE == 0
