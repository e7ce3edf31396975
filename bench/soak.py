"""A real devnet of six processes (two mine, three stake) held against the simulated law: `make soak`.

`python -m bench.soak [--blocks 300]` takes an hour. It starts the devnet as `mappemonde devnet --nodes 6` does, notes
by WebSocket when each node adopts which block, and at the end compares the intervals after the handicaps' ramp with
those that `consensus.sim` draws for the same constants, hash rate and stakes (two-sample Kolmogorov-Smirnov).
`--against FILE` compares the intervals of an earlier run, kept by `--save FILE`, with the law of today: half a minute.
"""

import argparse
import asyncio
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random

import aiohttp
from scipy.stats import ks_2samp

from chain.genesis import load_genesis
from cli.devnet.plan import MINER_RATE, MINERS, PORT_STEP, RPC_PORT
from cli.devnet.stakes import STAKES
from cli.rpc_client import RpcClient, RpcRefused, RpcUnreachable
from consensus.sim.blocks import BlockMaker
from consensus.sim.world import Conditions, MinerSetup, World

NODES = 6
GENESIS = load_genesis("devnet")
PARAMS = GENESIS.params
RAMPED = PARAMS.stake_start + PARAMS.stake_ramp
"""First height compared: from here on tickets have their full worth."""
LEVEL = 0.01
"""A sample that the simulated law gives more rarely than this is taken for another law."""
RUNS = 100
"""Devnets simulated: their intervals together are the law."""
LATE_MS = (50, 250, 1000)
"""A node counts as on the winner if it adopted the block within so many ms of its time; the machine is shared."""

FOLD = PARAMS.tau / math.log(2)
"""In this many ms the share of hashes that are ripe grows e-fold."""

EXPECTED_LATE = math.exp(-LATE_MS[0] / FOLD) / (1 + PARAMS.block_time / FOLD)
"""Share of winners found over LATE_MS[0] after their own time, when nobody could be on them. By t, a share F(t) ~
exp(t / FOLD) of all hashes is ripe; the first ripe one comes at t with the rate t F' + F, the second part from hashes
just found whose time has passed: 1 / (1 + t / FOLD) of the winners; exp(-x / FOLD) of these by more than x."""


async def listen(port: int, adopted: dict[str, float]) -> None:
    """Note when a node told of each head, until cancelled; connects again when the node is not there."""
    while True:
        try:
            async with aiohttp.ClientSession() as session, session.ws_connect(f"ws://127.0.0.1:{port}/ws") as socket:
                await socket.send_json({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]})
                async for message in socket:
                    body = json.loads(message.data)
                    if body.get("method") == "eth_subscription":
                        adopted.setdefault(body["params"]["result"]["hash"], time.time() * 1000)
        except (aiohttp.ClientError, OSError):
            await asyncio.sleep(0.5)


def call(port: int, method: str, *parameters: object) -> object:
    """Return a method's result, None while the node does not answer."""
    try:
        return RpcClient(f"http://127.0.0.1:{port}").call(method, *parameters)
    except (RpcUnreachable, RpcRefused):
        return None


async def watch(ports: list[int], blocks: int) -> list[dict[str, float]]:
    """Return when each node adopted which block, once the first has `blocks` of them."""
    adopted: list[dict[str, float]] = [{} for _ in ports]
    tasks = [asyncio.create_task(listen(port, seen)) for port, seen in zip(ports, adopted, strict=True)]
    shown = 0
    while shown < blocks:
        await asyncio.sleep(5)
        answer = await asyncio.to_thread(call, ports[0], "eth_blockNumber")
        height = int(str(answer), 16) if answer is not None else 0
        if height // 25 > shown // 25:
            print(f"block {height} of {blocks}", flush=True)
        shown = height
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return adopted


def heads(port: int, height: int) -> list[dict[str, object]]:
    """Return the consensus facts of blocks 2 to `height`, oldest first."""
    found: list[dict[str, object]] = []
    while height > 1:
        page = call(port, "mappemonde_heads", min(256, height - 1), hex(height))
        assert isinstance(page, list), "the node answers"
        found += page
        height -= len(page)
    return found[::-1]


def simulated(blocks: int) -> list[list[int]]:
    """Return the intervals of RUNS devnets in virtual time from block 2 to `blocks`, ms.

    Each begins as the real one does: block 1 is as late as the launch was, so the schedule starts with the largest
    error one interval can make, and takes 450 blocks (H_SCHED / TAU) to come to rest.
    """
    premine = sum(GENESIS.allocations.values())
    # the subsidy, and half of it again for the ticket
    issued_per_block = PARAMS.subsidy * 3 // 2

    def stake(now: float) -> float:
        issued = premine + issued_per_block * (now / PARAMS.block_time)
        return min(1 / PARAMS.floor_div, sum(STAKES) / issued)

    runs = []
    for seed in range(RUNS):
        maker = BlockMaker(PARAMS)
        conditions = Conditions(
            rate=lambda _: MINERS * MINER_RATE / 1000,
            stake=stake,
            delay=lambda rng, _source, _target, _now: rng.uniform(5, 30),
            registered=1 / PARAMS.floor_div,
        )
        start = maker.genesis(1, err=PARAMS.max_counted_interval - PARAMS.block_time)
        miners = [MinerSetup(1 / MINERS) for _ in range(MINERS)]
        outcome = World(PARAMS, miners, conditions, rng=Random(seed), start=start, maker=maker).run(blocks)
        runs.append([block.time - block.header.parent_time for block in outcome.chain[: blocks - 1]])
    return runs


