"""How own links change hands by choice: given back, followed by the slot's hash to a newcomer, drawn anew once a day,
led out of a failure domain that holds too many.

A link to a peer that never leaves outlives every other one, so a slot that lets go only of the dead gathers the
immortal: 0.48 of the own links for an adversary with 0.30 of the ids after two mean sessions. A slot that always holds
the smallest hash among all who are there holds any of them with the same chance, however long they have been
(docs/decisions/slots-follow-their-hash.md).
"""

from collections.abc import Callable, Sequence

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.effects import LinkKind, Priority, Send
from net.core.overlay.link import Link, Stage
from net.core.overlay.overlay import Overlay
from net.core.overlay.slots import HAND_BACK_EVERY
from net.core.overlay.words import Word
from net.core.wire.control import Listing, encode_listing
from net.core.wire.frame import FrameKind, encode_frame

FOLLOW_EVERY = Millis(60_000)
"""How often one own slot, each in its turn, looks for a peer that its hash prefers to the one it holds: eight slots are
through in less than MIN_AGE, for 15 ms of hashing a minute at 100,000 peers."""

SPARE_EVERY = Millis(300_000)
"""A node gives one own link that it has no need of back in this time. Under churn the mean degree is 13.40, 13.45 and
13.96 with 1, 5 and 60 minutes, for 13.0, 12.5 and 11.0 records an hour and peer."""

Pool = Callable[[Sequence[Link], Millis, int], list[PeerId]]
"""Given the own links: those that pass the filters, which relax while fewer than a number are left, with 0 never."""


