"""One link from its first thought to its end: the record that the overlay's parts share, and its table of stages."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.effects import CallId, LinkId, LinkKind, LinkTransport
from net.core.overlay.handshake import Handshake


class Signalled(Enum):
    """How a link's offer and answer travelled."""

    RENDEZVOUS = "rendezvous"
    RELAYED = "relayed"


class Stage(Enum):
    """How far a link is."""

    OFFERING = "the driver makes the offer"
    WAITING = "the offer is on its way"
    ANSWERING = "the driver makes the answer"
    CONNECTING = "offer and answer are exchanged"
    SHAKING = "the data channel is open"
    UP = "the handshake is through"


class Event(Enum):
    """What moves a link on."""

    OFFER_READY = "offer ready"
    ANSWER_CAME = "answer came"
    ANSWER_READY = "answer ready"
    OPENED = "opened"
    PROVED = "proved"


_TABLE = {
    (Stage.OFFERING, Event.OFFER_READY): Stage.WAITING,
    (Stage.WAITING, Event.ANSWER_CAME): Stage.CONNECTING,
    (Stage.ANSWERING, Event.ANSWER_READY): Stage.CONNECTING,
    (Stage.CONNECTING, Event.OPENED): Stage.SHAKING,
    (Stage.SHAKING, Event.PROVED): Stage.UP,
}


@dataclass(slots=True)
class Link:
    """One link. Mutable: only the overlay changes it; others read it while it is up."""

    number: LinkId
    kind: LinkKind
    outbound: bool
    """Whether this node chose it. A guest link is its joiner's."""
    peer: PeerId | None
    """The other end; None while it is to be found out (a rendezvous without a pinned id)."""
    signalled: Signalled
    stage: Stage
    started: Millis
    deadline: Millis
    """When a link that is not up yet has failed."""
    met: Millis | None = None
    """When offer and answer had both been given; None before. From then on the two ends look for a way."""
    attempt: bytes = b""
    """Name of the question that this link is about, in its offer and answer."""
    back: tuple[PeerId, ...] = ()
    """The way for the answer to a relayed offer."""
    host: PeerId | None = None
    """Who asked on behalf of the joiner: the full rendezvous host to which the answer goes."""
    call: CallId | None = None
    """The rendezvous call that the answer goes to (host) or that carries the offer (joiner)."""
    contact: PeerId | None = None
    """First contact through which the peer was met, for the clock; None: the peer itself."""
    transport: LinkTransport | None = None
    handshake: Handshake | None = None
    features: int = 0
    """Optional abilities of both ends; known once it is up."""
    since: Millis = Millis(0)
    """When it came up."""
    heard: Millis = Millis(0)
    """When the last frame came."""
    busy: Millis = Millis(0)
    """When the last frame came that was none of the overlay's own."""
    ping_at: Millis = Millis(0)
    """When the next ping is due; a ping of the other end puts it off."""
    asked_at: Millis = Millis(0)
    """When the last question to the other end left: how far its pings may put off the next one is counted from here."""
    ping_number: int = 0
    ping_sent: Millis | None = None
    """When the ping left that has no pong yet; None if there is none."""
    rtt: Millis | None = None
    """Smallest round trip measured lately."""
    asked: bool = False
    """A LISTING ASK of ours waits for its answer."""
    asked_until: Millis = Millis(0)
    """Until when."""
    useful: int = 0
    """Messages that came over it first: protects it from eviction."""
    moved_slot: int | None = None
    """The own slot it is for."""
    request: bytes = b""
    """Bytes of the rendezvous request: the reply is signed over them."""
    url: str = ""
    """Rendezvous that carries the offer (joiner)."""
    pinned: PeerId | None = None
    """Who must sign the rendezvous' reply."""

    def move(self, event: Event) -> bool:
        """Go to the next stage; False when the event has no place in this one: it came too late or twice."""
        stage = _TABLE.get((self.stage, event))
        if stage is None:
            return False
        self.stage = stage
        return True

    def missed_ping(self, now: Millis) -> bool:
        """Tell whether a ping has gone unanswered longer than the link's round trip explains."""
        return self.ping_sent is not None and now - self.ping_sent > max(2_000, 4 * (self.rtt or 0))


