"""Start of a node to its first RPC answer, resident memory and CPU when idle, time of a clean stop.

`python -m bench.node_start [--seconds N]`. The reference of the start is work that no node on these libraries can
avoid: importing them.
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cli.rpc_client import RpcClient, RpcUnreachable

REFERENCE = "import aiortc, aiohttp, argon2, coincurve, plyvel, prometheus_client, numpy, uvloop, msgpack, cryptography"
ACCOUNT = "0x23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f"


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(datadir: Path, *flags: str) -> tuple["subprocess.Popen[bytes]", float]:
    """Start a node and return it with the seconds until its RPC answered."""
    port = free_port()
    words = [sys.executable, "-m", "cli.main", "run", "--network", "devnet", "--datadir", str(datadir)]
    words += ["--rpc-port", str(port), "--metrics-port", str(free_port()), "--rendezvous-host", "127.0.0.1"]
    words += ["--rendezvous-port", str(free_port()), "--link-address", "127.0.0.1", "--trust-own-clock", *flags]
    began = time.perf_counter()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    client = RpcClient(f"http://127.0.0.1:{port}", timeout_seconds=1.0)
    while time.perf_counter() - began < 60:
        try:
            client.call("eth_blockNumber")
        except RpcUnreachable:
            time.sleep(0.005)
        else:
            return process, time.perf_counter() - began
    process.kill()
    raise SystemExit("the node did not answer in a minute")


def stop(process: "subprocess.Popen[bytes]") -> float:
    """Stop a node and return the seconds it took."""
    began = time.perf_counter()
    process.send_signal(signal.SIGTERM)
    process.wait(30)
    return time.perf_counter() - began


def resident_mib(pid: int) -> float:
    """Return a process's resident memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def cpu_seconds(pid: int) -> float:
    """Return the CPU time a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long to watch the idle node")
    arguments = parser.parse_args()
    best = float("inf")
    for _ in range(3):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", REFERENCE], check=True)
        best = min(best, time.perf_counter() - began)
    with tempfile.TemporaryDirectory() as folder:
        datadir = Path(folder) / "node"
        process, first = start(datadir)
        stop(process)
        process, again = start(datadir)
        again_stop = stop(process)
        print(f"start to RPC ready: {first:.2f} s with a new directory, {again:.2f} s after; stop {again_stop:.2f} s")
        print(f"reference, importing its libraries alone: {best:.2f} s; ratio {again / best:.2f}")
        process, _ = start(datadir)
        time.sleep(5)
        before = cpu_seconds(process.pid)
        time.sleep(arguments.seconds)
        share = (cpu_seconds(process.pid) - before) / arguments.seconds
        print(f"idle: {resident_mib(process.pid):.0f} MiB resident, {100 * share:.2f} % of a core")
        stop(process)
        process, _ = start(datadir, "--mine", "--mine-threads", "1", "--reward-address", ACCOUNT)
        time.sleep(3)
        print(f"stop while hashing at full speed: {stop(process):.2f} s")


if __name__ == "__main__":
    main()
