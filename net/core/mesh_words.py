"""Turns what the parts of the mesh say into what the driver does, and carries words between the parts, in order."""

from collections.abc import Callable, Iterable
from typing import TypeAlias

from chain.primitives.errors import Malformed, Penalty
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.effects import (
    Effect,
    LinkDown,
    LinkKind,
    LinkUp,
    Persist,
    Send,
    Validate,
)
from net.core.map.effects import Untold
from net.core.map.own import OwnLink
from net.core.mesh_parts import BANS_BLOB, Parts
from net.core.mesh_traffic import Traffic
from net.core.overlay.healing import Stage as Healing
from net.core.overlay.link import Link, Signalled
from net.core.overlay.words import (
    Compare,
    Failed,
    Fell,
    Greeted,
    Listed,
    OwnFacts,
    Pinged,
    Rose,
    Speak,
    Timed,
    Word,
)
from net.core.own_flags import own_flags
from net.core.relay.relay import Arrived
from net.core.routing.courier import Delivered, Unheard
from net.core.wire.fault import Fault, Spent
from net.core.wire.frame import ToPeer, encode_frame
from net.core.wire.record import Direction, rtt_class
from net.core.wire.signal import Answer, Offer, Refused, Signal, TimeAsk, TimeReply, decode_signal, encode_signal

HEALING_BELOW = 3
"""Listed links under which records are not batched: repair of own links waits for nothing."""

Said: TypeAlias = Word | Arrived | Delivered | Unheard | Spent | Untold


