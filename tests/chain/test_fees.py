"""Base fee and rewards, to the wei."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.fees import block_reward, gas_price, handicap_cap, next_base_fee
from chain.genesis import load_genesis
from chain.primitives.units import COIN, GWEI, Address, Gas, Millis, Wei
from tests.helpers.transactions import key_of, sign

GENESIS = load_genesis("devnet")
PARAMS = GENESIS.params
MAINNET = load_genesis("mainnet").params


def _next(fee: int, used: int, *, limit: int = 120_000_000, floor: int = 1) -> int:
    params = replace(PARAMS, gas_limit=Gas(limit), initial_base_fee=Wei(floor))
    return next_base_fee(replace(GENESIS.header, base_fee=Wei(fee), gas_used=Gas(used)), params)


@pytest.mark.parametrize(
    ("fee", "limit", "used", "expected"),
    [
        (10**9, 20_000_000, 10_000_000, 10**9),
        (10**9, 20_000_000, 9_000_000, 987_500_000),
        (10**9, 20_000_000, 11_000_000, 1_012_500_000),
    ],
)
def test_base_fees_of_go_ethereum(fee: int, limit: int, used: int, expected: int) -> None:
    """TestCalcBaseFee of consensus/misc/eip1559/eip1559_test.go."""
    assert _next(fee, used, limit=limit) == expected


@given(st.integers(1, 2**200), st.integers(0, 120_000_000))
def test_base_fee_is_the_formula_of_eip_1559(fee: int, used: int) -> None:
    target = 60_000_000
    if used > target:
        expected = fee + max(fee * (used - target) // target // 8, 1)
    else:
        expected = fee - fee * (target - used) // target // 8
    assert _next(fee, used) == max(expected, 1)


def test_a_full_block_raises_it_by_an_eighth_and_an_empty_one_lowers_it() -> None:
    assert _next(8 * GWEI, 120_000_000) == 9 * GWEI
    assert _next(8 * GWEI, 0) == 7 * GWEI
    assert _next(1, 120_000_000) == 2


def test_it_never_falls_under_the_initial_one() -> None:
    assert _next(GWEI, 0, floor=GWEI) == GWEI
    assert _next(GWEI + 1, 0, floor=GWEI) == GWEI


def test_gas_price_is_base_fee_and_tip_within_the_cap() -> None:
    tx = sign(key_of(1), to=Address(bytes(20)), max_fee=10, tip=3).tx
    assert [gas_price(tx, Wei(base)) for base in (0, 7, 8, 10)] == [3, 10, 10, 10]


@pytest.mark.parametrize(
    ("height", "cap"),
    [
        (0, 0),
        (21_600, 0),
        (21_601, 0),
        (21_602, 1),
        (43_200, 15_000),
        (64_799, 29_999),
        (64_800, 30_000),
        (10**9, 30_000),
    ],
)
def test_the_cap_grows_over_the_ramp(height: int, cap: int) -> None:
    assert handicap_cap(height, MAINNET) == cap


@pytest.mark.parametrize(
    ("height", "subsidy"),
    [(0, 0), (1, 50), (1_051_199, 50), (1_051_200, 25), (2_102_400, 12.5)],
)
def test_the_subsidy_halves(height: int, subsidy: float) -> None:
    assert MAINNET.subsidy_at(height) == int(subsidy * COIN)


def test_no_ticket_mints_nothing_for_one() -> None:
    reward = block_reward(100_000, Wei(1000), MAINNET, ticket_handicap=None)
    assert (reward.issued, reward.to_miner, reward.to_ticket) == (50 * COIN, 50 * COIN + 1000, 0)


@given(st.integers(1, 80_000_000), st.integers(0, 10**22), st.integers(0, 30_000))
def test_rule_9_in_integers(height: int, tips: int, handicap: int) -> None:
    reward = block_reward(height, Wei(tips), MAINNET, ticket_handicap=Millis(handicap))
    subsidy = 50 * 10**18 >> (height // 1_051_200)
    cap = 30_000 * min(max(height - 21_600, 0), 43_200) // 43_200
    ticket = 5 * subsidy * max(cap - handicap, 0) // (8 * 30_000)
    assert reward.subsidy == subsidy
    assert reward.ticket_reward == ticket
    assert reward.ticket_tips == (tips * ticket // (subsidy + ticket) if ticket else 0)
    assert reward.to_miner + reward.to_ticket == reward.issued + tips
    assert reward.ticket_reward <= 5 * subsidy // 8
