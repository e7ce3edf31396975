"""Components, distances and cut points: known graphs, and brute force on small random ones."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from net.core.health.pieces import CutPoint, find_cut_points, find_pieces, least_distance, mean_distance
from net.core.shape import Shape
from tests.helpers.shapes import Edge, barbell, complete, make_shape, random_graph, ring, star, two_cliques


def distance_of(shape: Shape) -> float:
    return mean_distance(shape, find_pieces(shape).members(0), np.random.default_rng(1))


def points_of(shape: Shape) -> list[CutPoint]:
    return find_cut_points(shape, find_pieces(shape))


def components(count: int, edges: list[Edge], without: int | None = None) -> list[set[int]]:
    """Return the components among peers with links, largest first, by plain search."""
    around: dict[int, set[int]] = {}
    for left, right in edges:
        around.setdefault(left, set()).add(right)
        around.setdefault(right, set()).add(left)
    linked = sorted(around.keys() - {without})
    found: list[set[int]] = []
    for start in linked:
        if any(start in piece for piece in found):
            continue
        piece, waiting = {start}, [start]
        while waiting:
            for other in around[waiting.pop()] - piece - {without}:
                piece.add(other)
                waiting.append(other)
        found.append(piece)
    return sorted(found, key=lambda piece: (-len(piece), min(piece)))


GRAPHS = st.integers(1, 12).flatmap(
    lambda count: st.tuples(
        st.just(count),
        st.lists(st.sampled_from(list(combinations(range(count), 2)) or [(0, 0)]), max_size=20, unique=True).map(
            lambda edges: [edge for edge in edges if edge[0] != edge[1]]
        ),
    )
)


@pytest.mark.slow
@given(GRAPHS)
@settings(max_examples=150, deadline=None)
def test_pieces_and_cut_points_are_those_of_brute_force(graph: tuple[int, list[Edge]]) -> None:
    count, edges = graph
    shape = make_shape(count, edges)
    pieces = find_pieces(shape)
    found = components(count, edges)
    assert [set(pieces.members(label).tolist()) for label in range(len(pieces.sizes))] == found
    assert pieces.sizes == tuple(len(piece) for piece in found)
    expected = []
    for piece in found:
        inside = [edge for edge in edges if edge[0] in piece]
        for edge in inside:
            left = [other for other in inside if other != edge]
            whole = max([len(part) for part in components(count, left)], default=1)
            lost_ends = piece - set().union(*components(count, left))
            if len(components(count, left)) + len(lost_ends) > 1:
                expected.append((frozenset(edge), len(piece) - whole))
        for peer in piece:
            left = [other for other in inside if peer not in other]
            parts = [len(part) for part in components(count, left)]
            parts += [1] * (len(piece) - 1 - sum(parts))
            if len(parts) > 1:
                expected.append((frozenset({peer}), sum(parts) - max(parts)))
    got = [
        (frozenset({point.peer} if point.other is None else {point.peer, point.other}), point.severed)
        for point in find_cut_points(shape, pieces)
    ]
    assert sorted(got, key=lambda item: (sorted(item[0]), item[1])) == sorted(
        expected, key=lambda item: (sorted(item[0]), item[1])
    )


@pytest.mark.slow
@given(GRAPHS)
@settings(max_examples=100, deadline=None)
def test_distance_is_that_of_brute_force_and_not_under_the_bound(graph: tuple[int, list[Edge]]) -> None:
    count, edges = graph
    found = components(count, edges)
    if not found:
        assert distance_of(make_shape(count, edges)) == 0.0
        return
    members = sorted(found[0])
    far = {(a, b): 0 if a == b else 99 for a in members for b in members}
    for left, right in edges:
        if left in found[0]:
            far[left, right] = far[right, left] = 1
    for by in members:
        for a in members:
            for b in members:
                far[a, b] = min(far[a, b], far[a, by] + far[by, b])
    pairs = [hops for (a, b), hops in far.items() if a != b]
    assert distance_of(make_shape(count, edges)) == pytest.approx(sum(pairs) / len(pairs))


def test_distances_of_known_graphs() -> None:
    assert distance_of(make_shape(20, complete(20))) == 1.0
    assert distance_of(make_shape(21, ring(21))) == pytest.approx(5.5)
    assert distance_of(make_shape(20, star(20))) == pytest.approx(1.9)


def test_the_moore_bound_is_met_by_the_graphs_that_meet_it() -> None:
    petersen = [
        *ring(5),
        *[(number, 5 + number) for number in range(5)],
        *[(5 + number, 5 + (number + 2) % 5) for number in range(5)],
    ]
    for count, edges in ((20, complete(20)), (21, ring(21)), (10, petersen), (20, star(20))):
        shape = make_shape(count, edges)
        assert least_distance(shape.degrees()) == pytest.approx(distance_of(shape))
    shape = make_shape(300, random_graph(300, 12, 1))
    assert 1.0 < least_distance(shape.degrees()) < distance_of(shape) < 1.3 * least_distance(shape.degrees())


def test_cut_points_of_known_graphs() -> None:
    for count, edges in ((20, complete(20)), (20, ring(20)), (40, two_cliques(20, bridges=2))):
        assert points_of(make_shape(count, edges)) == []
    assert points_of(make_shape(6, star(6)))[:1] == [CutPoint(0, None, 4)]
    bridge = points_of(make_shape(20, two_cliques(10)))
    assert [(point.peer, point.other, point.severed) for point in bridge] == [(0, 10, 10), (0, None, 9), (10, None, 9)]
    middle = [point.peer for point in points_of(make_shape(21, barbell(10, 1))) if point.severed == 10]
    assert 20 in middle


def test_an_empty_map_and_lone_peers_are_no_pieces() -> None:
    assert find_pieces(make_shape(0, [])).sizes == ()
    assert find_pieces(make_shape(3, [])).sizes == ()
    assert find_pieces(make_shape(5, [(3, 4)])).label.tolist() == [-1, -1, -1, 0, 0]
