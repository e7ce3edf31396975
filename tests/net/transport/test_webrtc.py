"""Links between our own ends, and with aiortc's RTCPeerConnection as it comes."""

import asyncio
import dataclasses

import pytest
from aioice import ice
from aiortc import RTCIceCandidate

from net.core.effects import Priority, Role
from net.core.wire.frame import FRAME_MAX
from net.transport import webrtc
from net.transport.ice import IceSettings, gathering_on, machine_addresses
from net.transport.sdp import CANDIDATES_MAX, Candidate, CandidateKind, Setup, decode_description
from net.transport.webrtc import Link, LinkFailed, Step, foremost
from tests.helpers.transport import LOOPBACK, Foreign, Owner, Pair, until


def test_of_too_many_addresses_those_that_others_reach_are_told() -> None:
    def found(address: str, kind: str) -> RTCIceCandidate:
        return RTCIceCandidate(1, "f", address, 9, 1, "udp", kind)

    hosts = [found(f"172.{n}.0.1", "host") for n in range(16, 32)]  # bridges between containers, for example
    outside = [found("2001:4860::7", "host"), found("8.8.8.8", "srflx")]
    assert foremost([*hosts, *outside]) == [*outside, *hosts[: CANDIDATES_MAX - 2]]


async def test_both_ends_know_both_certificates_and_the_address() -> None:
    async with Pair() as pair:
        ours, theirs = pair.facts
        assert (ours.role, theirs.role) == (Role.OFFERER, Role.ANSWERER)
        assert ours.local_fingerprint == theirs.remote_fingerprint
        assert ours.remote_fingerprint == theirs.local_fingerprint
        assert len(ours.local_fingerprint) == 32
        assert ours.local_fingerprint != ours.remote_fingerprint
        assert (ours.address, theirs.address) == ("127.0.0.1", "127.0.0.1")


async def test_frames_arrive_whole_in_order_and_by_priority() -> None:
    async with Pair() as pair:
        bulk = [bytes((n,)) * FRAME_MAX for n in range(40)]
        for frame in bulk:
            pair.offerer.send(frame, Priority.BULK)
        pair.offerer.send(b"urgent", Priority.CONTROL)
        pair.answerer.send(b"back", Priority.BLOCK)
        frames = pair.owners[1].frames
        await until(lambda: len(frames) == 41)
        assert [frame for frame in frames if frame != b"urgent"] == bulk
        assert frames.index(b"urgent") < 6, "what is already in SCTP goes first, and that is at most 64 KiB"
        assert pair.owners[0].frames == [b"back"]
        traffic = pair.offerer.traffic
        assert traffic.frames_out == [1, 0, 0, 0, 40]
        assert traffic.bytes_out == [6, 0, 0, 0, 40 * FRAME_MAX]
        assert (traffic.frames_in, traffic.bytes_in) == (1, 4)


async def test_what_waits_in_aiortc_stays_bounded() -> None:
    async with Pair() as pair:
        for _ in range(100):
            pair.offerer.send(bytes(FRAME_MAX), Priority.BULK)
            assert pair.offerer._channel.bufferedAmount <= webrtc.BUFFERED_MAX
        await until(lambda: len(pair.owners[1].frames) == 100)


async def test_drain_waits_for_the_last_acknowledgement() -> None:
    async with Pair() as pair:
        for _ in range(20):
            pair.offerer.send(bytes(FRAME_MAX), Priority.BULK)
        await pair.offerer.drain(5.0)
        assert len(pair.owners[1].frames) == 20


async def test_the_other_end_learns_that_a_link_was_closed() -> None:
    async with Pair() as pair:
        await pair.offerer.close()
        await until(lambda: pair.owners[1].reason is not None)
        assert pair.owners[0].reason is None, "who closes is not told"
        assert not pair.answerer.queues.waiting()[0]
        assert pair.answerer.send(b"into the void", Priority.CONTROL)


async def test_closing_leaves_no_task_and_no_socket() -> None:
    before = asyncio.all_tasks()
    async with Pair() as pair:
        protocols = list(pair.offerer._ice._connection._protocols)
        pair.offerer.send(b"x", Priority.BULK)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
    assert all(protocol.transport.is_closing() for protocol in protocols)


