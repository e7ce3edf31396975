"""What hostile requests cost the RPC server: answer, time, and the memory that is gone afterwards.

`python -m bench.rpc_hostile` starts the server of bench/rpc.py as a process of its own and sends it, one after another,
the inputs that docs/rpc.md tells of; after each it asks an ordinary question.
"""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from time import perf_counter

import aiohttp

from bench.rpc import call, start

CALL = json.loads(call("eth_chainId"))
BLOCK = json.loads(call("eth_getBlockByNumber", "0x0", True))
DISCOVER = json.loads(call("rpc.discover"))
MIB = 1 << 20


def resident_mib(process: "subprocess.Popen[str]") -> float:
    """Return the resident memory of a process in MiB."""
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise LookupError("no resident size")


def batch(of: object, count: int) -> bytes:
    """Return a batch of equal calls."""
    return json.dumps([of] * count).encode()


INPUTS: dict[str, bytes] = {
    "malformed JSON": b'{"jsonrpc"',
    "nested 2,000,000 deep": b"[" * 2_000_000,
    "nested 40 deep": b"[" * 40 + b"]" * 40,
    "5 MiB of empty objects": b"[" + b"{}," * 1_700_000 + b"{}]",
    "5 MiB of quotes": b'"' + b'\\"' * 2_500_000,
    "number of 1,000,000 digits": b'{"jsonrpc":"2.0","method":"eth_chainId","id":' + b"9" * 1_000_000 + b"}",
    "body of 32 MiB": b" " * (32 * MIB),
    "batch of 20,000": batch(CALL, 20_000),
    "batch of 1,000 (eth_chainId)": batch(CALL, 1_000),
    "batch of 1,000 (whole blocks)": batch(BLOCK, 1_000),
    "batch of 1,000 (25 MiB of answers)": batch(DISCOVER, 1_000),
}


async def stream(body: bytes) -> AsyncIterator[bytes]:
    """Yield a body in pieces, without telling its length."""
    for begin in range(0, len(body), 1 << 16):
        yield body[begin : begin + (1 << 16)]


async def send(session: aiohttp.ClientSession, url: str, body: bytes) -> tuple[str, float]:
    """Return what came back, and the ms it took."""
    begun = perf_counter()
    try:
        kind = {"Content-Type": "application/json"}
        async with session.post(url, data=stream(body), headers=kind) as response:
            raw = await response.read()
            answer = json.loads(raw)
            one = answer if isinstance(answer, dict) else answer[-1]
            text = str(one["error"]) if "error" in one else "result"
            shown = f"HTTP {response.status}, {len(raw) / 1024:.0f} KiB, {text}"
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        shown = f"connection cut ({type(error).__name__})"
    return shown, (perf_counter() - begun) * 1000


async def main() -> None:
    """Send everything and print what happened."""
    process, port = start("node")
    try:
        async with aiohttp.ClientSession() as session:
            url = f"http://127.0.0.1:{port}/"
            await send(session, url, batch(CALL, 10))
            for name, body in INPUTS.items():
                before = resident_mib(process)
                shown, took = await send(session, url, body)
                _, after = await send(session, url, batch(CALL, 1))
                grown = resident_mib(process) - before
                print(f"{name}: {shown[:110]}; {took:.0f} ms, memory {grown:+.1f} MiB, next call {after:.1f} ms")
    finally:
        process.kill()


if __name__ == "__main__":
    asyncio.run(main())
