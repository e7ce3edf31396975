"""The wallet's directory: what is in it, and what is passed over."""

from pathlib import Path

import pytest

from chain.primitives.units import Address, Millis
from cli.staking.keys import write_validator_key
from cli.wallet.errors import AccountExists, BadKeyFile, NoSuchAccount, WrongPassword
from cli.wallet.key_file import encrypt, new_private_key, write_key_file
from cli.wallet.keystore import Keystore
from tests.helpers.transactions import address_of_key, key_of

NOW = Millis(1_800_000_000_000)
LIGHT = 2


def test_accounts_are_found_by_address_and_opened(tmp_path: Path) -> None:
    store = Keystore(tmp_path / "wallet")
    assert store.accounts() == []
    with pytest.raises(NoSuchAccount, match="empty"):
        store.find(None)
    first = store.add(key_of(1), "one", NOW, work=LIGHT)
    assert store.find(None) == first
    second = store.add(key_of(2), "two", Millis(NOW + 1), work=LIGHT)
    assert store.accounts() == [first, second]
    with pytest.raises(NoSuchAccount, match="several"):
        store.find(None)
    assert store.find(address_of_key(key_of(2))) == second
    with pytest.raises(NoSuchAccount, match="no key of"):
        store.find(Address(bytes(20)))
    assert store.unlock(second, "two").secret == key_of(2).secret
    with pytest.raises(WrongPassword):
        store.unlock(second, "one")
    with pytest.raises(AccountExists):
        store.add(key_of(1), "other", NOW, work=LIGHT)
    assert first.file.name == f"UTC--2027-01-15T08-00-00.000000000Z--{first.address.hex()}"


def test_other_files_are_passed_over(tmp_path: Path) -> None:
    store = Keystore(tmp_path)
    (tmp_path / "notes").write_text("no key")
    (tmp_path / "folder").mkdir()
    write_validator_key(tmp_path / "validator", new_private_key(), "x", work=LIGHT)
    assert store.accounts() == [], "a validator key is no spending key"


def test_a_file_that_holds_another_key_is_named(tmp_path: Path) -> None:
    content = encrypt(key_of(1), "x", work=LIGHT)
    content["address"] = address_of_key(key_of(2)).hex()
    write_key_file(tmp_path / "key", content)
    store = Keystore(tmp_path)
    with pytest.raises(BadKeyFile, match="another address"):
        store.unlock(store.find(None), "x")
