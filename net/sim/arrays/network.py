"""The state of the array model: who holds which own links, and one step of choosing, accepting and evicting.

A slot's keyed hash orders all ids by a secret nobody else knows, so its next choice is a uniform draw among the ids
that pass the filters: the model draws instead of hashing.
"""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from net.sim.arrays.rules import Rules

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

NOBODY = -1

_DRAWS = 24
"""Draws after which a slot waits for the next step: at 250 peers nine in ten draws pass, at 10^4 nearly all."""

_PAIRS = 200_000
"""Pairs whose common neighbours are counted at once: 100 MB of sparse rows."""


class Network:
    """All peers and their links. Mutable: changed by its own methods alone; `life` decides when which is called."""

    def __init__(self, peers: int, rules: Rules, rng: np.random.Generator) -> None:
        self.rules = rules
        self.rng = rng
        self.own: npt.NDArray[np.int32] = np.full((peers, rules.own_young), NOBODY, dtype=np.int32)
        """Target of each own slot."""
        self.made: npt.NDArray[np.int32] = np.zeros((peers, rules.own_young), dtype=np.int32)
        """Step in which the slot's link was made."""
        self.inbound: npt.NDArray[np.int16] = np.zeros(peers, dtype=np.int16)
        self.present: Mask = np.ones(peers, dtype=np.bool_)
        """Whether the peer runs."""
        self.born: npt.NDArray[np.int32] = np.zeros(peers, dtype=np.int32)
        """Round in which the peer's id was made."""
        self.step = 0
        self.refused = 0
        """Requests that met a full peer."""
        self.evicted = 0
        self._near: csr_array | None = None

    def __len__(self) -> int:
        """Return how many rows there are, absent peers included."""
        return len(self.own)

    def own_count(self) -> Ints:
        """Return how many own links each peer has."""
        return np.asarray((self.own != NOBODY).sum(axis=1), dtype=np.int64)

    def listed(self) -> Ints:
        """Return how many links each peer lists."""
        return self.own_count() + self.inbound

    def edges(self) -> tuple[Ints, Ints]:
        """Return chooser and chosen of every link."""
        rows, slots = np.nonzero(self.own != NOBODY)
        return rows.astype(np.int64), self.own[rows, slots].astype(np.int64)

    def adjacency(self) -> "csr_array":
        """Return the symmetric matrix of links, absent peers as empty rows."""
        from scipy.sparse import csr_array  # noqa: PLC0415 (scipy takes 0.2 s to load and not every command needs it)

        rows, targets = self.edges()
        ends = (np.concatenate((rows, targets)), np.concatenate((targets, rows)))
        return csr_array((np.ones(len(ends[0]), dtype=np.int16), ends), shape=(len(self), len(self)))

    def look(self) -> None:
        """Renew what overlap is counted on: the map as everyone sees it, links made since not included."""
        self._near = self.adjacency()

    # --- wishes ----------------------------------------------------------------------------------------------------

    def limits(self, now: int) -> Ints:
        """Return how many own links each id may have at its age."""
        young = now - self.born < self.rules.young_rounds
        return np.where(young, self.rules.own_young, self.rules.own_max).astype(np.int64)

    def wanted(self, now: int) -> Ints:
        """Return how many own links each peer would open: `Slots.wanted` for all at once."""
        own, listed, rules = self.own_count(), self.listed(), self.rules
        wish = np.maximum(rules.own_core - own, rules.links - listed)
        room = np.minimum(self.limits(now) - own, rules.cap - listed)
        return np.where(self.present, np.clip(np.minimum(wish, room), 0, None), 0)

    # --- one step --------------------------------------------------------------------------------------------------

    def open_links(self, rows: Ints, now: int, *, among: slice = slice(None)) -> int:
        """Let each of these peers open one own link, to peers in `among`; return how many did."""
        self.step += 1
        targets = self._choose(rows, now, among)
        found = targets != NOBODY
        rows, targets = rows[found], targets[found]
        order = self.rng.permutation(len(rows))
        rows, targets = self._without_glare(rows[order], targets[order])
        taken = self._admitted(rows, targets)
        self._link(rows[taken], targets[taken])
        late = ~taken & (self.inbound[targets] >= self.rules.inbound)
        self.refused += int(late.sum())
        return int(taken.sum()) + self._make_room(rows[late], targets[late])

    def _choose(self, rows: Ints, now: int, among: slice) -> Ints:
        """Return for each peer a uniform draw among those that pass the filters, NOBODY if none was found."""
        rules = self.rules
        allowed = np.zeros(len(self), dtype=np.bool_)
        allowed[among] = True
        fits = allowed & self.present & (self.inbound < rules.inbound) & (self.listed() < rules.cap)
        old = np.flatnonzero(fits & (now - self.born >= rules.min_age_rounds))
        pool = old if len(old) >= 2 * rules.own_young + rules.cap else np.flatnonzero(fits)
        chosen: Ints = np.full(len(rows), NOBODY, dtype=np.int64)
        if not len(pool):
            return chosen
        waiting = np.arange(len(rows))
        spare = chosen.copy()
        for _ in range(_DRAWS):
            drawn = pool[self.rng.integers(len(pool), size=len(waiting))]
            free = (drawn != rows[waiting]) & ~self._linked(rows[waiting], drawn)
            spare[waiting[free]] = drawn[free]
            free[free] = self._overlaps(rows[waiting[free]], drawn[free]) <= rules.overlap
            chosen[waiting[free]] = drawn[free]
            waiting = waiting[~free]
            if not len(waiting):
                return chosen
        chosen[waiting] = spare[waiting]  # too few pass: overlap is the last filter to go
        return chosen

    def _linked(self, left: Ints, right: Ints) -> Mask:
        there = (self.own[left] == right[:, None]).any(axis=1)
        return np.asarray(there | (self.own[right] == left[:, None]).any(axis=1), dtype=np.bool_)

    def _overlaps(self, left: Ints, right: Ints) -> Ints:
        near = self._near
        if near is None or not len(left):
            return np.zeros(len(left), dtype=np.int64)
        parts = [
            np.asarray(near[left[at : at + _PAIRS]].multiply(near[right[at : at + _PAIRS]]).sum(axis=1)).ravel()
            for at in range(0, len(left), _PAIRS)
        ]
        return np.concatenate(parts).astype(np.int64)

    def _without_glare(self, rows: Ints, targets: Ints) -> tuple[Ints, Ints]:
        """Leave out the offer of the larger id where two peers chose each other in one step."""
        key, back = rows * len(self) + targets, targets * len(self) + rows
        stays = ~(np.isin(key, back) & (rows > targets))
        return rows[stays], targets[stays]

    def _admitted(self, rows: Ints, targets: Ints) -> Mask:
        """Tell which requests are taken: the first at each peer, as many as it has room and set-ups for."""
        rules = self.rules
        opening = np.zeros(len(self), dtype=np.int64)
        opening[rows] = 1
        room = np.minimum(rules.inbound - self.inbound, rules.cap - self.listed() - opening)
        room = np.minimum(room, rules.pending)
        order = np.argsort(targets, kind="stable")
        place = _places(targets[order])
        taken = np.zeros(len(rows), dtype=np.bool_)
        taken[order] = place < room[targets[order]]
        return taken

    def _link(self, rows: Ints, targets: Ints) -> None:
        slots = np.argmax(self.own[rows] == NOBODY, axis=1)
        self.own[rows, slots] = targets
        self.made[rows, slots] = self.step
        np.add.at(self.inbound, targets, 1)

    def _make_room(self, rows: Ints, targets: Ints) -> int:
        """Let full peers end one inbound link each for one that asks: the youngest that is not protected."""
        if not len(rows):
            return 0
        hosts, first = np.unique(targets, return_index=True)
        askers = rows[first]
        asked = np.zeros(len(self), dtype=np.bool_)
        asked[hosts] = True
        owners, slots = np.nonzero((self.own != NOBODY) & asked[self.own] & (self.made < self.step))
        at = self.own[owners, slots].astype(np.int64)
        order = np.lexsort((self.rng.random(len(at)), at))  # which are fast and useful is chance here
        beyond = order[_places(at[order]) >= self.rules.protected]
        youngest = beyond[np.lexsort((-self.made[owners, slots][beyond], at[beyond]))]
        found, position = np.unique(at[youngest], return_index=True)
        victims = youngest[position]
        self._unlink(owners[victims], slots[victims])
        self.evicted += len(victims)
        moved = np.isin(hosts, found)
        self._link(askers[moved], hosts[moved])
        return int(moved.sum())

    # --- losses ----------------------------------------------------------------------------------------------------

    def _unlink(self, rows: Ints, slots: Ints) -> None:
        np.subtract.at(self.inbound, self.own[rows, slots], 1)
        self.own[rows, slots] = NOBODY

    def leave(self, rows: Ints) -> None:
        """Take peers out with all their links."""
        gone = np.zeros(len(self), dtype=np.bool_)
        gone[rows] = True
        held = self.own != NOBODY
        lost = held & (gone[self.own] | gone[:, None])
        self._unlink(*(axis.astype(np.int64) for axis in np.nonzero(lost)))
        self.present[rows] = False

    def hand_back(self, now: int) -> None:
        """End the youngest own links of those who have more than their age allows."""
        over = self.own_count() - self.limits(now)
        for _ in range(int(over.max(initial=0))):
            rows = np.flatnonzero(over > 0)
            made = np.where(self.own[rows] == NOBODY, -1, self.made[rows])
            self._unlink(rows, np.argmax(made, axis=1))
            over[rows] -= 1


def _places(ordered: Ints) -> Ints:
    """Return for every entry of a sorted array how many equal ones stand before it."""
    if not len(ordered):
        return np.empty(0, dtype=np.int64)
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    lengths = np.diff(np.append(starts, len(ordered)))
    return np.arange(len(ordered), dtype=np.int64) - np.repeat(starts, lengths)
