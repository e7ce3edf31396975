"""The trees read off the map: the same for all who hold the same map, and more of them the more peers there are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.map import _tree
from net.core.map._tree import LOOK_AGAIN, LOOK_EVERY, LOOK_NEXT, PEERS_A_TREE, ROOT_EVERY, Trees, trees_for
from net.core.map.peer_map import PeerMap
from net.core.wire.gossip import ALL_LANES, LANES
from tests.helpers.map_world import identity
from tests.helpers.woven import COUNT, HOUR, PEERS, climb, hops_of, map_of, neighbours_of, parent, parents, woven


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
    assert parent(newcomer, peer_map, [stranger]) is None
    assert parent(newcomer, peer_map, [stranger, PEERS[4]]) == PEERS[4]
    assert parent(newcomer, PeerMap(bytes(8), lambda _: None), [PEERS[4]]) is None


def test_a_parent_stays_while_nobody_is_nearer() -> None:
    edges = woven(4)
    hops, peer_map = hops_of(edges), map_of(edges)
    for at in range(COUNT):
        near = neighbours_of(edges, at)
        for held in near:
            found = parent(PEERS[at], peer_map, near, held=held)
            least = min(hops[peer] for peer in near)
            if hops[held] == least < hops[PEERS[at]]:
                assert found == held
            else:
                assert found is None or hops[found] == least < hops[PEERS[at]]


# --- several of them -------------------------------------------------------------------------------------------------


@given(st.integers(0, 10**6))
def test_each_tree_serves_as_many_peers_as_it_can(peers: int) -> None:
    trees = trees_for(peers)
    assert LANES % trees == 0, "lanes fall evenly to the trees"
    assert trees == LANES or peers <= trees * PEERS_A_TREE
    assert trees == 1 or peers > trees // 2 * PEERS_A_TREE


def places(edges: list[tuple[int, int]], at: int, peer_map: PeerMap) -> dict[int, PeerId | None]:
    """Return the parents of a node by the lanes of their trees, as it finds them one after the other."""
    trees, found, now = Trees(PEERS[at], peer_map), dict[int, PeerId | None](), HOUR
    trees.map_came(now)
    while True:
        due = trees.deadline()
        assert due is not None
        if due >= now + LOOK_AGAIN:
            return found
        lanes, above = trees.look(neighbours_of(edges, at), lambda _: None, due)
        assert lanes not in found
        found[lanes] = above


@pytest.mark.parametrize("count", [2, 16])
def test_every_lane_has_one_tree_and_each_tree_its_root(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    edges = woven(6)
    one = parents(edges, HOUR)
    monkeypatch.setattr(_tree, "PEERS_A_TREE", -(-COUNT // count))
    peer_map = map_of(edges)
    above = {PEERS[at]: places(edges, at, peer_map) for at in range(COUNT)}
    lanes = list(above[PEERS[0]])
    assert len(lanes) == count
    assert sum(lanes) == ALL_LANES
    roots = set()
    for tree in lanes:
        ways = {peer: climb(peer, {each: found[tree] for each, found in above.items()}) for peer in PEERS}
        (root,) = {way[-1] for way in ways.values()}
        roots.add(root)
    assert len(roots) > count // 2
    first = next(tree for tree in lanes if tree & 1)
    assert {peer: found[first] for peer, found in above.items()} == one, "the first tree of many is the only one of few"


def test_looks_along_many_trees_leave_the_node_time_between_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_tree, "PEERS_A_TREE", 4)
    edges = woven(6)
    trees, near = Trees(PEERS[0], map_of(edges)), neighbours_of(edges, 0)
    trees.links_changed(HOUR)
    seen, now = set(), HOUR
    for number in range(LANES):
        assert trees.due(now)
        seen.add(trees.look(near, lambda _: None, now).lanes)
        assert not trees.due(now)
        assert trees.deadline() == now + LOOK_NEXT or number == LANES - 1
        now = Millis(now + LOOK_NEXT)
    assert seen == {1 << lane for lane in range(LANES)}
    trees.links_changed(now)
    due = trees.deadline()
    assert due is not None
    assert HOUR + LOOK_AGAIN <= due <= HOUR + LOOK_EVERY


def test_a_map_that_shrinks_gives_the_lanes_back_to_fewer_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_tree, "PEERS_A_TREE", 30)
    edges = woven(6)
    trees, near = Trees(PEERS[0], map_of(edges)), neighbours_of(edges, 0)
    halves = [trees.look(near, lambda _: None, Millis(HOUR + at * LOOK_NEXT)).lanes for at in range(2)]
    assert halves == [0x5555, 0xAAAA]
    assert trees.lanes_beside(3) == 0xAAAA
    monkeypatch.setattr(_tree, "PEERS_A_TREE", 60)
    assert trees.look(near, lambda _: None, Millis(HOUR + LOOK_EVERY)).lanes == ALL_LANES
    assert trees.lanes_beside(3) == ALL_LANES
    assert trees.deadline() == HOUR + 2 * LOOK_EVERY
