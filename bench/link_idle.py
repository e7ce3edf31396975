"""What an idle link costs: CPU of consent checks and pings, against bare RTCPeerConnections that only keep consent.

Run `python -m bench.link_idle [links] [seconds]`. Ours exchange one 64-byte ping and pong every 5 s, as the mesh does.
Both ends of every link are in this process, so a node pays half per link.
"""

import asyncio
import sys
import time

from bench.link_setup import Ends, bare, ours

PING_SECONDS = 5.0


async def idle(kind: str, links: int, seconds: float) -> float:
    """Return microseconds of CPU per link end and second."""
    ends: list[Ends] = [await (ours if kind == "link" else bare)() for _ in range(links)]
    await asyncio.sleep(0.5)
    began, cpu = time.perf_counter(), time.process_time()
    while (left := seconds - (time.perf_counter() - began)) > 0:
        if kind == "link":
            for end in ends:
                await end.send(bytes(64))
        await asyncio.sleep(min(PING_SECONDS / 2, left))  # one end's pings and the other's: both directions
    cpu, began = time.process_time() - cpu, time.perf_counter() - began
    for end in ends:
        await end.close()
    return 1e6 * cpu / began / links / 2


async def main(links: int, seconds: int) -> None:
    """Measure both and print the ratio."""
    mine = await idle("link", links, seconds)
    reference = await idle("bare", links, seconds)
    print(f"link with pings     {mine:6.0f} us CPU per second and end")
    print(f"RTCPeerConnection   {reference:6.0f} us CPU per second and end, consent only")
    print(f"ratio               {mine / reference:6.2f}")


if __name__ == "__main__":
    counts = [int(argument) for argument in sys.argv[1:]]
    asyncio.run(main(*(counts + [12, 20][len(counts) :])))
