"""The stakes of a devnet: validator keys in the nodes' directories, deposits by transaction through a node's RPC.

It does what `mappemonde stake key new` and `stake deposit` do, with accounts whose keys everybody knows.
"""

import secrets
from dataclasses import dataclass
from pathlib import Path

from chain.primitives.keys import address_of
from chain.primitives.units import COIN, Wei
from chain.staking_abi import encode_deposit
from chain.staking_registry import SYSTEM_ADDRESS
from cli.private_files import write_private
from cli.rpc_client import RpcClient
from cli.staking.holdings import fetch_holding
from cli.staking.keys import find_validator_key, prove_possession, unlock_validator_key, write_validator_key
from cli.wallet.addresses import format_address
from cli.wallet.key_file import new_private_key
from cli.wallet.mnemonics import account_key
from cli.wallet.secrets_in import read_secret
from cli.wallet.transactions import check_chain, draft_transaction, send_transaction, sign_transaction

STAKES = (Wei(6_000 * COIN), Wei(4_000 * COIN), Wei(3_000 * COIN))
"""What the stakers deposit: together over an eighth of all coins, so that handicaps are those of full stake, and
unequal, so that the table shows that the larger stake wins more."""

FIRST_ACCOUNT = 1
"""Staker i deposits from account i + 1 of the well-known mnemonic; account 0 is left to whoever tries the devnet."""

KEY_WORK = 1 << 12
"""Work of the devnet's passwords, which lie beside the keys."""


@dataclass(frozen=True, slots=True)
class StakePlan:
    """One staker: its files and its deposit."""

    account: int
    """Index under the well-known mnemonic."""
    stake: Wei
    key_file: Path
    password_file: Path


def plan_stake(index: int, datadir: Path) -> StakePlan:
    """Return the plan of staker `index`, whose node lives in `datadir`."""
    return StakePlan(FIRST_ACCOUNT + index, STAKES[index], datadir / "validator.json", datadir / "validator.password")


def make_key(plan: StakePlan) -> None:
    """Make the staker's key and password, unless the last devnet left them. Raises `StorageError`."""
    plan.key_file.parent.mkdir(parents=True, exist_ok=True)
    if plan.key_file.exists():
        return
    password = secrets.token_urlsafe(16)
    write_private(plan.password_file, password.encode())
    write_validator_key(plan.key_file, new_private_key(), password, work=KEY_WORK)


def deposit_stake(client: RpcClient, plan: StakePlan, mnemonic: str) -> str | None:
    """Send the staker's deposit and return its owner; None if it has staked before.

    Raises the errors of `cli.wallet` and of the client.
    """
    spending = account_key(mnemonic, plan.account)
    owner = address_of(spending.public_key)
    name = format_address(owner)
    if client.number("eth_getTransactionCount", name, "pending") or fetch_holding(client, owner).stake:
        return None  # deposited by an earlier start, perhaps withdrawn since: that is the user's business
    found = find_validator_key(plan.key_file)
    key = unlock_validator_key(found, read_secret(plan.password_file, "password"))
    chain_id = check_chain(client, "devnet")
    data = encode_deposit(found.public, prove_possession(key, chain_id, owner))
    draft = draft_transaction(client, chain_id, sender=owner, to=SYSTEM_ADDRESS, value=plan.stake, data=data)
    send_transaction(client, sign_transaction(draft, spending))
    return name
