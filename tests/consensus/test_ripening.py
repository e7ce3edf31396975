import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.fees import handicap_cap
from chain.primitives.units import LogTarget, Millis, Wei
from consensus.fixedpoint import FULL_BITS
from consensus.ripening import block_time, block_work, delay, seal_passes_floor, ticket_handicap, work_at
from tests.consensus.networks import MAINNET

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "consensus.json").read_text())

hashes = st.integers(0, 2**256 - 1)
log_targets = st.integers(16 << 16, FULL_BITS).map(LogTarget)
handicaps = st.integers(0, 30_000).map(Millis)


@pytest.mark.parametrize("vector", VECTORS["handicap"])
def test_handicap_vectors(vector: tuple[int, str | None, int, int, int, int]) -> None:
    height, beta, stake, total, issued, expected = vector
    if beta is None:
        assert handicap_cap(height, MAINNET) == expected
        return
    got = ticket_handicap(MAINNET, height, bytes.fromhex(beta), stake=Wei(stake), total=Wei(total), issued=Wei(issued))
    assert got == expected


@pytest.mark.parametrize(("pow_hash", "log_target", "handicap", "expected"), VECTORS["delay"])
def test_delay_vectors(pow_hash: str, log_target: int, handicap: int, expected: int) -> None:
    assert delay(MAINNET, int(pow_hash, 16), LogTarget(log_target), Millis(handicap)) == expected


@given(hashes, hashes, log_targets, handicaps)
def test_a_lower_hash_is_never_later(first: int, second: int, log_target: LogTarget, handicap: Millis) -> None:
    low, high = sorted((first, second))
    assert delay(MAINNET, low, log_target, handicap) <= delay(MAINNET, high, log_target, handicap)


@given(hashes, log_targets, handicaps, handicaps)
def test_a_lower_handicap_is_never_later(pow_hash: int, log_target: LogTarget, first: Millis, second: Millis) -> None:
    low, high = sorted((first, second))
    assert delay(MAINNET, pow_hash, log_target, low) <= delay(MAINNET, pow_hash, log_target, high)


@given(st.binary(min_size=32, max_size=32), st.integers(1, 10**9), st.integers(1, 10**9), st.integers(0, 10**10))
def test_more_stake_is_never_a_higher_handicap(beta: bytes, stake: int, more: int, issued: int) -> None:
    total = stake + more
    less_stake = ticket_handicap(MAINNET, 64_800, beta, stake=Wei(stake), total=Wei(total), issued=Wei(issued))
    more_stake = ticket_handicap(MAINNET, 64_800, beta, stake=Wei(total), total=Wei(total), issued=Wei(issued))
    assert 0 <= more_stake <= less_stake <= 30_000


@given(hashes, hashes, log_targets)
def test_weight_is_the_schedules_while_the_hash_shows_enough(first: int, second: int, log_target: LogTarget) -> None:
    within = [p for p in (first, second) if p < 1 << min(256, (log_target >> 16) + MAINNET.work_cap)]
    assert all(block_work(MAINNET, p, log_target) == work_at(log_target) for p in within)


@given(hashes, log_targets)
def test_weight_is_never_over_a_thousand_times_what_the_hash_shows(pow_hash: int, log_target: LogTarget) -> None:
    shown = 2**256 // (pow_hash + 1)
    # the cubic is within 0.013 % of 2^x and log2 within one unit of Q16 (0.0011 %)
    assert block_work(MAINNET, pow_hash, log_target) <= shown * 1024 * 1.0002 + 1


@given(hashes, log_targets, handicaps)
def test_a_seal_at_the_floor_is_ripe_before_the_gap(pow_hash: int, log_target: LogTarget, handicap: Millis) -> None:
    if seal_passes_floor(MAINNET, pow_hash, log_target):
        assert delay(MAINNET, pow_hash, log_target, handicap) <= MAINNET.gap


@given(hashes, log_targets, handicaps, st.integers(1, 2**53 - 1))
def test_mined_at_replaces_the_delay(pow_hash: int, log_target: LogTarget, handicap: Millis, mined_at: int) -> None:
    got = block_time(
        MAINNET,
        parent_time=Millis(1),
        pow_hash=pow_hash,
        log_target=log_target,
        handicap=handicap,
        mined_at=Millis(mined_at),
    )
    assert got == mined_at
