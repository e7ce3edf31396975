"""The exact laws of the best of many hashes and of the best of many tickets, so that no hash is ever computed.

Hashing at a rate r is a Poisson process of points (moment, hash) with intensity r / 2^256. Three laws follow.
"""

import math
from dataclasses import dataclass
from random import Random

from chain.fees import handicap_cap
from chain.params import ChainParams
from chain.primitives.units import LogTarget, Millis, Wei
from consensus.ripening import ticket_handicap

SPACE = 1 << 256
_STEPS = 60
"""Bisections: from a range of 300 bits to 2^-50 of a bit."""

STAKE_UNIT = 10**6
"""Stakes are given to the draws in millionths of the coins issued."""

REST_BITS = 0.917
"""log2 of 2^256 / (target * hashes in T_BLOCK) of a chain at rest without handicaps, for TAU = T_BLOCK / 20; found by
200,000 draws, ± 0.004."""


@dataclass(frozen=True, slots=True)
class Find:
    """A hash and the moment it was found, ms after the parent's time."""

    pow: int
    at: float


def first_ripe(
    params: ChainParams,
    rng: Random,
    *,
    rate: float,
    start: float,
    log_target: LogTarget,
    handicap: Millis,
    above: int = 0,
) -> Find | None:
    """Return the hash that is ripe first for one who hashes at `rate` per ms from `start` until one is; None if none.

    `start` is in ms after the parent's time and may be negative; hashes up to `above` are left out. By t, the share of
    hashes with a ripeness D(q) up to t is F(t), and rate * F(t) * (t - start) of them are found on average: the first
    is there when that reaches an exponential draw. It is either the hash that is just ripe, found before, or one just
    found whose own moment has passed; these come at (t - start) F' and F. None means that none within the seal floor is
    found before the last of them would be ripe.
    """
    if rate <= 0:
        return None
    wanted = rng.expovariate(1.0) / rate
    base = params.block_time + handicap + params.tau * (256 - log_target / 65536)
    slope = params.tau / math.log(2)

    def ripe(log_share: float) -> float:
        return max(float(params.min_interval), base + params.tau * log_share)

    # Hashes under 2^cut are ripe at T_MIN alike, or before `start`.
    cut = (max(float(params.min_interval), start) - base) / params.tau
    flat = max(params.min_interval - start, 0.0)

    def exposure(log_share: float) -> float:
        share = math.exp2(log_share)
        if log_share <= cut:
            return share * flat
        at_cut = math.exp2(cut)
        return at_cut * flat + max(share * (ripe(log_share) - start) - at_cut * (ripe(cut) - start), 0.0)

    if above:
        wanted += exposure(math.log2(above / SPACE))
    high = min(0.0, log_target / 65536 + params.seal_floor - 256)
    if exposure(high) < wanted:
        return None
    low = high - 300.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if exposure(middle) >= wanted else (middle, high)
    pow_hash = min(int(2.0**high * SPACE), SPACE - 1)
    moment = max(ripe(high), start)
    if high > cut:
        passed, just_ripe = 1.0 - above / SPACE / 2.0**high, (moment - start) / slope
        if rng.random() * (passed + just_ripe) < passed:
            return Find(rng.randrange(above, pow_hash + 1), moment)
    return Find(pow_hash, rng.uniform(start, moment))


def limit_for(params: ChainParams, log_target: LogTarget, handicap: Millis, ripe_by: int) -> int:
    """Return the hash that is ripe this many ms after its parent: an attacker's idea of good enough."""
    bits = log_target / 65536 + (ripe_by - params.block_time - handicap) / params.tau
    return int(math.exp2(min(bits - 256, 0.0)) * SPACE)


def first_under(rng: Random, *, rate: float, limit: int) -> Find:
    """Return the first hash under a limit, and how long (ms) it took: what one who steers a threshold does."""
    return Find(rng.randrange(limit), rng.expovariate(rate * (limit / SPACE)))


def draw_handicap(params: ChainParams, rng: Random, height: int, *, stake: float, total: float) -> Millis:
    """Return the best handicap of all tickets of a stake; the cap if none is under it. Stakes are shares of all coins.

    The lowest of exponential draws is exponential with the sum of their rates: one draw stands for all validators.
    """
    cap = handicap_cap(height, params)
    if stake <= 0 or cap == 0:
        return cap
    beta = rng.getrandbits(256).to_bytes(32, "big")
    return ticket_handicap(
        params,
        height,
        beta,
        stake=Wei(max(round(stake * STAKE_UNIT), 1)),
        total=Wei(round(total * STAKE_UNIT)),
        issued=Wei(STAKE_UNIT),
    )


def calibrated_rate(params: ChainParams, log_target: LogTarget) -> float:
    """Return the hashes per ms that make T_BLOCK the mean interval at a target without handicaps.

    The best of all hashes of T_BLOCK would give gamma / ln 2 = 0.83 bits (LT_GENESIS is set by that). Where the first
    ripe hash is one found after its own moment, the block's time is earlier than that moment: together REST_BITS.
    """
    return float(2.0 ** (256 - log_target / 65536 - REST_BITS) / params.block_time)
