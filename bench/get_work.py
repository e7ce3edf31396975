"""Mining through get-work by a process of its own against the node's own threads: hashes per second of CPU.

Both arrangements are whole: a node that hashes in one thread, and a node that does not with an external miner of one
thread. What is compared is hashes per second of CPU of all their processes, so that other load on the machine strikes
neither. Bar: 95 %.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from bench.node_start import ACCOUNT, cpu_seconds, stop
from cli.rpc_client import RpcClient, RpcUnreachable
from tests.helpers.processes import free_port

ROUNDS = 3
WARM_UP = 8.0
"""Seconds until the miner has work and the start of the processes is over."""


def start(network: str, datadir: Path, *flags: str) -> tuple["subprocess.Popen[bytes]", RpcClient]:
    """Start a node that stands alone and return it with its RPC."""
    port = free_port()
    words = [sys.executable, "-m", "cli.main", "run", "--network", network, "--datadir", str(datadir)]
    words += ["--rpc-port", str(port), "--metrics-host", "", "--rendezvous-host", "", "--link-address", "127.0.0.1"]
    words += ["--trust-own-clock", "--reward-address", ACCOUNT, *flags]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    client = RpcClient(f"http://127.0.0.1:{port}", timeout_seconds=2.0)
    began = time.monotonic()
    while time.monotonic() - began < 60:
        try:
            client.call("eth_blockNumber")
        except RpcUnreachable:
            time.sleep(0.05)
        else:
            return process, client
    process.kill()
    raise SystemExit("the node did not answer in a minute")


def spent(processes: Sequence["subprocess.Popen[bytes]"]) -> float:
    """Return the CPU seconds that processes have taken."""
    return sum(cpu_seconds(process.pid) for process in processes)


def inside(network: str, datadir: Path, seconds: float) -> float:
    """Return hashes per CPU second of a node that hashes itself."""
    node, client = start(network, datadir, "--mine", "--mine-threads", "1")

    def hashes() -> int:
        mining = client.call("mappemonde_mining")
        assert isinstance(mining, dict)
        return int(mining["hashes"])

    time.sleep(WARM_UP)
    first, cpu = hashes(), spent([node])
    time.sleep(seconds)
    rate = (hashes() - first) / (spent([node]) - cpu)
    stop(node)
    return rate


def outside(network: str, datadir: Path, seconds: float) -> tuple[float, float]:
    """Return hashes per CPU second of a node and its external miner together, and of the miner alone."""
    node, client = start(network, datadir)
    words = [sys.executable, "-m", "cli.main", "mine", "--rpc", client.url, "--threads", "1", "--json"]
    miner = subprocess.Popen(words, stdout=subprocess.PIPE)
    assert miner.stdout is not None
    samples: list[tuple[int, float, float]] = []
    began = time.monotonic()
    for line in miner.stdout:
        event = json.loads(line)
        if event["event"] == "status":
            samples.append((event["hashes"], spent([node, miner]), spent([miner])))
            if time.monotonic() - began > WARM_UP + seconds:
                break
    stop(miner)
    stop(node)
    (first, all_first, own_first), (last, all_last, own_last) = samples[0], samples[-1]
    return (last - first) / (all_last - all_first), (last - first) / (own_last - own_first)


def main() -> None:
    """Alternate the two and print medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="length of one measurement")
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as folder:
        for network, memory in (("testnet", "4096 KiB, as on mainnet"), ("devnet", "256 KiB")):
            rounds = []
            for number in range(ROUNDS):
                mine = inside(network, Path(folder) / f"{network}-in-{number}", seconds)
                rounds.append((mine, *outside(network, Path(folder) / f"{network}-out-{number}", seconds)))
            inner, outer, alone = (median(part) for part in zip(*rounds, strict=True))
            ratio = median(found[1] / found[0] for found in rounds)
            print(
                f"{network} ({memory}): in the node {inner:.0f}/s, through get-work {outer:.0f}/s with the node's "
                f"part of it ({alone:.0f}/s of the miner alone), ratio {ratio:.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
