"""Amounts are exact to the wei in both directions."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.wallet.amounts import MAX_WEI, format_coins, format_units, parse_coins, parse_gwei
from cli.wallet.errors import BadAmount


@given(st.integers(0, MAX_WEI), st.sampled_from([9, 18]))
def test_what_is_shown_is_read_back(wei: int, decimals: int) -> None:
    parse = parse_coins if decimals == 18 else parse_gwei
    assert parse(format_units(wei, decimals)) == wei


@pytest.mark.parametrize(
    ("text", "wei"),
    [
        ("0", 0),
        ("1", 10**18),
        ("1.5", 15 * 10**17),
        ("0.000000000000000001", 1),
        ("9007199254740993.000000000000000001", 9007199254740993 * 10**18 + 1),
        ("007", 7 * 10**18),
    ],
)
def test_examples(text: str, wei: int) -> None:
    assert parse_coins(text) == wei


@pytest.mark.parametrize(
    "text",
    ["", ".", "1.", ".5", "-1", "+1", "1e3", "1,5", " 1", "0x10", "٣", "1_000", "1.0000000000000000001", "9" * 40],
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(BadAmount):
        parse_coins(text)


@given(st.text(max_size=90))
def test_any_text_is_an_amount_or_refused(text: str) -> None:
    with suppress(BadAmount):
        assert 0 <= parse_coins(text) <= MAX_WEI


def test_the_unit_stands_behind_the_digits() -> None:
    assert format_coins(1) == "0.000000000000000001 MND"
    assert format_coins(-15 * 10**17) == "-1.5 MND"
    assert format_coins(3 * 10**18) == "3 MND"
