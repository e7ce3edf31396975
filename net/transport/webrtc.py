"""One link: ICE, DTLS, SCTP and one reliable ordered data channel, step by step, every wait bounded.

Built from aiortc's transports (its ORTC interface) and not from RTCPeerConnection: that one starts its steps in tasks
nobody awaits, parses the peer's SDP with asserts, and leaves no place for a guarded SCTP (docs/decisions). On the wire
it is the same WebRTC; a test links it with RTCPeerConnection both ways.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import ip_address
from typing import Protocol

from aiortc import (
    RTCCertificate,
    RTCDataChannel,
    RTCDataChannelParameters,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
    RTCIceCandidate,
    RTCIceGatherer,
    RTCIceParameters,
    RTCIceServer,
    RTCIceTransport,
    RTCSctpCapabilities,
)
from aiortc.exceptions import InvalidStateError
from cryptography.hazmat.primitives.hashes import SHA256
from OpenSSL import SSL

from chain.primitives.errors import NodeError
from net.core.effects import LinkTransport, Priority, Role
from net.core.wire.frame import FRAME_MAX
from net.transport.guard import CHANNEL_ID, GuardedSctp
from net.transport.ice import IceSettings, gathering_on, reachable
from net.transport.queues import SendQueues
from net.transport.sdp import (
    CANDIDATES_MAX,
    MID,
    Candidate,
    CandidateKind,
    Description,
    Setup,
    encode_description,
)

EARLY_FRAMES_MAX = 8
"""Frames kept between the opening of the channel and the owner's `begin`, which follows in the same turn of the loop or
the next; a peer begins with one HELLO."""

BUFFERED_MAX = 64 * 1024
"""Most bytes handed to aiortc and not yet cut into packets (DESIGN section 3.4); the rest waits by priority."""

GATHER_SECONDS = 6.0
"""aioice itself gives up on a STUN server after 5 s."""

ICE_SECONDS = 30.0
"""The answering side checks from the moment its answer is made, and the answer may take the mesh some seconds."""

DTLS_SECONDS = 10.0
SCTP_SECONDS = 10.0
CLOSE_SECONDS = 1.0
"""For the last packets and the sockets of a link; after it, what still hangs is dropped."""


class Step(Enum):
    """Steps of a set-up in their order: what a trace says of a link that did not come up (DESIGN section 3.4)."""

    SLOT = "slot"
    """Waiting for one of the few simultaneous set-ups."""
    GATHER = "gather"
    """Opening sockets and asking the STUN server."""
    DESCRIPTION = "description"
    """Reading the other side's SDP."""
    SIGNAL = "signal"
    """Waiting for the answer."""
    ICE = "ice"
    DTLS = "dtls"
    SCTP = "sctp"


class LinkFailed(NodeError):
    """A set-up ended at a step."""

    def __init__(self, step: Step, why: str) -> None:
        super().__init__(f"{step.value}: {why}")
        self.step = step


@dataclass(slots=True)
class Traffic:
    """What went over one link. Only the link changes it."""

    frames_in: int = 0
    bytes_in: int = 0
    frames_out: list[int] = field(default_factory=lambda: [0] * len(Priority))
    """By priority; what came in carries none."""
    bytes_out: list[int] = field(default_factory=lambda: [0] * len(Priority))


class LinkOwner(Protocol):
    """What a link tells its owner once it is open."""

    def frame(self, frame: bytes) -> None:
        """Take one frame; must not raise."""

    def ended(self, reason: str) -> None:
        """Learn, once, that the link ended on its own or by the peer; `close` is still to be called. Must not raise."""


