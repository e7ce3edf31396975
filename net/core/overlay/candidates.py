"""Whom an own slot may choose: the filters of DESIGN section 3.3 and the order in which they relax.

A peer can announce nothing that raises its rank: the filters only take candidates out, the keyed hash alone chooses.
"""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.map.view import MapTable, MapView, peers_of
from net.core.wire.record import Flags

OVERLAP_MAX = 1
"""Neighbours that a candidate may share with this node."""

_UNFIT = Flags.LEAVING
_REACHABLE = Flags.PUBLIC | Flags.PUNCHABLE


@dataclass(frozen=True, slots=True)
class Situation:
    """What the choice depends on beside the map."""

    me: PeerId
    neighbours: Sequence[PeerId]
    """Peers of listed links: overlap is counted with them."""
    taken: Collection[PeerId]
    """Peers linked, being linked, or lately refused."""
    full_domains: Collection[PeerId]
    """Peers whose domain fills its quota."""
    hard: bool
    """Whether this node can only meet public peers."""
    punchable: bool
    """Whether it can meet public and punchable ones."""
    cap: int
    cap_heal: int
    """Links that a peer with the healing flag may list: the usual cap unless the choice is across a weak cut."""
    own_core: int
    """Places under the cap that a peer keeps for its own links; of the others a public one keeps a quarter for hard
    peers."""
    min_age: Millis
    now: Millis
    """Mesh time, as `first_seen` and `born` are."""


def candidates(view: MapView, situation: Situation, *, wanted: int, unwanted: Callable[[PeerId], bool]) -> list[PeerId]:
    """Return the peers among which the hash chooses, in id order: at least `wanted` if the map has as many.

    Banned, quarantined and full peers are never among them. Age, then domain quota, then overlap are dropped, in this
    order, while fewer than `wanted` pass; overlap is first widened to the lower half, never to its minimum.
    """
    table = view.table()
    inbound = table.listed.astype(np.int16) - table.own
    caps = np.where(table.flags & int(Flags.HEALING), situation.cap_heal, situation.cap)
    places = caps - situation.own_core
    if not situation.hard:
        places -= np.where(table.flags & int(Flags.PUBLIC), places // 4, 0)
    fits = (table.listed < caps) & (inbound < places) & ((table.flags & int(_UNFIT)) == 0)
    if situation.hard or situation.punchable:
        meets = Flags.PUBLIC if situation.hard else _REACHABLE
        fits &= (table.flags & int(meets)) != 0
    taken, full = {situation.me, *situation.taken}, set(situation.full_domains)
    shared = _overlaps(view, situation)
    close = {peer for peer, count in shared.items() if count > OVERLAP_MAX}
    old = table.first_seen <= situation.now - situation.min_age
    out = taken | close | full
    aged = [peer for peer in _chosen(table, fits & old) if peer not in out and not unwanted(peer)]
    if len(aged) >= wanted:  # nearly always, and the map may be large
        return aged
    pool = [peer for peer in _chosen(table, fits) if peer not in taken and not unwanted(peer)]
    near = [peer for peer in pool if peer not in close]
    spread = [peer for peer in near if peer not in full]
    for step in (spread, near):
        if len(step) >= wanted:
            return step
    half = _lower_half(pool, shared)
    return half if len(half) >= wanted else pool


def _chosen(table: MapTable, which: npt.NDArray[np.bool_]) -> list[PeerId]:
    return peers_of(table.ids[which])


def _overlaps(view: MapView, situation: Situation) -> Counter[PeerId]:
    """Count for every peer at distance two over how many of our neighbours: no look at the whole map."""
    shared: Counter[PeerId] = Counter()
    for neighbour in situation.neighbours:
        shared.update(view.confirmed_neighbours(neighbour))
    return shared


def _lower_half(pool: list[PeerId], shared: Counter[PeerId]) -> list[PeerId]:
    middle = sorted(shared[peer] for peer in pool)[(len(pool) - 1) // 2] if pool else 0
    return [peer for peer in pool if shared[peer] <= middle]
