"""Delays between places."""

from net.sim.geography import Place, latency


def test_latency_grows_with_distance_and_is_the_same_both_ways() -> None:
    paris, berlin, tokyo = Place(48.9, 2.3), Place(52.5, 13.4), Place(35.7, 139.7)
    assert latency(paris, paris) < latency(paris, berlin) < latency(paris, tokyo)
    assert latency(paris, tokyo) == latency(tokyo, paris)
    assert 60 < latency(paris, tokyo) < 120
