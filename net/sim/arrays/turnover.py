"""Own links that change hands by choice in the array model: `net.core.overlay.turnover` for all peers at once.

A slot goes over to a peer that its hash prefers to its holder. Such a peer is one that the slot has never looked at: it
came of age, or shows room again and had none when the slot chose. All others rank behind the holder, or they would hold
the slot. Of the holder's hash the model keeps how small it is, u: each peer that is news to the slot is preferred with
this chance.
"""

import numpy as np
import numpy.typing as npt

from net.sim.arrays.network import NOBODY, Ints, Mask, Network


class News:
    """Which peers are news to which slots. Mutable: changed by its own methods alone."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._fit: Mask = np.zeros(len(network), dtype=np.bool_)
        self._unfit_since: npt.NDArray[np.int32] = np.full(len(network), NOBODY, dtype=np.int32)
        """Step in which the peer stopped to pass the filters; NOBODY: it never did pass."""

    def forget(self, rows: Ints) -> None:
        """Note that these rows have new ids."""
        self._fit[rows] = False
        self._unfit_since[rows] = NOBODY

    def gather(self, now: int) -> Ints:
        """Return the peers that pass the filters now and did not at the last call."""
        network = self._network
        fits = network.roomy() & (now - network.born >= network.rules.min_age_rounds)
        self._unfit_since[self._fit & ~fits] = network.step
        fresh = np.flatnonzero(fits & ~self._fit)
        self._fit = fits
        return fresh.astype(np.int64)

    def unknown(self, peers: Ints, made: npt.NDArray[np.int32]) -> Mask:
        """Tell whether each peer did not pass when the slot made its choice."""
        return np.asarray(made >= self._unfit_since[peers], dtype=np.bool_)


def spare(network: Network, *, silent: int = 0) -> None:
    """Let every peer that lists more links than it needs hand one own link beyond the core back now and then. The
    first `silent` peers hand nothing back."""
    rules = network.rules
    if not rules.spare_minutes:
        return
    needless = network.present & (network.own_count() > rules.own_core) & (network.listed() > rules.links)
    needless[:silent] = False
    due = network.minute - network.handed >= rules.spare_minutes
    rows = np.flatnonzero(needless & due)
    network.give_back(rows)
    network.handed[rows] = network.minute


def reseed(network: Network, now: int, *, silent: int = 0) -> None:
    """Let the peers whose day is over draw one core slot anew."""
    rules = network.rules
    if not rules.reseed_rounds:
        return
    rows = np.arange(silent, len(network), dtype=np.int64)
    rows = rows[(now + rows) % rules.reseed_rounds == 0]
    held = network.own[rows, : rules.own_core] != NOBODY
    rows, held = rows[held.any(axis=1)], held[held.any(axis=1)]
    _draw_anew(network, rows, np.argmax(held * network.rng.random(held.shape), axis=1))


def end_the_oldest(network: Network, now: int, *, silent: int = 0) -> None:
    """Let each peer end its oldest own link when it is older than the rules allow: the rejected rule."""
    rules = network.rules
    if not rules.oldest_rounds:
        return
    age = np.where(network.own != NOBODY, now - network.since, -1)
    age[:silent] = -1
    rows = np.flatnonzero(age.max(axis=1) >= rules.oldest_rounds)
    _draw_anew(network, rows, np.argmax(age[rows], axis=1))


def _draw_anew(network: Network, rows: Ints, slots: Ints) -> None:
    network.forget(rows, slots)
    network.records += len(rows)  # at the other end: this one's next link comes with it


def follow(network: Network, news: News, now: int, *, silent: int = 0) -> None:
    """Let one slot of each peer that may list one more own link go over to a newcomer that its hash prefers."""
    rules = network.rules
    fresh = news.gather(now)
    if not rules.follows:
        return
    _look_at(network, news, fresh, silent)
    able = network.present & (network.own_count() < network.limits(now)) & (network.listed() < rules.cap)
    rows, slots = np.nonzero((network.next != NOBODY) & (network.own != NOBODY) & able[:, None])
    targets = network.next[rows, slots].astype(np.int64)
    suits = network.roomy()[targets] & ~network.linked(rows, targets)
    suits[suits] = network.overlaps(rows[suits], targets[suits]) <= rules.overlap
    order = network.rng.permutation(np.flatnonzero(suits))
    _, first = np.unique(rows[order], return_index=True)  # one slot of each peer
    order = network.rng.permutation(order[first])
    order = order[network.stands(rows[order], targets[order])]
    order = order[network.with_room(targets[order])]
    rows, slots, targets = rows[order], slots[order], targets[order]
    network.unlink(rows, slots)
    network.enter(rows, slots, targets, network.next_rank[rows, slots])
    network.records += 3 * len(rows)
    network.moved += len(rows)


def _look_at(network: Network, news: News, fresh: Ints, silent: int) -> None:
    """Let all slots that are held compare the newcomers' hashes with that of the best they know."""
    if not len(fresh):
        return
    rows, slots = np.nonzero((network.own != NOBODY) & (np.arange(len(network)) >= silent)[:, None])
    best = network.rank[rows, slots]
    best = np.where(network.next[rows, slots] != NOBODY, network.next_rank[rows, slots], best)
    better = network.rng.binomial(len(fresh), best)
    hits = np.flatnonzero(better)
    rows, slots, targets = rows[hits], slots[hits], fresh[network.rng.integers(len(fresh), size=len(hits))]
    news_to = (targets != rows) & news.unknown(targets, network.made[rows, slots])
    ranks = best[hits] * network.least(better[hits], len(hits))
    rows, slots = rows[news_to], slots[news_to]
    network.next[rows, slots] = targets[news_to]
    network.next_rank[rows, slots] = ranks[news_to]
