"""Addresses: where we listen, and whom we check."""

import asyncio

import pytest
from aioice import ice

from chain.primitives.errors import ConfigError
from net.core.effects import Role
from net.transport import ice as ours
from net.transport.ice import IceSettings, gathering_on, machine_addresses, reachable
from net.transport.sdp import Candidate, CandidateKind, decode_description
from net.transport.webrtc import Link, LinkFailed
from tests.helpers.transport import Owner


def candidate(address: str) -> Candidate:
    return Candidate("f", 1, address, 9, CandidateKind.HOST)


def test_only_a_node_on_loopback_checks_loopback() -> None:
    local, public, local6 = candidate("127.0.0.2"), candidate("192.0.2.1"), candidate("::1")
    assert reachable((local, public, local6), ("192.0.2.9",)) == (public,)
    assert reachable((local, public, local6), ("192.0.2.9", "127.0.0.1")) == (local, public, local6)


def test_the_machines_addresses_are_sorted_and_without_loopback() -> None:
    addresses = machine_addresses()
    assert list(addresses) == sorted(addresses)
    assert not {"127.0.0.1", "::1"} & set(addresses)


async def test_links_are_made_on_the_addresses_that_the_machine_has_by_then(monkeypatch: pytest.MonkeyPatch) -> None:
    has: list[str] = []
    monkeypatch.setattr(ours, "_aioice_addresses", lambda use_ipv4, use_ipv6: list(has))
    settings = IceSettings(())
    link = Link(Role.OFFERER, settings, Owner())
    with pytest.raises(LinkFailed, match="no address"):
        await link.offer()
    await link.close()
    for address in ("127.0.0.1", "127.0.0.2"):
        has[:] = [address]
        assert settings.listening() == (address,)
        link = Link(Role.OFFERER, settings, Owner())
        (found,) = decode_description(await link.offer()).candidates
        assert found.address == address
        await link.close()


async def test_nodes_in_one_process_gather_on_their_own_addresses() -> None:
    async def gathered(address: str) -> list[str]:
        with gathering_on((address,)):
            await asyncio.sleep(0)
            return ice.get_host_addresses(use_ipv4=True, use_ipv6=True)

    one, other = await asyncio.gather(gathered("127.0.0.1"), gathered("127.0.0.2"))
    assert (one, other) == (["127.0.0.1"], ["127.0.0.2"])
    with gathering_on(("127.0.0.1", "::1")):
        assert ice.get_host_addresses(use_ipv4=False, use_ipv6=True) == ["::1"]


def test_settings_out_of_range_are_named() -> None:
    with pytest.raises(ConfigError, match="'localhost'"):
        IceSettings(("127.0.0.1", "localhost"))
    for stun in (("::1", 6369), ("", 6369), ("192.0.2.1", 0)):
        with pytest.raises(ConfigError, match="STUN"):
            IceSettings((), stun=stun)