class Turnover:
    """Gives own links back and moves them. Mutable: changed by its own methods alone."""

    def __init__(self, overlay: Overlay, pool: Pool) -> None:
        self._overlay = overlay
        self._pool = pool
        self._handed_back_at: Millis | None = None
        self._reseed_at: Millis | None = None
        self._follow_at: Millis | None = None
        self._turn = -1
        """Slot that looked last."""
        self._trial: tuple[Link, PeerId, int] | None = None
        """Who may be replaced, by whom, and the slot that the newcomer has until then."""
        self._crowded: frozenset[PeerId] = frozenset()
        self.moved = 0
        """Slots that went over to a newcomer."""

    def shun(self, crowded: frozenset[PeerId]) -> None:
        """Lead no more extra own links to these peers, and replace those that do: one failure domain of theirs holds
        too many of this node's links. The core does not move, for tags are what peers say of themselves."""
        self._crowded = crowded

    def fit(self, slot: int, pool: list[PeerId]) -> list[PeerId]:
        """Return the peers of a pool to which a slot may lead."""
        if not self._crowded or slot < self._overlay.config.own_core:
            return pool
        return [peer for peer in pool if peer not in self._crowded]

    def start(self, now: Millis) -> None:
        """Begin: the first look comes at a random moment of the interval, so that nodes started together spread."""
        config = self._overlay.config
        self._reseed_at = Millis(now + config.reseed)
        self._follow_at = Millis(now + self._overlay.rng.randrange(1, FOLLOW_EVERY))

    def beat(self, now: Millis, age: Millis, *, calm: bool) -> list[Word]:
        """Do what is due. Unless `calm` (an alarm, a weak cut being mended), nothing that the rules allow is let go."""
        out = self._settle(now)
        out += self._hand_back(now, age, calm=calm)
        if calm:
            out += self._reseed(now)
            out += self._follow(now, age)
        return out

    def _anchored(self, link: Link) -> bool:
        return link.peer is None or self._overlay.anchors.chosen(link.peer)

    def give_back(self, link: Link, reason: str, now: Millis) -> list[Word]:
        """End an own link without blame for the other end."""
        body = encode_listing(Listing.HAND_BACK)
        frame = Send(link.number, encode_frame(FrameKind.LISTING, body), Priority.CONTROL)
        return [frame, *self._overlay.end(link, reason, now)]

    # --- handing back ----------------------------------------------------------------------------------------------

    def _hand_back(self, now: Millis, age: Millis, *, calm: bool) -> list[Word]:
        """Give back one own link a minute while this node's age allows fewer, one in SPARE_EVERY while it needs fewer.

        The highest slot goes, whoever holds it: the youngest link would be an honest peer's oftener than not.
        """
        overlay, own = self._overlay, self._overlay.links.own_listed()
        if len(own) <= overlay.config.own_core:
            return []
        since = SPARE_EVERY if self._handed_back_at is None else now - self._handed_back_at
        over = since >= HAND_BACK_EVERY // 2 and overlay.slots.surplus(own=len(own), age=age)
        needless = overlay.slots.spare(listed=len(overlay.links.listed()), own=len(own))
        if not over and not (needless and calm and since >= SPARE_EVERY and self._trial is None):
            return []
        self._handed_back_at = now
        return self.give_back(max(own, key=lambda link: (_slot(link), link.number)), "handed back", now)

    # --- following the hash ----------------------------------------------------------------------------------------

    def _follow(self, now: Millis, age: Millis) -> list[Word]:
        """Dial the peer that the next slot's hash prefers to its holder, beside the link to the holder: a newcomer that
        shows room and refuses costs nothing."""
        overlay, config = self._overlay, self._overlay.config
        if self._follow_at is None or now < self._follow_at or self._trial is not None:
            return []
        self._follow_at = Millis(now + FOLLOW_EVERY)
        own = overlay.links.own_listed()
        left = self._leave(own, now)
        if left:
            return left
        held = sorted((_slot(link), link.number, link) for link in own if not self._anchored(link))
        listed, free = overlay.links.of_kind(LinkKind.LISTED), overlay.slots.free(now)
        full = len(overlay.links.own()) >= overlay.slots.limit(age) or len(listed) >= config.cap
        if not held or not free or full or len(overlay.links.setups()) >= config.setups:
            return []
        self._turn, _, link = next((one for one in held if one[0] > self._turn), held[0])
        assert link.peer is not None, "a link that is up has a peer"
        better = overlay.slots.better(self._turn, link.peer, self.fit(self._turn, self._pool(own, now, 0)))
        if better is None or overlay.links.up(better) is not None or not overlay.around.has_route(better, now):
            return []
        self._trial = (link, better, free[-1])
        overlay.slots.hold(free[-1], better)
        return overlay.setup.dial(better, LinkKind.LISTED, free[-1], now)

    def _leave(self, own: Sequence[Link], now: Millis) -> list[Word]:
        """Give back one extra own link into the crowded domain if there is anybody else whom its slot could choose."""
        core = self._overlay.config.own_core
        led = [link for link in own if link.peer in self._crowded and _slot(link) >= core and not self._anchored(link)]
        if len(own) <= core or not led:
            return []
        link = max(led, key=lambda link: (_slot(link), link.number))
        return self.give_back(link, "in a crowded domain", now) if self.fit(core, self._pool(own, now, 2)) else []

    def _settle(self, now: Millis) -> list[Word]:
        """See what became of the newcomer that was dialled: it takes the slot over, or everything stays."""
        if self._trial is None:
            return []
        overlay, (older, peer, spare) = self._overlay, self._trial
        link = overlay.links.up(peer) or overlay.links.setup_with(peer)
        if link is not None and link.moved_slot == spare and link.stage is not Stage.UP:
            return []
        self._trial = None
        if link is None or link.moved_slot != spare or older.peer is None or overlay.links.up(older.peer) is not older:
            return []
        self.moved += 1
        link.moved_slot, older.moved_slot = older.moved_slot, spare
        overlay.slots.hold(spare, older.peer)
        if link.moved_slot is not None:
            overlay.slots.hold(link.moved_slot, peer)
        return self.give_back(older, "moved on", now)

    # --- the reseed ------------------------------------------------------------------------------------------------

    def _reseed(self, now: Millis) -> list[Word]:
        """Once a day one core slot draws a new secret: nobody who has found out whom it prefers can wait beside it."""
        overlay = self._overlay
        if self._reseed_at is None or now < self._reseed_at or self._trial is not None:
            return []
        self._reseed_at = Millis(now + overlay.config.reseed)
        own = overlay.links.own_listed()
        core = [link for link in own if link.moved_slot is not None and not self._anchored(link)]
        if len(own) < overlay.config.own_core or not core:
            return []
        link = overlay.rng.choice(sorted(core, key=lambda link: link.number))
        overlay.slots.reseed(_slot(link))
        return self.give_back(link, "reseed", now)


def _slot(link: Link) -> int:
    return 1 << 30 if link.moved_slot is None else link.moved_slot
