"""Measures on graphs whose answers are known."""

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.sparse import csr_array

from net.sim.arrays.graph import component_sizes, distances, ideal_path, measure, random_graph, second_eigenvalue

if TYPE_CHECKING:
    from net.sim.arrays.network import Ints

RNG = np.random.default_rng(1)


def graph(peers: int, pairs: list[tuple[int, int]]) -> "csr_array":
    ends = np.array(pairs + [(right, left) for left, right in pairs]).T
    return csr_array((np.ones(len(ends[0]), dtype=np.int16), (ends[0], ends[1])), shape=(peers, peers))


def ring(peers: int) -> "csr_array":
    return graph(peers, [(at, (at + 1) % peers) for at in range(peers)])


def test_a_ring() -> None:
    shape = measure(ring(100), np.random.default_rng(1))
    assert (shape.links, shape.mean_degree, shape.components, shape.diameter) == (100, 2.0, 1, 50)
    assert shape.mean_path == pytest.approx(2500 / 99)
    assert shape.lambda2 == pytest.approx(np.cos(2 * np.pi / 100), abs=1e-4)


def test_two_rings_and_a_hermit() -> None:
    pairs = [(at, (at + 1) % 10) for at in range(10)] + [(10 + at, 10 + (at + 1) % 6) for at in range(6)]
    parts = graph(17, pairs)
    assert sorted(component_sizes(parts).tolist()) == [1, 6, 10]
    assert distances(parts, RNG)[1] == 5
    assert second_eigenvalue(parts, RNG) == pytest.approx(1.0)


def test_a_complete_graph() -> None:
    full = graph(20, [(left, right) for left in range(20) for right in range(left)])
    assert distances(full, RNG) == (1.0, 1)
    assert second_eigenvalue(full, RNG) == pytest.approx(-1 / 19)


def test_a_random_graph_has_the_degrees_asked_for_and_is_simple() -> None:
    degrees: Ints = np.random.default_rng(2).integers(6, 21, 400)
    degrees[0] += degrees.sum() % 2
    twin = random_graph(degrees, np.random.default_rng(3))
    assert (np.diff(twin.indptr) == degrees).all()
    assert twin.max() == 1
    assert not twin.diagonal().any()
    assert (twin != twin.T).nnz == 0


def test_the_ideal_tree_has_the_figures_of_the_plan() -> None:
    assert [round(ideal_path(peers, 12), 2) for peers in (2_500, 10_000, 100_000)] == [3.30, 3.82, 4.81]
