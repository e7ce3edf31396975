"""Whose time is asked beyond the neighbours: 64 ids drawn by a private SipHash, so that no liar can sit around a node.

They are asked in turns. A question costs its relays little: one route, no receipts, and silence means nothing but that
the id is asked again in its turn. Then, however, the question goes the sure way, over two routes with receipts: who
drops questions to choose which ids are heard delays an answer by one turn, and is accused by the second silence.
"""

from dataclasses import dataclass

import numpy as np

from chain.primitives.peer import PeerId
from chain.primitives.siphash import siphash13
from chain.primitives.units import Millis
from net.core.clock.mesh_clock import TRIP_MAX
from net.core.map.view import MapView

SOURCES = 64
"""Ids asked (DESIGN section 3.7)."""

ASK_EVERY = Millis(10_000)
"""Between two questions: a turn of all 64 takes eleven minutes, less than the life of a sample."""

ASK_EVERY_UNSURE = Millis(1_000)
"""Between two questions while the clock has not agreed."""

DRAW_EVERY = Millis(300_000)
"""How often the ids are drawn anew from the map; the hash keeps most of them, and they keep their turns."""

OPEN_MAX = 64
"""Questions under way; the oldest is given up first."""


@dataclass(frozen=True, slots=True)
class Question:
    """Whom to ask."""

    peer: PeerId
    sure: bool
    """Whether to ask over two routes with receipts: it left the last question unanswered."""


class Sources:
    """Whom to ask next, and what was asked. Mutable: changed by its own methods alone."""

    def __init__(self, secret: bytes, view: MapView, me: PeerId) -> None:
        """`secret` is `siphash.KEY_BYTES` of entropy, by which ids are ranked."""
        self._secret = secret
        self._view = view
        self._me = me
        self._turns: list[PeerId] = []
        """The ids drawn, the one asked longest ago first."""
        self._silent: set[PeerId] = set()
        """Those of them that have not answered their last question."""
        self._draw_at = Millis(0)
        self._ask_at: Millis | None = None
        self._asked: dict[bytes, tuple[PeerId, Millis]] = {}

    def start(self, now: Millis) -> None:
        """Begin asking soon."""
        self._ask_at = Millis(now + ASK_EVERY_UNSURE)

    def deadline(self) -> Millis | None:
        """Return when the next question is due."""
        return self._ask_at

    def next(self, attempt: bytes, now: Millis, *, agreed: bool) -> Question | None:
        """Return whom to ask under the name `attempt`, None when it is too early or nobody is there."""
        if self._ask_at is None or now < self._ask_at:
            return None
        self._ask_at = Millis(now + (ASK_EVERY if agreed else ASK_EVERY_UNSURE))
        if now >= self._draw_at or not self._turns:
            self._draw(now)
        peer = next((peer for peer in self._turns if peer in self._view), None)
        if peer is None:
            return None
        self._turns.remove(peer)
        self._turns.append(peer)
        sure = peer in self._silent
        self._silent.add(peer)
        self._asked[attempt] = (peer, now)
        if len(self._asked) > OPEN_MAX:
            del self._asked[next(iter(self._asked))]
        return Question(peer, sure)

    def _draw(self, now: Millis) -> None:
        self._draw_at = Millis(now + DRAW_EVERY)
        ids = self._view.names()[0]
        ranks = siphash13(self._secret, ids.view("<u8"))
        best = np.argsort(ranks, kind="stable")[: SOURCES + 1].tolist()
        drawn = [peer for at in best if (peer := PeerId(ids[at].tobytes())) != self._me][:SOURCES]
        kept = set(self._turns).intersection(drawn)
        self._turns = [peer for peer in self._turns if peer in kept] + [peer for peer in drawn if peer not in kept]
        self._silent &= kept

    def answered(self, attempt: bytes, peer: PeerId, now: Millis) -> Millis | None:
        """Return when this peer was asked under this name; forgets the question.

        None as well for an answer so late that it says nothing: whoever delays one has dropped it.
        """
        asked = self._asked.get(attempt)
        if asked is None or asked[0] != peer:
            return None
        del self._asked[attempt]
        if now - asked[1] > TRIP_MAX:
            return None
        self._silent.discard(peer)
        return asked[1]
