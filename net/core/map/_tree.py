"""The trees along which records travel: every peer reads them off its own map, and chooses a neighbour by each.

Breadth-first trees over the confirmed links, from roots that all know: the peer whose id is nearest to a number drawn
from the hour. Whoever has one neighbour nearer to a root than itself, and only one, makes a tree together with all
others: each record crosses each node once, and is everywhere after twice the depth (five at 2,500 peers). A tree that
links find by what repeats and what comes late has mean degree two as well, but paths as long as the square root of
the peers: names overtake it, what was asked for meets what comes, and links turn back and forth for ever.

Whoever is near the root of a tree sends up to fifteen copies of what travels along it. So there are more trees the
more peers there are, up to LANES; which of them a record takes its origin's id says (`wire.gossip.lane_of`), and
who is near one root is seldom near another. Tree t of so many carries every lane that leaves t as remainder, so the
trees of half as many are the first half of these.

Nothing depends on the trees of two maps being equal. Where they differ, names mend what a tree misses
(`_flows`), as they do where somebody in it swallows records; another hour has other roots.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from chain.primitives.hashing import blake2b_128
from chain.primitives.peer import PEER_ID_BYTES, PeerId
from chain.primitives.units import Millis
from net.core.map.peer_map import PeerMap
from net.core.moments import soonest
from net.core.wire.gossip import LANES

ROOT_EVERY = Millis(3_600_000)
"""How long one root serves: nobody stays at a root, or near it, for longer."""

LOOK_EVERY = Millis(60_000)
"""How often a node looks whether another neighbour is nearer: 0.2 µs a peer on the map and tree."""

LOOK_AGAIN = Millis(5_000)
"""Least time between two looks along a tree: when links came or went, and while its map shows no way."""

LOOK_NEXT = Millis(250)
"""Least time between looks along two trees: at 100,000 peers one takes 17 ms, in which a node does nothing else."""

PEERS_A_TREE = 4_096
"""Most peers on the map for each tree that is read off it, as long as there are lanes: up to 60,000 peers less than 3
in 1,000 then have more to send than GOSSIP_BUDGET, one in 25 at 100,000 (`bench.record_trees`)."""


class Place(NamedTuple):
    """What a look has found."""

    lanes: int
    """The lanes of the tree, one bit each."""
    parent: PeerId | None
    """The neighbour to hang under; None for the root itself and where no way leads to it."""


class Trees:
    """Which neighbours are the node's parents. `Flows` alone holds one."""

    def __init__(self, me: PeerId, peer_map: PeerMap) -> None:
        self._me = me
        self._map = peer_map
        self._count = 1
        self._looked = [Millis(0)] * LANES
        self._look_at: list[Millis | None] = [None] * LANES
        """When to look next, by tree; only the first `_count` count. None before there was a link."""
        self._not_before = Millis(0)

    def links_changed(self, now: Millis) -> None:
        """Note that a link came or went: look again soon."""
        for tree in range(self._count):
            soon = Millis(max(now, self._looked[tree] + LOOK_AGAIN))
            self._look_at[tree] = soonest(soon, self._look_at[tree])

    def map_came(self, now: Millis) -> None:
        """Note that the whole map is here: look at once."""
        self._look_at[: self._count] = [now] * self._count

    def deadline(self) -> Millis | None:
        """Return when to look again, None before there was a link."""
        due = soonest(*self._look_at[: self._count])
        return None if due is None else max(due, self._not_before)

    def due(self, now: Millis) -> bool:
        """Tell whether to look now."""
        due = self.deadline()
        return due is not None and now >= due

    def lanes_beside(self, lane: int) -> int:
        """Return the lanes that share a tree with this one, one bit each."""
        return _lanes(lane % self._count, self._count)

    def look(self, neighbours: Iterable[PeerId], held: Callable[[int], PeerId | None], now: Millis) -> Place:
        """Look along the tree that has waited longest, and return this node's place in it.

        Of several neighbours as near to the root the one that is `held` for the lane stays; else their ids decide,
        differently at each node and for each tree, which spreads the load. `now` is mesh time: nodes whose clocks
        differ change roots a moment apart.
        """
        self._count_trees(now)
        waited = self._look_at[: self._count]
        tree = min(range(self._count), key=lambda at: waited[at] or 0)
        self._looked[tree], self._look_at[tree] = now, Millis(now + LOOK_EVERY)
        self._not_before = Millis(now + LOOK_NEXT) if self._count > 1 else now
        return Place(_lanes(tree, self._count), self._parent(tree, list(neighbours), held(tree), now))

    def _count_trees(self, now: Millis) -> None:
        count = trees_for(len(self._map))
        if count != self._count:
            self._count = count
            self._look_at[:count] = [now] * count

    def _parent(self, tree: int, peers: list[PeerId], held: PeerId | None, now: Millis) -> PeerId | None:
        mine, *theirs = self._map.hops_from_root(_root(tree, now), [self._me, *peers])
        nearer = {peer: hops for peer, hops in zip(peers, theirs, strict=True) if hops >= 0 and not 0 <= mine <= hops}
        if not nearer:
            if mine != 0:
                self._look_at[tree] = Millis(now + LOOK_AGAIN)
            return None
        least = min(nearer.values())
        if held is not None and nearer.get(held) == least:
            return held
        here = int.from_bytes(self._me, "big") ^ tree * _TREE_STEP
        return min(
            (peer for peer, hops in nearer.items() if hops == least),
            key=lambda peer: int.from_bytes(peer, "big") ^ here,
        )


def trees_for(peers: int) -> int:
    """Return how many trees are read off a map of so many peers: the power of two that leaves each PEERS_A_TREE at
    most, up to LANES."""
    trees = 1
    while trees < LANES and peers > trees * PEERS_A_TREE:
        trees *= 2
    return trees


_TREE_STEP = (1 << 8 * PEER_ID_BYTES) // LANES
"""What tells trees apart in the choice among equals: the id's first bits."""


def _lanes(tree: int, count: int) -> int:
    """Return the lanes of a tree of so many, one bit each."""
    return sum(1 << lane for lane in range(tree, LANES, count))


def _root(tree: int, now: Millis) -> int:
    """Return the first eight bytes of the id that would be the root of this tree and hour."""
    hour = (now // ROOT_EVERY).to_bytes(8, "big")
    which = bytes((tree,)) if tree else b""
    return int.from_bytes(blake2b_128(b"mappemonde/tree/1" + hour + which)[:8], "big")
