"""The machine that sends, relays, receives and acknowledges direct messages. All times are mesh time."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import TypeAlias

from chain.primitives.errors import Malformed
from chain.primitives.hashing import blake2b_128
from chain.primitives.keys import schnorr_sign, schnorr_valid
from chain.primitives.peer import PeerId
from chain.primitives.units import Hash32, Millis
from net.core.effects import Priority
from net.core.identity.identity import Identity
from net.core.map.view import MapView
from net.core.routing.outbox import Outbox, Parcel
from net.core.routing.routes import find_routes
from net.core.routing.seal import Seal
from net.core.routing.suspects import Suspects
from net.core.wire.direct import (
    ACK_PREFIX_BYTES,
    ENABLE_REROUTE,
    MESSAGE_ID_BYTES,
    NO_RECEIPTS,
    ROUTE_HOPS,
    Ack,
    Direct,
    Reroute,
    decode_ack,
    decode_direct,
    direct_digest,
    encode_ack,
    encode_direct,
    reroute_digest,
)
from net.core.wire.frame import FrameKind, ToPeer

SEEN_MAX = 8192
"""Messages remembered against repetition, by id and sender, and for the way back of acknowledgements; the oldest goes
first."""

DELIVERED_MAX = 4096
"""Plain texts remembered so that a repeated question is heard once; the oldest goes first."""

EXPIRY_SLACK = Millis(60_000)
"""How much further ahead than its life a message's expiry may lie: clocks of honest peers differ (section 3.2)."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """A direct message for this node."""

    sender: PeerId
    plain: bytes
    """Decrypted, still padded; see `wire.signal`."""
    back: tuple[PeerId, ...]
    """The path it came, reversed, ending at the sender: the way for an answer."""
    receipts: bool = True
    """Whether it was sent with receipts; an answer is worth as much as its question."""


@dataclass(frozen=True, slots=True)
class Unheard:
    """An own message was given up: sent as often as may be, and the target never acknowledged it."""

    target: PeerId
    plain: bytes
    """As it was to be sent."""


Outcome: TypeAlias = ToPeer | Delivered | Unheard

Signed: TypeAlias = Callable[[PeerId, Hash32, bytes], bool]
"""Whether a peer signed a digest (BIP340): `schnorr_valid`, or what remembers its answers."""


@dataclass(frozen=True, slots=True)
class CourierStatistics:
    """Counters since the start."""

    sent: int
    relayed: int
    delivered: int
    """Messages received for this node."""
    confirmed: int
    """Own messages whose target acknowledged them."""
    retried: int
    rerouted: int
    dropped: int
    """Not relayed: expired, repeated, or without a way."""


@dataclass(slots=True)
class _Passed:
    """A message that went through here: where acknowledgements come from and go to."""

    previous: PeerId
    following: PeerId
    acks: int = 0


