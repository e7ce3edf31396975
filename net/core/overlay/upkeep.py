"""What the overlay does by itself as time passes: pings, farewells, own slots, guests, first contact, reseed."""

from collections.abc import Sequence

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.config import Reachability
from net.core.effects import Alarm, CallId, LinkId, LinkKind, Persist, ReplyRendezvous
from net.core.moments import soonest
from net.core.overlay.anchors import ANCHORS_BLOB
from net.core.overlay.candidates import Situation, candidates
from net.core.overlay.healing import SHED_EVERY, Wish
from net.core.overlay.healing import Stage as Healing
from net.core.overlay.link import Link, Signalled, Stage
from net.core.overlay.overlay import Overlay
from net.core.overlay.turnover import Turnover
from net.core.overlay.words import Compare, OwnFacts, Word
from net.core.wire.signal import Refusal

BEAT = Millis(1_000)
"""How often everything is looked at: the coarsest grain of pings and time-outs."""

CHOOSE_AFTER = Millis(250)
"""Changes of the map gather for this long before open slots look at it again."""

CHOICES_MAX = 8
"""Candidates a slot looks at in one go when no way leads to the best ones."""

CUT_OFF_DIVISOR = 3
"""When at least this part of the peers that have links on the map cannot be reached over it, first contact is made
again: the other side of a partition still stands on the map, with its links among itself; crashed peers have none."""

SURVEY_EVERY = Millis(5_000)
SURVEY_PER_PEER = Millis(100)
"""How often the map is searched for that, and how much rarer per peer on it: a search costs 0.2 µs a peer."""

CONTACTS = 2
"""First contacts a node needs before its clock has agreed."""

IMPATIENCE = Millis(3_000)
"""A first contact that has brought no link by then is joined by the next: many dials never open, most do within 1 s."""

CALLS_MAX = 3
"""First contacts under way or up at once."""


