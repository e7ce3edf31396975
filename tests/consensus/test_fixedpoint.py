import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.fixedpoint import FULL_BITS, exp2_q16, log2_q16
from consensus.ripening import work_at

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "consensus.json").read_text())


@pytest.mark.parametrize(("number", "expected"), VECTORS["log2_q16"])
def test_log2_vectors(number: str, expected: int) -> None:
    assert log2_q16(int(number, 16)) == expected


@pytest.mark.parametrize(("log_target", "expected"), VECTORS["work"])
def test_work_vectors(log_target: int, expected: str) -> None:
    assert work_at(log_target) == int(expected)


@given(st.integers(1, 1 << 256), st.integers(0, 1 << 200))
def test_log2_never_falls(number: int, more: int) -> None:
    assert log2_q16(number) <= log2_q16(number + more)


@given(st.integers(0, 256))
def test_log2_of_powers_is_exact(exponent: int) -> None:
    assert log2_q16(1 << exponent) == exponent << 16


@given(st.integers(0, FULL_BITS - 1))
def test_exp2_never_falls_and_doubles_each_bit(bits: int) -> None:
    assert exp2_q16(bits) <= exp2_q16(bits + 1)
    assert exp2_q16(bits + 65536) // 2 == exp2_q16(bits)
