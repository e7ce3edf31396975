"""The eclipse alarm: what unlisted links know, and the listed ones should have told (DESIGN section 3.3).

An attacker that holds all listed links can keep records from this node, but cannot read off the map to whom its
unlisted links go. Through these the map is compared every few minutes, from both ends. A record older than LAG that is
news here and comes that way, with a valid signature, the listed neighbours all kept back or never had.
"""

from collections.abc import Sequence

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.effects import Alarm
from net.core.map.view import MapView

LAG = Millis(15_000)
"""Age from which every listed neighbour should have passed a record on: spreading takes seconds, and one known by name
is asked of three neighbours within ten. Below `map.reconcile.MISMATCH_FOR`, after which comparing brings it anyway."""

EVERY = Millis(120_000)
EVERY_PER_PEER = Millis(10)
"""How often one unlisted neighbour is compared with, and how much rarer per peer: it finds what is on its way too. One
whose last ping told of an equal map is not (`Reconciler.compare`)."""

SHOWN_MIN = 4
"""Records that only unlisted links brought, at least: one or two are chance."""

SHARE = 4
"""And one in this many of all records signed in the same time."""

JUDGE_FROM = 8
"""Records signed since the last judgement that suffice to clear the neighbours of suspicion."""

ROUNDS = 2
"""Suspicious judgements in a row that raise the alarm: a node that was cut off for a minute has one."""


class EclipseWatch:
    """One per node; all times are mesh time. Mutable: changed by its own methods alone. Bounded: one entry a link."""

    def __init__(self, view: MapView) -> None:
        self._view = view
        self._asked: dict[PeerId, Millis] = {}
        self._next_at: Millis | None = None
        self._since: Millis | None = None
        self._shown = 0
        self._rounds = 0

    @property
    def alarmed(self) -> bool:
        """Tell whether the alarm stands."""
        return self._rounds >= ROUNDS

    def due(self, now: Millis) -> bool:
        """Tell whether the next round is due."""
        return self._next_at is None or now >= self._next_at

    def told(self, seq: Millis, now: Millis) -> None:
        """Count a valid record, signed at `seq`, that was news when an unlisted neighbour brought it."""
        self._shown += seq <= now - LAG

    def round(self, unlisted: Sequence[PeerId], now: Millis) -> tuple[PeerId | None, Alarm | None]:
        """When a round is due, judge the last one and begin the next.

        Returns the unlisted neighbour to compare the map with, the one asked longest ago, and the alarm when it rises.
        """
        if self._next_at is None:
            self._next_at = Millis(now + EVERY)  # a joiner's first map comes through comparisons anyway
            self._since = now
        if now < self._next_at:
            return None, None
        self._next_at = Millis(now + EVERY + EVERY_PER_PEER * len(self._view))
        self._asked = {peer: at for peer, at in self._asked.items() if peer in unlisted}
        peer = min(unlisted, key=lambda peer: (self._asked.get(peer, 0), peer), default=None)
        if peer is not None:
            self._asked[peer] = now
        return peer, self._judge(now)

    def _judge(self, now: Millis) -> Alarm | None:
        assert self._since is not None, "the first round has begun"
        seqs = self._view.table().seq
        signed = int(((seqs > self._since) & (seqs <= now)).sum())
        suspicious = self._shown >= SHOWN_MIN and SHARE * self._shown >= signed
        if not suspicious and signed < JUDGE_FROM:
            return None  # too little happened to say: what was shown counts on
        shown, self._shown, self._since = self._shown, 0, now
        before, self._rounds = self.alarmed, self._rounds + 1 if suspicious else 0
        if not self.alarmed or before:
            return None
        text = f"unlisted links brought {shown} records that no listed neighbour had told of: they may hide the network"
        return Alarm("eclipse", text)