class Upkeep:
    """The overlay's clockwork. Mutable: changed by its own methods alone."""

    def __init__(self, overlay: Overlay) -> None:
        self._overlay = overlay
        self._dials_max = max(1, overlay.config.setups - overlay.config.inbound_pending)
        """Dials at once: others find places while this node dials."""
        self._beat_at: Millis | None = None
        self._seen_version = -1
        self._looking = True
        """Whether the last look left something to be found: else changes of the map need none before the next beat."""
        self._next_call = 1
        self._contacts: set[PeerId] = set()
        """First contacts met, CONTACTS at most: one that answers nothing else may have any number of names."""
        self._survey_at = Millis(0)
        self._searched: tuple[int, list[PeerId]] = (-1, [])
        """The structure of the map that was searched last, and from where: it tells what was found then."""
        self._suspected = False
        self._cut_off = False
        self._turnover = Turnover(overlay, lambda own, now, wanted: self._pool(own, now, wanted=wanted))
        self._alarmed = False
        self._stopped = False
        self._shed_at = Millis(0)
        self._born: Millis | None = None
        """Of the own record, once it is on the map: it never changes."""

    def start(self, now: Millis) -> None:
        """Begin. The first beat comes at once, the others a BEAT apart from a random moment on."""
        self._beat_at = now
        self._turnover.start(now)

    def stop(self, now: Millis) -> list[Word]:
        """End all links with a farewell and open no more."""
        overlay = self._overlay
        self._stopped, self._beat_at = True, None
        out: list[Word] = []
        for link in overlay.links.setups():
            out += overlay.setup.fail(link, Refusal.BUSY, "shutting down", now)
        for link in overlay.links.all_up():
            out += overlay.end(link, "shutting down", now)
        overlay.choose_at = None
        return [*overlay.settle(out, now), Persist(ANCHORS_BLOB, overlay.anchors.snapshot())]

    @property
    def moved(self) -> int:
        """Return how many own slots went over to a newcomer."""
        return self._turnover.moved

    def deadline(self) -> Millis | None:
        """Return when `tick` has work next."""
        if self._stopped:
            return None
        return soonest(self._beat_at, self._overlay.choose_at)

    def map_changed(self, now: Millis) -> None:
        """Let open slots look at the map soon."""
        overlay = self._overlay
        if self._looking and overlay.around.view.version != self._seen_version and overlay.choose_at is None:
            overlay.choose_at = Millis(now + CHOOSE_AFTER)

    def mend(self, peers: frozenset[PeerId], links: int, until: Millis) -> None:
        """Open this many own links to some of these peers, within the limits of own links, until this moment at most.

        They are the far side of a weak cut (DESIGN section 3.6); whom among them the slots' hash decides. With none to
        open the node still takes links from there past the usual cap.
        """
        across = sum(link.peer in peers for link in self._overlay.links.own())
        self._overlay.healing.mend(Wish(peers, across + links, until))

    def mended(self) -> None:
        """Note that no cut is weak: links past the usual cap are given back."""
        self._overlay.healing.mended()

    def shun(self, crowded: frozenset[PeerId]) -> None:
        """Lead extra own links away from these peers, whose failure domain holds too many of this node's links."""
        self._turnover.shun(crowded)

    def tick(self, now: Millis) -> list[Word]:
        """Do what is due."""
        overlay = self._overlay
        out: list[Word] = []
        if self._stopped:
            return out
        if self._beat_at is not None and now >= self._beat_at:
            jitter = overlay.rng.randrange(BEAT // 10)
            self._beat_at = Millis(now + BEAT - jitter)
            out += self._beat(now)
        if overlay.choose_at is not None and now >= overlay.choose_at:
            overlay.choose_at = None
            self._seen_version = overlay.around.view.version
            out += self._choose(now)
            out += self._first_contact(now)
        return out

    def _beat(self, now: Millis) -> list[Word]:
        overlay = self._overlay
        out = overlay.settle(overlay.setup.overdue(now), now) if overlay.links.setups() else []
        for relayed in overlay.hosting.overdue(now):
            reply = overlay.setup.reply(relayed.request, overlay.me, None, Refusal.FULL)
            out.append(ReplyRendezvous(relayed.call, reply))
        out += self._alive(now)
        out += self._guests(now)
        out += self._unconfirmed(now)
        if overlay.annoyance.due(now):
            out += self._annoying(now)
        if overlay.eclipse.due(overlay.around.mesh_time(now)):
            out += self._eclipse(now)
        calm = not self._alarmed and not overlay.eclipse.alarmed and not overlay.healing.raised
        out += self._turnover.beat(now, self._age(now), calm=calm)
        out += self._heal(now)
        out += self._measure(now)
        out += self._exhausted()
        out += self._choose(now)
        out += self._first_contact(now)
        if overlay.anchors.take_changed():
            out.append(Persist(ANCHORS_BLOB, overlay.anchors.snapshot()))
        return out

    def _alive(self, now: Millis) -> list[Word]:
        """End the links that have fallen silent; ask the neighbours whose turn to be asked it is."""
        overlay, out = self._overlay, list[Word]()
        silent_since = now - overlay.config.dead
        for link in overlay.links.all_up():
            if link.heard <= silent_since:
                assert link.peer is not None, "a link that is up has a peer"
                if link.peer in overlay.around.view:  # a stranger is no candidate, and there may be any number of them
                    overlay.slots.silent(link.peer, now)
                out += overlay.end(link, "silent", now)
            elif link.ping_at <= now and overlay.keepalive.due(link, now):
                out += overlay.keepalive.ping(link, now)
        return out

    # --- own links -------------------------------------------------------------------------------------------------

    def _age(self, now: Millis) -> Millis:
        if self._born is None:
            facts = self._overlay.around.view.facts(self._overlay.me)
            self._born = None if facts is None else facts.born
        return Millis(0 if self._born is None else self._overlay.around.mesh_time(now) - self._born)

    def _choose(self, now: Millis) -> list[Word]:
        """Dial for open slots, as many as set-ups and moves allow."""
        overlay, room = self._overlay, self._room()
        self._looking = True
        if room <= 0:
            return []
        own = overlay.links.own()
        wanted = overlay.slots.wanted(listed=len(overlay.links.bound()), own=len(own), age=self._age(now))
        lacks_unlisted = self._lacks_unlisted()
        self._looking = wanted > 0 or overlay.healing.wish is not None or lacks_unlisted
        out: list[Word] = []
        free = overlay.slots.free(now)[: min(wanted, room)] if wanted else []
        if free:
            pool = self._pool(own, now, wanted=2 * wanted)
            for slot in free:
                out += self._fill(slot, pool, now)
        if lacks_unlisted and self._room() > 0:
            out += self._unlisted(own, now)
        if overlay.healing.wish is not None and self._room() > 0:
            out += self._mend(overlay.healing.wish, now)
        return out

    def _room(self) -> int:
        """Return how many dials may begin."""
        links = self._overlay.links
        return min(self._overlay.config.setups - len(links.setups()), self._dials_max - links.dials())

    def _mend(self, wish: Wish, now: Millis) -> list[Word]:
        """Dial one peer across a weak cut: an own link more than usual, which then stays like any other."""
        overlay, config = self._overlay, self._overlay.config
        own, free = overlay.links.own(), overlay.slots.free(now)
        across = sum(link.peer in wish.peers for link in own)  # those being set up count: failed ones are dialled again
        if across >= wish.goal or not free or len(own) >= overlay.slots.limit(self._age(now)):
            return []
        cap = config.cap_heal if overlay.healing.stage is Healing.MENDING else config.cap
        if len(overlay.links.bound()) >= cap:
            return []
        pool = [peer for peer in self._pool(own, now, wanted=2, cap_heal=cap) if peer in wish.peers]
        return self._fill(free[0], pool, now)

    def _measure(self, now: Millis) -> list[Word]:
        """Find out now and then who can open links to this node."""
        overlay = self._overlay
        if not overlay.links.listed():
            overlay.reach.again()
        out: list[Word] = [OwnFacts()] if overlay.reach.advance(now) else []
        if overlay.reach.due(now):
            probe = overlay.reach.begin(overlay.helpers(), now)
            out += [] if probe is None else [probe]
        return out

    def _heal(self, now: Millis) -> list[Word]:
        """Raise or lower the healing flag; once nothing is to be mended, end the links past the cap one by one."""
        overlay = self._overlay
        out: list[Word] = [OwnFacts()] if overlay.healing.advance(now, listed=len(overlay.links.bound())) else []
        if overlay.healing.stage is not Healing.SHEDDING or now < self._shed_at:
            return out
        self._shed_at = Millis(now + SHED_EVERY)
        listed = overlay.links.listed()
        if not listed:
            return out
        own = len(overlay.links.own_listed())

        def rank(link: Link) -> tuple[bool, bool, Millis, LinkId]:
            spare = link.outbound and own > overlay.config.own_core
            return (overlay.healing.across(link.peer), not spare, Millis(-link.since), link.number)

        link = min(listed, key=rank)
        return out + (self._turnover.give_back if link.outbound else overlay.end)(link, "past the cap", now)

    def _pool(self, own: Sequence[Link], now: Millis, *, wanted: int, cap_heal: int | None = None) -> list[PeerId]:
        overlay, config = self._overlay, self._overlay.config
        up = overlay.links.all_up()
        taken = [link.peer for link in up if link.peer is not None and (link.kind is not LinkKind.GUEST or link.asked)]
        sure = [link for link in overlay.links.setups() if link.outbound or link.signalled is Signalled.RELAYED]
        taken += [link.peer for link in sure if link.peer is not None]
        situation = Situation(
            me=overlay.me,
            neighbours=[link.peer for link in overlay.links.listed() if link.peer is not None],
            taken=[*taken, *overlay.slots.avoided(now)],
            full_domains=overlay.domains.full([link.peer for link in own if link.peer is not None], config.own_core),
            hard=overlay.reach.current is Reachability.HARD,
            punchable=overlay.reach.current is Reachability.PUNCHABLE,
            cap=config.cap,
            cap_heal=config.cap if cap_heal is None else cap_heal,
            own_core=config.own_core,
            min_age=config.min_age,
            now=overlay.around.mesh_time(now),
        )
        return candidates(
            overlay.around.view, situation, wanted=wanted, unwanted=overlay.unwanted_now(now).__contains__
        )

    def _fill(self, slot: int, pool: list[PeerId], now: Millis) -> list[Word]:
        overlay = self._overlay
        for peer in overlay.slots.best(slot, self._turnover.fit(slot, pool) or pool, CHOICES_MAX):
            pool.remove(peer)
            guest = overlay.links.up(peer)
            if guest is not None:
                overlay.slots.hold(slot, peer)
                return overlay.ask_listing(guest, slot, now)
            if overlay.around.has_route(peer, now):
                overlay.slots.hold(slot, peer)
                return overlay.setup.dial(peer, LinkKind.LISTED, slot, now)
            overlay.trace.unroutable(peer, LinkKind.LISTED, now)
        return []

    def _unlisted(self, own: Sequence[Link], now: Millis) -> list[Word]:
        """Keep a few links that nobody can read off the map: they show whether the listed ones tell the whole truth."""
        overlay = self._overlay
        pool = self._pool(own, now, wanted=8)
        for peer in overlay.rng.sample(pool, min(CHOICES_MAX, len(pool))):
            if overlay.links.up(peer) is None and overlay.around.has_route(peer, now):
                return overlay.setup.dial(peer, LinkKind.UNLISTED, None, now)
        return []

    def _lacks_unlisted(self) -> bool:
        overlay, config = self._overlay, self._overlay.config
        few = len(overlay.links.listed()) < config.own_core or len(overlay.around.view) < config.unlisted_from
        return not few and sum(link.outbound for link in overlay.links.of_kind(LinkKind.UNLISTED)) < config.unlisted_own

    def _exhausted(self) -> list[Word]:
        exhausted = self._overlay.slots.exhausted()
        news, self._alarmed = exhausted and not self._alarmed, exhausted
        return [Alarm("slot_exhaustion", "over half of the best candidates have no room for a link")] if news else []

    def _unconfirmed(self, now: Millis) -> list[Word]:
        overlay = self._overlay
        out: list[Word] = []
        unconfirmed = overlay.around.unconfirmed()
        if not unconfirmed:
            return out
        for peer in overlay.watch.timed_out(unconfirmed, overlay.around.mesh_time(now)):
            link = overlay.links.up(peer)
            if link is not None and link.kind is LinkKind.LISTED:
                out += overlay.end(link, "not confirmed", now)
        return out

    def _annoying(self, now: Millis) -> list[Word]:
        """End the link of a neighbour that wastes this node's time; its slot moves on to the next hash."""
        overlay = self._overlay
        listed = {link.peer: link for link in overlay.links.listed() if link.peer is not None}
        if len(listed) < overlay.config.own_core:
            return []
        peer = overlay.annoyance.judge({peer: overlay.around.deeds(peer) for peer in listed}, now)
        if peer is None:
            return []
        overlay.replaced += 1
        overlay.watch.avoid(peer, overlay.around.mesh_time(now))
        return overlay.end(listed[peer], "annoying", now)

    def _eclipse(self, now: Millis) -> list[Word]:
        """Compare the map with unlisted neighbours now and then; raise the alarm when they know what nobody told."""
        overlay = self._overlay
        mesh_now = overlay.around.mesh_time(now)
        unlisted = [link.peer for link in overlay.links.all_up() if link.kind is LinkKind.UNLISTED and link.outbound]
        peer, alarm = overlay.eclipse.round([peer for peer in unlisted if peer is not None], mesh_now)
        out: list[Word] = [] if peer is None else [Compare(peer)]
        return out if alarm is None else [*out, alarm]

    # --- guests and first contact ----------------------------------------------------------------------------------

    def _guests(self, now: Millis) -> list[Word]:
        """End guest links whose time is up or whose joiner has links of its own."""
        overlay, config = self._overlay, self._overlay.config
        out: list[Word] = []
        for link in overlay.links.guests():
            if link.asked and now >= link.asked_until:
                overlay.not_listed(link, Refusal.FAILED, now)
            if link.peer is None or link.asked:
                continue
            links = overlay.around.view.degree(overlay.me if link.outbound else link.peer)
            agreed = overlay.around.clock_agreed() or not link.outbound
            if now - link.since >= config.guest_life or (links >= config.guest_done and agreed):
                out += overlay.end(link, "guest no longer", now)
        return out

    def _first_contact(self, now: Millis) -> list[Word]:
        """Call a rendezvous when there is no other way into the network."""
        overlay = self._overlay
        guests = [link for link in overlay.links.of_kind(LinkKind.GUEST) if link.outbound]
        for link in guests:
            if link.contact is not None and len(self._contacts) < CONTACTS:
                self._contacts.add(link.contact)
        if len(guests) >= CALLS_MAX or len(overlay.links.setups()) >= overlay.config.setups:
            return []
        hopeful = [link for link in guests if link.stage is Stage.UP or now - link.started < IMPATIENCE]
        alone = not overlay.links.listed() and not hopeful
        unsure = not overlay.around.clock_agreed() and max(len(self._contacts), len(hopeful)) < CONTACTS
        if not (alone or unsure or (not hopeful and self._partitioned(now))):
            return []
        place = overlay.walk.next_place(now)
        if place is None:
            return []
        call, self._next_call = CallId(self._next_call), self._next_call + 1
        return overlay.setup.call(place, call, now)

    def _partitioned(self, now: Millis) -> bool:
        """Tell whether a large part of the map cannot be reached over its links; searched for now and then."""
        view = self._overlay.around.view
        if now < self._survey_at:
            return self._cut_off
        self._survey_at = Millis(now + SURVEY_EVERY + SURVEY_PER_PEER * len(view))
        near = [self._overlay.me, *(link.peer for link in self._overlay.links.listed() if link.peer is not None)]
        before, to_search = self._suspected, (view.structure_version, near)
        if to_search != self._searched:
            linked, missed = view.out_of_reach(near)
            self._searched, self._suspected = to_search, missed * CUT_OFF_DIVISOR >= max(linked, 1)
        self._cut_off = before and self._suspected  # once may be a joiner that has heard half of the news
        return self._cut_off
