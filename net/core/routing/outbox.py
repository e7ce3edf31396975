"""Own direct messages that their target has not acknowledged yet: what to send again, and whom silence accuses."""

from dataclasses import dataclass, field
from hmac import compare_digest

from chain.primitives.errors import Malformed
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.routing.seal import Seal
from net.core.routing.suspects import Suspects
from net.core.wire.direct import ACK_PREFIX_BYTES, Ack

OUTBOX_MAX = 256
"""Parcels waiting at once; the oldest answer is given up first, then the oldest question: anybody may ask, and a node
has at most a few dozen own questions open."""

TRIES_MAX = 3
"""Times a parcel is sent: with two routes each, six relays' failures."""

FIRST_WAIT = Millis(1_500)
"""Two round trips over a few hops, before any was measured."""

WAIT_LOW = Millis(500)
WAIT_HIGH = Millis(5_000)
"""Bounds of twice the measured round trip."""


@dataclass(slots=True)
class Parcel:
    """One plain text on its way. Mutable: changed by the courier and the outbox."""

    target: PeerId
    plain: bytes
    expiry: Millis
    back: tuple[PeerId, ...] = ()
    """A way known from the question this answers."""
    answers: bool = False
    """Whether another's question caused it."""
    receipts: bool = True
    """Whether relays and target acknowledge it; one without never waits in the outbox."""
    tries: int = 0
    sent_at: Millis = Millis(0)
    again_at: Millis = Millis(0)
    message_id: bytes = b""
    """Of the newest try."""
    routes: dict[PeerId, tuple[PeerId, ...]] = field(default_factory=dict)
    """Routes of the newest try by their first hop."""
    reached: dict[PeerId, int] = field(default_factory=dict)
    """By first hop, how many hops in a row acknowledged: the index of the first silent one."""
    used: set[PeerId] = field(default_factory=set)
    """Relays of all tries."""


class Outbox:
    """The parcels. Mutable: changed by its own methods alone."""

    def __init__(self, suspects: Suspects) -> None:
        self._suspects = suspects
        self._parcels: dict[bytes, Parcel] = {}
        self._round_trip: float = FIRST_WAIT / 2

    def put(self, parcel: Parcel, now: Millis) -> None:
        """Wait for the acknowledgements of a parcel just sent under its `message_id`."""
        parcel.tries += 1
        parcel.sent_at = now
        wait = min(max(2 * int(self._round_trip), WAIT_LOW), WAIT_HIGH)
        parcel.again_at = Millis(min(now + wait * parcel.tries, parcel.expiry))
        parcel.reached = dict.fromkeys(parcel.routes, 0)
        for route in parcel.routes.values():
            parcel.used.update(route[:-1])
        self._parcels[parcel.message_id[:ACK_PREFIX_BYTES]] = parcel
        if len(self._parcels) > OUTBOX_MAX:
            answers = (prefix for prefix, waiting in self._parcels.items() if waiting.answers)
            del self._parcels[next(answers, next(iter(self._parcels)))]

    def find(self, prefix: bytes) -> Parcel | None:
        """Return the parcel whose newest try has this message id, None if it is not ours or done."""
        return self._parcels.get(prefix)

    def acknowledge(self, parcel: Parcel, first_hop: PeerId, ack: Ack, seal: Seal, now: Millis) -> bool:
        """Take one acknowledgement that came from `first_hop`; tell whether it is the target's.

        One with a wrong MAC changes nothing: it can be any relay's fault.
        """
        route = parcel.routes.get(first_hop)
        if route is None:
            return False
        if _said_by(parcel.target, parcel, ack, seal):
            self._parcels.pop(parcel.message_id[:ACK_PREFIX_BYTES], None)
            self._round_trip += 0.25 * (now - parcel.sent_at - self._round_trip)
            return True
        if ack.index < len(route) and _said_by(route[ack.index], parcel, ack, seal):
            parcel.reached[first_hop] = max(parcel.reached[first_hop], ack.index + 1)
        return False

    def deadline(self) -> Millis | None:
        """Return when the first parcel is overdue."""
        return min((parcel.again_at for parcel in self._parcels.values()), default=None)

    def overdue(self, now: Millis) -> tuple[list[Parcel], list[Parcel]]:
        """Take out the parcels nobody confirmed in time, strike the suspects, return those to send again, and those
        that are given up."""
        late = [(prefix, parcel) for prefix, parcel in self._parcels.items() if parcel.again_at <= now]
        again: list[Parcel] = []
        given_up: list[Parcel] = []
        for prefix, parcel in late:
            del self._parcels[prefix]
            for first_hop, reached in parcel.reached.items():
                self._accuse(parcel.routes[first_hop], reached, parcel.target, now)
            (again if parcel.tries < TRIES_MAX and parcel.expiry > now else given_up).append(parcel)
        return again, given_up

    def _accuse(self, route: tuple[PeerId, ...], reached: int, target: PeerId, now: Millis) -> None:
        """Strike both ends of the first silent link; the target is no relay, and to us the first hop is measured."""
        for peer in route[max(reached - 1, 0) : reached + 1]:
            if peer != target:
                self._suspects.strike(peer, now)


def _said_by(relay: PeerId, parcel: Parcel, ack: Ack, seal: Seal) -> bool:
    try:
        return compare_digest(ack.mac, seal.relay_mac(relay, parcel.message_id, ack.index))
    except Malformed:  # an id from an unchecked record, which is no public key
        return False
