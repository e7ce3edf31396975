"""Chain parameters for tests: devnet's proportions, with what a test wants to be different."""

from dataclasses import replace
from typing import TypedDict, Unpack

from chain.params import ChainParams
from chain.primitives.units import COIN, GWEI, Gas, Hash32, LogTarget, Millis, Wei


class Changes(TypedDict, total=False):
    """Fields that tests change."""

    epoch_length: int
    stake_start: int
    stake_ramp: int
    max_body_bytes: int
    gas_limit: Gas
    unbonding_blocks: int


_SMALL = ChainParams(
    name="devnet",
    chain_id=156900,
    network_id=Hash32(b"n" * 32),
    genesis_time=Millis(1_700_000_000_000),
    id_difficulty=16,
    block_time=Millis(12_000),
    min_interval=Millis(6_000),
    tau=Millis(600),
    schedule_half_life=Millis(270_000),
    max_counted_interval=Millis(60_000),
    gap=Millis(30_000),
    open_handicap=Millis(3_000),
    ticket_unit=Millis(416),
    floor_div=8,
    epoch_length=5,
    stake_start=15,
    stake_ramp=10,
    seal_floor=18,
    work_cap=10,
    genesis_log_target=LogTarget(15_354_909),
    pow_memory_kib=8,
    gas_limit=Gas(120_000_000),
    max_body_bytes=1 << 20,
    initial_base_fee=GWEI,
    base_fee_elasticity=2,
    base_fee_denominator=8,
    subsidy=Wei(50 * COIN),
    halving_interval=1_051_200,
    min_stake=COIN,
    unbonding_blocks=20,
)


def small_params(**changes: Unpack[Changes]) -> ChainParams:
    """Return parameters like devnet's, the seal as light as Argon2 allows."""
    return replace(_SMALL, **changes)