class Interpreter:
    """See the module. Mutable: counts links; what it changes else are the parts, by their methods."""

    def __init__(self, parts: Parts, traffic: Traffic, entropy: Callable[[int], bytes]) -> None:
        self._parts = parts
        self._traffic = traffic
        self._entropy = entropy
        self.came_up = dict.fromkeys(Signalled, 0)
        self.called = 0
        """Links that this node opened by its own rendezvous calls."""
        self.lost = 0
        self._known: dict[PeerId, LinkKind] = {}
        self.acquainted: frozenset[PeerId] = frozenset()
        """Whom the map of an earlier run names: until the time is agreed."""

    def carry_out(self, said: Iterable[Said], now: Millis) -> list[Effect]:
        """Return the effects; every word's consequences come before the next word."""
        out: list[Effect] = []
        self._carry(said, now, out)
        return out

    def _carry(self, said: Iterable[Said], now: Millis, out: list[Effect]) -> None:
        for word in said:
            if type(word) is ToPeer:  # by far the most words
                self._to_peer(word, out)
                continue
            more = self._word(word, now, out)
            if more:
                self._carry(more, now, out)

    def _to_peer(self, word: ToPeer, out: list[Effect]) -> None:
        link = self._parts.overlay.links.up(word.peer)
        if link is not None:
            frame = encode_frame(word.kind, word.body)
            self._traffic.sent(frame)
            out.append(Send(link.number, frame, word.priority))

    def _word(self, word: Said, now: Millis, out: list[Effect]) -> list[Said]:
        parts = self._parts
        match word:
            case Timed():
                if self._heeded(word.peer):
                    parts.clock.sample(
                        word.peer, word.contact, asked=word.asked, received=word.received, sent=word.sent, now=now
                    )
                parts.relay.measured(word.peer, Millis(now - word.asked))
                return []
            case Pinged():
                return list(parts.reconciler.heard_fingerprint(word.peer, word.fingerprint, parts.clock.mesh_time(now)))
            case ToPeer():
                self._to_peer(word, out)
                return []
            case Fault():
                return self._fault(word, now, out)
            case Spent():
                return self._after_ban(parts.guard.spent(word, now) is not None, word.peer, now)
            case Speak():
                plain = encode_signal(word.signal, salt=self._entropy(4))
                mesh_now = parts.clock.mesh_time(now)
                return list(parts.courier.send(word.target, plain, mesh_now, back=word.back, receipts=word.receipts))
            case Delivered():
                return self._delivered(word, now)
            case Unheard():
                lost = decode_signal(word.plain)  # as it was written here
                return list(parts.overlay.unheard(word.target, lost.attempt, now)) if isinstance(lost, Offer) else []
            case Rose():
                return self._rose(word.link, now, out)
            case Fell():
                return self._fell(word, now, out)
            case Listed():
                return self._listed(now)
            case OwnFacts():
                self.tell_facts(now)
                self._flood()
                return []
            case Untold():
                bringer = parts.overlay.links.up(word.peer)
                if bringer is not None and bringer.kind is LinkKind.UNLISTED:
                    parts.overlay.eclipse.told(word.seq, parts.clock.mesh_time(now))
                return []
            case Compare():
                return list(parts.reconciler.compare(word.peer, parts.clock.mesh_time(now)))
            case Greeted():
                if self._heeded(word.peer):
                    parts.clock.coarse(word.peer, word.contact, word.mesh_time, now)
                return []
            case Arrived():
                bringer = parts.overlay.links.up(word.sender)
                if bringer is not None:
                    bringer.useful += 1
                out.append(Validate(word.topic, word.key, word.payload, word.sender))
                return []
            case Failed():
                raise AssertionError("the overlay settles its failed links itself")
            case Send():
                self._traffic.sent(word.frame)
                out.append(word)
                return []
            case _:
                out.append(word)
                return []

    # --- faults ----------------------------------------------------------------------------------------------------

    def _fault(self, fault: Fault, now: Millis, out: list[Effect]) -> list[Said]:
        ban = self._parts.guard.fault(fault, now)
        if ban is not None:
            out.append(Persist(BANS_BLOB, self._parts.guard.snapshot()))
        return self._after_ban(ban is not None, fault.peer, now)

    def _after_ban(self, banned: bool, peer: PeerId, now: Millis) -> list[Said]:  # noqa: FBT001 (one caller each)
        link = self._parts.overlay.links.up(peer) if banned else None
        return [] if link is None else list(self._parts.overlay.end(link, "banned", now))

    # --- links -----------------------------------------------------------------------------------------------------

    def _rose(self, link: Link, now: Millis, out: list[Effect]) -> list[Said]:
        parts, peer = self._parts, link.peer
        assert peer is not None, "a link that is up has a peer"
        more: list[Said] = []
        if peer not in self._known:
            self.came_up[link.signalled] += 1
            self.called += link.signalled is Signalled.RENDEZVOUS and link.outbound
            parts.courier.linked(peer)
            parts.requests.linked(peer)
            if link.kind is not LinkKind.UNLISTED:
                more += parts.gossip.link_up(peer, parts.clock.mesh_time(now))
            more += parts.reconciler.link_up(peer, parts.clock.mesh_time(now))
        if link.kind is LinkKind.LISTED:
            parts.relay.linked(peer, now)
        self._known[peer] = link.kind
        out.append(LinkUp(peer, link.kind, link.outbound, link.features))
        return more

    def _fell(self, fell: Fell, now: Millis, out: list[Effect]) -> list[Said]:
        parts, peer = self._parts, fell.peer
        self._known.pop(peer, None)
        self.lost += 1
        parts.courier.unlinked(peer)
        parts.relay.unlinked(peer)
        parts.gossip.link_down(peer, parts.clock.mesh_time(now))
        parts.guard.link_closed(peer)
        failed = parts.requests.unlinked(peer)
        out += [effect for effect in failed if not isinstance(effect, ToPeer)]
        out.append(LinkDown(peer, fell.reason))
        return list(parts.reconciler.link_down(peer, parts.clock.mesh_time(now)))

    def _listed(self, now: Millis) -> list[Said]:
        """Tell the gossip machine which links the own record lists now."""
        parts = self._parts
        listed = parts.overlay.links.listed()
        self._flood()
        own = {
            link.peer: OwnLink(
                Direction.OUT if link.outbound else Direction.IN, 0 if link.rtt is None else rtt_class(link.rtt)
            )
            for link in listed
            if link.peer is not None
        }
        parts.gossip.set_interest(frozenset(own), frozenset(parts.overlay.slots.own()), frozenset())
        parts.gossip.own_links_changed(own, parts.clock.mesh_time(now))
        return []

    def _flood(self) -> None:
        """Have records spread at once while this node's links, or a weak cut, are being mended (DESIGN section 3.2)."""
        overlay = self._parts.overlay
        mending = overlay.healing.stage is Healing.MENDING
        self._parts.gossip.set_healing(mending or len(overlay.links.listed()) < HEALING_BELOW)

    def tell_facts(self, now: Millis) -> None:
        """Tell the gossip machine what the own record says of this node beside its links."""
        parts = self._parts
        config, overlay = parts.config, parts.overlay
        flags = own_flags(overlay.reach.current, healing=overlay.healing.raised)
        parts.gossip.own_facts_changed(flags, config.uplink_class, config.tags, parts.clock.mesh_time(now))

    # --- direct messages -------------------------------------------------------------------------------------------

    def _delivered(self, delivered: Delivered, now: Millis) -> list[Said]:
        parts = self._parts
        try:
            signal = decode_signal(delivered.plain)
        except Malformed as error:  # signed and encrypted by the sender itself
            if delivered.sender not in parts.peer_map and parts.overlay.links.up(delivered.sender) is None:
                return []  # a key without any work: as many as one likes would fill the tables of strikes and bans
            return [Fault(delivered.sender, Penalty.STRIKE, f"a direct message: {error}")]
        if parts.guard.banned(delivered.sender, now):
            return []
        return self._signal(delivered, signal, now)

    def _signal(self, delivered: Delivered, signal: Signal, now: Millis) -> list[Said]:
        parts, sender, back = self._parts, delivered.sender, delivered.back
        match signal:
            case Offer():
                return list(parts.overlay.offered(sender, signal, back, now))
            case Answer():
                return list(parts.overlay.answered(sender, signal, now))
            case Refused():
                return list(parts.overlay.refused(sender, signal, now))
            case TimeAsk(attempt):
                at = parts.clock.mesh_time(now)
                return [Speak(sender, TimeReply(attempt, at, at), back, receipts=delivered.receipts)]
            case TimeReply(attempt, received, sent):
                asked = parts.sources.answered(attempt, sender, now)
                if asked is not None and self._heeded(back[0]):
                    contact = self._contact(back[0])
                    parts.clock.sample(sender, contact, asked=asked, received=received, sent=sent, now=now)
                return []

    def _heeded(self, neighbour: PeerId) -> bool:
        """Tell whether the time counts that comes over a neighbour's link: before it is agreed, only over links that
        this node chose, and from those it knew before. An id costs nothing to whoever calls, and honest peers dial
        nobody who is not on the map."""
        link = self._parts.overlay.links.up(neighbour)
        chosen = link is not None and (link.outbound or link.contact is not None)
        return chosen or self._parts.clock.agreed or neighbour in self.acquainted

    def _contact(self, neighbour: PeerId) -> PeerId:
        """Return the first contact behind a neighbour: whoever it introduces may be its accomplice."""
        link = self._parts.overlay.links.up(neighbour)
        return neighbour if link is None or link.contact is None else link.contact
