"""Whom direct messages vanish at: strikes to both ends of a suspect link, halved every ten minutes."""

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis

HALF_LIFE = Millis(600_000)
"""DESIGN section 3.4."""

SUSPICIOUS = 2.0
"""Strikes from which a peer is no relay of ours while another way exists: one lost message is chance."""

SUSPECTS_MAX = 1024
"""Peers remembered; the one struck longest ago is forgotten first."""


class Suspects:
    """Decaying strikes by peer."""

    def __init__(self) -> None:
        self._strikes: dict[PeerId, tuple[float, Millis]] = {}

    def strike(self, peer: PeerId, now: Millis) -> None:
        """Count one lost message against a peer."""
        score = self.score(peer, now) + 1.0
        self._strikes.pop(peer, None)
        self._strikes[peer] = (score, now)
        if len(self._strikes) > SUSPECTS_MAX:
            del self._strikes[next(iter(self._strikes))]

    def score(self, peer: PeerId, now: Millis) -> float:
        """Return the strikes of a peer at this moment."""
        score, at = self._strikes.get(peer, (0.0, now))
        return float(score * 0.5 ** (max(0, now - at) / HALF_LIFE))  # mesh time may go back before it is agreed on

    def worst(self, now: Millis) -> set[PeerId]:
        """Return the peers to avoid."""
        return {peer for peer in self._strikes if self.score(peer, now) >= SUSPICIOUS}
