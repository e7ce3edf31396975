"""The array model beside the exact simulator: degree distribution, path and spectrum of the same growth.

`python -m bench.array_model [--peers N] [--seed S] [--load WORLD]` lets N peers join the exact simulator 100 ms apart,
reads its links 30 s after the last, and compares them with the mean of RUNS networks that the array model grew by as
many peers a second. Fails when mean degree, mean path or lambda2 differ by more than TOLERANCE. 250 peers take two
minutes. With `--load` a world that `mappemonde simulate growth --save` wrote takes the place of the exact run, and the
model grows as fast and rests as long as that world did: 1,000 peers are compared so. With `--steady` the world is one
that `simulate churn --load W --save V` left, and the model lets two mean sessions pass: so 2,500 are.
"""

import argparse
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from time import process_time

import numpy as np
from scipy.sparse import csr_array

from net.sim.arrays.graph import Shape, measure
from net.sim.arrays.life import grown, steady
from net.sim.arrays.rules import Rules, mainnet_rules
from net.sim.measures import links_matrix
from net.sim.saved import load
from net.sim.scenarios.growth import build
from net.sim.world import World

JOIN_EVERY = 100
"""Virtual ms between joins."""

SETTLE = 30_000
"""Virtual ms after the last join."""

BATCH_MS = 1_000
"""Peers of the model that join within this time do not see each other: what a link's set-up takes."""

RUNS = 8

TOLERANCE = 0.06
"""Largest relative difference of a measure. The two differ by chance (one exact run: 1 to 2 %) and by what the model
leaves out: requests under way while a peer fills up, and moves held back for a minute after eight refusals."""

COMPARED = ("mean_degree", "mean_path", "lambda2")


@dataclass(frozen=True, slots=True)
class Grown:
    """A network that the exact simulator grew."""

    links: "csr_array"
    join_every: float
    """Mean virtual ms between joins."""
    rested: int
    """Virtual ms since the last join."""


def exact(peers: int, seed: int) -> Grown:
    """Let the exact simulator grow a network."""
    world = World(seed)
    build(world, peers, join_every=JOIN_EVERY)
    world.run_for(peers * JOIN_EVERY + SETTLE)
    return read(world)


def read(world: World) -> Grown:
    """Return the links of a world's running nodes and the pace at which they joined, as their records tell it."""
    nodes = [node for node in world.nodes if node.running]
    born = [facts.born for node in nodes if (facts := node.mesh.view().facts(node.peer)) is not None]
    return Grown(
        links=links_matrix(nodes),
        join_every=(max(born) - min(born)) / max(1, len(born) - 1),
        rested=world.now - max(born),
    )


def modelled(truth: Grown, rules: Rules, seed: int) -> "csr_array":
    """Return the links of a network that the array model grew at the same pace."""
    peers = truth.links.shape[0]
    batch = max(1, round(BATCH_MS / max(1.0, truth.join_every)))
    rounds, rest = divmod(truth.rested, rules.round_ms)
    batch_ms = round(batch * truth.join_every)
    network = grown(peers, rules, seed, batch=batch, batch_ms=batch_ms, rounds=rounds, minutes=rest // 60_000)
    return network.adjacency()


def distribution(adjacency: "csr_array", cap: int) -> list[float]:
    """Return the share of peers with 0, 1, ... links."""
    counts = np.bincount(np.diff(adjacency.indptr), minlength=cap + 1)
    return [float(count) / adjacency.shape[0] for count in counts]


def main() -> int:
    """Measure, print, and tell whether all differences are within TOLERANCE."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--peers", type=int, default=250)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--load", type=Path, help="a world of the exact simulator instead of its growth here")
    parser.add_argument("--steady", action="store_true", help="that world has lived for hours; so does the model then")
    options = parser.parse_args()
    if options.steady and options.load is None:
        parser.error("--steady needs a world: --load WORLD")
    rules, rng = mainnet_rules(), np.random.default_rng(options.seed)
    begun = process_time()
    grew = exact(options.peers, options.seed) if options.load is None else read(load(options.load))
    truth = grew.links
    spent = process_time() - begun
    begun = process_time()
    seeds = range(options.seed, options.seed + RUNS)
    if options.steady:
        models = [steady(truth.shape[0], rules, seed).adjacency() for seed in seeds]
    else:
        models = [modelled(grew, rules, seed) for seed in seeds]
    shapes = [measure(model, rng) for model in models]
    story = f"one joined each {grew.join_every:.0f} ms, read {grew.rested / 1000:.0f} s after the last"
    print(
        f"{truth.shape[0]} peers, {'steady' if options.steady else story}: exact {spent:.1f} s CPU, "
        f"{RUNS} networks of the model {process_time() - begun:.1f} s"
    )
    reference = measure(truth, rng)
    worst = 0.0
    for name in asdict(reference):
        theirs, ours = float(getattr(reference, name)), _mean(shapes, name)
        ratio = ours / theirs if theirs else 1.0
        print(f"  {name:<18} exact {theirs:10.4f}   model {ours:10.4f}   ratio {ratio:.4f}")
        if name in COMPARED:
            worst = max(worst, abs(ratio - 1))
    shares = np.mean([distribution(model, rules.cap) for model in models], axis=0)
    apart = sum(abs(left - right) for left, right in zip(distribution(truth, rules.cap), shares, strict=True)) / 2
    print(f"  degree distributions differ in {100 * apart:.1f} % of the peers; worst ratio off by {100 * worst:.1f} %")
    return 0 if worst <= TOLERANCE else 1


def _mean(shapes: list[Shape], name: str) -> float:
    return sum(float(getattr(shape, name)) for shape in shapes) / len(shapes)


if __name__ == "__main__":
    sys.exit(main())
