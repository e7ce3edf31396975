"""The schedule: which target a block is measured against, given the times of its ancestors (rules 1 and 2).

ASERT in the log domain: the target depends on the sum of all errors so far, so it cannot be gamed by the order or the
timing of blocks, and it returns to its place exactly. Times come from hashes (rule 5), so nobody can choose them.
"""

from chain.params import ChainParams
from chain.primitives.units import LogTarget, Millis
from consensus.fixedpoint import FULL_BITS, clamp

MIN_LOG_TARGET = LogTarget(16 << 16)
"""Hardest target the schedule can reach: 2^240 expected hashes per TAU-free unit; far beyond any hardware."""

MAX_LOG_TARGET = LogTarget(FULL_BITS)
"""Easiest target: every hash meets it."""


def error_bounds(params: ChainParams) -> tuple[int, int]:
    """Return the schedule errors (lowest, highest) at which the target reaches its bounds.

    Rule 1 clamps there, so that an error cannot wind up past what the target can answer.
    """
    low = -(((params.genesis_log_target - MIN_LOG_TARGET) * params.schedule_half_life) >> 16)
    high = ((MAX_LOG_TARGET - params.genesis_log_target) * params.schedule_half_life) >> 16
    return low, high


def next_error(params: ChainParams, parent_err: int, interval: Millis) -> int:
    """Return err(n) from err(n-1) and the block's interval (rule 1)."""
    low, high = error_bounds(params)
    counted = min(interval, params.max_counted_interval)
    return clamp(parent_err + counted - params.block_time, low, high)


def next_log_target(params: ChainParams, parent_err: int) -> LogTarget:
    """Return lt(n+1) from err(n) (rule 2). The division floors, also below zero."""
    shifted = params.genesis_log_target + (parent_err << 16) // params.schedule_half_life
    return LogTarget(clamp(shifted, MIN_LOG_TARGET, MAX_LOG_TARGET))
