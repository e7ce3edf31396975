"""Which links carry which records whole: the trees', and others as long as they prove useful."""

from collections.abc import Callable, Iterable

import pytest

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.map import _tree
from net.core.map._flows import CROSSING, EAGER_ENOUGH, LAZY_AFTER, REPEATS_SPARED, Brought, Flows
from net.core.map._spread import Spread
from net.core.map._tree import LOOK_AGAIN, LOOK_EVERY, LOOK_NEXT, ROOT_EVERY, Place, Trees
from net.core.map.peer_map import PeerMap
from net.core.wire.delta import delta_between
from net.core.wire.frame import ToPeer
from net.core.wire.gossip import ALL_LANES, LANES, RecordsWant, Turn, decode_want, lane_of, record_name
from tests.helpers.map_world import START, identity, record
from tests.helpers.woven import COUNT, HOUR, PEERS, hops_of, links_of, map_of, neighbours_of, parents, woven

LAZY = RecordsWant(Turn.LAZY, ())


def linked(at: int) -> tuple[Flows, PeerId, list[PeerId]]:
    """Return the flows of a node over all its links, its parent, and its other neighbours."""
    edges = woven(5)
    peer_map, near = map_of(edges), neighbours_of(edges, at)
    flows = Flows(Trees(PEERS[at], peer_map))
    for peer in near:
        flows.add(peer, peer_map.degree(peer), HOUR)
    ((parent, turn),) = turns(flows.follow(HOUR))
    assert turn is Turn.TREE
    return flows, parent, [peer for peer in near if peer != parent]


def turns(frames: list[ToPeer]) -> list[tuple[PeerId, Turn]]:
    return [(frame.peer, decode_want(frame.body).turn) for frame in frames]


def again(count: int, lane: int = 0) -> Brought:
    """Return a batch that brings so many records of one lane that are here already."""
    return Brought(repeats=[count if at == lane else 0 for at in range(LANES)])


def inner() -> int:
    """Return a node with a parent and enough other neighbours."""
    edges = woven(5)
    above = parents(edges, HOUR)
    return next(at for at in range(COUNT) if above[PEERS[at]] and len(neighbours_of(edges, at)) > EAGER_ENOUGH + 1)


def test_repetitions_end_what_was_useful_but_not_the_tree() -> None:
    flows, parent, others = linked(inner())
    child, other = others[:2]
    flows.turn(child, RecordsWant(Turn.TREE, ()))
    for peer in (parent, child, other):
        frames = flows.judged(peer, again(LAZY_AFTER), HOUR)
        assert turns(frames) == ([(other, Turn.LAZY)] if peer == other else [])
    assert parent in flows.eager()
    assert child in flows.eager()
    assert other not in flows.eager()


@pytest.mark.parametrize("lanes", [ALL_LANES, 0b10])
@pytest.mark.parametrize("turn", [Turn.TREE, Turn.EAGER])
def test_who_makes_lanes_eager_to_repeat_everything_wastes_this_node_s_time(turn: Turn, lanes: int) -> None:
    flows, _, (honest, villain, *_) = linked(inner())
    for _ in range(3 * REPEATS_SPARED):
        for peer in (honest, villain):
            flows.turn(peer, RecordsWant(turn, (), lanes))
        flows.passed += 1
        flows.judged(honest, again(1), HOUR)
        flows.judged(villain, again(3), HOUR)
    assert flows.conduct(honest) == (0, 0)
    assert flows.conduct(villain) == (0, 2 * 3 * REPEATS_SPARED - REPEATS_SPARED)


def test_lazy_takes_back_what_the_other_end_asked_for_and_no_more() -> None:
    flows, parent, (child, *_) = linked(inner())
    flows.turn(child, RecordsWant(Turn.TREE, ()))
    for peer in (parent, child):
        flows.turn(peer, LAZY)
    assert parent in flows.eager(), "the way to the root is this node's to choose"
    assert child not in flows.eager()


def test_another_parent_is_found_when_the_link_to_it_falls() -> None:
    edges = woven(5)
    hops = hops_of(edges)
    many = next(at for at in range(COUNT) if sum(hops[peer] < hops[PEERS[at]] for peer in neighbours_of(edges, at)) > 1)
    flows, parent, others = linked(many)
    assert flows.deadline() == HOUR + LOOK_EVERY
    flows.remove(parent, Millis(HOUR + 1_000))
    due = flows.deadline()
    assert due == HOUR + LOOK_AGAIN, "links that come and go all the time cost no look each"
    ((another, turn),) = turns(flows.follow(Millis(HOUR + LOOK_AGAIN)))
    assert turn is Turn.TREE
    assert another in others


