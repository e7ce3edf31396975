"""Mining rate of the hash threads against bare argon2-cffi in as many threads; hashes finished after a new head.

Rates are per second of CPU, so that other load on the machine strikes neither; the bar is 97 %.
"""

import os
import threading
import time
from collections.abc import Callable
from statistics import median

from argon2.low_level import Type, hash_secret_raw

from chain.genesis import load_genesis
from chain.params import ChainParams
from chain.primitives.units import Hash32
from consensus.hashing import HashThread, WorkDesk
from consensus.miner import SetWork
from consensus.seal import SEAL_SALT

SECONDS = 2.0
ROUNDS = 5
PREFIX = bytes(330)


def bare_rate(params: ChainParams, threads: int) -> float:
    """Return hashes per CPU second of bare argon2-cffi calls."""
    stop = threading.Event()
    counts = [0] * threads

    def loop(index: int) -> None:
        nonce = index << 40
        while not stop.is_set():
            raw = PREFIX + nonce.to_bytes(8, "big")
            hash_secret_raw(raw, SEAL_SALT, 1, params.pow_memory_kib, 1, 32, Type.ID, 0x13)
            nonce += 1
            counts[index] += 1

    runners = [threading.Thread(target=loop, args=(index,)) for index in range(threads)]
    return _timed(runners, stop.set, lambda: sum(counts))


def node_rate(params: ChainParams, threads: int) -> float:
    """Return hashes per CPU second of the node's hash threads."""
    desk = WorkDesk()
    desk.set(SetWork(Hash32(bytes(32)), PREFIX, 0, 1 << 63, 0))
    loops = [
        HashThread(params, desk, lambda _: None, index=index, threads=threads, monotonic=time.monotonic)
        for index in range(threads)
    ]
    runners = [threading.Thread(target=loop.run) for loop in loops]
    return _timed(runners, desk.close, lambda: sum(loop.hashes for loop in loops))


def _timed(runners: list[threading.Thread], stop: Callable[[], None], count: Callable[[], int]) -> float:
    start = time.process_time()
    for runner in runners:
        runner.start()
    time.sleep(SECONDS)
    stop()
    for runner in runners:
        runner.join()
    return count() / (time.process_time() - start)


def hashes_after_stop(params: ChainParams, threads: int) -> int:
    """Return the most hashes any thread finished after the desk had changed."""
    desk = WorkDesk()
    loops = [
        HashThread(params, desk, lambda _: None, index=index, threads=threads, monotonic=time.monotonic)
        for index in range(threads)
    ]
    runners = [threading.Thread(target=loop.run) for loop in loops]
    for runner in runners:
        runner.start()
    worst = 0
    for _ in range(50):
        desk.set(SetWork(Hash32(bytes(32)), PREFIX, 0, 1 << 63, 0))
        time.sleep(0.02)
        desk.set(None)
        before = [loop.hashes for loop in loops]
        time.sleep(0.02)
        worst = max(worst, *(loop.hashes - count for loop, count in zip(loops, before, strict=True)))
    desk.close()
    for runner in runners:
        runner.join()
    return worst


def main() -> None:
    """Alternate the two, so that the machine's mood strikes both, and print medians."""
    for name in ("mainnet", "devnet"):
        params = load_genesis(name).params
        for threads in sorted({1, os.cpu_count() or 1}):
            pairs = [(bare_rate(params, threads), node_rate(params, threads)) for _ in range(ROUNDS)]
            bare, node = median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)
            ratio = median(pair[1] / pair[0] for pair in pairs)
            after = hashes_after_stop(params, threads)
            print(
                f"{name:8} {threads} threads: bare {bare:7.0f}/s, node {node:7.0f}/s, ratio {ratio:.3f}, "
                f"hashes after a new head at most {after}"
            )


if __name__ == "__main__":
    main()
