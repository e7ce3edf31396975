"""What time does to the array model: growth peer by peer, filling of open slots, sessions that end and begin."""

from collections.abc import Callable

import numpy as np

from net.sim.arrays.network import Ints, Network
from net.sim.arrays.rules import Rules
from net.sim.arrays.turnover import News, end_the_oldest, follow, reseed, spare

STEPS = 10
"""Steps of a round: one a minute at rounds of ten."""

FIRST_STEPS = 60
"""Steps until a whole network that begins without a link has filled its slots."""


def fill(network: Network, now: int, steps: int, *, silent: int = 0, first: int | None = None) -> None:
    """Open links, one a step and peer, and hand spare ones back.

    The first `silent` peers do neither: their links are opened otherwise. A step is a minute, the first of them
    `first`. Without it no time passes, and all is over when everyone has what it wants.
    """
    network.look()
    seen = made = 0
    for step in range(steps):
        if first is not None:
            network.minute = first + step
        spare(network, silent=silent)
        wanted = network.wanted(now)
        wanted[:silent] = 0
        rows = np.flatnonzero(wanted)
        if not len(rows) and first is None:
            return
        if made - seen > len(network) // 10:
            network.look()
            seen = made
        made += network.open_links(rows, now)


def live(network: Network, news: News, now: int, *, silent: int = 0) -> None:
    """Let a round pass for those who are there: links open, are handed back, drawn anew and follow the hash."""
    network.hand_back(now)
    reseed(network, now, silent=silent)
    end_the_oldest(network, now, silent=silent)
    fill(network, now, STEPS, silent=silent, first=now * STEPS)
    follow(network, news, now, silent=silent)


def replace(network: Network, rows: Ints, now: int, *, aged: bool = False) -> None:
    """End the sessions of these peers and begin others in their rows, with new ids; `aged` ones began long ago."""
    network.leave(rows)
    network.present[rows] = True
    age = network.rng.exponential(network.rules.mean_session, len(rows)) if aged else np.zeros(len(rows))
    network.born[rows] = now - age.astype(np.int32)


def grown(
    peers: int, rules: Rules, seed: int, *, batch: int, batch_ms: int = 1_000, rounds: int = 0, minutes: int = 0
) -> Network:
    """Return a network that grew by `batch` peers at a time, as in the exact simulator's growth: within one round, all
    still young; a batch joins within `batch_ms`. Then `rounds` and `minutes` pass without anyone leaving: the
    young hand back."""
    network = Network(peers, rules, np.random.default_rng(seed))
    network.present[:] = False
    for number, first in enumerate(range(0, peers, batch)):
        network.present[first : first + batch] = True
        network.minute = number * batch_ms // 60_000
        fill(network, 0, STEPS)
    news = News(network)
    for now in range(1, rounds + 1):
        live(network, news, now)
    fill(network, rounds, minutes, first=network.minute + 1)
    return network


def steady(
    peers: int, rules: Rules, seed: int, *, sessions: float = 2.0, progress: Callable[[float], None] | None = None
) -> Network:
    """Return a network in which peers have come and gone for `sessions` mean session lengths, the lengths exponential.

    Whoever leaves is replaced by a new id in the same round. What is counted (records, moves, refusals, evictions) are
    those of the last mean session. `progress` hears the share that is done.
    """
    network = Network(peers, rules, np.random.default_rng(seed))
    replace(network, np.arange(peers), 0, aged=True)
    fill(network, 0, FIRST_STEPS, first=-FIRST_STEPS)
    news = News(network)
    news.gather(0)
    leaving = 1 - np.exp(-1 / rules.mean_session)
    rounds = round(sessions * rules.mean_session)
    for now in range(1, rounds + 1):
        if now == max(1, rounds + 1 - round(rules.mean_session)):
            network.records = network.moved = network.refused = network.evicted = 0
        gone = np.flatnonzero(network.rng.random(peers) < leaving)
        replace(network, gone, now)
        news.forget(gone)
        live(network, news, now)
        if progress is not None:
            progress(now / rounds)
    return network
