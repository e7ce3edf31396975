"""Whom an own slot may choose: the filters of DESIGN section 3.3 and the order in which they relax.

A peer can announce nothing that raises its rank: the filters only take candidates out, the keyed hash alone chooses.
"""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.map.view import MapView
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
    """Whether this node itself can only dial reachable peers."""
    cap: int
    inbound_cap: int
    """Inbound links a peer takes at most; a public one keeps a quarter of them for hard peers."""
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
    kept = 0 if situation.hard else situation.inbound_cap // 4
    places = situation.inbound_cap - kept * ((table.flags & int(Flags.PUBLIC)) != 0)
    fits = (table.listed < situation.cap) & (inbound < places) & ((table.flags & int(_UNFIT)) == 0)
    if situation.hard:
        fits &= (table.flags & int(_REACHABLE)) != 0
    taken = {situation.me, *situation.taken}
    old = table.first_seen <= situation.now - situation.min_age
    pool: list[PeerId] = []
    aged: set[PeerId] = set()
    for position in fits.nonzero()[0].tolist():
        peer = table.peer(position)
        if peer in taken or unwanted(peer):
            continue
        pool.append(peer)
        if old[position]:
            aged.add(peer)
    shared = _overlaps(view, situation)
    near = [peer for peer in pool if shared[peer] <= OVERLAP_MAX]
    spread = [peer for peer in near if peer not in situation.full_domains]
    steps = ([peer for peer in spread if peer in aged], spread, near, _lower_half(pool, shared), pool)
    return next((step for step in steps if len(step) >= wanted), pool)


def _overlaps(view: MapView, situation: Situation) -> Counter[PeerId]:
    """Count for every peer at distance two over how many of our neighbours: no look at the whole map."""
    shared: Counter[PeerId] = Counter()
    for neighbour in situation.neighbours:
        shared.update(view.confirmed_neighbours(neighbour))
    return shared


def _lower_half(pool: list[PeerId], shared: Counter[PeerId]) -> list[PeerId]:
    middle = sorted(shared[peer] for peer in pool)[(len(pool) - 1) // 2] if pool else 0
    return [peer for peer in pool if shared[peer] <= middle]
