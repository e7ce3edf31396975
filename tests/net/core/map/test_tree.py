"""The tree read off the map: one for all who hold the same map, and what a node does about it on its links."""

import pytest

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.map._spread import EAGER_ENOUGH, LAZY_AFTER, REPEATS_SPARED, Spread
from net.core.map._tree import LOOK_AGAIN, LOOK_EVERY, ROOT_EVERY, Tree
from net.core.map.peer_map import PeerMap
from net.core.wire.delta import delta_between
from net.core.wire.frame import ToPeer
from net.core.wire.gossip import Turn, decode_want
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


def parents(edges: list[tuple[int, int]], now: Millis) -> dict[PeerId, PeerId | None]:
    peer_map = map_of(edges)
    return {PEERS[at]: Tree(PEERS[at], peer_map).parent(neighbours_of(edges, at), None, now) for at in range(COUNT)}


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


# --- the tree --------------------------------------------------------------------------------------------------------


def test_all_who_hold_the_same_map_make_one_tree_as_shallow_as_it_can_be() -> None:
    for seed in range(5):
        edges = woven(seed)
        above = parents(edges, HOUR)
        ways = {peer: climb(peer, above) for peer in PEERS}
        assert len({way[-1] for way in ways.values()}) == 1
        assert hops_of(edges) == {peer: len(way) - 1 for peer, way in ways.items()}


def test_each_hour_has_its_root() -> None:
    edges = woven(1)
    roots = set()
    for hour in range(12):
        above = parents(edges, Millis(HOUR + hour * ROOT_EVERY))
        assert above == parents(edges, Millis(HOUR + (hour + 1) * ROOT_EVERY - 1))
        roots |= {peer for peer, parent in above.items() if parent is None}
    assert len(roots) >= 8


