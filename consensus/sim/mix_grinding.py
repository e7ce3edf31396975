"""Grinding the mix: what a staker gains that gives up tickets at an epoch's end to choose the seed of two epochs later.

The mix of a block takes in its ticket's output (rule 8). Who holds the best ticket of one of the last heights of an
epoch may keep it back: then the next best enters, and another seed follows. It knows its own tickets of the epoch, and
those of a seed it considers; what others draw it learns height by height, when they show it. So it compares, at each
height that its ticket would win: the ticket's reward and the seed at the end of that road, with the other road's.
Outputs are hashes in place of VRFs, as uniform and as private; handicaps, rewards and mixes are the node's functions.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from random import Random

from chain.fees import block_reward
from chain.params import ChainParams
from chain.primitives.hashing import sha256
from chain.primitives.units import ZERO_HASH, Hash32, Millis, Wei
from consensus.ripening import ticket_handicap
from consensus.sim.law import SPACE, STAKE_UNIT, draw_handicap
from consensus.ticket import next_mix, ticket_alpha

TAIL = 8
"""Last heights of an epoch in which tickets are kept back: a longer run of own best tickets is rare, even at 0.67."""

OFFERED = 3
"""Own tickets of a height among which the staker chooses, if its stake lies in several keys."""

QUANTILES = 10_000
"""Outputs, evenly spread, over which the worth of a seed is averaged: exact to a hundredth of a percent."""

HOPELESS = 0.01
"""Chance of a road below which its seed is not looked at."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What grinding gave over honest play, per epoch and relative to it."""

    tickets: float
    """Additional tickets that win, as a share of those an honest staker wins; those given up are taken off."""
    income: float
    """Additional ticket rewards, the same way."""
    error: float
    """Standard error of `income`."""
    choosing: float
    """Share of epochs in which the staker chose the seed: its ticket was the best at the last height."""
    given_up: float
    """Tickets given up per epoch."""


@dataclass(frozen=True, slots=True)
class _Own:
    """A ticket of the staker."""

    handicap: Millis
    beta: bytes


@dataclass(frozen=True, slots=True)
class Worth:
    """What a seed is expected to give the staker in its epoch."""

    tickets: float
    income: float
    """Coins."""


@dataclass(frozen=True, slots=True)
class _End:
    """How an epoch ended."""

    mix: Hash32
    chose: bool
    """Whether the staker's ticket was the best at the last height."""
    lost: float
    """Coins that its best tickets would have earned over what it took."""
    given_up: int
    """Heights left to others."""


