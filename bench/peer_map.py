"""Resident memory, disk size and load time of the global map (docs/figures.md, DESIGN promise P1).

`python -m bench.peer_map [--peers N]...` builds a map of N peers at a mean of 13 links, as from the archive, and says:

- resident memory per peer: growth of the process from before the map to after a snapshot of it was loaded,
- the same after a tenth of the records was replaced (pools and index as they are in use),
- bytes on disk, time to load, time to take a record, against Python sets of ids (what HiveP2P-like maps do).

Each measurement runs in a process of its own.
"""

import argparse
import ctypes
import gc
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from chain.primitives.hashing import blake2b_128, blake2b_256
from chain.primitives.peer import PeerId
from chain.primitives.units import Hash32, Millis
from net.core.identity.proof import epoch_of
from net.core.map._fingerprints import Fingerprints
from net.core.map.peer_map import PeerMap
from net.core.map.view import peers_of
from net.core.wire.record import Direction, Flags, Link, Record

NOW = Millis(1_800_000_000_000)
SECRET = b"bench-01"

LIMIT = 128
"""Most resident bytes per peer that are promised (P1); the script fails above it."""


def resident() -> int:
    """Return the resident memory of this process in bytes, after what was freed has been given back."""
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)  # freed transients below the heap's top are no part of the map
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def peer_ids(peers: int) -> bytes:
    """Return random-looking ids, one after the other."""
    return b"".join(blake2b_256(number.to_bytes(8, "big")) for number in range(peers))


