"""Who can open a link to this node: found out by asking two neighbours (DESIGN section 3.4). Table of findings below.

The driver opens two fresh UDP ports. From the one it asks the STUN servers of two neighbours, met through different
contacts, how it is seen; the other stays quiet, and the same neighbours are asked to send it a datagram. Both datagrams
arrive: *public*. They do not, and both servers saw the same address and port: *punchable*. Two different ones: *hard*.
The first findings come a minute apart until two agree: a helper that many ask at once lets a try be. From then on one
that differs counts when the next measurement gives it again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from random import Random

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.config import Reachability
from net.core.effects import Paths, ProbeId, ProbePaths
from net.core.wire.control import TRY_NONCE_BYTES

HELPERS = 2
"""Neighbours asked at once: one alone could lie, or sit in the same network."""

WAIT = Millis(15_000)
"""From the beginning of a measurement to its finding."""

AGAIN = Millis(4 * 3_600_000)
"""Between measurements while findings agree, ± 10 %."""

DOUBT_AFTER = Millis(60_000)
"""Until the next measurement while no two in a row agree, or when one differs from what the record says."""

RETRY_AFTER = Millis(300_000)
"""And when it showed nothing: a helper left, a server was silent."""


SEEK_EVERY = Millis(10_000)
"""Between two looks for helpers while there are no two."""


@dataclass(frozen=True, slots=True)
class Helper:
    """A neighbour that can be asked."""

    peer: PeerId
    contact: PeerId
    """First contact through which it was met, or itself."""
    server: tuple[str, int]
    """Its STUN server: the address that its link is seen to come from, and the port of its rendezvous."""


@dataclass(slots=True)
class _Measurement:
    number: ProbeId
    ends: Millis
    helpers: tuple[Helper, ...]
    nonces: dict[bytes, PeerId]
    seen: tuple[tuple[str, int] | None, ...] = ()


class Reach:
    """What the own record says of this node's reachability. Mutable: changed by its own methods alone."""

    def __init__(self, configured: Reachability | None, rng: Random, entropy: Callable[[int], bytes]) -> None:
        """A configured reachability stands, and nothing is measured. None begins as punchable: most home networks are,
        and what is wrong about it costs some dials that fail."""
        self._measures = configured is None
        self._rng = rng
        self._entropy = entropy
        self._sure = False
        """Whether two findings in a row agreed: only then is one that differs doubted."""
        self._seen_before = False
        self._doubt: Reachability | None = None
        self._next_at = Millis(0)
        self._next_number = 1
        self._under_way: _Measurement | None = None
        self.current = Reachability.PUNCHABLE if configured is None else configured
        self.measured = 0
        """Measurements that gave a finding."""

    def due(self, now: Millis) -> bool:
        """Tell whether a measurement should begin."""
        return self._measures and self._under_way is None and now >= self._next_at

    def again(self) -> None:
        """Measure soon: this node was without links, and may be elsewhere in the network by now."""
        self._next_at = Millis(0)

    def begin(self, helpers: Sequence[Helper], now: Millis) -> ProbePaths | None:
        """Begin a measurement with two of these neighbours, of different contacts; None when there are no two."""
        chosen: list[Helper] = []
        for helper in self._rng.sample(helpers, len(helpers)):
            if all(helper.contact != one.contact and helper.server[0] != one.server[0] for one in chosen):
                chosen.append(helper)
            if len(chosen) == HELPERS:
                break
        else:
            self._next_at = Millis(now + SEEK_EVERY)
            return None
        number, self._next_number = ProbeId(self._next_number), self._next_number + 1
        nonces = {self._entropy(TRY_NONCE_BYTES): one.peer for one in chosen}
        self._under_way = _Measurement(number, Millis(now + WAIT), tuple(chosen), nonces)
        return ProbePaths(number, tuple(one.server for one in chosen))

    def probed(self, number: ProbeId, paths: Paths) -> list[tuple[PeerId, bytes, int]]:
        """Take what the driver found; return whom to ask to try which port, under which nonce."""
        state = self._under_way
        if state is None or state.number != number or state.seen:
            return []
        state.seen = paths.seen
        if paths.quiet_port is None:
            return []
        return [(peer, nonce, paths.quiet_port) for nonce, peer in state.nonces.items()]

    def heard(self, number: ProbeId, nonce: bytes) -> None:
        """Take a datagram that came to the quiet port."""
        state = self._under_way
        if state is not None and state.number == number:
            state.nonces.pop(nonce, None)

    def advance(self, now: Millis) -> bool:
        """Draw the finding when it is time; tell whether the record is out of date with it."""
        state = self._under_way
        if state is None or now < state.ends:
            return False
        self._under_way = None
        found = _finding(state)
        if found is None:
            self._next_at = Millis(now + RETRY_AFTER)
            return False
        self.measured += 1
        if found is self.current or (self._sure and found is not self._doubt):
            agreed = found is self.current
            settled = agreed and (self._seen_before or self._sure)
            self._sure, self._doubt = self._sure or settled, None if agreed else found
            self._seen_before = True
            wait = AGAIN * 9 // 10 + self._rng.randrange(AGAIN // 5) if settled else DOUBT_AFTER
            self._next_at = Millis(now + wait)
            return False
        self._sure, self._seen_before = self._sure and found is self._doubt, True
        self.current, self._doubt = found, None
        self._next_at = Millis(now + DOUBT_AFTER)
        return True


def outside(address: str) -> bool:
    """Tell whether an address is none of a local network's."""
    try:
        return ip_address(address).is_global
    except ValueError:
        return False


def _finding(state: _Measurement) -> Reachability | None:
    if not state.nonces:
        return Reachability.PUBLIC
    seen = state.seen
    if len(seen) < HELPERS or None in seen:
        return None
    return Reachability.PUNCHABLE if len(set(seen)) == 1 else Reachability.HARD
