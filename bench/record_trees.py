"""How much of the record traffic falls to one peer, by how many trees records travel along: why there are several.

`python -m bench.record_trees [--peers N ...] [--runs R]` lets the array model live for a mean session, reads 1, 2, 4, 8
and 16 trees off its links as nodes do (`net.core.map._tree`), over and over from other roots, and prints how many
copies of each record a peer sends: the busiest one in a hundred, in a thousand, and of all. The reference in the same
run is one tree. The last column is the share of the peers to whom that is more than the gossip budget when everybody
signs RECORDS an hour, of DELTA bytes each; a star marks what nodes do at that size. Fails when that is over MOST_OVER
anywhere.
"""

import argparse
import sys
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from net.core.map._spread import GOSSIP_BUDGET
from net.core.map._tree import trees_for
from net.core.wire.gossip import LANES
from net.sim.arrays.life import steady
from net.sim.arrays.rules import mainnet_rules

if TYPE_CHECKING:
    from scipy.sparse import csr_array

RECORDS = 11.8
"""Records that a peer signs in an hour, sessions 8 h long (docs/decisions/slots-follow-their-hash.md)."""

DELTA = 130
"""Bytes (docs/decisions/records-travel-as-deltas.md)."""

MOST_OVER = 0.05

SESSIONS = 1.0


def copies(adjacency: "csr_array", roots: npt.NDArray[np.int64], rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return for each peer how many copies of a record it sends on average, along trees with these roots."""
    from scipy.sparse.csgraph import dijkstra

    peers = adjacency.shape[0]
    lower = np.repeat(np.arange(peers), np.diff(adjacency.indptr))
    sent = np.zeros(peers)
    for root in roots:
        hops = dijkstra(adjacency, unweighted=True, indices=root)
        upward = hops[adjacency.indices] == hops[lower] - 1
        child, parent = lower[upward], adjacency.indices[upward]
        order = np.lexsort((rng.random(len(child)), child))
        child, parent = child[order], parent[order]
        first = np.append(True, child[1:] != child[:-1])
        links = np.bincount(child[first], minlength=peers) + np.bincount(parent[first], minlength=peers)
        sent += np.maximum(links - 1, 0) / len(roots)
    return sent


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--peers", type=int, nargs="+", default=[2_500, 10_000, 30_000, 100_000])
    parser.add_argument("--runs", type=int, default=4, help="sets of roots")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    worst = 0.0
    for peers in options.peers:
        rng = np.random.default_rng(options.seed)
        adjacency = steady(peers, mainnet_rules(), options.seed, sessions=SESSIONS).adjacency()
        linked = np.flatnonzero(np.diff(adjacency.indptr))
        room = GOSSIP_BUDGET / (peers * RECORDS / 3600 * DELTA)
        print(f"{peers} peers; the budget has room for {room:.1f} copies of each record")
        trees = 1
        while trees <= LANES:
            runs = [copies(adjacency, rng.choice(linked, trees, replace=False), rng) for _ in range(options.runs)]
            sent = np.concatenate(runs)
            over = float(np.mean(sent > room))
            busy, busier = np.quantile(sent, (0.99, 0.999))
            ours = trees == trees_for(peers)
            worst = max(worst, over if ours else 0.0)
            print(
                f"  {trees:2d} trees{'*' if ours else ' '} one in 100 {busy:5.2f}, in 1,000 {busier:5.2f}, "
                f"all {sent.max():5.2f}; over the budget {100 * over:6.3f} %"
            )
            trees *= 2
    return 0 if worst <= MOST_OVER else 1


if __name__ == "__main__":
    sys.exit(main())
