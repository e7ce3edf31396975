"""What is read off a world: degrees, distances, pieces, how true the maps are, how far a message came."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chain.primitives.peer import PeerId
from net.core.effects import LinkKind
from net.sim.node import SimNode

Edges = frozenset[tuple[PeerId, PeerId]]


@dataclass(frozen=True, slots=True)
class Topology:
    """The graph of links that both ends list."""

    peers: int
    links: int
    mean_degree: float
    least_degree: int
    greatest_degree: int
    components: int
    mean_path: float
    """Mean distance in hops over pairs in the same component."""
    diameter: int


@dataclass(frozen=True, slots=True)
class MapQuality:
    """How the nodes' maps compare with the links that exist."""

    precision: float
    """Share of links on the maps that exist, worst node."""
    recall: float
    """Share of existing links on the maps, worst node."""
    mean_precision: float
    mean_recall: float


def true_links(nodes: Iterable[SimNode]) -> Edges:
    """Return the links that are up and listed at both ends."""
    running = [node for node in nodes if node.running]
    listed = {
        node.peer: {one.peer for one in node.mesh.neighbours() if one.kind is LinkKind.LISTED} for node in running
    }
    return frozenset(
        (left, right)
        for left, others in listed.items()
        for right in others
        if left < right and left in listed.get(right, ())
    )


def map_links(node: SimNode) -> Edges:
    """Return the two-way links on one node's map."""
    view = node.mesh.view()
    return frozenset((left, right) for left in view.ids() for right in view.confirmed_neighbours(left) if left < right)


def topology(peers: Sequence[PeerId], links: Edges) -> Topology:
    """Measure a graph by breadth-first search from every peer."""
    around: dict[PeerId, list[PeerId]] = {peer: [] for peer in peers}
    for left, right in sorted(links):
        around[left].append(right)
        around[right].append(left)
    pairs = total = diameter = components = 0
    placed: set[PeerId] = set()
    for start in peers:
        distances = _distances(around, start)
        if start not in placed:
            components += 1
            placed.update(distances)
        pairs += len(distances) - 1
        total += sum(distances.values())
        diameter = max(diameter, *distances.values())
    degrees = [len(others) for others in around.values()]
    return Topology(
        peers=len(peers),
        links=len(links),
        mean_degree=sum(degrees) / max(1, len(degrees)),
        least_degree=min(degrees, default=0),
        greatest_degree=max(degrees, default=0),
        components=components,
        mean_path=total / max(1, pairs),
        diameter=diameter,
    )


def _distances(around: dict[PeerId, list[PeerId]], start: PeerId) -> dict[PeerId, int]:
    distances = {start: 0}
    waiting = deque([start])
    while waiting:
        peer = waiting.popleft()
        for other in around[peer]:
            if other not in distances:
                distances[other] = distances[peer] + 1
                waiting.append(other)
    return distances


def map_quality(nodes: Sequence[SimNode]) -> MapQuality:
    """Compare every running node's map with the truth."""
    truth = true_links(nodes)
    precisions, recalls = [], []
    for node in nodes:
        if not node.running:
            continue
        seen = map_links(node)
        right = len(seen & truth)
        precisions.append(right / len(seen) if seen else 0.0)
        recalls.append(right / len(truth) if truth else 1.0)
    return MapQuality(
        precision=min(precisions),
        recall=min(recalls),
        mean_precision=sum(precisions) / len(precisions),
        mean_recall=sum(recalls) / len(recalls),
    )


def reach(nodes: Sequence[SimNode], payload: bytes) -> float:
    """Return the share of running nodes that a published payload has come to."""
    running = [node for node in nodes if node.running]
    return sum(payload in node.arrived for node in running) / len(running)


def delays(nodes: Sequence[SimNode], payload: bytes) -> list[int]:
    """Return when the payload came to each node it came to, in ms after its author published it, ascending."""
    times = sorted(node.arrived[payload] for node in nodes if payload in node.arrived)
    return [at - times[0] for at in times]
