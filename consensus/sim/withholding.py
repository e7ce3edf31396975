"""Withholding: what a pool earns that goes on from its own unripe block and keeps its block or its ticket to itself.

Honest miners hash on a parent until their best is ripe. The attacker stops as soon as it holds a hash that is good
enough, hashes on its own unripe block, which nobody else has, and shows the block when it is ripe (or later). What it
gains is time on the next height; what it risks is that somebody's block is ripe first.
"""

from dataclasses import dataclass, replace
from random import Random

from chain.block import ChainedHeader
from chain.fees import block_reward, handicap_cap
from chain.fork_choice import late_limit
from chain.params import ChainParams
from chain.primitives.units import Millis, Wei
from consensus.schedule import next_log_target
from consensus.search import Rank
from consensus.sim.blocks import BlockMaker
from consensus.sim.law import Find, draw_handicap, first_ripe, first_under, limit_for


@dataclass(frozen=True, slots=True)
class Strategy:
    """How the attacker plays."""

    good_enough: int | None
    """It goes on from an own block that is ripe at most this long (ms) after its parent; None: only once it is ripe."""
    per_lead: float = 0.0
    """ms by which `good_enough` is moved for every ms that it is ahead of the others at a height."""
    release: int = 0
    """ms after its ripeness at which the block is shown."""
    hides_ticket: bool = False
    """Whether the tickets of its stake serve only its own blocks."""


@dataclass(frozen=True, slots=True)
class Stakes:
    """Tickets, in shares of all coins."""

    attacker: float
    honest: float

    @property
    def total(self) -> float:
        """Stake in the snapshot."""
        return self.attacker + self.honest


@dataclass(frozen=True, slots=True)
class Earned:
    """What a run gave."""

    revenue: float
    """Attacker's share of the canonical blocks."""
    income: float
    """Attacker's share of all subsidies and ticket rewards (rule 9)."""
    late: float
    """Share of heights at which the attacker's block was passed over because it was shown too late."""
    mean_interval: float
    """ms"""


@dataclass(frozen=True, slots=True)
class _Try:
    """One side's block of a height. Moments in ms after the parent's time."""

    block: ChainedHeader
    found: float
    leaves: float
    """When its maker goes on from it."""
    shown: float
    """When the other side may go on from it: it is ripe, found and no longer kept back."""


@dataclass(frozen=True, slots=True)
class _Draws:
    """The best handicaps of a height."""

    honest: Millis
    attacker: Millis
    own_is_best: bool
    """Whether the attacker's own ticket is the best of all."""


