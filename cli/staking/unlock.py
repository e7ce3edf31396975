"""The validators of a node: their key files unlocked once, at the start."""

from chain.primitives.errors import ConfigError
from chain.primitives.units import Address
from cli.config import NodeConfig
from cli.datadir import user_path
from cli.settings import stake_reward_address
from cli.staking.keys import find_validator_key, unlock_validator_key
from cli.wallet.secrets_in import password
from consensus.staker import Validator

MAX_VALIDATORS = 64
"""Keys of one node: `consensus.staker.DRAWS_KEPT` holds an epoch of this many."""


def unlock_validators(config: NodeConfig) -> tuple[Validator, ...]:
    """Return the validators of the settings `stake_keys`; asks for a password if no file has it.

    Raises `ConfigError` when there are too many keys or one is named twice, `BadKeyFile`, `WrongPassword` or
    `NoPassword`.
    """
    if len(config.stake_keys) > MAX_VALIDATORS:
        raise ConfigError(f"stake_keys names {len(config.stake_keys)} keys; one node takes {MAX_VALIDATORS}")
    reward: Address | None = stake_reward_address(config)
    found = [find_validator_key(user_path(file)) for file in config.stake_keys]
    if len({entry.public for entry in found}) < len(found):
        raise ConfigError("stake_keys names one validator key twice")
    file = user_path(config.stake_password_file) if config.stake_password_file else None
    validators = []
    for entry in found:
        secret = password(file, f"Password of {entry.file}", flag="--stake-password-file")
        validators.append(Validator(unlock_validator_key(entry, secret), reward))
    return tuple(validators)