@pytest.mark.parametrize("ours", Role)
async def test_it_is_ordinary_webrtc(ours: Role) -> None:
    async with Foreign(ours) as foreign:
        foreign.channel.send(b"from aiortc")
        foreign.link.send(b"from us", Priority.BLOCK)
        await until(lambda: bool(foreign.received and foreign.owner.frames))
        assert foreign.received == [b"from us"]
        assert foreign.owner.frames == [b"from aiortc"]
        assert foreign.facts.role is ours


async def test_a_certificate_other_than_described_fails_at_dtls() -> None:
    offerer, answerer = Link(Role.OFFERER, LOOPBACK, Owner()), Link(Role.ANSWERER, LOOPBACK, Owner())
    offer = decode_description(await offerer.offer())
    answer = decode_description(await answerer.answer(offer))
    forged = dataclasses.replace(answer, fingerprint=bytes(32))
    other = asyncio.ensure_future(answerer.connect(offer))
    with pytest.raises(LinkFailed) as failure:
        await offerer.connect(forged)
    assert failure.value.step is Step.DTLS
    other.cancel()
    await asyncio.wait([other])
    await offerer.close()
    await answerer.close()


async def test_nobody_there_fails_at_ice_within_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webrtc, "ICE_SECONDS", 0.05)
    link = Link(Role.OFFERER, LOOPBACK, Owner())
    offer = decode_description(await link.offer())
    silent = Candidate("f", 1, "127.0.0.1", 9, CandidateKind.HOST)
    with pytest.raises(LinkFailed) as failure:
        await link.connect(dataclasses.replace(offer, setup=Setup.CLIENT, candidates=(silent,)))
    assert failure.value.step is Step.ICE
    await link.close()


async def test_an_address_that_is_not_ours_fails_at_gathering() -> None:
    link = Link(Role.OFFERER, IceSettings(("192.0.2.1",)), Owner())
    with pytest.raises(LinkFailed) as failure:
        await link.offer()
    assert failure.value.step is Step.GATHER
    await link.close()


async def test_a_peer_that_takes_only_small_messages_is_refused() -> None:
    link = Link(Role.OFFERER, LOOPBACK, Owner())
    offer = decode_description(await link.offer())
    with pytest.raises(LinkFailed) as failure:
        await link.connect(dataclasses.replace(offer, message_max=FRAME_MAX - 1))
    assert failure.value.step is Step.DESCRIPTION
    await link.close()


async def test_candidates_are_on_configured_addresses_and_no_public_server_is_asked() -> None:
    link = Link(Role.OFFERER, LOOPBACK, Owner())
    assert link._gatherer._connection.stun_server is None
    offer = decode_description(await link.offer())
    assert {candidate.address for candidate in offer.candidates} == {"127.0.0.1"}
    await link.close()
    assert "127.0.0.1" not in machine_addresses()
    with gathering_on(("192.0.2.1", "2001:db8::1")):
        assert ice.get_host_addresses(use_ipv4=True, use_ipv6=False) == ["192.0.2.1"]
    assert ice.get_host_addresses(use_ipv4=True, use_ipv6=True) == [], "outside, nothing may be gathered"


async def test_a_path_lost_in_the_moment_of_opening_fails_the_set_up() -> None:
    one, other = Link(Role.OFFERER, LOOPBACK, Owner()), Link(Role.ANSWERER, LOOPBACK, Owner())
    progressed = one._sctp._progressed

    def lost() -> None:
        if one._sctp.established:  # what aioice does first when the peer no longer consents, in a task of its own
            asyncio.get_running_loop().call_soon(one._ice._connection._nominated.clear)
        progressed()

    one._sctp._progressed = lost
    try:
        offer = decode_description(await one.offer())
        answer = decode_description(await other.answer(offer))
        _, failure = await asyncio.gather(other.connect(offer), one.connect(answer), return_exceptions=True)
        assert isinstance(failure, LinkFailed), repr(failure)
    finally:
        await one.close()
        await other.close()
