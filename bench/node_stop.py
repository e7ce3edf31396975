"""Time of a clean stop under load: linked to all its neighbours, hashing at full speed, RPC calls without pause.

`python -m bench.node_stop [--nodes N]`. Bar: 5 s.
"""

import argparse
import tempfile
import threading
import time
from functools import partial
from pathlib import Path

from bench.node_start import ACCOUNT
from cli.rpc_client import RpcClient, RpcRefused, RpcUnreachable
from tests.helpers.processes import NodeProcess, wait_for

CALLERS = 4
MINE = ("--mine", "--mine-threads", "1", "--reward-address", ACCOUNT)


def call_until(url: str, done: threading.Event) -> None:
    """Ask a node for whole blocks until it is gone."""
    client = RpcClient(url, timeout_seconds=5.0)
    while not done.is_set():
        try:
            client.call("eth_getBlockByNumber", "latest", True)
        except (RpcUnreachable, RpcRefused):
            done.wait(0.05)


def links(node: NodeProcess) -> int:
    """Return how many neighbours a node has."""
    peers = node.ask("mappemonde_peers")
    return len(peers) if isinstance(peers, list) else 0


def has_links(node: NodeProcess, least: int) -> bool:
    """Tell whether a node has so many neighbours."""
    return links(node) >= least


def main() -> None:
    """Stop the nodes one after the other, each while the others are linked to it, and print the longest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=4)
    count = parser.parse_args().nodes
    times = []
    with tempfile.TemporaryDirectory() as folder:
        first = NodeProcess(Path(folder) / "node-0", "--trust-own-clock", *MINE).start()
        join = ("--bootstrap", first.bootstrap_url)
        nodes = [first, *(NodeProcess(Path(folder) / f"node-{n}", *join, *MINE).start() for n in range(1, count))]
        for node in nodes:
            wait_for("links to all others", partial(has_links, node, count - 1), 90)
        for node in nodes:
            done = threading.Event()
            callers = [threading.Thread(target=call_until, args=(node.rpc.url, done)) for _ in range(CALLERS)]
            for caller in callers:
                caller.start()
            time.sleep(1)
            linked = links(node)
            began = time.perf_counter()
            code = node.stop()
            times.append(time.perf_counter() - began)
            done.set()
            for caller in callers:
                caller.join()
            print(f"stopped in {times[-1]:.2f} s with {linked} links, exit code {code}", flush=True)
    print(f"clean stop of {count} hashing nodes under {CALLERS} callers each: {max(times):.2f} s at most")


if __name__ == "__main__":
    main()
