"""The filter against repetition: keyed digests of records whose signature was checked (DESIGN section 3.2)."""

from collections import OrderedDict

from chain.primitives.hashing import blake2b_128
from chain.primitives.units import Millis

DEDUPE_MAX = 65_536
"""Most digests kept (DESIGN section 3.0); the oldest makes room."""

DEDUPE_AGE = Millis(120_000)
"""How long a digest is kept: longer than any record is on its way."""


class Seen:
    """Digests with the time they were entered. The gossip machine alone changes it.

    The key keeps others from choosing records that share a digest with one they want kept from us.
    """

    def __init__(self, key: bytes) -> None:
        """`key` is 16 bytes of entropy."""
        self._key = key
        self._entered: OrderedDict[bytes, Millis] = OrderedDict()

    def digest(self, raw: bytes) -> bytes:
        """Return the keyed digest of a record's bytes."""
        return blake2b_128(raw, key=self._key)

    def __contains__(self, digest: object) -> bool:
        """Tell whether the digest was entered lately."""
        return digest in self._entered

    def __len__(self) -> int:
        """Return how many digests are kept."""
        return len(self._entered)

    def enter(self, digest: bytes, now: Millis) -> None:
        """Keep a digest. Only for records whose signature was checked: else a forger fills the filter."""
        self._entered[digest] = now
        if len(self._entered) > DEDUPE_MAX:
            self._entered.popitem(last=False)

    def sweep(self, now: Millis) -> None:
        """Forget digests older than DEDUPE_AGE."""
        while self._entered:
            digest, entered = next(iter(self._entered.items()))
            if entered > now - DEDUPE_AGE:
                return
            del self._entered[digest]
