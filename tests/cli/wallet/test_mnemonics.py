"""Mnemonics give the accounts that other wallets show."""

import pytest

from chain.primitives.keys import address_of
from cli.wallet.addresses import format_address
from cli.wallet.errors import BadMnemonic
from cli.wallet.mnemonics import WORDS, account_key, new_mnemonic

KNOWN = "test test test test test test test test test test test junk"


@pytest.mark.parametrize(
    ("index", "address"),
    [(0, "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"), (9, "0xa0Ee7A142d267C1f36714E4a8F75612F20a79720")],
)
def test_the_accounts_of_a_known_mnemonic(index: int, address: str) -> None:
    assert format_address(address_of(account_key(KNOWN, index).public_key)) == address
    assert account_key(f"  {KNOWN.replace(' ', '  ')}\n", index).secret == account_key(KNOWN, index).secret


@pytest.mark.parametrize("words", ["", "test", "test " * 12, KNOWN.replace("junk", "jumk"), KNOWN + " test"])
def test_a_bad_mnemonic_is_named_and_not_quoted(words: str) -> None:
    with pytest.raises(BadMnemonic) as error:
        account_key(words, 0)
    assert "jumk" not in str(error.value)
    assert "test" not in str(error.value)
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__, "the library's error, which quotes the words, is not shown"


def test_new_mnemonics_are_valid_and_differ() -> None:
    first, second = new_mnemonic(), new_mnemonic()
    assert first != second
    assert len(first.split()) == WORDS
    account_key(first, 0)