class MixGrinder:
    """One staker against all others, who stake honestly; epochs follow each other by the seeds it chooses."""

    def __init__(self, params: ChainParams, rng: Random, *, share: float, staked: float, keys: int) -> None:
        """`share` is the staker's of all stake, spread evenly over `keys`; `staked` that of all coins which stake."""
        self._params = params
        self._rng = rng
        self._share = share
        self._staked = staked
        self._keys = keys
        self._first = params.stake_start + params.stake_ramp
        self._heights = range(self._first, self._first + params.epoch_length)
        self._stake = Wei(round(staked * share * STAKE_UNIT / keys))
        self._total = Wei(round(staked * STAKE_UNIT))
        self._reward = lru_cache(maxsize=1 << 16)(self._reward_of)
        self.mean_worth = self._averaged()

    def run(self, epochs: int) -> Ground:
        """Play a number of epochs.

        A seed that takes in somebody else's ticket at last was not known to the staker when it chose before: it is
        worth the mean exactly, and counted so.
        """
        tickets, incomes, choosing, given_up = 0.0, list[float](), 0, 0
        seeds = [Hash32(self._rng.randbytes(32)) for _ in range(2)]
        for number in range(epochs):
            end = self._tail(seeds[number % 2])
            seeds[number % 2] = end.mix
            gain = 0.0
            if end.chose:
                worth = self.worth_of(end.mix)
                gain = worth.income - self.mean_worth.income
                tickets += worth.tickets - self.mean_worth.tickets
            gain -= end.lost
            tickets -= end.given_up
            incomes.append(gain)
            choosing += end.chose
            given_up += end.given_up
        mean = sum(incomes) / epochs
        deviation = math.sqrt(sum((gain - mean) ** 2 for gain in incomes) / epochs)
        return Ground(
            tickets=tickets / epochs / self.mean_worth.tickets,
            income=mean / self.mean_worth.income,
            error=deviation / math.sqrt(epochs) / self.mean_worth.income,
            choosing=choosing / epochs,
            given_up=given_up / epochs,
        )

    def _tail(self, seed: Hash32) -> _End:
        """Play the last heights of an epoch."""
        mix, chose, lost, given_up = Hash32(self._rng.randbytes(32)), False, 0.0, 0
        for height in self._heights[-TAIL:]:
            theirs = self._theirs(height)
            mine = [ticket for ticket in self._own(seed, height) if ticket.handicap < theirs.handicap][:OFFERED]
            roads = [(self._reward(ticket.handicap), self._mixed(height, mix, ticket.beta)) for ticket in mine]
            roads.append((0.0, self._mixed(height, mix, theirs.beta)))
            best, chose = 0, bool(mine)
            if mine:
                values = [reward + self._look(seed, height + 1, after) for reward, after in roads]
                best = values.index(max(values))
                lost += roads[0][0] - roads[best][0]
                given_up += best == len(mine)
            mix = roads[best][1]
        return _End(mix, chose, lost, given_up)

    def _look(self, seed: Hash32, height: int, mix: Hash32, chance: float = 1.0) -> float:
        """Return what is expected from a height of the tail on, with the seed that follows, from a mix before it.

        Only the road on which the staker's best ticket wins every height is known to it; all others end in a seed of
        mean worth.
        """
        if height == self._heights.stop:
            return self.worth_of(mix).income
        left = self._heights.stop - height
        unknown = self.mean_worth.income * (1 + left / len(self._heights))
        own = self._own(seed, height)
        wins = self._wins(own[0].handicap) if own else 0.0
        if chance * wins < HOPELESS:
            return unknown
        after = self._mixed(height, mix, own[0].beta)
        known = self._reward(own[0].handicap) + self._look(seed, height + 1, after, chance * wins)
        rest = self.mean_worth.income * (1 + (left - 1) / len(self._heights))
        return wins * max(known, rest) + (1 - wins) * rest

    def worth_of(self, seed: Hash32) -> Worth:
        """Return what the staker may expect of an epoch with this seed, knowing its own tickets alone."""
        tickets = income = 0.0
        for height in self._heights:
            own = self._own(seed, height)
            if own:
                wins = self._wins(own[0].handicap)
                tickets += wins
                income += wins * self._reward(own[0].handicap)
        return Worth(tickets, income)

    def _averaged(self) -> Worth:
        """Return what a seed is worth on average: the law of the best of the keys' outputs, cell by cell."""
        tickets = income = 0.0
        for cell in range(QUANTILES):
            best = ((cell + 0.5) / QUANTILES) ** (1 / self._keys)
            handicap = self._handicap(self._first, int(best * SPACE).to_bytes(32, "big"))
            if handicap < self._params.open_handicap:
                wins = self._wins(handicap)
                tickets += wins
                income += wins * self._reward(handicap)
        each = len(self._heights) / QUANTILES
        return Worth(tickets * each, income * each)

    def _own(self, seed: Hash32, height: int) -> list[_Own]:
        """Return the staker's tickets of a height that are under the cap, best first."""
        alpha = ticket_alpha(seed, height)
        drawn = []
        for key in range(self._keys):
            beta = sha256(alpha + key.to_bytes(2, "big"))
            handicap = self._handicap(height, beta)
            if handicap < self._params.open_handicap:
                drawn.append(_Own(handicap, beta))
        return sorted(drawn, key=lambda ticket: (ticket.handicap, ticket.beta))

    def _handicap(self, height: int, beta: bytes) -> Millis:
        return ticket_handicap(self._params, height, beta, stake=self._stake, total=self._total, issued=Wei(STAKE_UNIT))

    def _theirs(self, height: int) -> _Own:
        """Draw the best ticket of all others; a handicap at the cap stands for none."""
        others = self._staked * (1 - self._share)
        handicap = draw_handicap(self._params, self._rng, height, stake=others, total=self._staked)
        return _Own(handicap, b"" if handicap >= self._params.open_handicap else self._rng.randbytes(32))

    def _wins(self, handicap: Millis) -> float:
        """Return the chance that nobody else's ticket of a height is better."""
        return math.exp(-handicap * (1 - self._share) / self._params.tau)

    def _reward_of(self, handicap: Millis) -> float:
        return block_reward(self._first, Wei(0), self._params, ticket_handicap=handicap).ticket_reward / 1e18

    def _mixed(self, height: int, mix: Hash32, beta: bytes) -> Hash32:
        return next_mix(self._params, height, mix, ZERO_HASH, beta or None)
