"""Failure domains as this node sees them: address prefixes of the peers it was linked to (DESIGN section 3.3)."""

from collections import Counter, OrderedDict
from collections.abc import Iterable
from ipaddress import ip_address

from chain.primitives.peer import PeerId

KNOWN_MAX = 4096
"""Peers whose prefix is remembered; the one met longest ago goes first."""

QUOTA_LEAST = 3
"""Own slots any domain may fill."""


def prefix_of(address: str) -> str:
    """Return the /24 of an IPv4 or the /48 of an IPv6 address; a text that is neither is its own prefix."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if parsed.version == 6 and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    width = 24 if parsed.version == 4 else 48
    return f"{int(parsed) >> (parsed.max_prefixlen - width):x}/{width}"


class Domains:
    """Prefixes by peer. Mutable: changed by `saw` alone."""

    def __init__(self) -> None:
        self._prefix: OrderedDict[PeerId, str] = OrderedDict()
        self._count: Counter[str] = Counter()

    def saw(self, peer: PeerId, address: str) -> None:
        """Remember where a peer's link came from."""
        before = self._prefix.pop(peer, None)
        if before is None and len(self._prefix) >= KNOWN_MAX:
            _, before = self._prefix.popitem(last=False)
        if before is not None:
            self._count[before] -= 1
            if not self._count[before]:
                del self._count[before]
        self._prefix[peer] = prefix_of(address)
        self._count[self._prefix[peer]] += 1

    def full(self, own: Iterable[PeerId], slots: int) -> set[PeerId]:
        """Return the known peers whose domain fills its quota of the own links already.

        The quota is twice the domain's share of the peers seen, never under QUOTA_LEAST.
        """
        held = Counter(self._prefix[peer] for peer in own if peer in self._prefix)
        total = len(self._prefix)
        over = {
            prefix
            for prefix, count in held.items()
            if count >= max(QUOTA_LEAST, 2 * slots * self._count[prefix] / total)
        }
        return {peer for peer, prefix in self._prefix.items() if prefix in over} if over else set()