def compare(intervals: list[int]) -> bool:
    """Print the intervals of a devnet, ms from block 2 on, beside the law; tell whether it keeps it."""
    inside = [PARAMS.min_interval <= interval <= 2 * PARAMS.block_time for interval in intervals]
    settled = intervals[RAMPED - 2 :]
    law = [interval for run in simulated(len(intervals) + 1) for interval in run[RAMPED - 2 :]]
    test = ks_2samp(settled, law)
    print(
        f"in the window of {PARAMS.min_interval} to {2 * PARAMS.block_time} ms: {100 * sum(inside) / len(inside):.2f} %"
    )
    for name, sample in (("devnet", settled), ("simulated", law)):
        mean = sum(sample) / len(sample)
        deviation = (sum((value - mean) ** 2 for value in sample) / len(sample)) ** 0.5
        print(f"{name}: {len(sample)} intervals from height {RAMPED} on, mean {mean:.0f} ms, sd {deviation:.0f} ms")
    print(f"Kolmogorov-Smirnov: D = {test.statistic:.4f}, p = {test.pvalue:.3f} (rejected under {LEVEL})")
    return bool(all(inside) and test.pvalue >= LEVEL)


def report(ports: list[int], adopted: list[dict[str, float]], save: Path | None) -> int:
    """Print the figures; return 0 if the devnet keeps the law."""
    height = int(str(call(ports[0], "eth_blockNumber")), 16) - 1
    chain = heads(ports[0], height)
    intervals = [int(str(block["interval"])) for block in chain]
    tickets = sum(block["ticket"] is not None for block in chain)
    if save is not None:
        save.write_text(json.dumps(intervals))
    supply = call(ports[0], "mappemonde_supply")
    assert isinstance(supply, dict), "the node answers"
    stake = sum(STAKES) / int(supply["issued"], 16)
    print(f"{len(intervals)} intervals, {tickets} blocks with a ticket, stake {stake:.3f} of the coins issued")
    keeps = compare(intervals)
    told = [block for block in chain[10:] if any(str(block["hash"]) in seen for seen in adopted)]
    first = [min(seen.get(str(block["hash"]), float("inf")) for seen in adopted) for block in told]
    found = [at - int(str(block["time"])) for block, at in zip(told, first, strict=True)]
    print(
        f"blocks found after their own time (first node later than {LATE_MS[0]} ms): "
        f"{100 * sum(late > LATE_MS[0] for late in found) / len(found):.1f} %; "
        f"the law: {100 * EXPECTED_LATE:.1f} %"
    )
    since_ripe = [
        seen.get(str(block["hash"]), float("inf")) - int(str(block["time"])) for seen in adopted for block in told
    ]
    since_there = [
        seen.get(str(block["hash"]), float("inf")) - max(int(str(block["time"])), at)
        for seen in adopted
        for block, at in zip(told, first, strict=True)
    ]
    for name, delays in (("its ripe time", since_ripe), ("the moment it was both ripe and found", since_there)):
        for limit in LATE_MS:
            share = sum(value <= limit for value in delays) / len(delays)
            print(f"nodes on the winner within {limit} ms of {name}: {100 * share:.2f} %")
    same = len({_hash_of(port, height - 2) for port in ports}) == 1
    print(f"all nodes agree on block {height - 2}: {same}")
    return 0 if keeps and same else 1


def _hash_of(port: int, height: int) -> str:
    block = call(port, "eth_getBlockByNumber", hex(height), False)
    return str(block["hash"]) if isinstance(block, dict) else ""


def main() -> int:
    """Run the soak."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=300)
    parser.add_argument("--port-offset", type=int, default=3000)
    parser.add_argument("--save", type=Path, help="keep the intervals in this JSON file")
    parser.add_argument("--against", type=Path, help="start nothing: compare the intervals kept in this JSON file")
    arguments = parser.parse_args()
    if arguments.against is not None:
        return 0 if compare(json.loads(arguments.against.read_text())) else 1
    if arguments.blocks < RAMPED + 40:
        parser.error(f"at least {RAMPED + 40} blocks: the comparison begins at height {RAMPED}")
    ports = [RPC_PORT + arguments.port_offset + PORT_STEP * index for index in range(NODES)]
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "devnet.log").open("wb") as log:
        words = [sys.executable, "-m", "cli.main", "devnet", "--nodes", str(NODES), "--datadir", f"{folder}/devnet"]
        words += ["--port-offset", str(arguments.port_offset)]
        devnet = subprocess.Popen(words, stdout=log, stderr=log)
        try:
            adopted = asyncio.run(watch(ports, arguments.blocks))
            return report(ports, adopted, arguments.save)
        finally:
            devnet.terminate()
            devnet.wait(30)


if __name__ == "__main__":
    sys.exit(main())
