"""Which hash is still worth finding: the inverse of rules 4 and 5, by bisection over the production functions."""

from dataclasses import dataclass

from chain.params import ChainParams
from chain.primitives.units import LogTarget, Millis
from consensus.ripening import block_time, seal_passes_floor

_HIGHEST = (1 << 256) - 1


@dataclass(frozen=True, slots=True, order=True)
class Rank:
    """What decides between siblings: the lower wins (rule 7)."""

    time: Millis
    pow: int


@dataclass(frozen=True, slots=True)
class Terms:
    """All but the hash that decides when a block is ripe."""

    parent_time: Millis
    log_target: LogTarget
    handicap: Millis
    mined_at: Millis

    def rank(self, params: ChainParams, pow_hash: int) -> Rank:
        """Return the rank of a block with this hash."""
        time = block_time(
            params,
            parent_time=self.parent_time,
            pow_hash=pow_hash,
            log_target=self.log_target,
            handicap=self.handicap,
            mined_at=self.mined_at,
        )
        return Rank(time, pow_hash)


def highest_useful(params: ChainParams, terms: Terms, beat: Rank | None) -> int | None:
    """Return the highest hash that passes the seal floor and beats a rank; None if no hash can.

    A lower hash is never later, so the useful ones lie below one number. 1 ms: once per template, not per hash.
    """

    def useful(pow_hash: int) -> bool:
        if not seal_passes_floor(params, pow_hash, terms.log_target):
            return False
        return beat is None or terms.rank(params, pow_hash) < beat

    if not useful(0):
        return None
    low, high = 0, _HIGHEST
    if useful(high):
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if useful(middle):
            low = middle
        else:
            high = middle
    return low
