"""The tree along which records travel: every peer reads it off its own map, and chooses one neighbour by it.

A breadth-first tree over the confirmed links, from a root that all know: the peer whose id is nearest to a number drawn
from the hour. Whoever has one neighbour nearer to the root than itself, and only one, makes a tree together with all
others: each record crosses each node once, and is everywhere after twice the depth (five at 2,500 peers). A tree that
links find by what repeats and what comes late has mean degree two as well, but paths as long as the square root of
the peers: names overtake it, what was asked for meets what comes, and links turn back and forth for ever.

Nothing depends on the trees of two maps being equal. Where they differ, names mend what the tree misses
(`_spread`), as they do where somebody in it swallows records; another hour has another root.
"""

from collections.abc import Iterable

from chain.primitives.hashing import blake2b_128
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.map.peer_map import PeerMap

ROOT_EVERY = Millis(3_600_000)
"""How long one root serves: nobody stays at the root, or near it, for longer."""

LOOK_EVERY = Millis(60_000)
"""How often a node looks whether another neighbour is nearer: 0.2 µs a peer on the map."""

LOOK_AGAIN = Millis(5_000)
"""Least time between two looks: when links came or went, and while a node waits for its map to show a way."""


class Tree:
    """Which neighbour is the node's parent. `Spread` alone holds one."""

    def __init__(self, me: PeerId, peer_map: PeerMap) -> None:
        self._me = me
        self._map = peer_map
        self._looked = Millis(0)
        self._look_at: Millis | None = None

    def links_changed(self, now: Millis) -> None:
        """Note that a link came or went: look again soon."""
        soon = Millis(max(now, self._looked + LOOK_AGAIN))
        self._look_at = soon if self._look_at is None else min(self._look_at, soon)

    def map_came(self, now: Millis) -> None:
        """Note that the whole map is here: look at once."""
        self._look_at = now

    def deadline(self) -> Millis | None:
        """Return when to look again, None before there was a link."""
        return self._look_at

    def due(self, now: Millis) -> bool:
        """Tell whether to look now."""
        return self._look_at is not None and now >= self._look_at

    def parent(self, neighbours: Iterable[PeerId], held: PeerId | None, now: Millis) -> PeerId | None:
        """Return the neighbour that is nearest to the root, None for the root itself and where no way leads to it.

        Of several the one `held` now stays; else their ids decide, differently at each node, which spreads the load.
        `now` is mesh time: nodes whose clocks differ change roots a moment apart.
        """
        self._looked, self._look_at = now, Millis(now + LOOK_EVERY)
        peers = list(neighbours)
        mine, *theirs = self._map.hops_from_root(_root(now), [self._me, *peers])
        nearer = {peer: hops for peer, hops in zip(peers, theirs, strict=True) if hops >= 0 and not 0 <= mine <= hops}
        if not nearer:
            if mine != 0:
                self._look_at = Millis(now + LOOK_AGAIN)
            return None
        least = min(nearer.values())
        if held is not None and nearer.get(held) == least:
            return held
        me = int.from_bytes(self._me, "big")
        return min(
            (peer for peer, hops in nearer.items() if hops == least), key=lambda peer: int.from_bytes(peer, "big") ^ me
        )


def _root(now: Millis) -> int:
    """Return the first eight bytes of the id that would be the root of this hour."""
    hour = now // ROOT_EVERY
    return int.from_bytes(blake2b_128(b"mappemonde/tree/1" + hour.to_bytes(8, "big"))[:8], "big")
