"""Strikes of relays: they fade, and a clock that is set back does no harm."""

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.routing.suspects import HALF_LIFE, Suspects

PEER = PeerId(bytes(32))
NOW = Millis(1_800_000_000_000)


def test_strikes_halve() -> None:
    suspects = Suspects()
    for _ in range(4):
        suspects.strike(PEER, NOW)
    assert suspects.score(PEER, Millis(NOW + HALF_LIFE)) == 2.0
    assert suspects.worst(Millis(NOW + 2 * HALF_LIFE)) == set()


def test_a_clock_set_back_by_years_leaves_strikes_as_they_are() -> None:
    suspects = Suspects()
    for _ in range(2):
        suspects.strike(PEER, NOW)
    assert suspects.worst(Millis(0)) == {PEER}
    suspects.strike(PEER, Millis(0))
    assert suspects.score(PEER, Millis(0)) == 3.0
