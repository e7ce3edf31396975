"""Which neighbours waste this node's time, judged by what they must have known themselves (DESIGN section 3.3).

A slow neighbour brings late copies, and all of them may be useless here; none of that counts. A neighbour is annoying
when most of what it sends repeats what it or this node had sent before, or when it announces what it never delivers.
One bad minute is chance: a neighbour is named after LEVEL_MAX bad judgements more than good ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from operator import sub
from typing import NamedTuple

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis

JUDGE_EVERY = Millis(60_000)
"""How often neighbours are judged. LEVEL_MAX judgements and one replacement a minute leave room for six annoying
neighbours at once within the ten minutes of DESIGN section 3.3."""

SAMPLE = 8
"""Deeds in a judgement at least, each stall and repetition counted for WILL_WEIGHT; a quieter neighbour is judged when
it has done as many."""

LEVEL_MAX = 3
"""Bad judgements less good ones at which a neighbour is annoying."""

WILL_WEIGHT = 4
"""Weight of stalls and repetitions, which no honest neighbour is the cause of: a fifth of them is annoying."""

ECHO_QUARTERS = 3
"""Echoes count when they are more than this many quarters of what a neighbour was given: honest pushes cross on a slow
link, but a neighbour pushes to three of its other links only."""


class Deeds(NamedTuple):
    """What a neighbour has done since its link came up, in messages, records and requests together; grows only."""

    useful: int = 0
    """New things, and answers."""
    repeated: int = 0
    """Messages it had sent before: an honest neighbour sends none twice."""
    outdated: int = 0
    """Records older than the one held here, or sent whole after it was asked for names only; news cross with some."""
    given: int = 0
    """Messages this node pushed to it."""
    echoed: int = 0
    """Of them, those it pushed back."""
    stalled: int = 0
    """Things it announced or was asked for and did not send."""
    handed: int = 0
    """Records it named, was asked for, and sent."""
    kept_back: int = 0
    """Records it named, was asked for, and did not send; stand in `stalled` as well."""

    def since(self, before: "Deeds") -> "Deeds":
        """Return what was done after `before`."""
        return Deeds(*map(sub, self, before))

    def waste(self) -> int:
        """Return what came for nothing and may be chance, echoes only when they are too many for it."""
        return self.outdated + (self.echoed if 4 * self.echoed > ECHO_QUARTERS * self.given else 0)

    def bad(self) -> bool:
        """Tell whether waste prevails, or a fifth is bad will, or it keeps back most records that it names.

        The last whatever else it does: who brings enough of use could else delay what it likes.
        """
        will = WILL_WEIGHT * (self.stalled + self.repeated)
        return self.waste() > self.useful or will > self.useful or self.kept_back > self.handed

    def enough(self) -> bool:
        """Tell whether this is enough to judge by."""
        return self.useful + self.waste() + WILL_WEIGHT * (self.stalled + self.repeated) >= SAMPLE


@dataclass(slots=True)
class _Judged:
    deeds: Deeds
    level: int = 0


class Annoyance:
    """Levels of the listed neighbours. Mutable: changed by `judge` alone; one entry a link."""

    def __init__(self) -> None:
        self._judged: dict[PeerId, _Judged] = {}
        self._judge_at = Millis(0)

    def due(self, now: Millis) -> bool:
        """Tell whether the next judgement is due."""
        return now >= self._judge_at

    def judge(self, deeds: Mapping[PeerId, Deeds], now: Millis) -> PeerId | None:
        """Judge the neighbours by all they have done so far; return the most annoying one, if any is to be replaced.

        Called once JUDGE_EVERY, so that no more than one is replaced in this time.
        """
        self._judge_at = Millis(now + JUDGE_EVERY)
        self._judged = {peer: self._judged.get(peer) or _Judged(Deeds()) for peer in deeds}
        for peer, judged in self._judged.items():
            done = deeds[peer].since(judged.deeds)
            if min(done) < 0:
                judged.deeds, judged.level = Deeds(), 0  # the link is another one than at the last judgement
            elif done.enough():
                judged.level = min(LEVEL_MAX, judged.level + 1) if done.bad() else max(0, judged.level - 1)
                judged.deeds = deeds[peer]
        return max(
            (peer for peer, judged in self._judged.items() if judged.level >= LEVEL_MAX),
            key=lambda peer: (deeds[peer].stalled + deeds[peer].repeated, deeds[peer].waste(), peer),
            default=None,
        )
