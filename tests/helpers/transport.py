"""Two ends of a link in one process, on loopback: ours, and plain aiortc ones that may misbehave."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType

from aiortc import RTCConfiguration, RTCDataChannel, RTCPeerConnection, RTCSessionDescription
from aiortc.rtcsctptransport import RTCSctpTransport

from net.core.effects import LinkTransport, Role
from net.transport.guard import CHANNEL_ID
from net.transport.ice import IceSettings, gathering_on
from net.transport.sdp import decode_description
from net.transport.webrtc import Link

LOOPBACK = IceSettings(("127.0.0.1",))


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Run the loop until something real (a socket, another task) has made `condition` true."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # it is often aiortc's inner state, which signals nothing
            await asyncio.sleep(0.001)


class Owner:
    """Keeps what a link tells."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.reason: str | None = None

    def frame(self, frame: bytes) -> None:
        self.frames.append(frame)

    def ended(self, reason: str) -> None:
        assert self.reason is None, "told twice"
        self.reason = reason


class Pair:
    """Two of our links, connected to each other inside the `async with`."""

    async def __aenter__(self) -> "Pair":
        self.owners = (Owner(), Owner())
        self.offerer = Link(Role.OFFERER, LOOPBACK, self.owners[0])
        self.answerer = Link(Role.ANSWERER, LOOPBACK, self.owners[1])
        offer = decode_description(await self.offerer.offer())
        answer = decode_description(await self.answerer.answer(offer))
        self.facts: tuple[LinkTransport, LinkTransport] = await asyncio.gather(
            self.offerer.connect(answer), self.answerer.connect(offer)
        )
        self.offerer.begin()
        self.answerer.begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.offerer.close()
        await self.answerer.close()


class Foreign:
    """One of our links, connected to a plain RTCPeerConnection inside the `async with`."""

    def __init__(self, ours: Role, *, listen: Callable[[RTCDataChannel], None] | None = None) -> None:
        self.owner = Owner()
        self.role = ours
        self._listen = listen

    async def __aenter__(self) -> "Foreign":
        self.link = Link(self.role, LOOPBACK, self.owner)
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.channel = self.peer.createDataChannel("any", negotiated=True, id=CHANNEL_ID)
        self.received: list[bytes | str] = []
        self.channel.on("message", self.received.append)
        if self.role is Role.OFFERER:
            offer = await self.link.offer()
            await self._local(RTCSessionDescription(offer.decode(), "offer"))
            remote = self.peer.localDescription.sdp.encode()
            self.facts = await self.link.connect(decode_description(remote))
        else:
            await self._local(None)
            remote = self.peer.localDescription.sdp.encode()
            description = decode_description(remote)
            answer = await self.link.answer(description)
            connecting = asyncio.ensure_future(self.link.connect(description))
            await self.peer.setRemoteDescription(RTCSessionDescription(answer.decode(), "answer"))
            self.facts = await connecting
        self.link.begin()
        await until(lambda: self.channel.readyState == "open")
        return self

    async def _local(self, remote: RTCSessionDescription | None) -> None:
        if remote is not None:
            await self.peer.setRemoteDescription(remote)
        with gathering_on(LOOPBACK.addresses):
            await self.peer.setLocalDescription()

    @property
    def sctp(self) -> RTCSctpTransport:
        """The peer's association, to send from it what no channel would."""
        assert self.peer.sctp is not None
        return self.peer.sctp

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.link.close()
        await self.peer.close()


class Stopwatch:
    """Measures the longest time for which the loop did not run other callbacks, in seconds."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def __aenter__(self) -> "Stopwatch":
        self._task = asyncio.ensure_future(self._watch())
        return self

    async def _watch(self) -> None:
        clock = asyncio.get_running_loop().time
        before = clock()
        while True:
            await asyncio.sleep(0.005)
            now = clock()
            self.longest = max(self.longest, now - before - 0.005)
            before = now

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])


Sender = Callable[[Foreign], Awaitable[None]]
"""What a misbehaving peer does to our link."""