class Courier:
    """Direct messages of one node. Mutable: changed by its own methods alone."""

    def __init__(
        self,
        identity: Identity,
        view: MapView,
        *,
        rng: Random,
        entropy: Callable[[int], bytes],
        life: Millis,
        signed: Signed = schnorr_valid,
    ) -> None:
        """`life` is the validity of own messages (offer_life); `signed` checks signatures, 57 µs each."""
        self._identity = identity
        self._view = view
        self._rng = rng
        self._entropy = entropy
        self._life = life
        self._valid = signed
        self._seal = Seal(identity)
        self._suspects = Suspects()
        self._outbox = Outbox(self._suspects)
        self._linked: dict[PeerId, None] = {}
        self._seen: OrderedDict[bytes, None] = OrderedDict()
        self._passed: OrderedDict[bytes, _Passed] = OrderedDict()
        self._heard: OrderedDict[bytes, None] = OrderedDict()
        self._counts = dict.fromkeys(("sent", "relayed", "delivered", "confirmed", "retried", "rerouted", "dropped"), 0)

    def statistics(self) -> CourierStatistics:
        """Return the counters."""
        return CourierStatistics(**self._counts)

    def linked(self, peer: PeerId) -> None:
        """Take a neighbour whose link is up as a possible next hop."""
        self._linked[peer] = None

    def unlinked(self, peer: PeerId) -> None:
        """Forget a neighbour whose link is gone."""
        self._linked.pop(peer, None)

    def reachable(self, target: PeerId, now: Millis) -> bool:
        """Tell whether a route to the target is known at this moment."""
        return bool(self._routes(target, now, used=set(), count=1))

    def send(
        self, target: PeerId, plain: bytes, now: Millis, *, back: tuple[PeerId, ...] = (), receipts: bool = True
    ) -> list[Outcome]:
        """Send a padded plain text on up to two disjoint routes; `back` (of a `Delivered`) is one of them if given.

        Without `receipts` it takes one route, `back` if given; nobody acknowledges it, it is not sent again, and its
        silence accuses nobody. Returns nothing when no way is known: the caller's own time-out answers that.
        """
        parcel = Parcel(
            target=target,
            plain=plain,
            expiry=Millis(now + self._life),
            back=back if back and back[0] in self._linked and back[-1] == target else (),
            answers=bool(back),
            receipts=receipts,
        )
        return self._dispatch(parcel, now)

    def deadline(self) -> Millis | None:
        """Return when `tick` has work next."""
        return self._outbox.deadline()

    def tick(self, now: Millis) -> list[Outcome]:
        """Send again what nobody acknowledged in time, or give it up."""
        again, given_up = self._outbox.overdue(now)
        out: list[Outcome] = [Unheard(parcel.target, parcel.plain) for parcel in given_up]
        for parcel in again:
            self._counts["retried"] += 1
            out += self._dispatch(parcel, now) or [Unheard(parcel.target, parcel.plain)]
        return out

    def receive(self, neighbour: PeerId, raw: bytes, now: Millis) -> list[Outcome]:
        """Take a DIRECT frame: deliver it, pass it on, or drop it. Raises `Malformed` where `neighbour` is at fault."""
        message = decode_direct(raw)
        path = message.path()
        previous = path[message.hop - 1] if message.hop else message.sender
        if path[message.hop] != self._identity.peer or previous != neighbour:
            raise Malformed("a direct message out of its path")
        if not now < message.expiry <= now + self._life + EXPIRY_SLACK:
            return self._drop()
        name = message.message_id + message.sender
        receipts = not message.flags & NO_RECEIPTS
        if name in self._seen:
            self._drop()
            mine = receipts and message.target == self._identity.peer and self._signed(message)
            return [self._ack(message, neighbour)] if mine else []
        if not self._signed(message):
            raise Malformed("a direct message whose signature does not hold")
        self._seen[name] = None
        if len(self._seen) > SEEN_MAX:
            self._seen.popitem(last=False)
        out: list[Outcome] = [self._ack(message, neighbour)] if receipts else []
        if message.target == self._identity.peer:
            return out + self._deliver(message, path)
        return out + self._forward(message, path, neighbour, now)

    def receive_ack(self, neighbour: PeerId, raw: bytes, now: Millis) -> list[Outcome]:
        """Take a DIRECT_ACK frame: ours, or one to pass back. Raises `Malformed` where `neighbour` is at fault."""
        ack = decode_ack(raw)
        parcel = self._outbox.find(ack.prefix)
        if parcel is not None:
            if self._outbox.acknowledge(parcel, neighbour, ack, self._seal, now):
                self._counts["confirmed"] += 1
            return []
        passed = self._passed.get(ack.prefix)
        if passed is None or passed.following != neighbour or passed.acks >= ROUTE_HOPS:
            return []
        passed.acks += 1
        return self._to(passed.previous, FrameKind.DIRECT_ACK, raw)

    def _dispatch(self, parcel: Parcel, now: Millis) -> list[Outcome]:
        routes = self._ways(parcel, now)
        if not routes:
            return []
        parcel.message_id = self._entropy(MESSAGE_ID_BYTES)
        parcel.routes = {route[0]: route for route in routes}
        try:
            body = self._seal.encrypt(parcel.target, parcel.message_id, parcel.expiry, parcel.plain)
        except Malformed:  # an id from an unchecked record, which is no public key
            return []
        self._counts["sent"] += 1
        if parcel.receipts:
            self._outbox.put(parcel, now)
        out: list[Outcome] = []
        for route in routes:
            bare = Direct(
                message_id=parcel.message_id,
                sender=self._identity.peer,
                target=parcel.target,
                expiry=parcel.expiry,
                flags=ENABLE_REROUTE if parcel.receipts else ENABLE_REROUTE | NO_RECEIPTS,
                route=route,
                body=body,
                signature=b"",
                hop=0,
                reroute=None,
            )
            signature = schnorr_sign(self._identity.key, direct_digest(bare), self._entropy(32))
            out += self._to(route[0], FrameKind.DIRECT, encode_direct(replace(bare, signature=signature)))
        return out

    def _ways(self, parcel: Parcel, now: Millis) -> list[tuple[PeerId, ...]]:
        count = 2 if parcel.receipts else 1
        if not parcel.back or parcel.tries or parcel.back[0] not in self._linked:
            return self._routes(parcel.target, now, used=parcel.used, count=count)
        if count == 1:
            return [parcel.back]
        inner = set(parcel.back)
        routes = self._routes(parcel.target, now, used=parcel.used, count=count)
        return [parcel.back, *[route for route in routes if inner.isdisjoint(route[:-1])][:1]]

    def _routes(self, target: PeerId, now: Millis, *, used: set[PeerId], count: int) -> list[tuple[PeerId, ...]]:
        """Find routes free of suspects and of relays used before; where there is none, take what there is."""
        me = self._identity.peer
        worst = self._suspects.worst(now)
        for avoid in dict.fromkeys((frozenset(worst | used), frozenset(used), frozenset[PeerId]())):
            routes = find_routes(
                self._view, list(self._linked), target, avoid={me, *avoid} - {target}, rng=self._rng, count=count
            )
            if routes:
                return routes
        return []

    def _deliver(self, message: Direct, path: tuple[PeerId, ...]) -> list[Outcome]:
        try:
            plain = self._seal.decrypt(message.sender, message.message_id, message.expiry, message.body)
        except Malformed:  # the sender's fault, who is not the neighbour that brought it
            return self._drop()
        digest = blake2b_128(message.sender + plain)
        if digest in self._heard:
            return []
        self._heard[digest] = None
        if len(self._heard) > DELIVERED_MAX:
            self._heard.popitem(last=False)
        self._counts["delivered"] += 1
        back = (*reversed(path[:-1]), message.sender)
        return [Delivered(message.sender, plain, back, receipts=not message.flags & NO_RECEIPTS)]

    def _forward(self, message: Direct, path: tuple[PeerId, ...], neighbour: PeerId, now: Millis) -> list[Outcome]:
        following = path[message.hop + 1]
        reroute: Reroute | None = None
        if following not in self._linked:
            reroute = self._other_way(message, path, now)
            if reroute is None:
                return self._drop()
            following = reroute.tail[0]
            self._counts["rerouted"] += 1
        if not message.flags & NO_RECEIPTS:
            self._passed[message.message_id[:ACK_PREFIX_BYTES]] = _Passed(neighbour, following)
            if len(self._passed) > SEEN_MAX:
                self._passed.popitem(last=False)
        self._counts["relayed"] += 1
        return self._to(following, FrameKind.DIRECT, encode_direct(message.onward(reroute)))

    def _other_way(self, message: Direct, path: tuple[PeerId, ...], now: Millis) -> Reroute | None:
        if message.reroute is not None or not message.flags & ENABLE_REROUTE or message.hop > len(path) - 2:
            return None
        routes = find_routes(
            self._view,
            list(self._linked),
            message.target,
            avoid={message.sender, *path[: message.hop + 1], path[message.hop + 1]} - {message.target},
            rng=self._rng,
            count=1,
            max_hops=ROUTE_HOPS - message.hop - 1,
        )
        if not routes:
            return None
        digest = reroute_digest(message.message_id, message.hop, routes[0])
        signature = schnorr_sign(self._identity.key, digest, self._entropy(32))
        return Reroute(message.hop, routes[0], signature)

    def _ack(self, message: Direct, neighbour: PeerId) -> ToPeer:
        try:
            mac = self._seal.own_mac(message.sender, message.message_id, message.hop)
        except Malformed:
            raise AssertionError("a valid signature proves the sender's id a public key") from None
        ack = Ack(message.message_id[:ACK_PREFIX_BYTES], message.hop, mac)
        return ToPeer(neighbour, FrameKind.DIRECT_ACK, encode_ack(ack), Priority.CONTROL)

    def _to(self, peer: PeerId, kind: FrameKind, body: bytes) -> list[Outcome]:
        return [ToPeer(peer, kind, body, Priority.CONTROL)] if peer in self._linked else []

    def _drop(self) -> list[Outcome]:
        self._counts["dropped"] += 1
        return []

    def _signed(self, message: Direct) -> bool:
        """Check the sender's signature and that of the relay which re-routed."""
        if not self._valid(message.sender, direct_digest(message), message.signature):
            return False
        reroute = message.reroute
        if reroute is None:
            return True
        digest = reroute_digest(message.message_id, reroute.index, reroute.tail)
        return self._valid(message.route[reroute.index], digest, reroute.signature)
