"""What own slots tuned for latency would bring and cost: the table of docs/decisions/slots-are-not-tuned.md.

`python -m bench.latency_tuning [--peers N] [--seed N]` lets every peer of a still network choose its core own links, in
half of the slots the nearest of the k candidates that its hash ranks first, and prints beside plain choice (k = 1): the
ways of a message that everyone floods at once, hops and lambda2; then the share of own links of an adversary with some
of the ids, which lives where others do ("among") or has machines near everyone ("near"). Plain choice is the reference
of the ratio.
"""

import argparse
import sys
from dataclasses import dataclass
from random import Random

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from net.sim.arrays.graph import distances, second_eigenvalue
from net.sim.arrays.rules import mainnet_rules
from net.sim.geography import latency, random_place

TRIED = (1, 2, 4, 8, 16)
SHARES = (0.10, 0.30)
SOURCES = 200

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Chosen:
    """Who chose whom."""

    own: Ints
    """Shape (peers, core own links): positions of the chosen."""
    links: csr_array
    """Symmetric, one-way delays in ms."""


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--peers", type=int, default=2_500)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    delays = _delays(options.peers, Random(options.seed))
    print(f"{options.peers} peers, seed {options.seed}, half of the core slots take the nearest of k")
    heads = ["way ms", "p99 ms", "ratio", "hops", "lambda2"]
    heads += [f"{where} {share:.2f}" for share in SHARES for where in ("among", "near")]
    print(f"{'k':>3}" + "".join(f"{head:>12}" for head in heads))
    plain = 0.0
    for among in TRIED:
        rng = np.random.default_rng([options.seed, among])
        chosen = _choose(delays, among, rng)
        ways = dijkstra(chosen.links, indices=rng.choice(options.peers, min(SOURCES, options.peers), replace=False))
        plain = plain or float(ways.mean())
        cells = [f"{ways.mean():.1f}", f"{np.percentile(ways, 99):.1f}", f"{ways.mean() / plain:.3f}"]
        ones = csr_array((np.ones(chosen.links.nnz, dtype=np.int16), chosen.links.indices, chosen.links.indptr))
        cells += [f"{distances(ones, rng)[0]:.3f}", f"{second_eigenvalue(ones, rng):.3f}"]
        for share in SHARES:
            bad = np.arange(options.peers) < round(share * options.peers)
            everywhere = np.where(bad[None, :], 0.0, delays)
            cells += [f"{_share(_choose(felt, among, rng).own, bad):.3f}" for felt in (delays, everywhere)]
        print(f"{among:>3}" + "".join(f"{cell:>12}" for cell in cells), flush=True)
    return 0


def _delays(peers: int, rng: Random) -> Floats:
    places = [random_place(rng) for _ in range(peers)]
    out = np.zeros((peers, peers))
    for left in range(peers):
        for right in range(left):
            out[left, right] = out[right, left] = latency(places[left], places[right])
    return out


def _choose(felt: Floats, among: int, rng: np.random.Generator) -> Chosen:
    """Let every peer choose: `felt` are the delays it measures itself, which rank the candidates of tuned slots."""
    peers, core = len(felt), mainnet_rules().own_core
    own = np.empty((peers, core), dtype=np.int64)
    for peer in range(peers):
        drawn = rng.choice(peers - 1, size=core * among, replace=False)
        drawn += drawn >= peer
        slots = drawn.reshape(core, among)
        own[peer] = slots[:, 0]
        for slot in range(core // 2):
            own[peer, slot] = slots[slot, np.argmin(felt[peer, slots[slot]])]
    left, right = np.repeat(np.arange(peers), core), own.ravel()
    ends = np.unique(np.concatenate((left * peers + right, right * peers + left)))
    left, right = ends // peers, ends % peers
    return Chosen(own, csr_array((felt[left, right], (left, right)), shape=(peers, peers)))


def _share(own: Ints, bad: npt.NDArray[np.bool_]) -> float:
    return float(bad[own[~bad]].mean())


if __name__ == "__main__":
    sys.exit(main())
