"""The overlay: all links of one node, from first contact to farewell. Holds the parts of this folder together."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random

from chain.primitives.errors import Malformed, Penalty
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.config import MeshConfig, Reachability
from net.core.effects import (
    CallId,
    Close,
    LinkId,
    LinkKind,
    LinkTransport,
    Paths,
    Priority,
    ProbeId,
    ReplyRendezvous,
    Send,
)
from net.core.identity.identity import Identity
from net.core.map.view import MapView
from net.core.overlay.admission import Admission
from net.core.overlay.anchors import Anchors
from net.core.overlay.annoyance import Annoyance, Deeds
from net.core.overlay.confirm import ConfirmWatch
from net.core.overlay.domains import Domains
from net.core.overlay.doorstep import Doorstep
from net.core.overlay.eclipse import EclipseWatch
from net.core.overlay.handshake import Proved
from net.core.overlay.healing import Healing
from net.core.overlay.hosting import Hosting
from net.core.overlay.keepalive import Keepalive
from net.core.overlay.link import Event, Link, LinkTable, Stage
from net.core.overlay.reach import Helper, Reach, outside
from net.core.overlay.setup import Setup
from net.core.overlay.slots import Slots
from net.core.overlay.trace import Trace, Why
from net.core.overlay.tries import Tries
from net.core.overlay.walk import Walk
from net.core.overlay.words import Failed, Fell, Greeted, Listed, Rose, Speak, Word
from net.core.wire.control import (
    URLS_MAX,
    Listing,
    Try,
    decode_bye,
    decode_listing,
    decode_try,
    decode_urls,
    encode_bye,
    encode_listing,
    encode_try,
    encode_urls,
)
from net.core.wire.fault import Fault
from net.core.wire.frame import FrameKind, ToPeer, encode_frame
from net.core.wire.record import Flags
from net.core.wire.rendezvous import decode_request
from net.core.wire.signal import ATTEMPT_BYTES, Answer, Offer, Refusal, Refused

KINDS = frozenset({FrameKind.BYE, FrameKind.PING, FrameKind.PONG, FrameKind.URLS, FrameKind.LISTING, FrameKind.TRY})
"""Frames of links that are up which the overlay takes."""

_ROOMLESS = (Refusal.FULL, Refusal.BUSY)
"""A host that refuses a caller for these passes it on to a neighbour."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the overlay asks of the others; all are cheap and change nothing."""

    view: MapView
    mesh_time: Callable[[Millis], Millis]
    fingerprint: Callable[[Millis], bytes]
    """Of the map, for pings, at a moment of mesh time."""
    banned: Callable[[PeerId, Millis], bool]
    bans: Callable[[Millis], Iterable[PeerId]]
    """All that `banned` is true of."""
    has_route: Callable[[PeerId, Millis], bool]
    """Whether a direct message to the peer has a way."""
    unconfirmed: Callable[[], list[tuple[PeerId, Millis]]]
    """Own listed links that the other end has not confirmed, and since when by mesh time."""
    clock_agreed: Callable[[], bool]
    deeds: Callable[[PeerId], Deeds]
    """What a neighbour has done since its link came up."""


