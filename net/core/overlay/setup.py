"""From the wish for a link to its handshake: offers, answers, refusals, first contact, glare (DESIGN section 3.4)."""

from collections.abc import Callable
from dataclasses import dataclass

from chain.primitives.errors import Malformed
from chain.primitives.keys import schnorr_sign, schnorr_valid
from chain.primitives.peer import PeerId, short
from chain.primitives.units import Millis
from net.core.config import MeshConfig
from net.core.effects import (
    ApplyAnswer,
    CallId,
    CallRendezvous,
    Close,
    CreateAnswer,
    CreateOffer,
    LinkKind,
    LinkTransport,
    Priority,
    ReplyRendezvous,
    Send,
)
from net.core.identity.identity import Identity
from net.core.overlay.handshake import HANDSHAKE_TIMEOUT, Handshake, Proved
from net.core.overlay.link import Event, Link, LinkTable, Signalled, Stage
from net.core.overlay.walk import Place
from net.core.overlay.words import Failed, Speak, Word
from net.core.wire.frame import FrameKind, encode_frame
from net.core.wire.rendezvous import Reply, Request, decode_reply, encode_reply, encode_request, reply_digest
from net.core.wire.signal import ATTEMPT_BYTES, Answer, Offer, Refusal, Refused

YIELDS_AFTER = Millis(3_000)
"""A set-up that has found no way by then yields its place to the next asker: dials that never open would otherwise fill
all places, and full would mean closed. Until somebody asks it goes on."""


@dataclass(frozen=True, slots=True)
class SetupStatistics:
    """Counters since the start."""

    dialled: int
    """Own offers sent over the mesh."""
    called: int
    """Own rendezvous calls."""
    answered: int
    """Offers of others that were answered."""
    glares: int
    """Own offers withdrawn for the other side's."""
    failed: int
    displaced: int
    """Slow set-ups whose place went to the next asker."""


