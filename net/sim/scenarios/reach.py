"""Growth where many peers cannot be dialled by everybody: whether they have their links, and the network is whole."""

from net.core.config import Reachability
from net.core.effects import LinkKind
from net.core.mesh_report import Neighbour
from net.sim.node import SimNode
from net.sim.progress import Progress
from net.sim.scenarios.growth import grow
from net.sim.scenarios.outcome import Outcome
from net.sim.world import Conditions, World

HARD = 0.3
PUNCHABLE = 0.3
"""Shares of the peers: three in ten sit behind an address translator that nobody gets through, as many behind one that
simultaneous opening gets through."""


def run(peers: int, seed: int, *, join_every: int = 100, progress: Progress | None = None) -> tuple[Outcome, World]:
    """Let peers join and count the links of each kind of them."""
    conditions = Conditions(hard=HARD, punchable=PUNCHABLE)
    outcome, world = grow(
        peers, seed, join_every=join_every, conditions=conditions, scenario="reach", progress=progress
    )
    for reach in Reachability:
        own = [sum(one.outbound for one in _listed(node)) for node in world.nodes if node.reach is reach]
        listed = [len(_listed(node)) for node in world.nodes if node.reach is reach]
        name = reach.name.lower()
        outcome.numbers |= {
            f"{name}_peers": len(own),
            f"{name}_least_own": min(own, default=None),
            f"{name}_mean_links": sum(listed) / len(listed) if listed else None,
        }
    return outcome, world


def _listed(node: SimNode) -> list[Neighbour]:
    return [one for one in node.mesh.neighbours() if one.kind is LinkKind.LISTED]