def test_every_piece_of_a_split_network_has_a_tree() -> None:
    above = parents(woven(2, pieces=2), HOUR)
    roots = {climb(peer, above)[-1] for peer in PEERS}
    assert len(roots) == 2
    assert {climb(peer, above)[-1] for peer in PEERS[: COUNT // 2]} < roots


def test_a_node_that_nobody_confirms_yet_hangs_under_a_neighbour_on_the_map() -> None:
    edges = woven(3)
    peer_map, newcomer, stranger = map_of(edges), identity(99).peer, identity(98).peer
    assert Tree(newcomer, peer_map).parent([stranger], None, HOUR) is None
    assert Tree(newcomer, peer_map).parent([stranger, PEERS[4]], None, HOUR) == PEERS[4]
    assert Tree(newcomer, PeerMap(bytes(8), lambda _: None)).parent([PEERS[4]], None, HOUR) is None


def test_a_parent_stays_while_nobody_is_nearer() -> None:
    edges = woven(4)
    hops, peer_map = hops_of(edges), map_of(edges)
    for at in range(COUNT):
        near = neighbours_of(edges, at)
        for held in near:
            parent = Tree(PEERS[at], peer_map).parent(near, held, HOUR)
            least = min(hops[peer] for peer in near)
            if hops[held] == least < hops[PEERS[at]]:
                assert parent == held
            else:
                assert parent is None or hops[parent] == least < hops[PEERS[at]]


# --- the links -------------------------------------------------------------------------------------------------------


def linked(at: int) -> tuple[Spread, PeerId, list[PeerId]]:
    """Return the outboxes of a node with all its links, its parent, and its other neighbours."""
    edges = woven(5)
    peer_map, near = map_of(edges), neighbours_of(edges, at)
    spread = Spread(PEERS[at], lambda _: None, delta_between, Tree(PEERS[at], peer_map))
    for peer in near:
        spread.add(peer, peer_map.degree(peer), HOUR)
    ((parent, turn),) = turns(spread.flush(HOUR))
    assert turn is Turn.TREE
    return spread, parent, [peer for peer in near if peer != parent]


def turns(frames: list[ToPeer]) -> list[tuple[PeerId, Turn]]:
    return [(frame.peer, decode_want(frame.body).turn) for frame in frames]


def inner() -> int:
    """Return a node with a parent and enough other neighbours."""
    edges = woven(5)
    above = parents(edges, HOUR)
    return next(at for at in range(COUNT) if above[PEERS[at]] and len(neighbours_of(edges, at)) > EAGER_ENOUGH + 1)


def test_repetitions_end_what_was_useful_but_not_the_tree() -> None:
    spread, parent, others = linked(inner())
    child, other = others[:2]
    spread.turn(child, Turn.TREE)
    for peer in (parent, child, other):
        frames = spread.judged(peer, news=0, repeats=LAZY_AFTER, outdated=0, now=HOUR)
        assert turns(frames) == ([(other, Turn.LAZY)] if peer == other else [])
    assert parent in spread.eager()
    assert child in spread.eager()
    assert other not in spread.eager()


@pytest.mark.parametrize("turn", [Turn.TREE, Turn.EAGER])
def test_who_makes_a_link_eager_to_repeat_everything_wastes_this_node_s_time(turn: Turn) -> None:
    spread, _, (honest, villain, *_) = linked(inner())
    for number in range(3 * REPEATS_SPARED):
        for peer in (honest, villain):
            spread.turn(peer, turn)
        spread.offer(PEERS[number % COUNT], Millis(HOUR + number), None, None, HOUR)
        spread.judged(honest, news=0, repeats=1, outdated=0, now=HOUR)
        spread.judged(villain, news=0, repeats=3, outdated=0, now=HOUR)
    assert spread.conduct(honest) == (0, 0)
    assert spread.conduct(villain) == (0, 2 * 3 * REPEATS_SPARED - REPEATS_SPARED)


def test_lazy_takes_back_what_the_other_end_asked_for_and_no_more() -> None:
    spread, parent, (child, *_) = linked(inner())
    spread.turn(child, Turn.TREE)
    for peer in (parent, child):
        spread.turn(peer, Turn.LAZY)
    assert parent in spread.eager(), "the way to the root is this node's to choose"
    assert child not in spread.eager()


def test_another_parent_is_found_when_the_link_to_it_falls() -> None:
    edges = woven(5)
    hops = hops_of(edges)
    many = next(at for at in range(COUNT) if sum(hops[peer] < hops[PEERS[at]] for peer in neighbours_of(edges, at)) > 1)
    spread, parent, others = linked(many)
    assert spread.deadline() == HOUR + LOOK_EVERY
    spread.remove(parent, Millis(HOUR + 1_000))
    due = spread.deadline()
    assert due == HOUR + LOOK_AGAIN, "links that come and go all the time cost no look each"
    ((another, turn),) = turns(spread.flush(Millis(HOUR + LOOK_AGAIN)))
    assert turn is Turn.TREE
    assert another in others


def test_a_node_without_a_way_looks_again_soon_and_the_root_does_not() -> None:
    edges = woven(5)
    hops = hops_of(edges)
    one = next(at for at in range(COUNT) if sum(hops[peer] < hops[PEERS[at]] for peer in neighbours_of(edges, at)) == 1)
    spread, parent, _ = linked(one)
    spread.remove(parent, Millis(HOUR + LOOK_AGAIN))
    assert spread.flush(Millis(HOUR + LOOK_AGAIN)) == [], "on its map it is as near to the root as before"
    assert spread.deadline() == HOUR + 2 * LOOK_AGAIN
    root = Tree(min(hops, key=hops.__getitem__), map_of(edges))
    assert root.parent(list(hops)[:5], None, HOUR) is None
    assert root.deadline() == HOUR + LOOK_EVERY


def test_a_joiner_finds_its_place_as_soon_as_it_has_the_map() -> None:
    edges = woven(5)
    at, peer_map = inner(), PeerMap(bytes(8), lambda _: None)
    spread = Spread(PEERS[at], lambda _: None, delta_between, Tree(PEERS[at], peer_map))
    for peer in neighbours_of(edges, at):
        spread.add(peer, 0, HOUR)
    assert spread.flush(HOUR) == []
    for other in range(COUNT):
        peer_map.apply(record(identity(other + 1), links_of(edges, other)), START)
    spread.map_came(Millis(HOUR + 1))
    assert spread.deadline() == HOUR + 1
    assert [turn for _, turn in turns(spread.flush(Millis(HOUR + 1)))] == [Turn.TREE]
    assert set(spread.eager()) == set(neighbours_of(edges, at)), "what is new stays of use until it repeats"
    spread.only_tree()
    assert len(spread.eager()) == 1


def test_another_root_moves_the_node_to_another_parent() -> None:
    spread, parent, _ = linked(inner())
    for hour in range(1, 24):
        said = turns(spread.flush(Millis(HOUR + hour * ROOT_EVERY)))
        if said:
            break
    assert said[0] == (parent, Turn.LAZY)
    assert [turn for _, turn in said[1:]] in ([], [Turn.TREE]), "no parent where the node is the root itself"
    assert spread.flush(Millis(HOUR + hour * ROOT_EVERY + LOOK_EVERY)) == []


def test_with_a_parent_a_link_to_a_served_peer_begins_lazy_and_to_a_newcomer_eager() -> None:
    spread, parent, others = linked(inner())
    for peer in others:
        spread.turn(peer, Turn.LAZY)
    assert spread.eager() == [parent]
    served, newcomer = identity(97).peer, identity(96).peer
    assert turns(spread.add(served, EAGER_ENOUGH, HOUR)) == [(served, Turn.LAZY)]
    assert spread.add(newcomer, 0, HOUR) == []
    assert spread.eager() == [parent, newcomer]


def test_nothing_is_looked_for_at_the_last_flush() -> None:
    spread, parent, _ = linked(inner())
    spread.remove(parent, HOUR)
    assert spread.flush(Millis(HOUR + LOOK_EVERY), all_of_it=True) == []
