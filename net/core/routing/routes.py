"""Paths over the map: short, in random order, vertex-disjoint."""

from collections.abc import Collection, Iterable
from random import Random

from chain.primitives.peer import PeerId
from net.core.map.view import MapView
from net.core.wire.direct import ROUTE_HOPS


def find_routes(
    view: MapView,
    first_hops: Iterable[PeerId],
    target: PeerId,
    *,
    avoid: Collection[PeerId],
    rng: Random,
    count: int,
    max_hops: int = ROUTE_HOPS,
) -> list[tuple[PeerId, ...]]:
    """Return up to `count` routes to `target`, shortest first, that share no peer but the target.

    The first hop is one of `first_hops`; the others follow confirmed links. No route passes a peer of `avoid`, in which
    the caller names itself. Each is found by a search from both ends after the peers of the routes before are taken
    out: not always the largest disjoint set, but two among peers of degree 13 are found practically always.
    """
    banned = set(avoid)
    hops = [peer for peer in first_hops if peer not in banned]
    routes: list[tuple[PeerId, ...]] = []
    if target in banned:
        return routes
    if target in hops:
        routes.append((target,))
        hops.remove(target)
    while len(routes) < count:
        route = _shortest(
            view, [peer for peer in hops if peer not in banned], target, banned=banned, rng=rng, max_hops=max_hops
        )
        if route is None:
            break
        routes.append(route)
        banned.update(route[:-1])
    return routes


def _shortest(
    view: MapView, starts: list[PeerId], target: PeerId, *, banned: set[PeerId], rng: Random, max_hops: int
) -> tuple[PeerId, ...] | None:
    """Search in both directions by whole layers, always growing the smaller one.

    The order of a layer is drawn, and so is the peer at which the two sides meet: no id makes a peer the usual relay.
    """
    before: dict[PeerId, PeerId | None] = dict.fromkeys(starts)
    after: dict[PeerId, PeerId | None] = {target: None}
    front, back = list(before), [target]
    hops = 1
    while front and back and hops < max_hops:
        hops += 1
        forward = len(front) <= len(back)
        here, there = (before, after) if forward else (after, before)
        layer = front if forward else back
        rng.shuffle(layer)
        grown: list[PeerId] = []
        for peer in layer:
            fresh = [other for other in view.confirmed_neighbours(peer) if other not in here and other not in banned]
            meetings = [other for other in fresh if other in there]
            if meetings:
                meeting = rng.choice(meetings)
                here[meeting] = peer
                return _join(before, after, meeting)
            here.update(dict.fromkeys(fresh, peer))
            grown += fresh
        if forward:
            front = grown
        else:
            back = grown
    return None


def _join(
    before: dict[PeerId, PeerId | None], after: dict[PeerId, PeerId | None], meeting: PeerId
) -> tuple[PeerId, ...]:
    path: list[PeerId] = []
    step: PeerId | None = meeting
    while step is not None:
        path.append(step)
        step = before[step]
    path.reverse()
    step = after[meeting]
    while step is not None:
        path.append(step)
        step = after[step]
    return tuple(path)
