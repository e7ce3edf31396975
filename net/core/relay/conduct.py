"""How each neighbour behaves as a relay: what it brought, brought again, was asked for and did not send (DESIGN 3.3).

Being slow is no fault. A copy that comes after another's is innocent, and one that was asked for counts as answered
however late it is within PATIENCE. Counted against a neighbour is only what it must have known to be useless: what it
sent before, what this node had sent it, and what it announced and never sends.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis

PATIENCE = Millis(30_000)
"""How long an announced and asked message may take. A neighbour with 1 Mbit/s sends a 2 MiB payload in 17 s; the pull
from the next announcer waits for none of this."""

KEYS_MAX = 512
"""Keys remembered of each neighbour in each of the three lists; the oldest is forgotten and then counts as nothing."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What one neighbour has done since its link came up; grows only."""

    useful: int = 0
    """Messages it brought first, and answers to pulls."""
    repeated: int = 0
    """Whole copies of what it had sent before."""
    given: int = 0
    """Messages this node sent it whole."""
    echoed: int = 0
    """Of them, those it sent back whole. A few cross on the way."""
    stalled: int = 0
    """Messages it announced, was asked for, and did not send within PATIENCE."""


@dataclass(slots=True)
class _Neighbour:
    got: OrderedDict[bytes, None] = field(default_factory=OrderedDict)
    given: OrderedDict[bytes, None] = field(default_factory=OrderedDict)
    asked: OrderedDict[bytes, Millis] = field(default_factory=OrderedDict)
    useful: int = 0
    repeated: int = 0
    echoed: int = 0
    given_count: int = 0
    stalled: int = 0


class Conduct:
    """One tally a neighbour. Mutable: changed by the relay alone."""

    def __init__(self) -> None:
        self._neighbours: dict[PeerId, _Neighbour] = {}
        self._open = 0
        """Messages asked for that have not come, over all neighbours."""

    def linked(self, peer: PeerId) -> None:
        """Begin to count for a neighbour."""
        self._neighbours[peer] = _Neighbour()

    def unlinked(self, peer: PeerId) -> None:
        """Forget a neighbour that is gone."""
        gone = self._neighbours.pop(peer, None)
        if gone is not None:
            self._open -= len(gone.asked)

    def delivered(self, peer: PeerId, key: bytes, *, new: bool) -> None:
        """Count a whole copy from a neighbour; `new` tells that it was the first from anyone."""
        one = self._neighbours.get(peer)
        if one is None:
            return
        if one.asked.pop(key, None) is not None:
            self._open -= 1
            one.useful += 1
        elif key in one.got:
            one.repeated += 1
        elif key in one.given:
            one.echoed += 1
        elif new:
            one.useful += 1
        _remember(one.got, key)

    def gave(self, peer: PeerId, key: bytes) -> None:
        """Count a whole copy sent to a neighbour."""
        one = self._neighbours.get(peer)
        if one is not None:
            one.given_count += 1
            _remember(one.given, key)

    def asked(self, peer: PeerId, key: bytes, now: Millis) -> None:
        """Note that a message was asked of a neighbour that had announced it."""
        one = self._neighbours.get(peer)
        if one is None or key in one.asked:
            return
        one.asked[key] = now
        if len(one.asked) > KEYS_MAX:
            one.asked.popitem(last=False)
        else:
            self._open += 1

    def awaits(self, peer: PeerId, key: bytes) -> bool:
        """Tell whether a message asked of the neighbour has not come from it yet."""
        one = self._neighbours.get(peer)
        return one is not None and key in one.asked

    def stalled(self, now: Millis) -> list[PeerId]:
        """Count what was asked PATIENCE ago and has not come; return its neighbours, once for each message."""
        late: list[PeerId] = []
        for peer, one in self._neighbours.items():
            while one.asked and next(iter(one.asked.values())) + PATIENCE <= now:
                one.asked.popitem(last=False)
                self._open -= 1
                one.stalled += 1
                late.append(peer)
        return late

    def deadline(self) -> Millis | None:
        """Return when `stalled` next has something to count."""
        if not self._open:  # asked after every frame, and nearly always so
            return None
        firsts = [next(iter(one.asked.values())) for one in self._neighbours.values() if one.asked]
        return Millis(min(firsts) + PATIENCE) if firsts else None

    def of(self, peer: PeerId) -> Tally:
        """Return the tally of a neighbour; an empty one when it has no link."""
        one = self._neighbours.get(peer)
        if one is None:
            return Tally()
        return Tally(one.useful, one.repeated, one.given_count, one.echoed, one.stalled)


def _remember(keys: OrderedDict[bytes, None], key: bytes) -> None:
    keys[key] = None
    if len(keys) > KEYS_MAX:
        keys.popitem(last=False)