class Setup:
    """Links that are not up yet. Mutable: it and the overlay alone change the links."""

    def __init__(
        self,
        identity: Identity,
        config: MeshConfig,
        table: LinkTable,
        *,
        entropy: Callable[[int], bytes],
        mesh_time: Callable[[Millis], Millis],
    ) -> None:
        self._identity = identity
        self._config = config
        self._table = table
        self._entropy = entropy
        self._mesh_time = mesh_time
        self._hosts: dict[str, PeerId] = {}
        """Who answered first at each bootstrap without a pinned id: whatever names it has later, it is one contact."""
        self._counts = dict.fromkeys(SetupStatistics.__dataclass_fields__, 0)

    def statistics(self) -> SetupStatistics:
        """Return the counters."""
        return SetupStatistics(**self._counts)

    def _begin(
        self, kind: LinkKind, stage: Stage, signalled: Signalled, now: Millis, *, peer: PeerId | None, attempt: bytes
    ) -> Link:
        link = Link(
            number=self._table.number(),
            kind=kind,
            outbound=stage is Stage.OFFERING,
            peer=peer,
            signalled=signalled,
            stage=stage,
            started=now,
            deadline=Millis(now + self._config.setup_timeout),
            attempt=attempt,
        )
        self._table.add(link)
        return link

    # --- this node asks --------------------------------------------------------------------------------------------

    def dial(self, peer: PeerId, kind: LinkKind, slot: int | None, now: Millis) -> list[Word]:
        """Begin a link to a peer of the map; its offer will travel by direct message."""
        attempt = self._entropy(ATTEMPT_BYTES)
        link = self._begin(kind, Stage.OFFERING, Signalled.RELAYED, now, peer=peer, attempt=attempt)
        link.moved_slot = slot
        return [CreateOffer(link.number)]

    def call(self, place: Place, call: CallId, now: Millis) -> list[Word]:
        """Begin a guest link by a rendezvous call."""
        link = self._begin(LinkKind.GUEST, Stage.OFFERING, Signalled.RENDEZVOUS, now, peer=None, attempt=b"")
        link.call, link.url, link.pinned = call, place.url, place.pinned
        return [CreateOffer(link.number)]

    def offer_ready(self, link: Link, sdp: bytes, now: Millis) -> list[Word]:
        """Send the offer that the driver made."""
        if not link.move(Event.OFFER_READY):
            return []
        if link.call is not None:
            self._counts["called"] += 1
            request = Request(self._config.network_id, self._identity.peer, sdp)
            link.request = encode_request(request)
            return [CallRendezvous(link.call, link.url, link.request)]
        assert link.peer is not None, "an offer without a call goes to somebody"
        self._counts["dialled"] += 1
        return [Speak(link.peer, Offer(link.attempt, link.kind, None, sdp))]

    def took_answer(self, sender: PeerId, answer: Answer, now: Millis) -> list[Word] | None:
        """Take the answer to an own offer; None when no offer of ours to this peer has that name."""
        link = self._table.by_attempt(answer.attempt)
        if link is None or link.peer != sender or not link.outbound or not link.move(Event.ANSWER_CAME):
            return None
        self._met(link, now)
        return [ApplyAnswer(link.number, answer.sdp)]

    def took_refusal(self, sender: PeerId, refused: Refused, now: Millis) -> list[Word]:
        """Take a refusal of an own offer."""
        link = self._table.by_attempt(refused.attempt)
        if link is None or link.peer != sender or not link.outbound:
            return []
        return self.fail(link, refused.reason, f"refused: {refused.reason.name.lower()}", now)

    def called_back(self, call: CallId, raw: bytes, now: Millis) -> list[Word]:
        """Take the reply to an own rendezvous call."""
        link = self._table.by_call(call)
        if link is None or link.stage is not Stage.WAITING:
            return []
        try:
            reply = decode_reply(raw)
            digest = reply_digest(link.request, reply.host, reply.peer, reply.answer, reply.refusal)
            if not schnorr_valid(reply.host, digest, reply.signature):
                raise Malformed("the reply's signature does not hold")
            if reply.host == self._identity.peer:
                raise Malformed("it is this node itself")
            if link.pinned is not None and reply.host != link.pinned:
                raise Malformed(f"{short(reply.host)} answers, not {short(link.pinned)}")
        except Malformed as error:
            return self.fail(link, Refusal.FAILED, f"rendezvous {link.url}: {error}", now)
        if reply.answer is None:
            cause = reply.refusal or Refusal.FAILED
            return self.fail(link, cause, f"rendezvous {link.url} refuses: {cause.name.lower()}", now)
        link.move(Event.ANSWER_CAME)
        self._met(link, now)
        link.call = None
        link.contact = reply.host if link.pinned is not None else self._hosts.setdefault(link.url, reply.host)
        link.peer = reply.peer
        return [ApplyAnswer(link.number, reply.answer)]

    def call_failed(self, call: CallId, reason: str, now: Millis) -> list[Word]:
        """Note that a rendezvous could not be reached or stayed silent."""
        link = self._table.by_call(call)
        return [] if link is None else self.fail(link, Refusal.FAILED, f"rendezvous {link.url}: {reason}", now)

    def _met(self, link: Link, now: Millis) -> None:
        link.met, link.deadline = now, Millis(now + self._config.connect_timeout)

    # --- others ask ------------------------------------------------------------------------------------------------

    def glare(self, sender: PeerId, now: Millis) -> tuple[bool, list[Word]]:
        """Settle two offers that cross: the smaller id's stands. Tell whether the sender's is to be answered."""
        own = self._table.setup_with(sender)
        if own is None or not own.outbound or own.stage not in (Stage.OFFERING, Stage.WAITING):
            return own is None, []
        if self._identity.peer < sender:
            return False, []
        self._counts["glares"] += 1
        self._table.remove(own)
        return True, [Close(own.number, "the other side's offer stands"), Failed(own, Refusal.LINKED, "glare")]

    def displace(self, kind: LinkKind, now: Millis) -> list[Word] | None:
        """End the inbound set-up that has looked for a way the longest, so that another asker may; None if there is
        none past YIELDS_AFTER. A listed link takes the place of listed ones only, few of which are set up at once, and
        a guest that of guests where these have all theirs."""
        asked = [link for link in self._table.setups() if not link.outbound]
        guests = sum(link.kind is LinkKind.GUEST for link in asked)
        any_kind = kind is LinkKind.GUEST and guests < self._config.setups_guests
        slow = [
            link
            for link in asked
            if link.stage is Stage.CONNECTING
            and (any_kind or link.kind is kind)
            and link.met is not None
            and now - link.met >= YIELDS_AFTER
        ]
        if not slow:
            return None
        self._counts["displaced"] += 1
        return self.fail(min(slow, key=lambda link: link.number), Refusal.BUSY, "its place went to another", now)

    def accept(
        self, joiner: PeerId, offer: Offer, now: Millis, *, back: tuple[PeerId, ...], host: PeerId | None
    ) -> list[Word]:
        """Answer an offer that came by direct message; the answer goes to `host` if that asked for the joiner."""
        link = self._begin(offer.kind, Stage.ANSWERING, Signalled.RELAYED, now, peer=joiner, attempt=offer.attempt)
        link.back, link.host = back, host
        if host is not None:
            link.signalled = Signalled.RENDEZVOUS
        return [CreateAnswer(link.number, offer.sdp)]

    def accept_call(self, call: CallId, request: Request, raw: bytes, now: Millis) -> list[Word]:
        """Answer an offer that came by a rendezvous call."""
        link = self._begin(LinkKind.GUEST, Stage.ANSWERING, Signalled.RENDEZVOUS, now, peer=request.joiner, attempt=b"")
        link.call, link.request = call, raw
        return [CreateAnswer(link.number, request.offer)]

    def answer_ready(self, link: Link, sdp: bytes, now: Millis) -> list[Word]:
        """Send the answer that the driver made."""
        if not link.move(Event.ANSWER_READY):
            return []
        self._met(link, now)
        self._counts["answered"] += 1
        if link.call is not None:
            call, link.call = link.call, None
            return [ReplyRendezvous(call, self.reply(link.request, self._identity.peer, sdp, None))]
        target = link.host or link.peer
        assert target is not None, "an answer goes to somebody"
        return [Speak(target, Answer(link.attempt, sdp), link.back)]

    def reply(self, request: bytes, peer: PeerId, answer: bytes | None, refusal: Refusal | None) -> bytes:
        """Return the signed reply to a rendezvous request."""
        me = self._identity.peer
        digest = reply_digest(request, me, peer, answer, refusal)
        signature = schnorr_sign(self._identity.key, digest, self._entropy(32))
        return encode_reply(Reply(me, peer, answer, refusal, signature))

    # --- the channel opens -----------------------------------------------------------------------------------------

    def opened(self, link: Link, transport: LinkTransport, now: Millis) -> list[Word]:
        """Begin the handshake."""
        if not link.move(Event.OPENED):
            return []
        link.transport = transport
        link.deadline = Millis(now + HANDSHAKE_TIMEOUT)
        link.handshake = Handshake(
            self._identity,
            self._config.network_id,
            transport,
            kind=link.kind,
            expected=link.peer,
            features=self._config.features,
            mesh_time=self._mesh_time(now),
            entropy=self._entropy,
        )
        return [_send(link, kind, body) for kind, body in link.handshake.begin()]

    def shake(self, link: Link, kind: FrameKind, body: bytes, now: Millis) -> tuple[list[Word], Proved | None]:
        """Take a frame of a link that is not up; return what is proved when it is the last one."""
        if link.handshake is None:
            return self.fail(link, Refusal.FAILED, f"a {kind.name} frame before the channel opened", now), None
        try:
            frames, proved = link.handshake.receive(kind, body)
        except Malformed as error:
            return self.fail(link, Refusal.FAILED, f"handshake: {error}", now), None
        return [_send(link, answer, data) for answer, data in frames], proved

    # --- it fails --------------------------------------------------------------------------------------------------

    def overdue(self, now: Millis) -> list[Word]:
        """Fail the links whose time is up."""
        out: list[Word] = []
        for link in [link for link in self._table.setups() if link.deadline <= now]:
            out += self.fail(link, Refusal.FAILED, f"timed out while {link.stage.value}", now)
        return out

    def fail(self, link: Link, cause: Refusal, reason: str, now: Millis, *, close: bool = True) -> list[Word]:
        """End a link that is not up, and tell who waits for it. `close` is False when the driver ended it."""
        self._table.remove(link)
        self._counts["failed"] += 1
        out: list[Word] = [Close(link.number, reason)] if close else []
        out.append(Failed(link, cause, reason))
        if link.stage is not Stage.ANSWERING:
            return out
        if link.call is not None:
            reply = self.reply(link.request, self._identity.peer, None, cause)
            out.append(ReplyRendezvous(link.call, reply))
        elif (target := link.host or link.peer) is not None:
            out.append(Speak(target, Refused(link.attempt, cause), link.back))
        return out


def _send(link: Link, kind: FrameKind, body: bytes) -> Send:
    return Send(link.number, encode_frame(kind, body), Priority.CONTROL)
