"""What `wallet send` and the staking commands share: their options, the question, the signature and the wait."""

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from chain.primitives.units import Address, Wei
from cli.rpc_client import RpcClient, quantity
from cli.wallet.addresses import format_address
from cli.wallet.amounts import format_coins, format_gwei
from cli.wallet.errors import NoPassword
from cli.wallet.keystore import Keystore, default_wallet
from cli.wallet.secrets_in import at_terminal, password
from cli.wallet.transactions import (
    CHAIN_IDS,
    Draft,
    Waiting,
    network_of,
    send_transaction,
    sign_transaction,
    wait_for_receipt,
)

WAIT_SECONDS = 900
"""Default of `--timeout`: seven mean blocks of mainnet."""

wallet_option = click.option(
    "--wallet",
    "wallet",
    type=click.Path(path_type=Path),
    envvar="MAPPEMONDE_WALLET",
    help="Directory of the key files (default: mappemonde/wallet under the user's data).",
)
password_option = click.option(
    "--password-file",
    type=click.Path(path_type=Path),
    help="File whose first line is the account's password (default: ask).",
)
network_option = click.option(
    "--network",
    type=click.Choice(tuple(CHAIN_IDS)),
    help="Refuse to sign unless the node is on this network (default: any of the three).",
)
from_option = click.option("--from", "sender", help="Account that pays (default: the only one in the wallet).")
yes_option = click.option("--yes", is_flag=True, help="Do not ask: for scripts.")
wait_options = (
    click.option("--no-wait", is_flag=True, help="Do not wait for the receipt."),
    click.option(
        "--timeout", type=click.IntRange(1), default=WAIT_SECONDS, show_default=True, help="Longest wait, seconds."
    ),
)


@dataclass(frozen=True, slots=True)
class Manner:
    """How a transaction is confirmed, waited for and told of."""

    yes: bool
    no_wait: bool
    timeout: int
    as_json: bool


def keystore_of(wallet: Path | None) -> Keystore:
    """Return the wallet at a directory, or the user's."""
    return Keystore(wallet.expanduser() if wallet is not None else default_wallet())


def confirm(question: str, *, yes: bool) -> None:
    """Ask whether to go on; raises `click.Abort` on a no, `NoPassword` where nobody can be asked."""
    if yes:
        return
    if not at_terminal():
        raise NoPassword("standard input is no terminal to confirm at: give --yes")
    click.confirm(question, abort=True, err=True)


def pay(
    client: RpcClient,
    draft: Draft,
    purpose: str,
    *,
    keystore: Keystore,
    password_file: Path | None,
    manner: Manner,
) -> dict[str, object] | None:
    """Show a draft with its fee, ask, sign, send and wait; return the receipt, None if it was not waited for.

    Raises the errors of `cli.wallet` that name what was wrong.
    """
    account = keystore.find(draft.sender)
    _show(draft, purpose)
    confirm("Sign and send?", yes=manner.yes)
    key = keystore.unlock(account, password(password_file, f"Password of {format_address(account.address)}"))
    tx_hash = send_transaction(client, sign_transaction(draft, key))
    click.echo(f"sent 0x{tx_hash.hex()}", err=True)
    if manner.no_wait:
        tell(manner, {"transactionHash": "0x" + tx_hash.hex(), "mined": False}, "")
        return None
    waiting = Waiting(float(manner.timeout), time.sleep, time.monotonic, _progress)
    try:
        return wait_for_receipt(client, tx_hash, draft, waiting)
    finally:
        if sys.stderr.isatty():
            click.echo("\r\x1b[K", err=True, nl=False)


def receipt_facts(receipt: Mapping[str, object], draft: Draft) -> dict[str, object]:
    """Return what a script wants to know of a receipt: numbers of wei as decimal texts, exact in any reader."""
    fee = quantity(receipt["gasUsed"]) * quantity(receipt["effectiveGasPrice"])
    return {
        "transactionHash": receipt["transactionHash"],
        "mined": True,
        "blockNumber": quantity(receipt["blockNumber"]),
        "from": format_address(draft.sender),
        "to": format_address(draft.to),
        "valueWei": str(draft.value),
        "feeWei": str(fee),
    }


def tell(manner: Manner, facts: Mapping[str, object], text: str) -> None:
    """Print the outcome: JSON or a line."""
    if manner.as_json:
        click.echo(json.dumps(facts))
    elif text:
        click.echo(text)


def mined_line(facts: Mapping[str, object]) -> str:
    """Return the line of a mined transaction."""
    return f"mined in block {facts['blockNumber']}, fee {format_coins(int(str(facts['feeWei'])))}"


def balance_of(client: RpcClient, address: Address) -> Wei:
    """Return an account's balance at the head."""
    return Wei(client.number("eth_getBalance", format_address(address), "latest"))


def _show(draft: Draft, purpose: str) -> None:
    lines = [
        purpose,
        f"  from     {format_address(draft.sender)}",
        f"  to       {format_address(draft.to)}",
        f"  amount   {format_coins(draft.value)}",
        f"  fee      about {format_coins(draft.likely_fee)}, at most {format_coins(draft.most_fee)}",
        f"           gas {draft.gas}, base fee {format_gwei(draft.base_fee)}, tip {format_gwei(draft.tip)}",
        f"  network  {network_of(draft.chain_id)} (chain id {draft.chain_id}), nonce {draft.nonce}",
    ]
    for line in lines:
        click.echo(line, err=True)


def _progress(height: int, waited: float) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[Kwaiting for block {height + 1} ({waited:.0f} s)", err=True, nl=False)