def topology(peers: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return links of mean degree 13 as rows of a sparse matrix: where each peer's entries begin, the other ends, and
    whether they are inbound. Each peer chooses six or seven."""
    rng = np.random.default_rng(1)
    chooser = np.repeat(np.arange(peers), 6 + (np.arange(peers) & 1))
    chosen = rng.integers(peers, size=len(chooser))
    pair = np.minimum(chooser, chosen) * peers + np.maximum(chooser, chosen)
    _, first = np.unique(pair, return_index=True)
    first = first[chooser[first] != chosen[first]]
    chooser, chosen = chooser[first], chosen[first]
    owners, others = np.concatenate((chooser, chosen)), np.concatenate((chosen, chooser))
    inward = np.repeat(np.array([0, 1]), len(chooser))
    order = np.argsort(owners, kind="stable")
    starts = np.concatenate(([0], np.cumsum(np.bincount(owners, minlength=peers))))
    return starts, others[order], inward[order]


def fill(peer_map: PeerMap, peers: int) -> tuple[float, float]:
    """Apply one record per peer, then settle; return the seconds of CPU of both, records being made apart."""
    ids = peer_ids(peers)
    starts, others, inward = topology(peers)

    def record(number: int) -> Record:
        peer = PeerId(ids[32 * number : 32 * number + 32])
        span = slice(int(starts[number]), min(int(starts[number]) + 24, int(starts[number + 1])))
        ends = zip(others[span].tolist(), inward[span].tolist(), strict=True)
        entries = sorted((ids[32 * other : 32 * other + 12], Direction(direction)) for other, direction in ends)
        return Record(
            network=Hash32(bytes(32)),
            peer=peer,
            born=Millis(NOW - 10_000_000),
            seq=Millis(NOW - number % 1000),
            nonce=number,
            epoch=epoch_of(peer, Millis(NOW - number % 1000)),
            flags=Flags.PUBLIC,
            uplink=5,
            tags=(1, 2, 3),
            links=tuple(Link(prefix, direction, 7) for prefix, direction in entries),
            signature=bytes(64),
        )

    spent = making = 0.0
    place = {ids[32 * number : 32 * number + 32]: number for number in range(peers)}

    def reread(peer: PeerId) -> Record | None:  # stands for the archive; making the record is not the map's work
        nonlocal making
        begun = time.process_time()
        made = record(place[peer])
        making += time.process_time() - begun
        return made

    peer_map._reread = reread
    for number in range(peers):
        one = record(number)
        begun = time.process_time()
        outcome = peer_map.apply(one, NOW, settle_later=True)
        spent += time.process_time() - begun
        assert outcome.refusal is None
    begun = time.process_time()
    peer_map.settle()
    return spent, time.process_time() - begun - making


def grown(peers: int, path: str) -> dict[str, float]:
    """Build a map as a node does from its archive, all records at once, and write its snapshot."""
    peer_map = PeerMap(SECRET, lambda _: None)
    spent, settled = fill(peer_map, peers)
    confirmed = int(peer_map.adjacency().nnz)
    raw = peer_map.snapshot()
    Path(path).write_bytes(raw)
    return {
        "apply_us": spent / peers * 1e6,
        "settle_us": settled / peers * 1e6,
        "disk": len(raw) / peers,
        "degree": confirmed / peers,
    }


def warm_up() -> None:
    """Use every path once on a small map: code and libraries loaded by first use are not the map's."""
    small = PeerMap(SECRET, lambda _: None)
    fill(small, 10_000)
    small = PeerMap(SECRET, lambda _: None, snapshot=small.snapshot())
    small.adjacency()
    small.ids()


def loaded(peers: int, path: str) -> dict[str, float]:
    """Load a snapshot and say what it costs."""
    warm_up()
    raw = Path(path).read_bytes()
    before = resident()
    begun = time.process_time()
    peer_map = PeerMap(SECRET, lambda _: None, snapshot=raw)
    spent = time.process_time() - begun
    after = resident()
    table = peer_map.table()
    sample = [table.peer(at) for at in range(0, peers, max(1, peers // 10_000))]
    del table
    begun = time.process_time()
    for peer in sample:
        peer_map.degree(peer)
    lookup = (time.process_time() - begun) / len(sample)
    begun = time.process_time()
    peer_map.hops_from_root(0, sample[:14])
    hops = time.process_time() - begun
    begun = time.process_time()
    peer_map.adjacency()
    del sample
    adjacency = time.process_time() - begun
    after_views = resident()
    sums, keyed = compared(peer_map)
    return {
        "resident": (after - before) / peers,
        "after_views": (after_views - before) / peers,
        "load_s": spent,
        "lookup_us": lookup * 1e6,
        "adjacency_s": adjacency,
        "hops_ms": hops * 1e3,
        "sums_us": sums / peers * 1e6,
        "keyed_us": keyed / peers * 1e6,
    }


def compared(peer_map: PeerMap) -> tuple[float, float]:
    """Return the seconds of CPU to make the sums of one comparison, and to hash as much with keyed BLAKE2b."""
    begun = time.process_time()
    Fingerprints(peer_map, bytes(16))
    made = time.process_time()
    ids, seqs = peer_map.names()
    total = 0
    for peer, seq in zip(peers_of(ids), seqs.tolist(), strict=True):
        total += int.from_bytes(blake2b_128(peer + seq.to_bytes(8, "big"), key=bytes(16)), "big")
    return made - begun, time.process_time() - made


def regrown(peers: int, path: str) -> dict[str, float]:
    """Load a snapshot, then take a newer record of every tenth peer: pools and index as they are in use."""
    warm_up()
    raw = Path(path).read_bytes()
    before = resident()
    peer_map = PeerMap(SECRET, lambda _: None, snapshot=raw)
    table = peer_map.table()
    spent = 0.0
    for at in range(0, peers, 10):
        peer = table.peer(at)
        facts = peer_map.facts(peer)
        assert facts is not None
        links = sorted((link.peer[:12], link.direction) for link in peer_map.neighbours(peer))[1:]
        one = Record(
            network=Hash32(bytes(32)),
            peer=peer,
            born=facts.born,
            seq=NOW,
            nonce=1,
            epoch=facts.epoch,
            flags=facts.flags,
            uplink=facts.uplink,
            tags=facts.tags,
            links=tuple(Link(prefix, direction, 7) for prefix, direction in links),
            signature=bytes(64),
        )
        begun = time.process_time()
        peer_map.apply(one, Millis(NOW + 1000))
        spent += time.process_time() - begun
    del table
    return {"in_use": (resident() - before) / peers, "renew_us": spent / len(range(0, peers, 10)) * 1e6}


def python_sets(peers: int, path: str) -> dict[str, float]:
    """Hold the same links as sets of ids in a dictionary: what a map without arrays costs."""
    starts, others, _ = topology(peers)
    raw = peer_ids(peers)
    before = resident()
    ids = [raw[32 * number : 32 * number + 32] for number in range(peers)]
    held = {
        ids[number]: {ids[other] for other in others[starts[number] : starts[number + 1]].tolist()}
        for number in range(peers)
    }
    assert len(held) == peers
    return {"sets": (resident() - before) / peers}


def apart(job: Callable[[int, str], dict[str, float]], peers: int, path: str) -> dict[str, float]:
    """Run a measurement in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(job, (peers, path))


def main() -> int:
    """Measure and print; fail above LIMIT."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--peers", type=int, action="append", help="map size, may be repeated (default 100,000)")
    parser.add_argument("--no-sets", action="store_true", help="leave out the comparison with Python sets")
    options = parser.parse_args()
    worst = 0.0
    for peers in options.peers or [100_000]:
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "map")
            figures = apart(grown, peers, path) | apart(loaded, peers, path) | apart(regrown, peers, path)
        if not options.no_sets:
            figures |= apart(python_sets, peers, "")
        print(f"{peers:>9,} peers, mean degree {figures['degree']:.1f}")
        print(f"  reference: 416 B (the vision); limit: {LIMIT} B")
        print(f"  resident memory per peer, loaded       {figures['resident']:8.1f} B")
        print(f"  the same after views were made and freed {figures['after_views']:6.1f} B")
        print(f"  the same after a tenth was replaced    {figures['in_use']:8.1f} B")
        if "sets" in figures:
            print(f"  Python sets of ids                     {figures['sets']:8.1f} B")
        print(f"  on disk per peer                       {figures['disk']:8.1f} B")
        print(f"  load                                   {figures['load_s']:8.2f} s CPU")
        print(f"  take a record at the start, all at once {figures['apply_us']:7.1f} µs")
        print(f"  and settle it at the end               {figures['settle_us']:8.1f} µs")
        print(f"  take a newer record of a known peer    {figures['renew_us']:8.1f} µs")
        print(f"  look up a degree by id                 {figures['lookup_us']:8.2f} µs")
        print(f"  find the parent in the tree            {figures['hops_ms']:8.2f} ms CPU")
        print(f"  adjacency matrix                       {figures['adjacency_s']:8.2f} s CPU")
        sums, keyed = figures["sums_us"], figures["keyed_us"]
        print(f"  the sums of a comparison, a peer       {sums:8.2f} µs")
        print(f"  the same by keyed BLAKE2b, one by one  {keyed:8.2f} µs, {keyed / sums:.1f} times as much")
        worst = max(worst, figures["resident"], figures["in_use"])
    return 0 if worst <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
