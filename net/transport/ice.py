"""Where ICE may listen, and what it may be made to do: everything that reaches into aioice.

aioice takes every interface but loopback, and its gathering cannot be configured; `gathering_on` is the one spot where
its address function is replaced, so that candidates exist only on configured addresses. The same spot puts a careful
datagram protocol in place of its own: anybody who finds the port can send to it, and aioice queues whatever comes
without bound, passes empty datagrams on to DTLS code that indexes them, and lets codec errors reach the event loop.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from aioice import ice, stun

from chain.primitives.errors import ConfigError
from net.transport.sdp import Candidate

DATAGRAM_MAX = 1500
"""Longest datagram taken: aiortc reads DTLS records of at most this, and nothing we ask for is longer."""

DATAGRAMS_WAITING_MAX = 128
"""Datagrams of one link that wait for its DTLS task; more are dropped, as the kernel would. The task takes
all of them in one turn of the loop, so this also bounds that turn."""

REMOTE_CANDIDATES_MAX = 64
"""Addresses of one peer, signalled (16 at most) or learned from its checks: each one costs a check and a task."""

_FIRST_BYTE_OF_STUN_MAX = 3  # RFC 7983: 0 to 3 is STUN, 20 to 63 DTLS

_aioice_addresses = ice.get_host_addresses
_ADDRESSES: ContextVar[tuple[str, ...]] = ContextVar("ice_addresses", default=())


@dataclass(frozen=True, slots=True)
class IceSettings:
    """How this node's links find their way."""

    addresses: tuple[str, ...]
    """Local IP addresses on which links listen, one UDP port each and per link; none for all that the machine has when
    a link is made, since it may have moved to another network by then."""
    stun: tuple[str, int] | None = None
    """Host (IPv4 address or name) and UDP port of a STUN server that tells our public address, None for none."""

    def __post_init__(self) -> None:
        """Raise `ConfigError` that names the first setting out of range."""
        for address in self.addresses:
            try:
                ip_address(address)
            except ValueError:
                raise ConfigError(f"link address {address!r} is not an IP address") from None
        if self.stun is not None and (not self.stun[0] or ":" in self.stun[0] or not 0 < self.stun[1] < 65536):
            raise ConfigError(f"STUN server {self.stun[0]}:{self.stun[1]} is not an IPv4 host and a port")

    def listening(self) -> tuple[str, ...]:
        """Return the addresses on which a link made now listens."""
        return self.addresses or machine_addresses()


def machine_addresses() -> tuple[str, ...]:
    """Return this machine's addresses but loopback, sorted: what a node listens on unless told otherwise."""
    return tuple(sorted(_aioice_addresses(use_ipv4=True, use_ipv6=True)))


@contextmanager
def gathering_on(addresses: Sequence[str]) -> Iterator[None]:
    """Let ICE connections that gather inside this block do so on `addresses` and no others.

    A context variable and not a global, because nodes in one process (tests, devnet) may listen on different ones.
    """
    ice.get_host_addresses = _configured_addresses
    ice.StunProtocol = _CarefulProtocol  # type: ignore[misc]  # replacing a class of a foreign module, see above
    token = _ADDRESSES.set(tuple(addresses))
    try:
        yield
    finally:
        _ADDRESSES.reset(token)


def reachable(candidates: Sequence[Candidate], own: Sequence[str]) -> tuple[Candidate, ...]:
    """Return the candidates worth a check: those on loopback only when this node itself listens there.

    A peer elsewhere that names 127.0.0.1 would have us send datagrams to services of our own machine.
    """
    local = any(ip_address(address).is_loopback for address in own)
    return tuple(c for c in candidates if local or not ip_address(c.address).is_loopback)


def _configured_addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:  # noqa: FBT001  # the signature is aioice's
    allowed = {4: use_ipv4, 6: use_ipv6}
    return [address for address in _ADDRESSES.get() if allowed[ip_address(address).version]]


class _CarefulProtocol(ice.StunProtocol):
    """aioice's datagram protocol behind a bouncer. One per local address of a link."""

    def datagram_received(self, data: bytes | str, addr: tuple[Any, ...]) -> None:
        assert isinstance(data, bytes)
        receiver = self.receiver
        known = receiver._remote_candidates  # no public way to a candidate's resolved address
        if not 0 < len(data) <= DATAGRAM_MAX or len(known) > REMOTE_CANDIDATES_MAX:
            return
        if data[0] > _FIRST_BYTE_OF_STUN_MAX and (
            receiver._queue.qsize() >= DATAGRAMS_WAITING_MAX
            or not any(c._network_host == addr[0] and c.port == addr[1] for c in known)
        ):
            return
        try:
            if data[0] <= _FIRST_BYTE_OF_STUN_MAX:
                stun.parse_message(data)  # aioice would queue as data what is none, from whomever it came
            super().datagram_received(data, addr)
        except Exception:  # noqa: BLE001  # aioice does not say what its codec and checks raise on foreign bytes
            return  # an exception here would be logged by the loop, once per datagram of whoever sends it
