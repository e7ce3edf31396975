"""Spectrum, weakest cut, failure domains, and the survey that holds them."""

import numpy as np
import pytest

from net.core.health.pieces import find_pieces
from net.core.health.spectrum import Spectrum, measure_spectrum
from net.core.health.survey import survey
from net.core.health.tags import DomainKind
from net.core.shape import Shape
from tests.helpers.shapes import barbell, complete, make_shape, random_graph, ring, star, two_cliques


def spectrum_of(shape: Shape) -> Spectrum:
    return measure_spectrum(shape, find_pieces(shape).members(0), np.random.default_rng(1))


def exact_gap(shape: Shape) -> float:
    matrix, roots = shape.matrix().toarray(), np.sqrt(shape.degrees())
    return float(1 - np.sort(np.linalg.eigvalsh(matrix / np.outer(roots, roots)))[-2])


@pytest.mark.parametrize(
    ("count", "edges"),
    [
        (20, complete(20)),
        (12, ring(12)),
        (20, star(20)),
        (20, two_cliques(10)),
        (24, barbell(10, 4)),
        (2, [(0, 1)]),
        (300, random_graph(300, 12, 3)),
    ],
    ids=["complete", "ring", "star", "two cliques", "barbell", "pair", "random"],
)
def test_the_gap_is_that_of_the_whole_spectrum(count: int, edges: list[tuple[int, int]]) -> None:
    shape = make_shape(count, edges)
    assert spectrum_of(shape).gap == pytest.approx(exact_gap(shape), abs=0.01)


def test_the_cut_between_two_cliques_is_found_with_its_links() -> None:
    for bridges in (1, 3):
        cut = spectrum_of(make_shape(40, two_cliques(20, bridges))).cut
        assert cut is not None
        assert set(cut.side.tolist()) in ({*range(20)}, {*range(20, 40)})
        assert cut.links == bridges
        assert cut.strength < 0.02


def test_a_random_graph_has_no_weak_cut() -> None:
    for seed in range(5):
        cut = spectrum_of(make_shape(200, random_graph(200, 12, seed))).cut
        assert cut is not None
        assert cut.strength > 0.45


def test_no_cut_of_a_map_is_weaker_than_the_least_that_brute_force_finds() -> None:
    edges = two_cliques(5, 2)
    cut = spectrum_of(make_shape(10, edges)).cut
    assert cut is not None
    strengths = []
    degrees = make_shape(10, edges).degrees()
    for bits in range(1, 1 << 9):
        side = {number for number in range(10) if bits >> number & 1}
        if 2 <= len(side) <= 8:
            links = sum((left in side) != (right in side) for left, right in edges)
            volume = int(degrees[sorted(side)].sum())
            strengths.append(links / (volume * (int(degrees.sum()) - volume) / int(degrees.sum())))
    assert cut.strength == pytest.approx(min(strengths))


def test_what_remains_without_a_domain() -> None:
    edges = [*complete(10), *complete(10, 10), *[(20, number) for number in range(20)]]
    found = survey(make_shape(21, edges, {20: 7, **dict.fromkeys(range(5), 9), 15: 4})).domains
    assert [(domain.kind, domain.tag, domain.peers) for domain in found] == [(DomainKind.OPERATOR, 9, 5)]
    hub = survey(make_shape(24, [*edges, (21, 0), (21, 10), (22, 1), (23, 2)], dict.fromkeys((20, 21, 22), 7)))
    assert [(domain.name, domain.survivors) for domain in hub.domains] == [("operator_7", 21)]
    assert hub.domains[0].remains == pytest.approx(11 / 21)
    everyone = survey(make_shape(10, complete(10), dict.fromkeys(range(10), 3))).domains
    assert [(domain.share, domain.survivors, domain.remains) for domain in everyone] == [(1.0, 0, 1.0)]


def test_the_far_side_is_the_side_without_the_asking_peer() -> None:
    shape = make_shape(41, two_cliques(20))
    found = survey(shape)
    far = [int.from_bytes(peer, "big") for peer in found.across(shape.peer(3))]
    assert far == list(range(20, 40))
    assert found.across(shape.peer(40)) == []
    assert found.piece_of(shape.peer(3)) == 40
    assert found.piece_of(shape.peer(40)) == 0


def test_equal_shapes_give_equal_figures() -> None:
    edges = random_graph(150, 12, 4)
    one, two = survey(make_shape(150, edges)), survey(make_shape(150, edges))
    assert one.shape.digest() == two.shape.digest()
    assert (one.spectrum.gap, one.distance) == (two.spectrum.gap, two.distance)
    assert make_shape(150, edges[1:]).digest() != one.shape.digest()


def test_surveys_of_next_to_nothing() -> None:
    for count, edges in ((0, []), (1, []), (2, [(0, 1)]), (3, [(0, 1)]), (4, ring(4))):
        found = survey(make_shape(count, edges))
        assert found.links == len(edges)
        assert found.spectrum.gap >= 0
