"""What is left when many peers vanish at once, and after the survivors have healed for a minute."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from net.sim.arrays.graph import component_sizes
from net.sim.arrays.network import Ints, Mask, Network

if TYPE_CHECKING:
    from scipy.sparse import csr_array

HEALING_STEPS = 4
"""Links each survivor may open in the healing minute, a cautious reading of its 60 s: 15 to 20 s until the silence of
the vanished is noticed (DEAD) and the records without them have spread, then four set-ups of up to 10 s one after the
other, where eight at once are allowed. Survivors do not dial the vanished: no route leads to them on the new map."""


@dataclass(frozen=True, slots=True)
class Crash:
    """Outcome of repeated crashes of a random share of the peers."""

    share: float
    """Part of the peers that vanished."""
    runs: int
    whole_at_once: int
    """Runs in which the survivors were one piece without any healing."""
    whole_after: int
    """Runs in which they were after HEALING_STEPS; equal to `runs` when healing was not asked for and not needed."""
    worst_giant: float
    """Smallest share of the survivors in the largest piece, at once."""
    mean_giant: float


def crash(network: Network, share: float, runs: int, seed: int) -> Crash:
    """Let a random share vanish, each run from the same network, and heal where it fell apart."""
    adjacency = network.adjacency()
    at_once = after = 0
    giants: list[float] = []
    for run in range(runs):
        rng = np.random.default_rng([seed, run])
        rows = np.flatnonzero(network.present)
        gone = rng.choice(rows, round(share * len(rows)), replace=False)
        stay = np.setdiff1d(rows, gone)
        sizes = component_sizes(adjacency[stay][:, stay])
        giants.append(float(sizes.max() / len(stay)))
        at_once += len(sizes) == 1
        after += len(sizes) == 1 or _heals(network, gone, stay, rng)
    return Crash(share, runs, at_once, after, min(giants), sum(giants) / len(giants))


def _heals(network: Network, gone: Ints, stay: Ints, rng: np.random.Generator) -> bool:
    """Tell whether the survivors are one piece after the healing minute.

    Peers of a piece that has lost a third or more of the map call a rendezvous and get one link to a peer that has
    room, as `Upkeep._first_contact` does; then all open what they lack, one link a step.
    """
    damaged = _copy(network, rng)
    damaged.leave(gone)
    now = int(network.born.max())
    for step in range(HEALING_STEPS):
        damaged.look()
        islands = _cut_off(damaged.adjacency(), stay)
        if step == 0:
            damaged.open_links(islands, now)
            continue
        wanting = np.flatnonzero(damaged.wanted(now))
        damaged.open_links(np.setdiff1d(wanting, islands), now)
    final = damaged.adjacency()[stay][:, stay]
    return len(component_sizes(final)) == 1


def _cut_off(adjacency: "csr_array", stay: Ints) -> Ints:
    """Return the survivors from whose piece a third or more of the others cannot be reached."""
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415 (scipy is slow to load)

    _, labels = connected_components(adjacency[stay][:, stay], directed=False)
    sizes = np.bincount(labels)
    cut: Mask = np.asarray((len(stay) - sizes[labels]) * 3 >= len(stay), dtype=np.bool_)
    return stay[cut]


def _copy(network: Network, rng: np.random.Generator) -> Network:
    fresh = Network(len(network), network.rules, rng)
    for name in ("own", "made", "inbound", "present", "born"):
        getattr(fresh, name)[:] = getattr(network, name)
    fresh.step = network.step
    return fresh
