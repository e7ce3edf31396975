"""The story of `simulate topology`: a steady network, its random twin, crashes and an adversary, in one record."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from math import exp, lgamma, log
from time import process_time

import numpy as np

from chain.primitives.svg import Curve, curves_svg
from net.sim.arrays.failures import Crash, crash
from net.sim.arrays.graph import ALL_PAIRS_UPTO, SOURCES, Shape, ideal_path, measure, random_graph
from net.sim.arrays.life import steady
from net.sim.arrays.rules import Rules
from net.sim.arrays.sybil import SybilShare, sybil_share

SYBIL_SHARES = (0.30, 0.50)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run measured."""

    peers: int
    seed: int
    sessions: float
    """Mean session lengths that passed before the network was measured; 0: all links made once, nobody has left."""
    network: Shape
    random: Shape
    """A random graph of the same degrees, made in the same run."""
    ideal_path: float
    """Mean distance in the tree of `links` links each: no graph reaches it."""
    refused: int
    """Requests that met a full peer."""
    evicted: int
    """Inbound links ended to make room."""
    records: float
    """Records that a peer signs in an hour because its links change; 0 where nobody comes or goes."""
    moves: float
    """Own links of a peer that go over to a newcomer in an hour."""
    third: Crash
    half: Crash
    sybils: tuple[SybilShare, ...]
    degrees: tuple[int, ...]
    """Peers with 0, 1, 2, ... links."""
    cpu_seconds: float
    cpu_by_part: dict[str, float]

    @property
    def path_ratio(self) -> float:
        """Return the mean path over that of the random graph."""
        return self.network.mean_path / max(self.random.mean_path, 1e-9)

    @property
    def lambda2_ratio(self) -> float:
        """Return lambda2 over that of the random graph."""
        return self.network.lambda2 / max(self.random.lambda2, 1e-9)

    def document(self) -> dict[str, object]:
        """Return everything for JSON."""
        return asdict(self) | {"path_ratio": self.path_ratio, "lambda2_ratio": self.lambda2_ratio}

    def svg(self) -> str:
        """Return a picture of the degree distribution, beside that of links thrown at random (Poisson)."""
        peers, mean = sum(self.degrees), self.network.mean_degree
        shares = tuple((float(degree), count / peers) for degree, count in enumerate(self.degrees))
        chance = tuple((float(k), exp(k * log(mean) - mean - lgamma(k + 1))) for k in range(len(shares)))
        curves = (Curve("this network", shares), Curve("links at random", chance))
        return curves_svg(f"Degrees of {peers} peers", curves, ("links", "share of peers"))

    def table(self) -> str:
        """Return the figures for people."""
        ours, twin, bound = self.network, self.random, "" if self.peers <= ALL_PAIRS_UPTO else ">= "
        rows = [
            ("", "network", "random graph", "ratio"),
            ("mean path, hops", f"{ours.mean_path:.4f}", f"{twin.mean_path:.4f}", f"{self.path_ratio:.4f}"),
            ("lambda2", f"{ours.lambda2:.4f}", f"{twin.lambda2:.4f}", f"{self.lambda2_ratio:.4f}"),
            ("diameter", f"{bound}{ours.diameter}", f"{bound}{twin.diameter}", ""),
            ("mean degree", f"{ours.mean_degree:.3f}", f"{twin.mean_degree:.3f}", ""),
            ("degrees", f"{ours.least_degree} to {ours.greatest_degree}", "", ""),
            ("components", str(ours.components), str(twin.components), ""),
            ("records an hour and peer", f"{self.records:.2f}", "", ""),
            ("moves an hour and peer", f"{self.moves:.3f}", "", ""),
            ("ideal tree, mean path", f"{self.ideal_path:.3f}", "", f"{ours.mean_path / self.ideal_path:.3f}"),
        ]
        lines = [f"{name:<30}{left:>14}{middle:>14}{right:>10}" for name, left, middle, right in rows]
        for name, fall in (("a third vanishes", self.third), ("half vanishes", self.half)):
            lines.append(
                f"{name:<30}one piece at once {fall.whole_at_once} of {fall.runs}, after 60 s {fall.whole_after}; "
                f"giant {100 * fall.mean_giant:.3f} % mean, {100 * fall.worst_giant:.3f} % worst"
            )
        for one in self.sybils:
            lines.append(
                f"{f'{one.share_of_ids:.0%} Sybil ids':<30}{one.own:.3f} of own links, {one.links:.3f} of all; "
                f"eclipsed {100 * one.surrounded:.3f} % of honest peers"
            )
        lines.append(f"{'CPU seconds':<30}{self.cpu_seconds:.1f}")
        if bound:
            lines.append(f"distances from {SOURCES} random peers")
        return "\n".join(lines)


def run(
    peers: int,
    seed: int,
    rules: Rules,
    *,
    sessions: float = 2.0,
    runs: int = 100,
    sybil_shares: Sequence[float] = SYBIL_SHARES,
    progress: Callable[[str], None] | None = None,
) -> Outcome:
    """Make a steady network of `peers` and measure it. `runs` crashes of either size; `progress` hears what goes on,
    and how far the long parts of it are."""
    spent: dict[str, float] = {}
    begun = process_time()

    def show(doing: str) -> None:
        if progress is not None:
            progress(doing)

    def part(name: str) -> None:
        spent[name] = process_time() - begun - sum(spent.values())

    show("linking peers")
    network = steady(
        peers, rules, seed, sessions=sessions, progress=lambda done: show(f"letting peers come and go {done:.0%}")
    )
    part("network")
    show("measuring the network")
    adjacency = network.adjacency()
    degrees = np.diff(adjacency.indptr).astype(np.int64)
    rng = np.random.default_rng([seed, peers])
    ours = measure(adjacency, rng)
    part("measures")
    show("measuring a random graph")
    twin = measure(random_graph(degrees, rng), rng)
    part("random graph")
    show("crashing")
    third, half = crash(network, 1 / 3, runs, seed), crash(network, 1 / 2, runs, seed + 1)
    part("crashes")
    sybils = []
    for share in sybil_shares:
        name = f"letting {share:.0%} Sybil ids in"

        def hear(done: float, name: str = name) -> None:
            show(f"{name} {done:.0%}")

        sybils.append(sybil_share(peers, rules, seed, share=share, sessions=sessions, progress=hear))
    part("sybils")
    hours = peers * min(1.0, sessions) * rules.mean_session * rules.round_ms / 3_600_000
    return Outcome(
        peers=peers,
        seed=seed,
        sessions=sessions,
        network=ours,
        random=twin,
        ideal_path=ideal_path(peers, rules.links),
        refused=network.refused,
        evicted=network.evicted,
        records=network.records / hours if sessions else 0.0,
        moves=network.moved / hours if sessions else 0.0,
        third=third,
        half=half,
        sybils=tuple(sybils),
        degrees=tuple(np.bincount(degrees).tolist()),
        cpu_seconds=process_time() - begun,
        cpu_by_part=spent,
    )
