"""Token buckets per network prefix: what one /24 or /48 may ask of an open port. Sans-IO."""

from collections import OrderedDict
from ipaddress import IPv6Address, ip_address

from chain.primitives.units import Millis

BUCKETS_MAX = 4096
"""Prefixes remembered; the one silent for longest goes first. Forgetting refills a bucket, so an attacker with more
prefixes than this gains nothing but what so many addresses may ask anyway."""


def network_of(address: str) -> str:
    """Return the /24 of an IPv4 or the /48 of an IPv6 address, as text. Raises `ValueError` on anything else."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped is None:
            return ip.packed[:6].hex()
        ip = ip.ipv4_mapped
    return ip.packed[:3].hex()


class PrefixBuckets:
    """One bucket of tokens per prefix. Its owner changes it by `take`."""

    def __init__(self, rate_per_second: int, burst: int) -> None:
        self._rate = rate_per_second
        self._burst = burst
        self._buckets: OrderedDict[str, tuple[int, Millis]] = OrderedDict()
        """Thousandths of a token, and when they were counted."""

    def take(self, address: str, now: Millis) -> bool:
        """Take a token for one request from an address; False when its network has used up its own."""
        network = network_of(address)
        tokens, since = self._buckets.pop(network, (self._burst * 1000, now))
        tokens = min(self._burst * 1000, tokens + max(0, now - since) * self._rate)
        allowed = tokens >= 1000
        self._buckets[network] = (tokens - 1000 if allowed else tokens, now)
        if len(self._buckets) > BUCKETS_MAX:
            self._buckets.popitem(last=False)
        return allowed