class Withholding:
    """One attacker against everybody else, who act as one without delays (the best case for them costs 0.4 %)."""

    def __init__(
        self,
        params: ChainParams,
        rng: Random,
        *,
        share: float,
        rate: float,
        stakes: Stakes,
        strategy: Strategy,
        height: int,
    ) -> None:
        self._params = params
        self._rng = rng
        self._share = share
        self._rate = rate
        self._stakes = stakes
        self._strategy = strategy
        self._maker = BlockMaker(params)
        self._tip = self._maker.genesis(height)

    def run(self, blocks: int) -> Earned:
        """Play a number of heights."""
        start, tip = self._tip, self._tip
        attacker_from = honest_from = 0.0
        won = late = income = paid = 0
        for _ in range(blocks):
            draws = self._handicaps(tip)
            honest = self._honest(tip, honest_from, draws.honest)
            own = self._own(tip, attacker_from, draws.attacker)
            wins, too_late = (False, False) if own is None else self._meet(own, honest)
            late += too_late
            mints, own_ticket = self._mints(tip, draws, attacker_wins=wins)
            subsidy = self._params.subsidy_at(tip.height + 1)
            paid += subsidy + mints
            income += subsidy * wins + mints * own_ticket
            won += wins
            best = own if own is not None and wins else honest
            passed = best.block.time - tip.time
            # everybody else learns of the attacker's block when it is shown; until then they hash on the parent
            attacker_from, honest_from = best.leaves - passed, best.shown - passed
            tip = best.block
        return Earned(won / blocks, income / paid, late / blocks, (tip.time - start.time) / blocks)

    def _meet(self, own: _Try, honest: _Try) -> tuple[bool, bool]:
        """Tell whether the attacker's block wins its height, and whether it was the better one and shown too late.

        Who sees the other's block goes on from it: a hash that would be found later never is.
        """
        if honest.found > own.shown or own.found > honest.shown:
            return own.shown < honest.shown, False
        better = _rank(own.block) < _rank(honest.block)
        ripe = own.block.time - own.block.header.parent_time
        # a sibling that comes past LATE does not displace the head
        too_late = better and own.shown > honest.shown and own.shown - ripe > late_limit(self._params)
        return better and not too_late, too_late

    def _handicaps(self, tip: ChainedHeader) -> _Draws:
        stakes, height = self._stakes, tip.height + 1
        public = draw_handicap(self._params, self._rng, height, stake=stakes.honest, total=stakes.total)
        own = draw_handicap(self._params, self._rng, height, stake=stakes.attacker, total=stakes.total)
        best = min(public, own)
        return _Draws(public if self._strategy.hides_ticket else best, best, own < public)

    def _mints(self, tip: ChainedHeader, draws: _Draws, *, attacker_wins: bool) -> tuple[int, bool]:
        """Return what the ticket of the winning block mints, and whether it is the attacker's."""
        handicap = draws.attacker if attacker_wins else draws.honest
        if handicap >= handicap_cap(tip.height + 1, self._params):
            return 0, False
        reward = block_reward(tip.height + 1, Wei(0), self._params, ticket_handicap=handicap)
        return reward.ticket_reward, draws.own_is_best and handicap == draws.attacker

    def _honest(self, tip: ChainedHeader, start: float, handicap: Millis) -> _Try:
        found = first_ripe(
            self._params,
            self._rng,
            rate=self._rate * (1 - self._share),
            start=start,
            log_target=next_log_target(self._params, tip.err),
            handicap=handicap,
        )
        assert found is not None, "an honest majority finds a hash in every interval"
        block = self._maker.child(tip, pow_hash=found.pow, handicap=handicap, miner=0)
        shown = max(found.at, float(block.time - tip.time))
        return _Try(block, found.at, leaves=shown, shown=shown)

    def _own(self, tip: ChainedHeader, start: float, handicap: Millis) -> _Try | None:
        """Return the attacker's block: the first that is good enough, else the one that is ripe first."""
        params = self._params
        target = next_log_target(params, tip.err)
        rate = self._rate * self._share
        limit = 0
        if self._strategy.good_enough is not None:
            ripe_by = self._strategy.good_enough + self._strategy.per_lead * max(-start, 0.0)
            limit = limit_for(params, target, handicap, round(ripe_by))
        fallback = first_ripe(
            params, self._rng, rate=rate, start=start, log_target=target, handicap=handicap, above=limit
        )
        waited = None if fallback is None else self._tried(tip, fallback, handicap)
        if limit:
            under = first_under(self._rng, rate=rate, limit=limit)
            good = self._tried(tip, Find(under.pow, start + under.at), handicap)
            if good.found <= good.block.time - tip.time or waited is None or good.found < waited.leaves:
                return replace(good, leaves=good.found)
        return waited

    def _tried(self, tip: ChainedHeader, find: Find, handicap: Millis) -> _Try:
        """Return an own block from which the attacker goes on once it is ripe."""
        block = self._maker.child(tip, pow_hash=find.pow, handicap=handicap, miner=1)
        ripe = float(block.time - tip.time)
        return _Try(block, find.at, max(find.at, ripe), max(find.at, ripe + self._strategy.release))


def _rank(block: ChainedHeader) -> Rank:
    return Rank(block.time, block.sealed.pow)
