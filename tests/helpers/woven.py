"""A map of sixty peers, woven of rings and chords, and the trees that its peers read off it."""

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.map._tree import ROOT_EVERY, Trees
from net.core.map.peer_map import PeerMap
from net.core.wire.record import Direction
from tests.helpers.map_world import START, identity, record
from tests.helpers.shapes import random_graph, ring

COUNT = 60
PEERS = [identity(number).peer for number in range(1, COUNT + 1)]
HOUR = Millis(START - START % ROOT_EVERY + ROOT_EVERY)


def links_of(edges: list[tuple[int, int]], at: int) -> dict[PeerId, Direction]:
    chosen = {PEERS[right]: Direction.OUT for left, right in edges if left == at}
    return chosen | {PEERS[left]: Direction.IN for left, right in edges if right == at}


def map_of(edges: list[tuple[int, int]]) -> PeerMap:
    peer_map = PeerMap(bytes(8), lambda _: None)
    for at in range(COUNT):
        peer_map.apply(record(identity(at + 1), links_of(edges, at)), START)
    return peer_map


def woven(seed: int, *, pieces: int = 1) -> list[tuple[int, int]]:
    """Links of so many rings of equal size with chords."""
    size = COUNT // pieces
    one = {(min(edge), max(edge)) for edge in (*ring(size), *random_graph(size, 4, seed))}
    return [(first + left, first + right) for first in range(0, COUNT, size) for left, right in sorted(one)]


def neighbours_of(edges: list[tuple[int, int]], at: int) -> list[PeerId]:
    return list(links_of(edges, at))


def parent(
    me: PeerId, peer_map: PeerMap, near: list[PeerId], now: Millis = HOUR, held: PeerId | None = None
) -> PeerId | None:
    return Trees(me, peer_map).look(near, lambda _: held, now).parent


def parents(edges: list[tuple[int, int]], now: Millis) -> dict[PeerId, PeerId | None]:
    peer_map = map_of(edges)
    return {PEERS[at]: parent(PEERS[at], peer_map, neighbours_of(edges, at), now) for at in range(COUNT)}


def hops_of(edges: list[tuple[int, int]]) -> dict[PeerId, int]:
    """Return how far each peer is from the root of the hour."""
    (root,) = (peer for peer, parent in parents(edges, HOUR).items() if parent is None)
    hops = map_of(edges).hops_from_root(int.from_bytes(root[:8], "big"), PEERS)
    return dict(zip(PEERS, hops, strict=True))


def climb(peer: PeerId, above: dict[PeerId, PeerId | None]) -> list[PeerId]:
    way = [peer]
    while (parent := above[way[-1]]) is not None:
        assert parent not in way, "a tree has no circles"
        way.append(parent)
    return way
