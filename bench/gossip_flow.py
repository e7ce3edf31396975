"""What each peer receives while records flow all the time, by kind of frame, and what the simulator spends on it.

`python -m bench.gossip_flow [--peers N] [--seed S] [--session MINUTES] [--names-every MS] [--pull-after MS]
[--peers-a-tree N]` makes a settled network, lets its peers come and go ten times as fast as they do in earnest (so
that 250 sign four records a second together), and counts for two virtual minutes after two. The reference is the run's
own least: each signed record once to each peer. With `--session 0` nobody comes or goes: what a network costs in which
nothing happens. The last three options try other constants of `net.core.map`.
"""

import argparse
import gc
import sys
from collections import Counter
from time import process_time

from chain.primitives.units import Millis
from net.core.map import _pulls, _spread, _tree
from net.core.map._marks import NEAR
from net.core.wire.frame import FrameKind
from net.sim.scenarios import settled
from net.sim.scenarios.churn import SESSION, Population
from net.sim.traffic import Meter
from net.sim.truth import quality
from net.sim.world import World

WARM_UP = 120_000
MEASURED = 120_000
"""Virtual ms."""

POINTS = 12


def frames(world: World) -> Counter[str]:
    """Return how many frames of each kind the running nodes have received since they started."""
    found: Counter[str] = Counter()
    for node in world.nodes:
        if node.running:
            found.update({kind.name: count.frames_in for kind, count in node.mesh.statistics().frames.items()})
    return found


def records_sent(world: World) -> Counter[int]:
    """Return the bytes of records that each running node has sent since it started."""
    return Counter(
        {
            node.index: node.mesh.statistics().frames[FrameKind.RECORDS].bytes_out
            for node in world.nodes
            if node.running and FrameKind.RECORDS in node.mesh.statistics().frames
        }
    )


def comparisons(world: World) -> Counter[int]:
    """Return how many comparisons of maps each running node has begun since it started."""
    return Counter({node.index: node.mesh.statistics().maps_compared for node in world.nodes if node.running})


def agreement(world: World) -> Counter[str]:
    """Return how many ends of links there are, at how many the two maps were equal at the mark that pings speak of, and
    at how many they are equal now."""
    found: Counter[str] = Counter()
    maps = {node.peer: node.mesh.parts.peer_map for node in world.nodes if node.running}
    for node in world.nodes:
        if node.running:
            ours, now = maps[node.peer], node.mesh.mesh_time(world.now)
            told = {ours.fingerprint_at(now, near) for near in NEAR}
            for theirs in (maps[link.peer] for link in node.mesh.neighbours() if link.peer in maps):
                found["ends"] += 1
                found["equal then"] += theirs.fingerprint_at(now) in told
                found["equal now"] += theirs.fingerprint == ours.fingerprint
    return found


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--peers", type=int, default=250)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--session", type=int, default=SESSION // 600_000, help="mean session, minutes")
    parser.add_argument("--names-every", type=int, default=_spread.NAMES_EVERY, help="ms")
    parser.add_argument("--pull-after", type=int, default=_pulls.PULL_AFTER, help="ms")
    parser.add_argument("--peers-a-tree", type=int, default=_tree.PEERS_A_TREE)
    options = parser.parse_args()
    _tree.PEERS_A_TREE = options.peers_a_tree
    _spread.NAMES_EVERY, _pulls.PULL_AFTER = Millis(options.names_every), Millis(options.pull_after)
    gc.disable()
    world = settled.begin(options.peers, options.seed)
    population = Population(world, session=options.session * 60_000) if options.session else None
    world.run_for(WARM_UP)
    meter, before, begun_before = Meter(world.nodes), frames(world), comparisons(world)
    sent_before = records_sent(world)
    if population is not None:
        population.meter = meter
    maps, spent, agreed = [], [], Counter[str]()
    for _ in range(POINTS):
        begun = process_time()
        world.run_for(MEASURED // POINTS)
        spent.append(process_time() - begun)
        maps.append(quality(world.nodes, [node for node in world.nodes if node.running][::10]))
        agreed += agreement(world)
    traffic = meter.read()
    print(
        f"{options.peers} peers, sessions of {options.session} minutes, names every {options.names_every} ms, asked for"
    )
    print(f"after {options.pull_after} ms; received per peer and second:")
    print(f"  records {traffic.records:.0f} B, {traffic.times_bound:.2f} of the least; {traffic.frames:.2f} frames;")
    print(f"  keepalive {traffic.keepalive:.0f} B, other {traffic.direct:.0f} B")
    share = options.peers * MEASURED / 1000
    for kind, count in (frames(world) - before).most_common(7):
        print(f"    {kind:<16} {count / share:6.2f}")
    sent = sorted(size - sent_before[node] for node, size in records_sent(world).items())
    mean = sum(sent) / len(sent)
    print(
        f"  records sent: {1000 * mean / MEASURED:.0f} B; {sent[-1] / mean:.1f} times as much by the busiest peer, "
        f"{sent[len(sent) * 9 // 10] / mean:.1f} by one in ten"
    )
    precision = sum(one.mean_precision for one in maps) / POINTS
    recall = sum(one.mean_recall for one in maps) / POINTS
    print(f"  maps: precision {precision:.4f}, recall {recall:.4f}; {traffic.signed:.1f} records an hour and peer")
    then, now = (100 * agreed[when] / agreed["ends"] for when in ("equal then", "equal now"))
    print(
        f"  pings that tell of an equal map: {then:.1f} % as of a mark, {now:.1f} % if they spoke of the map as it is"
    )
    compared = comparisons(world)
    begun_since = sum(count - begun_before[node] for node, count in compared.items()) * 3_600_000 / MEASURED
    begun_since /= options.peers
    print(f"  comparisons of maps begun: {begun_since:.1f} an hour and peer")
    costs = f"{1e6 * sum(spent) / share:.0f} µs CPU per peer and second, {1e6 * POINTS * min(spent) / share:.0f}"
    print(f"  simulator: {costs} in the cheapest of {POINTS} stretches")
    return 0


if __name__ == "__main__":
    sys.exit(main())