def test_a_node_without_a_way_looks_again_soon_and_the_root_does_not() -> None:
    edges = woven(5)
    hops = hops_of(edges)
    one = next(at for at in range(COUNT) if sum(hops[peer] < hops[PEERS[at]] for peer in neighbours_of(edges, at)) == 1)
    flows, parent, _ = linked(one)
    flows.remove(parent, Millis(HOUR + LOOK_AGAIN))
    assert flows.follow(Millis(HOUR + LOOK_AGAIN)) == [], "on its map it is as near to the root as before"
    assert flows.deadline() == HOUR + 2 * LOOK_AGAIN
    me = min(hops, key=hops.__getitem__)
    root = Trees(me, map_of(edges))
    assert root.look(list(hops)[:5], lambda _: None, HOUR).parent is None
    assert root.deadline() == HOUR + LOOK_EVERY


def test_a_joiner_finds_its_place_as_soon_as_it_has_the_map() -> None:
    edges = woven(5)
    at, peer_map = inner(), PeerMap(bytes(8), lambda _: None)
    flows = Flows(Trees(PEERS[at], peer_map))
    for peer in neighbours_of(edges, at):
        flows.add(peer, 0, HOUR)
    assert flows.follow(HOUR) == []
    for other in range(COUNT):
        peer_map.apply(record(identity(other + 1), links_of(edges, other)), START)
    flows.map_came(Millis(HOUR + 1))
    assert flows.deadline() == HOUR + 1
    assert [turn for _, turn in turns(flows.follow(Millis(HOUR + 1)))] == [Turn.TREE]
    assert set(flows.eager()) == set(neighbours_of(edges, at)), "what is new stays of use until it repeats"
    flows.only_trees()
    assert len(flows.eager()) == 1


def test_another_root_moves_the_node_to_another_parent() -> None:
    flows, parent, _ = linked(inner())
    for hour in range(1, 24):
        said = turns(flows.follow(Millis(HOUR + hour * ROOT_EVERY)))
        if said:
            break
    assert said[0] == (parent, Turn.LAZY)
    assert [turn for _, turn in said[1:]] in ([], [Turn.TREE]), "no parent where the node is the root itself"
    assert flows.follow(Millis(HOUR + hour * ROOT_EVERY + LOOK_EVERY)) == []


def test_with_a_parent_a_link_to_a_served_peer_begins_lazy_and_to_a_newcomer_eager() -> None:
    flows, parent, others = linked(inner())
    for peer in others:
        flows.turn(peer, LAZY)
    assert flows.eager() == [parent]
    served, newcomer = identity(97).peer, identity(96).peer
    assert turns(flows.add(served, EAGER_ENOUGH, HOUR)) == [(served, Turn.LAZY)]
    assert flows.add(newcomer, 0, HOUR) == []
    assert flows.eager() == [parent, newcomer]


# --- several trees ---------------------------------------------------------------------------------------------------

EVEN, ODD = 0x5555, 0xAAAA
"""The lanes of the first and of the second of two trees."""


def torn() -> tuple[int, PeerId, PeerId]:
    """Return a node that hangs under one neighbour in the first of two trees and under another in the second."""
    for at in range(COUNT):
        flows, first = forked(at)
        second = [peer for peer in flows.over(1) if peer not in flows.over(0)]
        if first and second:
            return at, first[0], second[0]
    raise AssertionError("no such node")


def forked(at: int) -> tuple[Flows, list[PeerId]]:
    """Return the flows of a node that has looked along two trees, no link of use beside them, and its first parent."""
    edges = woven(5)
    peer_map, near = map_of(edges), neighbours_of(edges, at)
    flows = Flows(Trees(PEERS[at], peer_map))
    for peer in near:
        flows.add(peer, peer_map.degree(peer), HOUR)
    for step in range(2):
        flows.follow(Millis(HOUR + step * LOOK_NEXT))
    flows.only_trees()
    return flows, flows.over(0)


