"""Validator keys: apart from spending keys, and proved as the staking account wants it."""

import json
from pathlib import Path

import pytest

from chain.primitives.errors import ConfigError
from chain.primitives.keys import schnorr_valid
from chain.primitives.units import Millis
from chain.staking import deposit_digest
from cli.config import NodeConfig
from cli.staking.keys import find_validator_key, prove_possession, unlock_validator_key, write_validator_key
from cli.staking.unlock import MAX_VALIDATORS, unlock_validators
from cli.wallet.errors import AccountExists, BadKeyFile, NoPassword, WrongPassword
from cli.wallet.keystore import Keystore
from tests.helpers.transactions import DEVNET_CHAIN_ID, address_of_key, key_of

LIGHT = 2


def test_a_key_file_tells_its_public_key_and_opens_with_its_password(tmp_path: Path) -> None:
    made = write_validator_key(tmp_path / "key", key_of(5), "pw", work=LIGHT)
    found = find_validator_key(tmp_path / "key")
    assert found == made
    assert found.public == key_of(5).public_key.format()
    assert unlock_validator_key(found, "pw").secret == key_of(5).secret
    with pytest.raises(WrongPassword):
        unlock_validator_key(found, "wp")
    with pytest.raises(AccountExists):
        write_validator_key(tmp_path / "key", key_of(6), "pw", work=LIGHT)


def test_the_proof_is_for_one_depositor_on_one_chain() -> None:
    key, depositor = key_of(5), address_of_key(key_of(1))
    public = bytes(key.public_key.format())
    proof = prove_possession(key, DEVNET_CHAIN_ID, depositor)
    assert schnorr_valid(public[1:], deposit_digest(DEVNET_CHAIN_ID, public, depositor), proof)
    assert not schnorr_valid(public[1:], deposit_digest(1569, public, depositor), proof)
    assert not schnorr_valid(public[1:], deposit_digest(DEVNET_CHAIN_ID, public, address_of_key(key)), proof)


def test_a_spending_key_does_not_stake(tmp_path: Path) -> None:
    account = Keystore(tmp_path).add(key_of(1), "pw", Millis(0), work=LIGHT)
    with pytest.raises(BadKeyFile, match="no validator key"):
        find_validator_key(account.file)


@pytest.mark.parametrize("public", ["", "0x02", "zz", "0x04" + "11" * 32])
def test_a_damaged_mark_is_named(tmp_path: Path, public: str) -> None:
    write_validator_key(tmp_path / "key", key_of(5), "pw", work=LIGHT)
    content = json.loads((tmp_path / "key").read_text())
    content["mappemonde"]["validatorKey"] = public
    (tmp_path / "other").write_text(json.dumps(content))
    with pytest.raises(BadKeyFile, match="damaged"):
        find_validator_key(tmp_path / "other")
    content["mappemonde"]["validatorKey"] = "0x" + key_of(6).public_key.format().hex()
    (tmp_path / "swapped").write_text(json.dumps(content))
    with pytest.raises(BadKeyFile, match="another key"):
        unlock_validator_key(find_validator_key(tmp_path / "swapped"), "pw")


def test_a_node_unlocks_its_keys_once_at_the_start(tmp_path: Path) -> None:
    files = []
    for number in (5, 6):
        write_validator_key(tmp_path / f"key-{number}", key_of(number), "pw", work=LIGHT)
        files.append(str(tmp_path / f"key-{number}"))
    (tmp_path / "password").write_text("pw\n")
    account = "0x" + "5e" * 20
    config = NodeConfig(stake_keys=tuple(files), stake_password_file=str(tmp_path / "password"))
    validators = unlock_validators(config)
    assert [entry.key.secret for entry in validators] == [key_of(5).secret, key_of(6).secret]
    assert [entry.reward_address for entry in validators] == [None, None]
    named = NodeConfig(
        stake_keys=config.stake_keys, stake_password_file=config.stake_password_file, stake_reward_address=account
    )
    assert unlock_validators(named)[0].reward_address == bytes.fromhex("5e" * 20)
    assert unlock_validators(NodeConfig()) == ()


def test_what_a_node_cannot_stake_with_is_named(tmp_path: Path) -> None:
    write_validator_key(tmp_path / "key", key_of(5), "pw", work=LIGHT)
    (tmp_path / "wrong").write_text("wp\n")
    (tmp_path / "empty").write_text("\n")
    key = (str(tmp_path / "key"),)
    with pytest.raises(WrongPassword):
        unlock_validators(NodeConfig(stake_keys=key, stake_password_file=str(tmp_path / "wrong")))
    with pytest.raises(BadKeyFile, match="empty"):
        unlock_validators(NodeConfig(stake_keys=key, stake_password_file=str(tmp_path / "empty")))
    with pytest.raises(NoPassword, match="--stake-password-file"):
        unlock_validators(NodeConfig(stake_keys=key))
    with pytest.raises(BadKeyFile, match="cannot read"):
        unlock_validators(NodeConfig(stake_keys=(str(tmp_path / "nowhere"),)))
    with pytest.raises(ConfigError, match="twice"):
        unlock_validators(NodeConfig(stake_keys=key * 2))
    with pytest.raises(ConfigError, match="takes 64"):
        unlock_validators(NodeConfig(stake_keys=key * (MAX_VALIDATORS + 1)))
    with pytest.raises(ConfigError, match="stake_reward_address"):
        unlock_validators(NodeConfig(stake_keys=key, stake_reward_address="0x12"))
