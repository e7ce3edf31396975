"""Rates per network prefix."""

import pytest

from chain.primitives.units import Millis
from net.transport.buckets import BUCKETS_MAX, PrefixBuckets, network_of


def test_a_network_has_a_burst_and_then_its_rate() -> None:
    buckets = PrefixBuckets(rate_per_second=20, burst=40)
    taken = [buckets.take(f"192.0.2.{n}", Millis(1000)) for n in range(50)]
    assert sum(taken) == 40
    assert not buckets.take("192.0.2.1", Millis(1049))
    assert buckets.take("192.0.2.1", Millis(1050))
    assert buckets.take("192.0.3.1", Millis(1050))


def test_a_clock_that_steps_back_gives_nothing() -> None:
    buckets = PrefixBuckets(rate_per_second=1, burst=1)
    assert buckets.take("192.0.2.1", Millis(5000))
    assert not buckets.take("192.0.2.1", Millis(1000))


def test_memory_is_bounded() -> None:
    buckets = PrefixBuckets(rate_per_second=1, burst=1)
    for n in range(BUCKETS_MAX + 10):
        buckets.take(f"10.{n >> 8}.{n & 255}.1", Millis(0))
    assert len(buckets._buckets) == BUCKETS_MAX


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.254", True),
        ("192.0.2.1", "192.0.3.1", False),
        ("::ffff:192.0.2.1", "192.0.2.9", True),
        ("2001:db8:1::1", "2001:db8:1:ffff::1", True),
        ("2001:db8:1::1", "2001:db8:2::1", False),
        ("fe80::1%eth0", "fe80::2", True),
    ],
)
def test_networks(one: str, other: str, same: bool) -> None:
    assert (network_of(one) == network_of(other)) is same