@pytest.fixture
def two_trees(monkeypatch: pytest.MonkeyPatch) -> tuple[Flows, PeerId, PeerId]:
    """Return the flows of a node with two parents, that of the even lanes and that of the odd ones."""
    monkeypatch.setattr(_tree, "PEERS_A_TREE", COUNT // 2)
    at, even, odd = torn()
    return forked(at)[0], even, odd


def said(frames: list[ToPeer]) -> list[tuple[PeerId, Turn, int]]:
    return [(frame.peer, want.turn, want.lanes) for frame in frames for want in [decode_want(frame.body)]]


def test_each_lane_goes_to_those_who_asked_for_it(two_trees: tuple[Flows, PeerId, PeerId]) -> None:
    flows, even, odd = two_trees
    other = next(peer for peer in flows._flows if peer not in (even, odd))
    flows.turn(other, RecordsWant(Turn.TREE, (), 0b10))
    assert [set(flows.over(lane)) for lane in range(4)] == [{even}, {odd, other}, {even}, {odd}]
    flows.turn(even, RecordsWant(Turn.TREE, (), ODD))
    assert set(flows.over(1)) == {even, odd, other}
    flows.turn(even, RecordsWant(Turn.TREE, (), 0b1000))
    assert set(flows.over(1)) == {odd, other}, "who is the parent of other lanes now says so"
    flows.turn(even, LAZY)
    assert [set(flows.over(lane)) for lane in (2, 3)] == [{even}, {odd}], "it stays the parent of its own"
    flows.healing = True
    assert set(flows.over(2)) == set(flows._flows)


def test_what_was_asked_for_opens_the_lanes_of_its_tree_only(two_trees: tuple[Flows, PeerId, PeerId]) -> None:
    flows, even, odd = two_trees
    origin = next(peer for peer in PEERS if lane_of(peer) % 2)
    name = record_name(origin[:12], START)
    assert lane_of(name) == lane_of(origin[:12]) == lane_of(origin)
    assert flows.lanes_of([name]) == ODD
    assert flows.lanes_of([]) == 0
    assert Flows(None).lanes_of([name]) == ALL_LANES
    flows.turn(even, RecordsWant(Turn.EAGER, (), ODD))
    assert set(flows.over(1)) == {even, odd}
    assert flows.judged(even, again(LAZY_AFTER, lane=0), HOUR) == [], "of its own lanes the parent may repeat some"
    assert flows.judged(even, again(LAZY_AFTER - 1, lane=1), HOUR) == []
    news = Brought(news=[9 if lane == 0 else 0 for lane in range(LANES)])
    assert flows.judged(even, news, HOUR) == [], "news of the tree speak not for what goes beside it"
    assert said(flows.judged(even, again(1, lane=1), HOUR)) == [
        (even, Turn.LAZY, ALL_LANES),
        (even, Turn.TREE, EVEN),
    ]
    assert set(flows.over(1)) == {odd}
    assert set(flows.over(0)) == {even}


class Told(Trees):
    """Trees that show what they are told to show."""

    def __init__(self, *places: Place) -> None:
        super().__init__(PEERS[0], PeerMap(bytes(8), lambda _: None))
        self.places = list(places)

    def due(self, now: Millis) -> bool:
        return True

    def look(self, neighbours: Iterable[PeerId], held: Callable[[int], PeerId | None], now: Millis) -> Place:
        return self.places.pop(0)


def test_a_parent_can_lose_one_tree_and_keep_another() -> None:
    one, other = PEERS[1:3]
    flows = Flows(Told(Place(ALL_LANES, one), Place(ODD, other), Place(ODD, None), Place(EVEN, None)))
    for peer in (one, other):
        flows.add(peer, 0, HOUR)
    flows.only_trees()
    assert said(flows.follow(HOUR)) == [(one, Turn.TREE, ALL_LANES)]
    assert said(flows.follow(HOUR)) == [(one, Turn.TREE, EVEN), (other, Turn.TREE, ODD)], "who is left hears it first"
    assert (flows.over(0), flows.over(1)) == ([one], [other])
    assert said(flows.follow(HOUR)) == [(other, Turn.LAZY, ALL_LANES)]
    assert said(flows.follow(HOUR)) == [(one, Turn.LAZY, ALL_LANES)]
    assert flows.eager() == []


def test_lanes_that_nobody_asked_for_are_reminded_of_before_they_are_waste(
    two_trees: tuple[Flows, PeerId, PeerId],
) -> None:
    flows, even, _ = two_trees
    assert flows.judged(even, again(1, lane=1), HOUR) == []
    assert flows.judged(even, again(1, lane=1), Millis(HOUR + CROSSING - 1)) == []
    assert flows.judged(even, again(9, lane=0), Millis(HOUR + CROSSING)) == []
    reminded = said(flows.judged(even, again(1, lane=1), Millis(HOUR + CROSSING)))
    assert reminded == [(even, Turn.LAZY, ALL_LANES), (even, Turn.TREE, EVEN)]
    flows.turn(even, RecordsWant(Turn.EAGER, (), 0b1000))
    for late in (0, CROSSING):
        reminded = said(flows.judged(even, again(1, lane=1), Millis(HOUR + CROSSING + late)))
    assert reminded == [(even, Turn.LAZY, ALL_LANES), (even, Turn.TREE, EVEN), (even, Turn.EAGER, 0b1000)]
    flows.judged(even, again(1, lane=1), Millis(HOUR + 3 * CROSSING - 1))
    assert flows.conduct(even) == (0, 0)
    flows.judged(even, again(5, lane=1), Millis(HOUR + 3 * CROSSING))
    assert flows.conduct(even) == (0, 5)


def test_nothing_is_looked_for_at_the_last_flush() -> None:
    spread = Spread(PEERS[0], lambda _: None, delta_between, Told(Place(ALL_LANES, PEERS[1])))
    spread.add(PEERS[1], 0, HOUR)
    assert spread.flush(HOUR, all_of_it=True) == []
    assert said(spread.flush(HOUR)) == [(PEERS[1], Turn.TREE, ALL_LANES)]
