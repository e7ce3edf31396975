"""The state of the array model: who holds which own links, and one step of choosing, accepting and evicting.

A slot's keyed hash orders all ids by a secret nobody else knows, so its next choice is a uniform draw among the ids
that pass the filters: the model draws instead of hashing, and keeps of each holder's hash only how small it is.
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

NEVER = -1_000_000
"""A minute before any other."""

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
        self.since: npt.NDArray[np.int32] = np.zeros((peers, rules.own_young), dtype=np.int32)
        """Round in which it was made."""
        self.rank: npt.NDArray[np.float64] = np.zeros((peers, rules.own_young))
        """Keyed hash of the slot's holder, 0 to 1; of an empty slot that of its last one: all that pass rank higher. 0
        where nothing is known."""
        self.next: npt.NDArray[np.int32] = np.full((peers, rules.own_young), NOBODY, dtype=np.int32)
        """Peer that the slot's hash prefers to its holder, whether or not the slot may go over to it now."""
        self.next_rank: npt.NDArray[np.float64] = np.ones((peers, rules.own_young))
        self.handed: npt.NDArray[np.int32] = np.full(peers, NEVER, dtype=np.int32)
        """Minute in which the peer last handed a link back that it had no need of."""
        self.inbound: npt.NDArray[np.int16] = np.zeros(peers, dtype=np.int16)
        self.present: Mask = np.ones(peers, dtype=np.bool_)
        """Whether the peer runs."""
        self.born: npt.NDArray[np.int32] = np.zeros(peers, dtype=np.int32)
        """Round in which the peer's id was made."""
        self.step = 0
        self.minute = 0
        self.records = 0
        """Records signed because links were made or ended, one for each end and change; a move is one at the mover."""
        self.refused = 0
        """Requests that met a full peer."""
        self.evicted = 0
        self.moved = 0
        """Slots that went over to a newcomer."""
        self._pool = 1
        self._now = 0
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

    def roomy(self) -> Mask:
        """Tell which peers show room for one more inbound link."""
        return self.present & (self.inbound < self.rules.inbound) & (self.listed() < self.rules.cap)

    # --- one step --------------------------------------------------------------------------------------------------

    def open_links(self, rows: Ints, now: int, *, among: slice = slice(None)) -> int:
        """Let each of these peers open one own link, to peers in `among`; return how many did."""
        self.step += 1
        self._now = now
        targets = self._choose(rows, now, among)
        found = targets != NOBODY
        rows, targets = rows[found], targets[found]
        order = self.rng.permutation(len(rows))
        order = order[self.stands(rows[order], targets[order])]
        rows, targets = rows[order], targets[order]
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
        fits = allowed & self.roomy()
        old = np.flatnonzero(fits & (now - self.born >= rules.min_age_rounds))
        pool = old if len(old) >= 2 * rules.own_young + rules.cap else np.flatnonzero(fits)
        chosen: Ints = np.full(len(rows), NOBODY, dtype=np.int64)
        self._pool = max(1, len(pool))
        if not len(pool):
            return chosen
        waiting = np.arange(len(rows))
        spare = chosen.copy()
        for _ in range(_DRAWS):
            drawn = pool[self.rng.integers(len(pool), size=len(waiting))]
            free = (drawn != rows[waiting]) & ~self.linked(rows[waiting], drawn)
            spare[waiting[free]] = drawn[free]
            free[free] = self.overlaps(rows[waiting[free]], drawn[free]) <= rules.overlap
            chosen[waiting[free]] = drawn[free]
            waiting = waiting[~free]
            if not len(waiting):
                break
        chosen[waiting] = spare[waiting]  # too few pass: overlap is the last filter to go
        known = self.next[rows, np.argmax(self.own[rows] == NOBODY, axis=1)]
        there = (known != NOBODY) & fits[known]
        there[there] = ~self.linked(rows[there], known[there])
        chosen[there] = known[there]
        return chosen

    def linked(self, left: Ints, right: Ints) -> Mask:
        """Tell which pairs have a link."""
        there = (self.own[left] == right[:, None]).any(axis=1)
        return np.asarray(there | (self.own[right] == left[:, None]).any(axis=1), dtype=np.bool_)

    def overlaps(self, left: Ints, right: Ints) -> Ints:
        """Return how many neighbours each pair shares, as of the last `look`."""
        near = self._near
        if near is None or not len(left):
            return np.zeros(len(left), dtype=np.int64)
        parts = [
            np.asarray(near[left[at : at + _PAIRS]].multiply(near[right[at : at + _PAIRS]]).sum(axis=1)).ravel()
            for at in range(0, len(left), _PAIRS)
        ]
        return np.concatenate(parts).astype(np.int64)

    def stands(self, rows: Ints, targets: Ints) -> Mask:
        """Tell which offers stand: not that of the larger id where two peers chose each other in one step."""
        key, back = rows * len(self) + targets, targets * len(self) + rows
        return np.asarray(~(np.isin(key, back) & (rows > targets)), dtype=np.bool_)

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

    def with_room(self, targets: Ints) -> Mask:
        """Tell which of these requests find a place, in their order."""
        room = np.minimum(self.rules.inbound - self.inbound, self.rules.cap - self.listed())
        order = np.argsort(targets, kind="stable")
        taken = np.zeros(len(targets), dtype=np.bool_)
        taken[order] = _places(targets[order]) < room[targets[order]]
        return taken

    def _link(self, rows: Ints, targets: Ints) -> None:
        slots = np.argmax(self.own[rows] == NOBODY, axis=1)
        floor = self.rank[rows, slots]
        ranks = floor + (1 - floor) * self.least(self._pool, len(rows))
        known = self.next[rows, slots] == targets
        self.enter(rows, slots, targets, np.where(known, self.next_rank[rows, slots], ranks))
        self.records += 2 * len(rows)

    def least(self, draws: int | Ints, count: int) -> npt.NDArray[np.float64]:
        """Return `count` smallest of so many hashes each, 0 to 1."""
        return -np.expm1(np.log1p(-self.rng.random(count)) / draws)

    def enter(self, rows: Ints, slots: Ints, targets: Ints, ranks: npt.NDArray[np.float64]) -> None:
        """Let these slots hold these peers, whose hashes are as small as `ranks` says."""
        self.own[rows, slots] = targets
        self.rank[rows, slots] = ranks
        self.next[rows, slots] = np.where(self.next_rank[rows, slots] < ranks, self.next[rows, slots], NOBODY)
        self.made[rows, slots] = self.step
        self.since[rows, slots] = self._now
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
        self.unlink(owners[victims], slots[victims])
        self.records += 2 * len(victims)
        self.evicted += len(victims)
        moved = np.isin(hosts, found)
        self._link(askers[moved], hosts[moved])
        return int(moved.sum())

    # --- losses ----------------------------------------------------------------------------------------------------

    def forget(self, rows: Ints, slots: Ints) -> None:
        """End the links of these slots, and what is known of the hashes of others with them."""
        self.unlink(rows, slots)
        self.rank[rows, slots] = 0.0
        self.next[rows, slots] = NOBODY

    def unlink(self, rows: Ints, slots: Ints) -> None:
        """End the links of these slots."""
        np.subtract.at(self.inbound, self.own[rows, slots], 1)
        self.own[rows, slots] = NOBODY

    def leave(self, rows: Ints) -> None:
        """Take peers out with all their links."""
        gone = np.zeros(len(self), dtype=np.bool_)
        gone[rows] = True
        held = self.own != NOBODY
        lost = held & (gone[self.own] | gone[:, None])
        self.records += int((lost & ~gone[:, None]).sum() + (lost & gone[:, None] & ~gone[self.own]).sum())
        self.unlink(*(axis.astype(np.int64) for axis in np.nonzero(lost)))
        self.present[rows] = False
        self.rank[rows] = 0.0
        self.next[rows] = NOBODY
        self.next[(self.next != NOBODY) & gone[self.next]] = NOBODY
        self.handed[rows] = NEVER

    def hand_back(self, now: int) -> None:
        """End the own links in the highest slots of those who have more than their age allows."""
        over = self.own_count() - self.limits(now)
        for _ in range(int(over.max(initial=0))):
            rows = np.flatnonzero(over > 0)
            self.give_back(rows)
            over[rows] -= 1

    def give_back(self, rows: Ints) -> None:
        """End the own link in the highest slot of each of these peers."""
        slots = self.own.shape[1] - 1 - np.argmax(self.own[rows, ::-1] != NOBODY, axis=1)
        self.forget(rows, slots)
        self.records += 2 * len(rows)


def _places(ordered: Ints) -> Ints:
    """Return for every entry of a sorted array how many equal ones stand before it."""
    if not len(ordered):
        return np.empty(0, dtype=np.int64)
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    lengths = np.diff(np.append(starts, len(ordered)))
    return np.arange(len(ordered), dtype=np.int64) - np.repeat(starts, lengths)
