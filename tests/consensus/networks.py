"""Parameters and stakes for the tests of consensus: DESIGN section 5's tables, independent of the genesis documents."""

from dataclasses import replace

from coincurve import PrivateKey

from chain.block import HEADER_VERSION, ChainedHeader, Header, SealedHeader, header_id
from chain.params import ChainParams
from chain.ports import EpochStake
from chain.primitives.hashing import keccak256
from chain.primitives.units import COIN, GWEI, ZERO_ADDRESS, ZERO_HASH, Gas, Hash32, LogTarget, Millis, Wei

MAINNET = ChainParams(
    name="mainnet",
    chain_id=1569,
    network_id=Hash32(b"\x15" * 32),
    genesis_time=Millis(1_800_000_000_000),
    id_difficulty=1 << 18,
    block_time=Millis(120_000),
    min_interval=Millis(60_000),
    tau=Millis(6_000),
    schedule_half_life=Millis(2_700_000),
    max_counted_interval=Millis(600_000),
    gap=Millis(300_000),
    open_handicap=Millis(30_000),
    ticket_unit=Millis(4_159),
    floor_div=8,
    epoch_length=120,
    stake_start=21_600,
    stake_ramp=43_200,
    seal_floor=18,
    work_cap=10,
    genesis_log_target=LogTarget(15_354_909),
    pow_memory_kib=4096,
    gas_limit=Gas(120_000_000),
    max_body_bytes=1 << 20,
    initial_base_fee=GWEI,
    base_fee_elasticity=2,
    base_fee_denominator=8,
    subsidy=Wei(50 * COIN),
    halving_interval=1_051_200,
    min_stake=Wei(100 * COIN),
    unbonding_blocks=5_040,
)

DEVNET = replace(
    MAINNET,
    name="devnet",
    chain_id=156_900,
    network_id=Hash32(b"\xde" * 32),
    block_time=Millis(12_000),
    min_interval=Millis(6_000),
    tau=Millis(600),
    schedule_half_life=Millis(270_000),
    max_counted_interval=Millis(60_000),
    gap=Millis(30_000),
    open_handicap=Millis(3_000),
    ticket_unit=Millis(416),
    epoch_length=5,
    stake_start=15,
    stake_ramp=10,
    genesis_log_target=LogTarget(16_100_000),
    pow_memory_kib=8,
)
"""As devnet, but with a seal of 8 KiB, so that tests can mine."""

SEED = Hash32(b"\x06" * 32)
"""With this seed the validators 1, 2 and 3 have tickets under the cap at height 41."""


def key(number: int) -> PrivateKey:
    """Return the validator key of a small number."""
    return PrivateKey.from_int(number)


def epoch_stake(coins: dict[int, int], *, issued: int = 1000, seed: Hash32 = SEED) -> EpochStake:
    """Return a snapshot in which the keys of these numbers hold these coins."""
    stakes = {key(number).public_key.format(): Wei(amount * COIN) for number, amount in coins.items()}
    total = Wei(sum(stakes.values()))
    commitment = keccak256(repr(sorted(stakes.items())).encode())
    return EpochStake(seed, total, Wei(issued * COIN), Hash32(b"\x07" * 32), stakes, commitment)


def place(params: ChainParams, height: int, *, err: int = 0, mix: Hash32 = ZERO_HASH) -> ChainedHeader:
    """Return a block to build on, as if its ancestors were there."""
    header = Header(
        version=HEADER_VERSION,
        height=height,
        parent_id=ZERO_HASH,
        parent_time=params.genesis_time,
        parent_err=0,
        mined_at=Millis(0),
        miner=ZERO_ADDRESS,
        state_root=ZERO_HASH,
        transactions_root=ZERO_HASH,
        receipts_root=ZERO_HASH,
        gas_used=Gas(0),
        base_fee=params.initial_base_fee,
        extra=b"",
        ticket_commitment=ZERO_HASH,
        handicap=Millis(0),
        mix=mix,
        stakes=ZERO_HASH,
        nonce=bytes(8),
    )
    return ChainedHeader(
        sealed=SealedHeader(header, 0, None),
        id=header_id(header),
        time=Millis(params.genesis_time + params.block_time),
        err=err,
        log_target=params.genesis_log_target,
        work=1,
        total_work=height,
    )
