"""What time does to the array model: growth peer by peer, filling of open slots, sessions that end and begin."""

from collections.abc import Callable

import numpy as np

from net.sim.arrays.network import Ints, Network
from net.sim.arrays.rules import Rules

STEPS = 10
"""Steps of a round: one a minute at rounds of ten."""

FIRST_STEPS = 60
"""Steps until a whole network that begins without a link has filled its slots."""


def fill(network: Network, now: int, steps: int, *, silent: int = 0) -> None:
    """Open links, one a step and peer, until all have what they want or the steps are over.

    The first `silent` peers open none: their links are opened otherwise.
    """
    network.look()
    seen = made = 0
    for _ in range(steps):
        wanted = network.wanted(now)
        wanted[:silent] = 0
        rows = np.flatnonzero(wanted)
        if not len(rows):
            return
        if made - seen > len(network) // 10:
            network.look()
            seen = made
        made += network.open_links(rows, now)


def replace(network: Network, rows: Ints, now: int, *, aged: bool = False) -> None:
    """End the sessions of these peers and begin others in their rows, with new ids; `aged` ones began long ago."""
    network.leave(rows)
    network.present[rows] = True
    age = network.rng.exponential(network.rules.mean_session, len(rows)) if aged else np.zeros(len(rows))
    network.born[rows] = now - age.astype(np.int32)


def grown(peers: int, rules: Rules, seed: int, *, batch: int, rounds: int = 0) -> Network:
    """Return a network that grew by `batch` peers at a time, as in the exact simulator's growth: within one round, all
    still young. Then `rounds` pass without anyone leaving: the young hand back."""
    network = Network(peers, rules, np.random.default_rng(seed))
    network.present[:] = False
    for first in range(0, peers, batch):
        network.present[first : first + batch] = True
        fill(network, 0, STEPS)
    for now in range(1, rounds + 1):
        network.hand_back(now)
        fill(network, now, STEPS)
    return network


def steady(
    peers: int, rules: Rules, seed: int, *, sessions: float = 2.0, progress: Callable[[float], None] | None = None
) -> Network:
    """Return a network in which peers have come and gone for `sessions` mean session lengths, the lengths exponential.

    Whoever leaves is replaced by a new id in the same round. `progress` hears the share that is done.
    """
    network = Network(peers, rules, np.random.default_rng(seed))
    replace(network, np.arange(peers), 0, aged=True)
    fill(network, 0, FIRST_STEPS)
    leaving = 1 - np.exp(-1 / rules.mean_session)
    rounds = round(sessions * rules.mean_session)
    for now in range(1, rounds + 1):
        replace(network, np.flatnonzero(network.rng.random(peers) < leaving), now)
        network.hand_back(now)
        fill(network, now, STEPS)
        if progress is not None:
            progress(now / rounds)
    return network
