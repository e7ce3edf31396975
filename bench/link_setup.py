"""What a link costs to set up and what it carries: ours against a bare pair of RTCPeerConnection.

Run `python -m bench.link_setup [links] [messages]`. Prints wall time and CPU of both ends per link, then for one link
messages of 300 bytes per second and bytes in frames of 16 KiB per second, and each as a ratio to bare aiortc. Loopback,
both ends in one process.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiortc import RTCConfiguration, RTCDataChannel, RTCPeerConnection

from net.core.effects import Priority, Role
from net.transport.ice import IceSettings, gathering_on
from net.transport.sdp import decode_description
from net.transport.webrtc import Link

LOOPBACK = IceSettings(("127.0.0.1",))
MESSAGE = bytes(300)
LARGE = bytes(16 * 1024)


@dataclass
class Ends:
    """Two connected ends: how to send on one, what the other received, how to close both."""

    send: Callable[[bytes], Awaitable[None]]
    received: list[bytes]
    close: Callable[[], Awaitable[None]]


class Owner:
    """Keeps what a link receives."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []

    def frame(self, frame: bytes) -> None:
        """Keep it."""
        self.frames.append(frame)

    def ended(self, reason: str) -> None:
        """Nothing should end here."""
        raise AssertionError(reason)


async def ours() -> Ends:
    """Connect two of our links."""
    owner = Owner()
    offerer, answerer = Link(Role.OFFERER, LOOPBACK, Owner()), Link(Role.ANSWERER, LOOPBACK, owner)
    offer = decode_description(await offerer.offer())
    answer = decode_description(await answerer.answer(offer))
    await asyncio.gather(offerer.connect(answer), answerer.connect(offer))
    offerer.begin()
    answerer.begin()

    async def send(message: bytes) -> None:
        while sum(offerer.queues.waiting()) > 64 * 1024:  # noqa: ASYNC110  # the reference has no event for it
            await asyncio.sleep(0)
        offerer.send(message, Priority.BULK)

    async def close() -> None:
        for link in (offerer, answerer):
            await link.close()

    return Ends(send, owner.frames, close)


async def bare() -> Ends:
    """Connect two RTCPeerConnections with one channel, as aiortc's examples do."""
    one, other = (RTCPeerConnection(RTCConfiguration(iceServers=[])) for _ in range(2))
    channel = one.createDataChannel("bench")
    received: list[bytes] = []
    opened = asyncio.Event()
    channel.on("open", opened.set)

    def on_channel(remote: RTCDataChannel) -> None:
        remote.on("message", received.append)

    other.on("datachannel", on_channel)
    with gathering_on(LOOPBACK.addresses):
        await one.setLocalDescription()
        await other.setRemoteDescription(one.localDescription)
        await other.setLocalDescription()
    await one.setRemoteDescription(other.localDescription)
    await opened.wait()

    async def send(message: bytes) -> None:
        while channel.bufferedAmount > 64 * 1024:  # noqa: ASYNC110  # the reference has no event for it
            await asyncio.sleep(0)
        channel.send(message)

    async def close() -> None:
        await one.close()
        await other.close()

    return Ends(send, received, close)


async def setup_cost(connect: Callable[[], Awaitable[Ends]], links: int) -> tuple[float, float]:
    """Return wall and CPU milliseconds per link, both ends together, set up one after the other."""
    await (await connect()).close()  # imports, first certificate
    ends = []
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(links):
        ends.append(await connect())
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    for end in ends:
        await end.close()
    return 1000 * wall / links, 1000 * cpu / links


async def rate(connect: Callable[[], Awaitable[Ends]], message: bytes, messages: int) -> float:
    """Return messages per second through one link."""
    ends = await connect()
    began = time.perf_counter()
    for _ in range(messages):
        await ends.send(message)
    while len(ends.received) < messages:  # noqa: ASYNC110  # the reference has no event for it
        await asyncio.sleep(0)
    seconds = time.perf_counter() - began
    await ends.close()
    return messages / seconds


async def main(links: int, messages: int) -> None:
    """Measure both and print the table."""
    rows = []
    for name, connect in (("link", ours), ("RTCPeerConnection", bare)):
        wall, cpu = await setup_cost(connect, links)
        small = await rate(connect, MESSAGE, messages)
        large = await rate(connect, LARGE, messages // 10) * len(LARGE) / 1e6
        rows.append((wall, cpu, small, large))
        print(f"{name:18} set-up {wall:6.1f} ms wall {cpu:6.1f} ms CPU   {small:7.0f} messages/s   {large:5.2f} MB/s")
    ratios = [a / b for a, b in zip(*rows, strict=True)]
    print("ratio of link to RTCPeerConnection: wall, CPU, messages/s, MB/s:", *(f"{ratio:.2f}" for ratio in ratios))


if __name__ == "__main__":
    counts = [int(argument) for argument in sys.argv[1:]]
    asyncio.run(main(*(counts + [20, 4000][len(counts) :])))
