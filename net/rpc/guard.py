"""Whom the server answers: Host, Origin, token and rate of a request. Decides only; `http` sends the refusals."""

import hmac
from collections import OrderedDict
from ipaddress import IPv4Address, IPv6Address, ip_address

from chain.primitives.units import Millis
from net.rpc.policy import RpcPolicy

EXTENSION_SCHEMES = ("chrome-extension", "moz-extension", "safari-web-extension")
"""Wallet extensions call with an Origin of their own; the browser asks their user, not this server, for permission."""

TOKEN_MIN = 32
"""Characters of an operator's token; shorter ones are no secret."""

IPV6_GROUP_BITS = 64
"""Addresses of one IPv6 customer, counted as one."""


def host_of(header: str) -> str:
    """Return the name or address of a Host header, without port and brackets, in lower case."""
    header = header.strip().lower()
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.rpartition(":")[0] if header.count(":") == 1 else header


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def client_of(remote: str) -> str:
    """Return under which name an address is counted: itself, or the /64 of an IPv6 one."""
    address = _address(remote.partition("%")[0])
    if isinstance(address, IPv6Address):
        mapped = address.ipv4_mapped
        if mapped is not None:
            return str(mapped)
        return f"{int(address) >> (128 - IPV6_GROUP_BITS):016x}::/{IPV6_GROUP_BITS}"
    return remote


def is_loopback(remote: str) -> bool:
    """Tell whether an address is this machine's own."""
    address = _address(remote)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address is not None and address.is_loopback


class Hosts:
    """Judges the Host header against the names that a server goes by."""

    def __init__(self, allowed: tuple[str, ...]) -> None:
        """`allowed` are names besides `localhost` and addresses; `*` for all."""
        self._any = "*" in allowed
        self._names = frozenset({"localhost", *(name.lower() for name in allowed)})
        self._known: dict[str, bool] = {}

    def allowed(self, header: str | None) -> bool:
        """Tell whether a request was meant for this server: a page that rebinds its DNS name to us keeps its own name.

        An IP address is no name and cannot be rebound; a request without a Host (HTTP/1.0) comes from no browser.
        """
        if header is None or self._any:
            return True
        known = self._known.get(header)
        if known is None:
            host = host_of(header)
            known = host in self._names or _address(host) is not None
            if len(self._known) < 64:
                self._known[header] = known
        return known


class Doorman:
    """Judges Host, Origin and token."""

    def __init__(self, policy: RpcPolicy) -> None:
        """Raise `ValueError` for a token that is no secret: the composition root checks it before."""
        if policy.admin_token is not None and len(policy.admin_token) < TOKEN_MIN:
            raise ValueError(f"the operator's token has under {TOKEN_MIN} characters")
        self._hosts = Hosts(policy.allowed_hosts)
        self._any_origin = "*" in policy.cors_origins
        self._origins = frozenset(origin.rstrip("/").lower() for origin in policy.cors_origins)
        self._bearer = None if policy.admin_token is None else f"Bearer {policy.admin_token}".encode()

    def host_allowed(self, header: str | None) -> bool:
        """Tell whether a request was meant for this server (`Hosts.allowed`)."""
        return self._hosts.allowed(header)

    def origin_allowed(self, origin: str | None, host: str | None) -> bool:
        """Tell whether a page of this origin may call: one that is listed, our own, or a wallet's extension."""
        if origin is None or self._any_origin:
            return True
        origin = origin.rstrip("/").lower()
        scheme, _, place = origin.partition("://")
        return origin in self._origins or scheme in EXTENSION_SCHEMES or (bool(place) and place == (host or "").lower())

    def is_admin(self, authorization: str | None) -> bool:
        """Tell whether a request carries the operator's token; takes the same time for any wrong one."""
        if self._bearer is None or authorization is None:
            return False
        return hmac.compare_digest(authorization.encode("utf-8", "surrogateescape"), self._bearer)


BYTES_A_CALL = 16 * 1024
"""Bytes of an answer that count as one more call: building and writing them takes as long as an ordinary call."""


class RateLimiter:
    """A token bucket per address, bounded in their number."""

    def __init__(self, per_second: int, burst: int, *, addresses: int) -> None:
        self._per_second = per_second
        self._burst = burst
        self._addresses = addresses
        self._buckets: OrderedDict[str, tuple[float, Millis]] = OrderedDict()
        self.refused = 0
        """Calls refused since start."""

    def take(self, client: str, calls: int, now: Millis) -> bool:
        """Take tokens for a number of calls; False, and nothing taken, if there are not enough."""
        tokens = self._tokens(client, now)
        allowed = calls <= tokens
        if not allowed:
            self.refused += calls
        self._keep(client, tokens - calls if allowed else tokens, now)
        return allowed

    def charge(self, client: str, size_bytes: int, now: Millis) -> None:
        """Take tokens for an answer, whose length nobody knew before: into debt if need be, of a burst at most."""
        self._keep(client, max(self._tokens(client, now) - size_bytes // BYTES_A_CALL, -self._burst), now)

    def _tokens(self, client: str, now: Millis) -> float:
        tokens, since = self._buckets.pop(client, (float(self._burst), now))
        return min(self._burst, tokens + max(now - since, 0) * self._per_second / 1000)

    def _keep(self, client: str, tokens: float, now: Millis) -> None:
        self._buckets[client] = (tokens, now)
        if len(self._buckets) > self._addresses:
            self._buckets.popitem(last=False)


class Connections:
    """How many connections are open, in all and per address."""

    def __init__(self, most: int, per_address: int) -> None:
        self._most = most
        self._per_address = per_address
        self._by_client: dict[str, int] = {}
        self.open = 0
        self.refused = 0
        """Connections closed at once since start."""

    def enter(self, remote: str) -> bool:
        """Count a connection; False if it must be closed."""
        client = client_of(remote)
        held = self._by_client.get(client, 0)
        if self.open >= self._most or (held >= self._per_address and not is_loopback(remote)):
            self.refused += 1
            return False
        self.open += 1
        self._by_client[client] = held + 1
        return True

    def leave(self, remote: str) -> None:
        """Count the end of a connection that was entered."""
        client = client_of(remote)
        self.open -= 1
        left = self._by_client[client] - 1
        if left:
            self._by_client[client] = left
        else:
            del self._by_client[client]
