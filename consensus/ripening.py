"""Ripening: how a hash and a ticket become a moment and a weight (rules 3 to 6).

Nobody chooses the time of a block, its hash does: a hash twice as good is ripe TAU earlier. The interval is the law of
the best of many draws, which is narrow whatever the hash rate is.
"""

from chain.fees import handicap_cap
from chain.params import ChainParams
from chain.primitives.units import LogTarget, Millis, Wei
from consensus.fixedpoint import FULL_BITS, clamp, exp2_q16, log2_q16

MINED_AT_LIMIT = 1 << 53
"""`mined_at` stays below: exact in every reader's number type, and 285,000 years from now."""

AHEAD_MAX = Millis(600_000)
"""A sealed header at most this far ahead of the mesh clock is kept (rule 5); beyond it is dropped without blame."""


def ramp(params: ChainParams, height: int) -> int:
    """Return how far the ramp of handicaps has come at a height: 0 to STAKE_RAMP (rule 3)."""
    return clamp(height - params.stake_start, 0, params.stake_ramp)


def ticket_handicap(params: ChainParams, height: int, beta: bytes, *, stake: Wei, total: Wei, issued: Wei) -> Millis:
    """Return the handicap that a ticket gives (rule 3); at most the cap, and worthless if it reaches it.

    `beta` is the 32-byte VRF output; `stake` (positive) is the validator's, `total` and `issued` are of the same
    snapshot. Less stake than issued // FLOOR_DIV in all is measured against that floor, so that a handful of coins
    cannot own the tickets while nobody else stakes.
    """
    cap = handicap_cap(height, params)
    bits = FULL_BITS - log2_q16(int.from_bytes(beta, "big") + 1)
    effective = max(total, issued // params.floor_div)
    full = (params.ticket_unit * bits * effective // stake) >> 16
    return Millis(min(cap, full * ramp(params, height) // params.stake_ramp))


def seal_bits(pow_hash: int, log_target: LogTarget) -> int:
    """Return by how many bits (Q16) a seal misses the target; below zero it beats it."""
    return log2_q16(pow_hash + 1) - log_target


def seal_passes_floor(params: ChainParams, pow_hash: int, log_target: LogTarget) -> bool:
    """Tell whether a seal is within SEAL_FLOOR bits of the target (rule 4).

    Without the floor every nonce would be a valid block after GAP, and a flood of them would cost its author nothing.
    """
    return seal_bits(pow_hash, log_target) <= params.seal_floor << 16


def delay(params: ChainParams, pow_hash: int, log_target: LogTarget, handicap: Millis) -> Millis:
    """Return how long after its parent a block is ripe by its hash (rule 5)."""
    by_hash = params.tau * seal_bits(pow_hash, log_target) // 65536
    return Millis(max(params.min_interval, params.block_time + by_hash + handicap))


def block_time(
    params: ChainParams,
    *,
    parent_time: Millis,
    pow_hash: int,
    log_target: LogTarget,
    handicap: Millis,
    mined_at: Millis,
) -> Millis:
    """Return the moment a block is ripe (rule 5): `mined_at` if it is set, else by its hash."""
    if mined_at:
        return mined_at
    return Millis(parent_time + delay(params, pow_hash, log_target, handicap))


def work_at(log_target: LogTarget | int) -> int:
    """Return W(l) = 2^(256 - l / 65536): the expected number of hashes to get under a target."""
    return exp2_q16(FULL_BITS - log_target)


def block_work(params: ChainParams, pow_hash: int, log_target: LogTarget) -> int:
    """Return the weight of a block (rule 6).

    It follows the schedule, so luck does not weigh; but never over 2^WORK_CAP times what the hash shows, so elapsed
    time is no free work.
    """
    shown = log2_q16(pow_hash + 1) - (params.work_cap << 16)
    return work_at(min(FULL_BITS, max(log_target, shown)))


def pre_relay(params: ChainParams) -> Millis:
    """Return PRE_RELAY: how long before its ripeness a block is relayed. 5 s of 120, in proportion on faster networks.

    Policy, not a rule. Longer than a block takes to cross the network, so that everybody is on the winner when it is
    ripe; short enough that knowing it early is worth little to anyone.
    """
    return Millis(params.block_time // 24)