class LinkTable:
    """All links by number, and the one that is up by peer. Mutable: only the overlay changes it.

    Its lists are asked for many times a second and change seldom: they are made when a link comes, rises, is to be
    listed or ends.
    """

    def __init__(self) -> None:
        self._links: dict[LinkId, Link] = {}
        self._up: dict[PeerId, Link] = {}
        self._next = 1
        self._make_lists()

    def _make_lists(self) -> None:
        every, up = self._links.values(), self._up.values()
        self._setups = tuple(link for link in every if link.stage is not Stage.UP)
        self._dials = sum(link.outbound for link in self._setups)
        self._of_kind = {kind: tuple(link for link in every if link.kind is kind) for kind in LinkKind}
        asked = [link for link in self._of_kind[LinkKind.GUEST] if link.asked]
        self._bound = (*self._of_kind[LinkKind.LISTED], *asked)
        self._own = tuple(link for link in self._bound if link.outbound or link.asked)
        self._all_up = tuple(up)
        self._guests = tuple(link for link in up if link.kind is LinkKind.GUEST)
        self._listed = tuple(link for link in up if link.kind is LinkKind.LISTED)
        self._own_listed = tuple(link for link in self._listed if link.outbound)

    def number(self) -> LinkId:
        """Return a fresh link number."""
        number = LinkId(self._next)
        self._next += 1
        return number

    def add(self, link: Link) -> None:
        """Take a new link in."""
        self._links[link.number] = link
        self._make_lists()

    def get(self, number: LinkId) -> Link | None:
        """Return a link, None if it has ended."""
        return self._links.get(number)

    def rise(self, link: Link) -> None:
        """Note that the link, whose handshake is through, is its peer's link from now on."""
        assert link.peer is not None, "the handshake names the peer"
        assert link.stage is Stage.UP, "it ends the handshake"
        self._up[link.peer] = link
        self._make_lists()

    def set_asked(self, link: Link, *, asked: bool) -> None:
        """Note whether the other end of a guest link has been asked to list it as this node's own."""
        link.asked = asked
        self._make_lists()

    def turn_listed(self, link: Link, *, outbound: bool) -> None:
        """Note that a guest link stands in the own record from now on."""
        link.kind, link.outbound = LinkKind.LISTED, outbound
        self._make_lists()

    def remove(self, link: Link) -> None:
        """Forget a link that has ended."""
        self._links.pop(link.number, None)
        if link.peer is not None and self._up.get(link.peer) is link:
            del self._up[link.peer]
        self._make_lists()

    def up(self, peer: PeerId) -> Link | None:
        """Return the link to a peer that is up."""
        return self._up.get(peer)

    def all_up(self) -> Sequence[Link]:
        """Return the links that are up, in the order in which they came up."""
        return self._all_up

    def guests(self) -> Sequence[Link]:
        """Return the guest links that are up."""
        return self._guests

    def listed(self) -> Sequence[Link]:
        """Return the links that stand in the own record."""
        return self._listed

    def own_listed(self) -> Sequence[Link]:
        """Return those of them that this node chose."""
        return self._own_listed

    def of_kind(self, kind: LinkKind) -> Sequence[Link]:
        """Return the links of a kind, those being set up included."""
        return self._of_kind[kind]

    def bound(self) -> Sequence[Link]:
        """Return the links that stand in the own record or will."""
        return self._bound

    def own(self) -> Sequence[Link]:
        """Return those of them that this node chose or asked to list."""
        return self._own

    def setups(self) -> Sequence[Link]:
        """Return the links that are not up yet."""
        return self._setups

    def dials(self) -> int:
        """Return how many of them this node began."""
        return self._dials

    def setup_with(self, peer: PeerId) -> Link | None:
        """Return a link to the peer that is being set up, signalled by itself: anybody may call a rendezvous, or answer
        at one, under another's name."""
        relayed = (link for link in self._setups if link.signalled is Signalled.RELAYED)
        return next((link for link in relayed if link.peer == peer), None)

    def by_attempt(self, attempt: bytes) -> Link | None:
        """Return the link being set up under a question's name."""
        return next((link for link in self._setups if link.attempt == attempt), None)

    def by_call(self, call: CallId) -> Link | None:
        """Return the link being set up by a rendezvous call."""
        return next((link for link in self._setups if link.call == call), None)
