"""First contact from the host's side: how many requests an address may make (DESIGN section 3.4)."""

from collections import OrderedDict

from chain.primitives.units import Millis
from net.core.guard.limits import Bucket
from net.core.overlay.domains import prefix_of

PREFIXES_MAX = 4096
"""Address prefixes whose rate is remembered; the one seen longest ago goes first."""


class Doorstep:
    """Rates by /24 or /48. Mutable: changed by `admit` alone."""

    def __init__(self, rate: int) -> None:
        """`rate` requests a second, as many at once (rendezvous_rate)."""
        self._rate = rate
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def admit(self, address: str, now: Millis) -> bool:
        """Count a request and tell whether it is taken."""
        prefix = prefix_of(address)
        bucket = self._buckets.get(prefix)
        if bucket is None:
            bucket = self._buckets[prefix] = Bucket(self._rate, self._rate, now)
            if len(self._buckets) > PREFIXES_MAX:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(prefix)
        return bucket.take(1, now)
