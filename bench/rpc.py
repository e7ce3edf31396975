"""Calls per second of the RPC server against a bare aiohttp handler that parses and dumps the same JSON.

`python -m bench.rpc [--seconds S] [--clients N] [--subscribers N]` starts both servers as processes of their own, over
a chain of 2,000 accounts in LevelDB, and asks them in turn from the same clients over kept-alive connections. It prints
calls per second, the ratio, the 50th and 99th percentile, the same while blocks of 500 transfers are imported, and the
time in which every WebSocket subscriber has a new head. One machine carries servers and clients: only ratios count.
"""

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import threading
import tomllib
from importlib import resources
from itertools import cycle
from pathlib import Path
from time import monotonic, perf_counter, sleep

import aiohttp
from aiohttp import web

from chain.genesis import Genesis, parse_genesis
from chain.primitives.units import GWEI, Millis
from net.rpc.server import RpcServer
from storage.leveldb import open_level
from tests.helpers.chain_builder import Built
from tests.helpers.rpc_world import World
from tests.helpers.transactions import address_of_key, key_of, sign

ACCOUNTS = 2_000
BLOCK_TRANSFERS = 500
BLOCKS = 20
IMPORT_EVERY_SECONDS = 0.5
BALANCE = "0x3635c9adc5dea00000"


def genesis() -> Genesis:
    """Return devnet's genesis with many accounts."""
    document = tomllib.loads((resources.files("genesis") / "devnet.toml").read_text())
    owners = [address_of_key(key_of(number)) for number in range(1, ACCOUNTS + 1)]
    return parse_genesis(document | {"allocations": {"0x" + owner.hex(): "1000 MND" for owner in owners}}, "bench")


# servers


async def bare() -> None:
    """Serve the least that any handler must do."""

    async def handle(request: web.Request) -> web.Response:
        call = json.loads(await request.read())
        result = "0x7" if call["method"] == "eth_blockNumber" else BALANCE
        body = json.dumps({"jsonrpc": "2.0", "id": call["id"], "result": result}).encode()
        return web.Response(body=body, content_type="application/json")

    app = web.Application()
    app.router.add_post("/", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


async def node() -> None:
    """Serve the node's RPC; each line of the input imports a block or, if it says so, a block every so often."""
    with tempfile.TemporaryDirectory() as directory:
        world = World(genesis=genesis(), store=open_level(Path(directory)))
        keys = [key_of(number) for number in range(1, BLOCK_TRANSFERS + 1)]
        to = address_of_key(key_of(1))
        built: list[Built] = []
        for nonce in range(BLOCKS):
            payments = [sign(key, to=to, nonce=nonce, value=1, max_fee=50 * GWEI) for key in keys]
            built.append(world.builder.extend(built[-1].chained if built else None, payments))
        server = RpcServer(world.parts, world.policy, world.events, clock=world.clock)
        port = await server.open()
        print(port, flush=True)
        loop = asyncio.get_running_loop()

        def take_one() -> None:
            block = built.pop(0)
            world.importer.add(block.verified(), Millis(block.chained.time))
            loop.call_soon_threadsafe(world.events.heads, (block.chained,), ())
            print(monotonic(), flush=True)

        def importer() -> None:
            for line in sys.stdin:
                for _ in range(int(line)):
                    take_one()
                    sleep(IMPORT_EVERY_SECONDS)

        threading.Thread(target=importer, daemon=True).start()
        await server.run()


def start(role: str) -> tuple["subprocess.Popen[str]", int]:
    """Start a server process and return it with its port."""
    command = [sys.executable, "-m", "bench.rpc", "--serve", role]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


# clients


async def ask(port: int, bodies: list[bytes], until: float, times: list[float]) -> None:
    """Send calls over one connection, over and over."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
    requests = cycle([f"{head}{len(body)}\r\n\r\n".encode() + body for body in bodies])
    while perf_counter() < until:
        begun = perf_counter()
        writer.write(next(requests))
        answer = await reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        times.append(perf_counter() - begun)
    writer.close()


async def measure(port: int, bodies: list[bytes], clients: int, seconds: float) -> tuple[float, float, float]:
    """Return calls per second, and the 50th and 99th percentile in ms."""
    times: list[float] = []
    until = perf_counter() + seconds
    await asyncio.gather(*(ask(port, bodies, until, times) for _ in range(clients)))
    times.sort()
    return len(times) / seconds, times[len(times) // 2] * 1000, times[len(times) * 99 // 100] * 1000


def call(method: str, *params: object) -> bytes:
    """Return the body of a call."""
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()


async def subscribers(port: int, count: int, process: "subprocess.Popen[str]") -> float:
    """Return the seconds from a new head until the last subscriber has it."""
    assert process.stdin is not None
    assert process.stdout is not None
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        sockets = [await session.ws_connect(f"http://127.0.0.1:{port}/ws") for _ in range(count)]
        for socket in sockets:
            await socket.send_bytes(call("eth_subscribe", "newHeads"))
            await socket.receive()
        process.stdin.write("1\n")
        process.stdin.flush()
        told = await asyncio.to_thread(process.stdout.readline)
        await asyncio.gather(*(socket.receive() for socket in sockets))
        took = monotonic() - float(told)
        for socket in sockets:
            await socket.close()
        return took


async def compare(options: argparse.Namespace) -> None:
    """Print all figures."""
    plain, plain_port = start("bare")
    served, served_port = start("node")
    try:
        accounts = ["0x" + address_of_key(key_of(number)).hex() for number in range(1, ACCOUNTS + 1)]
        balance = [call("eth_getBalance", account, "latest") for account in accounts]
        for name, bodies in (("eth_blockNumber", [call("eth_blockNumber")]), ("eth_getBalance", balance)):
            rates: dict[int, list[tuple[float, float, float]]] = {plain_port: [], served_port: []}
            for _ in range(3):
                for port, found in rates.items():
                    found.append(await measure(port, bodies, options.clients, options.seconds))
            best = {port: sorted(found)[1] for port, found in rates.items()}
            ratio = best[served_port][0] / best[plain_port][0]
            print(f"{name}: bare {_show(best[plain_port])}; node {_show(best[served_port])}; ratio {ratio:.2f}")
        took = await subscribers(served_port, options.subscribers, served)
        print(f"{options.subscribers} subscribers have a head after {took * 1000:.0f} ms")
        assert served.stdin is not None
        served.stdin.write(f"{int(options.seconds / IMPORT_EVERY_SECONDS)}\n")
        served.stdin.flush()
        loaded = await measure(served_port, balance, options.clients, options.seconds)
        print(f"eth_getBalance while blocks of {BLOCK_TRANSFERS} transfers are imported: {_show(loaded)}")
    finally:
        plain.kill()
        served.kill()


def _show(figures: tuple[float, float, float]) -> str:
    return f"{figures[0]:.0f}/s (p50 {figures[1]:.1f} ms, p99 {figures[2]:.1f} ms)"


def main() -> None:
    """Run a server or the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", choices=("bare", "node"))
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--subscribers", type=int, default=1_000)
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if options.serve:
        asyncio.run(bare() if options.serve == "bare" else node())
    else:
        asyncio.run(compare(options))


if __name__ == "__main__":
    main()
