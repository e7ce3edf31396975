"""Whose records matter most here: neighbours, then candidates for own links, then members of routes in use."""

from collections.abc import Set

from chain.primitives.peer import PeerId


class Interest:
    """Three sets in that order. The gossip machine alone changes it."""

    def __init__(self) -> None:
        self._sets: tuple[Set[PeerId], ...] = ()

    def set(self, neighbours: Set[PeerId], candidates: Set[PeerId], routes: Set[PeerId]) -> None:
        """Replace them."""
        self._sets = (neighbours, candidates, routes)

    def sets(self) -> tuple[Set[PeerId], ...]:
        """Return them."""
        return self._sets

    def __contains__(self, origin: object) -> bool:
        """Tell whether one of them holds the peer."""
        return any(origin in peers for peers in self._sets)
