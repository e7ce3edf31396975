"""Mending a weak cut past the usual cap (DESIGN sections 3.0, 3.2 and 3.6): the healing flag of the own record.

While the flag stands in the record, links across the cut may be listed up to CAP_HEAL; everybody sees both, and a
record with over CAP links without the flag is invalid. The flag goes up before the first such link and down after the
last. Table state machine.
"""

from dataclasses import dataclass
from enum import Enum

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis

HEAL_LONGEST = Millis(1_800_000)
"""How long the flag may stay up, and how long it rests then: who feigns a weak cut shall not keep the network's degree
up for ever. Mending itself goes on within the usual cap."""

SHED_EVERY = Millis(5_000)
"""How often one link past the cap ends when the mending is over."""


class Stage(Enum):
    """Where a node stands."""

    CALM = "no links past the cap"
    MENDING = "the flag is up, links across the cut may pass the cap"
    SHEDDING = "the flag is up, links past the cap are given back"


class Event(Enum):
    """What moves it on."""

    WEAK = "a weak cut is to be mended"
    OVER = "nothing is to be mended any more"
    LEAN = "nothing is to be mended, and no link is past the cap"


_TABLE = {
    (Stage.CALM, Event.WEAK): Stage.MENDING,
    (Stage.CALM, Event.OVER): Stage.SHEDDING,
    (Stage.CALM, Event.LEAN): Stage.CALM,
    (Stage.MENDING, Event.WEAK): Stage.MENDING,
    (Stage.MENDING, Event.OVER): Stage.SHEDDING,
    (Stage.MENDING, Event.LEAN): Stage.CALM,
    (Stage.SHEDDING, Event.WEAK): Stage.MENDING,
    (Stage.SHEDDING, Event.OVER): Stage.SHEDDING,
    (Stage.SHEDDING, Event.LEAN): Stage.CALM,
}


@dataclass(frozen=True, slots=True)
class Wish:
    """Links that health asks for."""

    peers: frozenset[PeerId]
    """The far side of the weak cut."""
    goal: int
    """Own links to them that this node wants in all; it may have them already, and waits for others'."""
    until: Millis


class Healing:
    """The wish in force and the flag. Mutable: changed by the upkeep alone."""

    def __init__(self, *, cap: int, cap_heal: int) -> None:
        self._cap = cap
        self._cap_heal = cap_heal
        self._wish: Wish | None = None
        self._far: frozenset[PeerId] = frozenset()
        self._began: Millis | None = None
        """When the flag went up."""
        self._rests_until = Millis(0)
        self.stage = Stage.CALM

    @property
    def raised(self) -> bool:
        """Whether the own record says that this node heals."""
        return self.stage is not Stage.CALM

    @property
    def wish(self) -> Wish | None:
        """What is to be mended."""
        return self._wish

    def mend(self, wish: Wish) -> None:
        """Take a new wish in place of the one before; the flag goes up with the next `advance`."""
        self._wish, self._far = wish, wish.peers

    def mended(self) -> None:
        """Note that the cut is weak no longer."""
        self._wish = None

    def cap_for(self, peer: PeerId) -> int:
        """Return how many links may be listed when the next one leads to this peer: CAP_HEAL holds for those across."""
        return self._cap_heal if self.stage is Stage.MENDING and peer in self._far else self._cap

    def across(self, peer: PeerId | None) -> bool:
        """Tell whether the peer was last seen on the far side of a weak cut: its link is the last to be given back."""
        return peer in self._far

    def advance(self, now: Millis, *, listed: int) -> bool:
        """Let time pass, with so many links listed or being set up; tell whether the flag has changed."""
        before = self.raised
        if not before and self._wish is None and listed <= self._cap:
            return False  # nearly always
        if self._wish is not None and now >= self._wish.until:
            self._wish = None
        if self._began is not None and now - self._began >= HEAL_LONGEST:
            self._began, self._rests_until = None, Millis(now + HEAL_LONGEST)
        weak = self._wish is not None and now >= self._rests_until
        event = Event.WEAK if weak else (Event.OVER if listed > self._cap else Event.LEAN)
        self.stage = _TABLE[self.stage, event]
        if not self.raised:
            self._began = None
        elif not before:
            self._began = now
        return self.raised is not before
