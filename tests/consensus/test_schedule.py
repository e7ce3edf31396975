import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.primitives.units import LogTarget, Millis
from consensus.schedule import MAX_LOG_TARGET, MIN_LOG_TARGET, error_bounds, next_error, next_log_target
from tests.consensus.networks import MAINNET

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "consensus.json").read_text())


@pytest.mark.parametrize(("err", "interval", "expected"), VECTORS["err_next"])
def test_error_vectors(err: int, interval: int, expected: int) -> None:
    assert next_error(MAINNET, err, Millis(interval)) == expected


@pytest.mark.parametrize(("err", "genesis", "expected"), VECTORS["lt_next"])
def test_log_target_vectors(err: int, genesis: int, expected: int) -> None:
    assert next_log_target(replace(MAINNET, genesis_log_target=LogTarget(genesis)), err) == expected


def test_error_stops_where_the_target_does() -> None:
    low, high = error_bounds(MAINNET)
    assert next_error(MAINNET, low, Millis(60_000)) == low
    assert next_error(MAINNET, high, Millis(600_000)) == high
    assert abs(next_log_target(MAINNET, low) - MIN_LOG_TARGET) <= 1
    assert abs(next_log_target(MAINNET, high) - MAX_LOG_TARGET) <= 1


@given(st.lists(st.integers(60_000, 3_600_000), max_size=40))
def test_error_is_a_sum_whose_order_does_not_matter(intervals: list[int]) -> None:
    forward = backward = 0
    for interval in intervals:
        forward = next_error(MAINNET, forward, Millis(interval))
    for interval in reversed(intervals):
        backward = next_error(MAINNET, backward, Millis(interval))
    assert forward == backward == sum(min(interval, 600_000) - 120_000 for interval in intervals)
