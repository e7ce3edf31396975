"""Measures on graphs whose answers are known."""

from chain.primitives.peer import PeerId
from net.sim.geography import Place, latency
from net.sim.measures import topology

PEERS = [PeerId(bytes([n]) * 32) for n in range(6)]


def test_a_ring() -> None:
    ring = frozenset((PEERS[n], PEERS[n + 1]) for n in range(5)) | {(PEERS[0], PEERS[5])}
    found = topology(PEERS, ring)
    assert (found.links, found.components, found.diameter) == (6, 1, 3)
    assert (found.mean_degree, found.least_degree, found.greatest_degree) == (2.0, 2, 2)
    assert found.mean_path == 9 / 5


def test_two_pieces_and_a_hermit() -> None:
    found = topology(PEERS, frozenset({(PEERS[0], PEERS[1]), (PEERS[2], PEERS[3]), (PEERS[3], PEERS[4])}))
    assert (found.components, found.least_degree, found.diameter) == (3, 0, 2)


def test_latency_grows_with_distance_and_is_the_same_both_ways() -> None:
    paris, berlin, tokyo = Place(48.9, 2.3), Place(52.5, 13.4), Place(35.7, 139.7)
    assert latency(paris, paris) < latency(paris, berlin) < latency(paris, tokyo)
    assert latency(paris, tokyo) == latency(tokyo, paris)
    assert 60 < latency(paris, tokyo) < 120
