"""Addresses carry and check the checksum of EIP-55."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.primitives.units import Address
from cli.wallet.addresses import format_address, parse_address
from cli.wallet.errors import BadAddress

EIP_55 = [
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
    "0xde709f2102306220921060314715629080e2fb77",
    "0x27b1fdb04752bbc536007a920d24acb045561c26",
]
"""The test cases of EIP-55."""


@pytest.mark.parametrize("text", EIP_55)
def test_the_vectors_of_eip_55(text: str) -> None:
    address = parse_address(text)
    assert format_address(address) == text
    assert parse_address(text.lower()) == address
    assert parse_address("0x" + text[2:].upper()) == address


@given(st.binary(min_size=20, max_size=20))
def test_what_is_shown_is_read_back(raw: bytes) -> None:
    assert parse_address(format_address(raw)) == Address(raw)


@pytest.mark.parametrize("text", EIP_55[:4])
def test_one_wrong_digit_or_letter_is_refused(text: str) -> None:
    place = next(index for index, digit in enumerate(text[2:], 2) if digit.isalpha())
    with pytest.raises(BadAddress, match="checksum"):
        parse_address(text[:place] + text[place].swapcase() + text[place + 1 :])


@pytest.mark.parametrize("text", ["", "0x", EIP_55[0][2:], EIP_55[0] + "0", EIP_55[0][:-1] + "g", "0X" + "0" * 40])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(BadAddress):
        parse_address(text)


def test_addresses_in_the_docs_can_be_copied() -> None:
    """Wallets refuse an address whose checksum does not fit."""
    root = Path(__file__).parents[3]
    found = [
        address
        for file in (*root.glob("docs/**/*.md"), root / "README.md")
        for address in re.findall(r"\b0x[0-9a-fA-F]{40}\b", file.read_text())
    ]
    assert found
    for address in found:
        parse_address(address)