class Overlay:
    """See the module. Mutable: changed by its own methods and those of `upkeep.Upkeep` alone."""

    def __init__(
        self,
        identity: Identity,
        config: MeshConfig,
        around: Surroundings,
        *,
        rng: Random,
        entropy: Callable[[int], bytes],
        anchors: bytes,
    ) -> None:
        """`anchors` is the blob of that name, or empty. Raises `Malformed` when it is damaged."""
        self.me = identity.peer
        self.config = config
        self.around = around
        self.rng = rng
        self._entropy = entropy
        self.links = LinkTable()
        self.slots = Slots(config, entropy)
        self.anchors = Anchors(config.anchors, anchors)
        self.walk = Walk(config.bootstraps, config.rendezvous_url, self.anchors, rng)
        self.watch = ConfirmWatch(timeout=config.confirm_timeout, quarantine=config.quarantine)
        self.domains = Domains()
        self.keepalive = Keepalive(config, rng, mesh_time=around.mesh_time, fingerprint=around.fingerprint)
        self.setup = Setup(identity, config, self.links, entropy=entropy, mesh_time=around.mesh_time)
        self.hosting = Hosting(rng)
        self.reach = Reach(config.reachability, rng, entropy)
        self._tries = Tries()
        self.healing = Healing(cap=config.cap, cap_heal=config.cap_heal)
        self._admission = Admission(config, self.links, rng)
        self._doorstep = Doorstep(config.rendezvous_rate)
        self.eclipse = EclipseWatch(around.view)
        self.trace = Trace()
        self.annoyance = Annoyance()
        self.replaced = 0
        """Annoying neighbours whose links were ended."""
        self.refusals = dict.fromkeys(Refusal, 0)
        """Refusals received, by cause."""
        self.choose_at: Millis | None = None
        """When the own slots are looked at next, if before the beat."""

    def unwanted(self, peer: PeerId, now: Millis) -> bool:
        """Tell whether a peer is neither dialled nor accepted."""
        return (
            peer == self.me or self.around.banned(peer, now) or self.watch.quarantined(peer, self.around.mesh_time(now))
        )

    def unwanted_now(self, now: Millis) -> frozenset[PeerId]:
        """Return all peers of which `unwanted` is true: for a look at the whole map."""
        quarantined = self.watch.in_quarantine(self.around.mesh_time(now))
        return frozenset((self.me, *self.around.bans(now), *quarantined))

    def why(self, peer: PeerId, now: Millis) -> Why:
        """Return how this node stands with a peer."""
        up = self.links.up(peer)
        return Why(
            peer=peer,
            on_map=peer in self.around.view,
            reachable=self.around.has_route(peer, now),
            linked=None if up is None else up.kind,
            banned=self.around.banned(peer, now),
            quarantined=self.watch.quarantined(peer, self.around.mesh_time(now)),
            attempts=self.trace.of(peer),
        )

    # --- the driver's reports --------------------------------------------------------------------------------------

    def offer_ready(self, number: LinkId, sdp: bytes, now: Millis) -> list[Word]:
        """See `Mesh.offer_ready`."""
        link = self.links.get(number)
        return [] if link is None else self.settle(self.setup.offer_ready(link, sdp, now), now)

    def answer_ready(self, number: LinkId, sdp: bytes, now: Millis) -> list[Word]:
        """See `Mesh.answer_ready`."""
        link = self.links.get(number)
        return [] if link is None else self.settle(self.setup.answer_ready(link, sdp, now), now)

    def opened(self, number: LinkId, transport: LinkTransport, now: Millis) -> list[Word]:
        """See `Mesh.link_opened`."""
        link = self.links.get(number)
        return [] if link is None else self.setup.opened(link, transport, now)

    def closed(self, number: LinkId, reason: str, now: Millis) -> list[Word]:
        """See `Mesh.link_closed`."""
        link = self.links.get(number)
        if link is None:
            return []
        if link.stage is not Stage.UP:
            return self.settle(self.setup.fail(link, Refusal.FAILED, reason, now, close=False), now)
        return self._fallen(link, reason)

    def shake(self, link: Link, kind: FrameKind, body: bytes, now: Millis) -> list[Word]:
        """Take a frame of a link that is not up."""
        words, proved = self.setup.shake(link, kind, body, now)
        out = self.settle(words, now)
        return out if proved is None else out + self._rise(link, proved, now)

    def shaken(self, link: Link, reason: str, now: Millis) -> list[Word]:
        """Fail a link that is not up because of what came over it."""
        return self.settle(self.setup.fail(link, Refusal.FAILED, reason, now), now)

    def called_back(self, call: CallId, reply: bytes, now: Millis) -> list[Word]:
        """See `Mesh.rendezvous_answered`."""
        words = self.setup.called_back(call, reply, now)
        if words and not self.links.all_up():
            self.walk.answered(now)
        return self.settle(words, now)

    def call_failed(self, call: CallId, reason: str, now: Millis) -> list[Word]:
        """See `Mesh.rendezvous_failed`."""
        return self.settle(self.setup.call_failed(call, reason, now), now)

    def frame(self, link: Link, kind: FrameKind, body: bytes, now: Millis) -> list[Word]:
        """Take a frame of `KINDS` of a link that is up. Raises `Malformed`."""
        peer = link.peer
        assert peer is not None, "a link that is up has a peer"
        match kind:
            case FrameKind.BYE:
                return [Close(link.number, "farewell"), *self._fallen(link, decode_bye(body))]
            case FrameKind.PING:
                return self.keepalive.pinged(link, body, now)
            case FrameKind.PONG:
                return self.keepalive.ponged(link, body, now)
            case FrameKind.URLS:
                told, at = decode_urls(body), self.around.mesh_time(now)
                self.anchors.met({link.peer for link in self.links.listed() if link.peer is not None}, at)
                self.anchors.learn(peer, told, at)
                return []
            case FrameKind.TRY:
                tried = self._tries.wanted(link, decode_try(body), now)
                return [] if tried is None else [tried]
            case FrameKind.LISTING:
                return self._listing(link, peer, decode_listing(body), now)
            case _:
                raise AssertionError(f"{kind.name} is no frame of the overlay")

    # --- signals ---------------------------------------------------------------------------------------------------

    def offered(self, sender: PeerId, offer: Offer, back: tuple[PeerId, ...], now: Millis) -> list[Word]:
        """Take an offer that came by direct message."""
        joiner = offer.joiner or sender
        host = sender if offer.joiner is not None else None
        known = host is not None and self.links.up(sender) is not None and offer.kind is LinkKind.GUEST
        refused: Refusal | None = None
        if (offer.kind is LinkKind.GUEST) != (host is not None) or (host is not None and not known):
            refused = Refusal.UNWANTED  # guests come by rendezvous, or through a neighbour whose own room is full
        out: list[Word] = []
        if refused is None and host is None:
            answer, out = self.setup.glare(sender, now)
            if not answer:
                return self.settle(out, now)
        refused = refused or self._refusal(joiner, offer.kind, now, out)
        if refused is not None:
            return self.settle([*out, Speak(sender, Refused(offer.attempt, refused), back)], now)
        return self.settle(out + self.setup.accept(joiner, offer, now, back=back, host=host), now)

    def answered(self, sender: PeerId, answer: Answer, now: Millis) -> list[Word]:
        """Take an answer that came by direct message: to an own offer, or for a caller of the own rendezvous."""
        words = self.setup.took_answer(sender, answer, now)
        if words is not None:
            return words
        relayed = self.hosting.take(answer.attempt, sender)
        if relayed is None:
            return []
        return [ReplyRendezvous(relayed.call, self.setup.reply(relayed.request, sender, answer.sdp, None))]

    def refused(self, sender: PeerId, refused: Refused, now: Millis) -> list[Word]:
        """Take a refusal that came by direct message."""
        relayed = self.hosting.take(refused.attempt, sender)
        if relayed is not None:
            request = decode_request(relayed.request)
            spoken: list[Speak] = []
            if refused.reason in _ROOMLESS:
                attempt, hosts = self._entropy(ATTEMPT_BYTES), self._hosts_beside(request.joiner)
                spoken = self.hosting.pass_further(relayed, request, attempt, neighbours=hosts, now=now)
            if spoken:
                return [*spoken]
            return [ReplyRendezvous(relayed.call, self.setup.reply(relayed.request, self.me, None, refused.reason))]
        self.refusals[refused.reason] += 1
        return self.settle(self.setup.took_refusal(sender, refused, now), now)

    def unheard(self, peer: PeerId, attempt: bytes, now: Millis) -> list[Word]:
        """Fail the own dial whose offer the peer has not acknowledged: it has vanished, and the slot need not wait."""
        link = self.links.by_attempt(attempt)
        if link is None or link.peer != peer or not link.outbound or link.stage is not Stage.WAITING:
            return []
        return self.settle(self.setup.fail(link, Refusal.FAILED, "nobody acknowledges the offer", now), now)

    def _refusal(self, joiner: PeerId, kind: LinkKind, now: Millis, out: list[Word]) -> Refusal | None:
        refusal = self._admitted(joiner, kind, now)
        if refusal is Refusal.BUSY and (displaced := self.setup.displace(kind, now)) is not None:
            out += self.settle(displaced, now)
            refusal = self._admitted(joiner, kind, now)
        up = self.links.up(joiner)
        if refusal is Refusal.LINKED and up is not None:
            out += self.keepalive.ping(up, now)  # is the older one alive? the next question will find out
        if refusal is Refusal.FULL and kind is LinkKind.LISTED:
            victim = self._admission.evict(now)
            if victim is not None:
                out += self.end(victim, "room for another", now)
                return None
        return refusal

    def _admitted(self, joiner: PeerId, kind: LinkKind, now: Millis) -> Refusal | None:
        return self._admission.refusal(
            joiner,
            kind,
            now,
            unwanted=lambda peer: self.unwanted(peer, now),
            hard=self._hard(joiner),
            cap=self.healing.cap_for(joiner),
        )

    def _hard(self, peer: PeerId) -> bool:
        """Tell whether a link from the peer may use the places that a public node keeps for hard ones."""
        facts = self.around.view.facts(peer)
        hard = facts is not None and not facts.flags & (Flags.PUBLIC | Flags.PUNCHABLE)
        return hard or self.reach.current is not Reachability.PUBLIC

    # --- the rendezvous --------------------------------------------------------------------------------------------

    def asked(self, call: CallId, raw: bytes, address: str, now: Millis) -> list[Word]:
        """Take a request at the own rendezvous."""
        if not self._doorstep.admit(address, now):
            return [self._turn_away(call, raw, Refusal.BUSY)]
        try:
            request = decode_request(raw)
        except Malformed:
            return [self._turn_away(call, raw, Refusal.FAILED)]
        if request.network_id != self.config.network_id or request.joiner == self.me:
            return [self._turn_away(call, raw, Refusal.UNWANTED)]
        out: list[Word] = []
        refusal = self._refusal(request.joiner, LinkKind.GUEST, now, out)
        if refusal is None:
            return self.settle(out + self.setup.accept_call(call, request, raw, now), now)
        if refusal in _ROOMLESS:
            attempt, hosts = self._entropy(ATTEMPT_BYTES), self._hosts_beside(request.joiner)
            spoken = self.hosting.pass_on(call, raw, request, attempt, neighbours=hosts, now=now)
            if spoken:
                return [*out, *spoken]
        return [*out, self._turn_away(call, raw, refusal)]

    def _hosts_beside(self, joiner: PeerId) -> list[PeerId]:
        """Return the neighbours that may answer a caller: public ones, since nobody knows yet whom the caller can meet;
        any others where none is public."""
        view = self.around.view
        hosts = sorted(link.peer for link in self.links.listed() if link.peer is not None and link.peer != joiner)
        public = [peer for peer in hosts if (facts := view.facts(peer)) is not None and facts.flags & Flags.PUBLIC]
        return public or hosts

    def _turn_away(self, call: CallId, raw: bytes, refusal: Refusal) -> ReplyRendezvous:
        return ReplyRendezvous(call, self.setup.reply(raw, self.me, None, refusal))

    # --- reachability ----------------------------------------------------------------------------------------------

    def helpers(self) -> list[Helper]:
        """Return the neighbours that can help this node find out how it is reached: those in its own local network only
        where there are no others, since they would find it public."""
        found = []
        for link in self.links.listed():
            url = None if link.peer is None else self.anchors.url_of(link.peer)
            port = "" if url is None else url.rpartition(":")[2].rstrip("/")
            if link.peer is not None and link.transport is not None and port.isdecimal() and 0 < int(port) < 65536:
                found.append(Helper(link.peer, link.contact or link.peer, (link.transport.address, int(port))))
        return [one for one in found if outside(one.server[0])] or found

    def paths_probed(self, probe: ProbeId, paths: Paths) -> list[Word]:
        """See `Mesh.paths_probed`."""
        asked = self.reach.probed(probe, paths)
        return [
            ToPeer(peer, FrameKind.TRY, encode_try(Try(port, nonce)), Priority.CONTROL) for peer, nonce, port in asked
        ]

    # --- links rise and fall ---------------------------------------------------------------------------------------

    def _rise(self, link: Link, proved: Proved, now: Millis) -> list[Word]:
        peer = proved.peer
        if self.unwanted(peer, now):
            return self.settle(self.setup.fail(link, Refusal.UNWANTED, "unwanted", now), now)
        out: list[Word] = []
        older = self.links.up(peer)
        if older is not None:
            if not older.missed_ping(now):
                return self.settle(self.setup.fail(link, Refusal.LINKED, "linked already", now), now)
            out += self.end(older, "replaced by a second link", now)
        link.peer = peer
        assert link.transport is not None, "it was opened"
        moved = link.move(Event.PROVED)
        assert moved, "the handshake ends once"
        link.handshake = None
        link.features = proved.features
        link.since = link.heard = now
        self.links.rise(link)
        self.trace.rose(link, now)
        self.domains.saw(peer, link.transport.address)
        if link.outbound and link.kind is LinkKind.GUEST:
            self.walk.reached()
        if link.outbound and link.moved_slot is not None:
            self.slots.succeeded(peer)
        out += [Rose(link), Greeted(peer, link.contact or peer, proved.mesh_time)]
        out += self.keepalive.ping(link, now)
        if self.config.rendezvous_url is not None and link.kind is not LinkKind.UNLISTED:
            urls = encode_urls((self.config.rendezvous_url,)[:URLS_MAX])
            out.append(ToPeer(peer, FrameKind.URLS, urls, Priority.CONTROL))
        self.choose_at = now
        return [*out, Listed()] if link.kind is LinkKind.LISTED else out

    def end(self, link: Link, reason: str, now: Millis) -> list[Word]:
        """End a link that is up, with a farewell."""
        assert link.peer is not None, "a link that is up has a peer"
        bye = Send(link.number, encode_frame(FrameKind.BYE, encode_bye(reason)), Priority.CONTROL)
        return [bye, Close(link.number, reason), *self._fallen(link, reason)]

    def _fallen(self, link: Link, reason: str) -> list[Word]:
        assert link.peer is not None, "a link that is up has a peer"
        self.links.remove(link)
        self.slots.release(link.moved_slot)
        if link.kind is LinkKind.LISTED:
            self.anchors.met((link.peer,), self.around.mesh_time(link.heard))
        self.choose_at = link.heard
        fell = Fell(link, link.peer, reason)
        return [fell, Listed()] if link.kind is LinkKind.LISTED else [fell]

    def settle(self, words: list[Word], now: Millis) -> list[Word]:
        """Draw the consequences of failed set-ups for slots; return what others must do."""
        out: list[Word] = []
        for word in words:
            if not isinstance(word, Failed):
                out.append(word)
                continue
            link = word.link
            self.trace.failed(link, word.reason, now)
            self.slots.release(link.moved_slot)
            if link.outbound and link.peer is not None and link.kind is not LinkKind.GUEST and word.reason != "glare":
                self.slots.failed(link.moved_slot, link.peer, word.cause, now)
            self.choose_at = now
        return out

    # --- listing ---------------------------------------------------------------------------------------------------

    def ask_listing(self, link: Link, slot: int, now: Millis) -> list[Word]:
        """Ask the other end of a guest link to list it as this node's own."""
        assert link.peer is not None, "a link that is up has a peer"
        link.moved_slot = slot
        self.links.set_asked(link, asked=True)
        link.asked_until = Millis(now + self.config.setup_timeout)
        return [_listing_frame(link.peer, Listing.ASK)]

    def not_listed(self, link: Link, cause: Refusal, now: Millis) -> None:
        """Note that the wish to be listed was refused, or stays without an answer: the slot looks elsewhere."""
        assert link.peer is not None, "a link that is up has a peer"
        self.slots.failed(link.moved_slot, link.peer, cause, now)
        self._unask(link)

    def _unask(self, link: Link) -> None:
        self.links.set_asked(link, asked=False)
        self.slots.release(link.moved_slot)
        link.moved_slot = None

    def _listing(self, link: Link, peer: PeerId, step: Listing, now: Millis) -> list[Word]:
        match step:
            case Listing.ASK:
                return self._listing_asked(link, peer, now)
            case Listing.LISTED if link.asked and link.kind is LinkKind.GUEST:
                self.links.set_asked(link, asked=False)
                return self._turn_listed(link, outbound=True)
            case Listing.REFUSED if link.asked:
                self.not_listed(link, Refusal.FULL, now)
                return []
            case Listing.HAND_BACK if link.kind is LinkKind.LISTED and not link.outbound:
                return [Close(link.number, "handed back"), *self._fallen(link, "handed back")]
            case Listing.LISTED | Listing.REFUSED:
                return []  # an answer that crossed with the other end's own question
            case _:
                return [Fault(peer, Penalty.STRIKE, f"a listing step {step.name} out of place")]

    def _listing_asked(self, link: Link, peer: PeerId, now: Millis) -> list[Word]:
        if link.kind is not LinkKind.GUEST or (link.asked and self.me < peer):
            return []  # listed already, or our own question stands
        out: list[Word] = []
        if not self._admission.room(hard=self._hard(peer), cap=self.healing.cap_for(peer)):
            victim = self._admission.evict(now)
            if victim is None:
                return [_listing_frame(peer, Listing.REFUSED)]
            out = self.end(victim, "room for another", now)
        if link.asked:
            self._unask(link)
        return [*out, _listing_frame(peer, Listing.LISTED), *self._turn_listed(link, outbound=False)]

    def _turn_listed(self, link: Link, *, outbound: bool) -> list[Word]:
        self.links.turn_listed(link, outbound=outbound)
        return [Rose(link), Listed()]


def _listing_frame(peer: PeerId, step: Listing) -> ToPeer:
    return ToPeer(peer, FrameKind.LISTING, encode_listing(step), Priority.CONTROL)