class Link:
    """One link, from its description to its end. Its owner awaits the steps one after the other and then closes it."""

    def __init__(self, role: Role, settings: IceSettings, owner: LinkOwner) -> None:
        """Make the transports of a link; nothing is opened yet. Needs a running event loop."""
        self.traffic = Traffic()
        self.queues = SendQueues()
        self._role = role
        self._settings = settings
        self._owner = owner
        self._opened = asyncio.Event()
        self._idle = asyncio.Event()
        self._begun = False
        self._early: list[bytes] = []
        self._end_reason: str | None = None
        self._certificate = RTCCertificate.generateCertificate()
        # An explicit list: without one aiortc asks a public STUN server.
        servers = [RTCIceServer(f"stun:{settings.stun[0]}:{settings.stun[1]}")] if settings.stun else []
        self._gatherer = RTCIceGatherer(iceServers=servers)
        self._ice = RTCIceTransport(self._gatherer)
        self._ice._connection.ice_controlling = role is Role.OFFERER  # as RTCPeerConnection does
        self._dtls = RTCDtlsTransport(self._ice, [self._certificate])
        self._dtls.on("statechange", self._dtls_changed)
        self._sctp = GuardedSctp(self._dtls, received=self._received, progressed=self._progressed, ended=self._ended)
        self._channel = RTCDataChannel(
            self._sctp, RTCDataChannelParameters(label="mappemonde", negotiated=True, id=CHANNEL_ID)
        )

    async def offer(self) -> bytes:
        """Gather candidates and return the offer. Raises `LinkFailed`."""
        await self._gather()
        return encode_description(self._description(Setup.EITHER))

    async def answer(self, offer: Description) -> bytes:
        """Gather candidates and return the answer to a decoded offer. Raises `LinkFailed`."""
        await self._gather()
        setup = Setup.SERVER if offer.setup is Setup.CLIENT else Setup.CLIENT
        return encode_description(self._description(setup, mid=offer.mid))

    async def connect(self, remote: Description) -> LinkTransport:
        """Run ICE, DTLS and SCTP against the other side's description, and return the facts of the open link.

        Raises `LinkFailed`. The owner is called back from the moment this returns; frames that came before are kept.
        """
        if 0 < remote.message_max < FRAME_MAX:
            raise LinkFailed(Step.DESCRIPTION, f"the other side takes messages of {remote.message_max} bytes only")
        client = remote.setup is Setup.SERVER or (remote.setup is Setup.EITHER and self._role is Role.ANSWERER)
        await self._connect_ice(remote)
        self._dtls._set_role("client" if client else "server")  # as RTCPeerConnection does
        await self._connect_dtls(remote)
        local, shown = self._fingerprints()
        if local != self._own_fingerprint() or shown != remote.fingerprint:
            raise LinkFailed(Step.DTLS, "the session's certificates are not those of the descriptions")
        start = self._sctp.start(RTCSctpCapabilities(maxMessageSize=remote.message_max), remote.sctp_port)
        await _bounded(Step.SCTP, SCTP_SECONDS, start)
        await _bounded(Step.SCTP, SCTP_SECONDS, self._opened.wait())
        if self._end_reason is not None:
            raise LinkFailed(Step.SCTP, self._end_reason)
        pair = self._ice._connection._nominated.get(1)  # ORTC has no getSelectedCandidatePair in aiortc
        if pair is None:  # the peer's consent ran out in this very moment, and DTLS has yet to hear of it
            raise LinkFailed(Step.SCTP, "the path was lost while the link opened")
        return LinkTransport(self._role, local, shown, pair.remote_addr[0])

    def begin(self) -> None:
        """Start calling the owner back, first with what came before: the mesh has been told that the link is open."""
        self._begun = True
        early, self._early = self._early, []
        for frame in early:
            self._owner.frame(frame)
        if self._end_reason is not None:
            self._owner.ended(self._end_reason)

    def send(self, frame: bytes, priority: Priority) -> bool:
        """Send a frame as soon as its turn comes. False means that the link cannot keep up and must be closed."""
        assert 0 < len(frame) <= FRAME_MAX, "the mesh cuts payloads into frames"
        kept = self.queues.push(frame, priority)
        self._pump()
        return kept

    async def drain(self, seconds: float) -> None:
        """Wait until all that was sent is acknowledged, at most `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                while self._end_reason is None and not self._all_sent():
                    self._idle.clear()
                    await self._idle.wait()
        except TimeoutError:
            return

    async def close(self) -> None:
        """End the link and free its sockets and tasks. May be called at any step, and more than once."""
        self._end_reason = self._end_reason or "closed by us"  # so that the owner is not told of it
        self._sctp.silence()
        self.queues.clear()
        pump = self._dtls._task  # `stop` cancels aiortc's receiving task and does not await it
        for stop in (self._sctp.stop, self._dtls.stop, self._ice.stop):
            try:
                await asyncio.wait_for(stop(), CLOSE_SECONDS)
            except (TimeoutError, ConnectionError, SSL.Error):
                continue  # the next one frees more
        if pump is not None:
            await asyncio.wait([pump], timeout=CLOSE_SECONDS)
            if pump.done() and not pump.cancelled():
                pump.exception()  # looked at, so that nobody logs it: the link is over either way

    async def _gather(self) -> None:
        addresses = self._settings.listening()
        with gathering_on(addresses):
            await _bounded(Step.GATHER, GATHER_SECONDS, self._gatherer.gather())
        if not self._gatherer.getLocalCandidates():
            raise LinkFailed(Step.GATHER, f"no UDP port on {', '.join(addresses) or 'no address'}")

    def _description(self, setup: Setup, mid: str = MID) -> Description:
        parameters = self._gatherer.getLocalParameters()
        assert parameters.usernameFragment is not None
        assert parameters.password is not None
        return Description(
            setup=setup,
            ufrag=parameters.usernameFragment,
            password=parameters.password,
            fingerprint=self._own_fingerprint(),
            candidates=tuple(
                Candidate(c.foundation, c.priority, c.ip, c.port, CandidateKind(c.type))
                for c in foremost(self._gatherer.getLocalCandidates())
            ),
            mid=mid,
            sctp_port=self._sctp.port,
        )

    async def _connect_ice(self, remote: Description) -> None:
        for candidate in reachable(remote.candidates, self._settings.listening()):
            await self._ice.addRemoteCandidate(
                RTCIceCandidate(
                    component=1,
                    foundation=candidate.foundation,
                    ip=candidate.address,
                    port=candidate.port,
                    priority=candidate.priority,
                    protocol="udp",
                    type=candidate.kind.value,
                )
            )
        await self._ice.addRemoteCandidate(None)
        parameters = RTCIceParameters(usernameFragment=remote.ufrag, password=remote.password)
        await _bounded(Step.ICE, ICE_SECONDS, self._ice.start(parameters))
        if self._ice.state != "completed":
            raise LinkFailed(Step.ICE, "no address of the other side answered")

    async def _connect_dtls(self, remote: Description) -> None:
        digest = remote.fingerprint.hex(":").upper()
        parameters = RTCDtlsParameters([RTCDtlsFingerprint("sha-256", digest)])
        try:
            await _bounded(Step.DTLS, DTLS_SECONDS, self._dtls.start(parameters))
        except SSL.Error as error:
            raise LinkFailed(Step.DTLS, f"handshake failed ({error})") from None
        if self._dtls.state != "connected":
            raise LinkFailed(Step.DTLS, "handshake failed or another certificate was shown")

    def _own_fingerprint(self) -> bytes:
        digests = {f.algorithm: f.value for f in self._certificate.getFingerprints()}
        return bytes.fromhex(digests["sha-256"].replace(":", ""))

    def _fingerprints(self) -> tuple[bytes, bytes]:
        """Ours and the other side's, of the certificates that the DTLS session itself holds."""
        session = self._dtls._ssl  # aiortc tells only what the SDP says
        assert session is not None
        own = session.get_certificate(as_cryptography=True)
        shown = session.get_peer_certificate(as_cryptography=True)
        if own is None or shown is None:
            raise LinkFailed(Step.DTLS, "the session lacks a certificate")
        return own.fingerprint(SHA256()), shown.fingerprint(SHA256())

    def _dtls_changed(self) -> None:
        if self._dtls.state == "connected":
            # Links carry no media. Without the keys aiortc drops RTCP instead of parsing whatever the peer wrote.
            self._dtls._rx_srtp = None  # type: ignore[assignment]  # it is None at first as well
        elif self._dtls.state in ("closed", "failed"):
            self._ended("lost: DTLS is closed")

    def _received(self, frame: bytes) -> None:
        self.traffic.frames_in += 1
        self.traffic.bytes_in += len(frame)
        if self._begun:
            self._owner.frame(frame)
        elif len(self._early) < EARLY_FRAMES_MAX:
            self._early.append(frame)
        else:
            self._ended("fault: talks before the link is open")

    def _progressed(self) -> None:
        if self._sctp.established:
            self._opened.set()
            self._pump()

    def _ended(self, reason: str) -> None:
        if self._end_reason is not None:
            return
        self._end_reason = reason
        self._sctp.silence()
        self._opened.set()
        self._idle.set()
        if self._begun:
            self._owner.ended(reason)

    def _pump(self) -> None:
        if self._end_reason is not None or self._channel.readyState != "open":
            return
        while (frame := self.queues.peek()) is not None:
            if self._channel.bufferedAmount + len(frame) > BUFFERED_MAX or not self._sctp.window_open():
                return
            frame, priority = self.queues.pop()
            self._channel.send(frame)
            self.traffic.frames_out[priority] += 1
            self.traffic.bytes_out[priority] += len(frame)
        if self._all_sent():
            self._idle.set()

    def _all_sent(self) -> bool:
        return self.queues.peek() is None and self._channel.bufferedAmount == 0 and self._sctp.unacknowledged() == 0


def foremost(candidates: Sequence[RTCIceCandidate]) -> list[RTCIceCandidate]:
    """Return as many candidates as a description may have, those of local networks last: aioice puts what a STUN server
    told behind all addresses of the machine, which may have more than that."""
    return sorted(candidates, key=lambda candidate: not ip_address(candidate.ip).is_global)[:CANDIDATES_MAX]


async def _bounded(step: Step, seconds: float, wait: Awaitable[object]) -> None:
    try:
        async with asyncio.timeout(seconds):
            await wait
    except TimeoutError:
        raise LinkFailed(step, f"nothing within {seconds:.0f} s") from None
    except (OSError, InvalidStateError) as error:
        raise LinkFailed(step, str(error) or type(error).__name__) from None
