"""`stake`: validator keys, deposits, withdrawals, and what a stake does."""

import json
import time
from pathlib import Path

import click

from cli.commands.options import json_option, rpc_option
from cli.commands.paying import Terms, keystore_of, mined_line, paying_options, wallet_option
from cli.wallet.transactions import CHAIN_IDS

COUNTED_BLOCKS = 1_024
"""Default of `--blocks`: about a day and a half of mainnet."""

key_password_option = click.option(
    "--key-password-file", type=click.Path(path_type=Path), help="Password of the validator key (default: ask)."
)


@click.group("stake")
def stake_command() -> None:
    """Stake coins to win tickets: make a validator key, deposit, watch, withdraw.

    The validator key lies in a file of its own and is no spending key; a node that runs with --stake-key wins tickets
    for the deposit. docs/staking.md tells the whole way.
    """


@stake_command.group("key")
def key_group() -> None:
    """Make and look at validator key files."""


@key_group.command("new")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--password-file", type=click.Path(path_type=Path), help="File with its password (default: ask).")
@json_option
def key_new(file: Path, password_file: Path | None, as_json: bool) -> None:
    """Make an encrypted validator key in FILE. An existing file is kept."""
    from cli.staking.keys import write_validator_key
    from cli.wallet.errors import AccountExists
    from cli.wallet.key_file import new_private_key
    from cli.wallet.secrets_in import password

    if file.exists():
        raise AccountExists(f"{file} exists; nothing was overwritten")
    secret = password(password_file, "Password of the validator key", twice=True)
    made = write_validator_key(file, new_private_key(), secret)
    facts = {"validatorKey": "0x" + made.public.hex(), "file": str(file)}
    click.echo(json.dumps(facts) if as_json else f"{facts['validatorKey']}\n{file}")


@key_group.command("show")
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def key_show(file: Path, as_json: bool) -> None:
    """Show the public key of a validator key file; needs no password."""
    from cli.staking.keys import find_validator_key

    public = "0x" + find_validator_key(file).public.hex()
    click.echo(json.dumps({"validatorKey": public, "file": str(file)}) if as_json else public)


@key_group.command("prove")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--owner", required=True, help="Account that will deposit, and own the stake.")
@click.option("--network", type=click.Choice(tuple(CHAIN_IDS)), required=True, help="Network of the deposit.")
@key_password_option
@json_option
def key_prove(file: Path, owner: str, network: str, key_password_file: Path | None, as_json: bool) -> None:
    """Prove to the chain that OWNER holds the key: what a deposit by any other wallet needs.

    Prints the staking account, the two arguments of its `deposit`, and the whole call for wallets that take hex data.
    Nothing is sent, and nobody but OWNER can use the proof.
    """
    from chain.staking_abi import encode_deposit
    from chain.staking_registry import SYSTEM_ADDRESS
    from cli.staking.keys import find_validator_key, prove_possession, unlock_validator_key
    from cli.wallet.addresses import format_address, parse_address
    from cli.wallet.secrets_in import password

    depositor = parse_address(owner)
    found = find_validator_key(file)
    secret = password(key_password_file, f"Password of {file}", flag="--key-password-file")
    proof = prove_possession(unlock_validator_key(found, secret), CHAIN_IDS[network], depositor)
    facts = {
        "to": format_address(SYSTEM_ADDRESS),
        "validatorKey": "0x" + found.public.hex(),
        "proof": "0x" + proof.hex(),
        "data": "0x" + encode_deposit(found.public, proof).hex(),
    }
    click.echo(json.dumps(facts) if as_json else "\n".join(f"{name:<13} {text}" for name, text in facts.items()))


@stake_command.command("deposit")
@click.argument("amount")
@click.option("--key", "key_file", type=click.Path(path_type=Path), required=True, help="Validator key file.")
@key_password_option
@paying_options
def deposit(amount: str, key_file: Path, key_password_file: Path | None, terms: Terms) -> None:
    """Deposit AMOUNT coins (MND) as stake of a validator key; a second deposit adds to the first.

    The proof of possession that the chain asks for is made with the key. The stake counts from the third epoch after
    the one it is mined in.
    """
    from chain.staking_abi import encode_deposit
    from chain.staking_registry import SYSTEM_ADDRESS
    from cli.staking.holdings import fetch_holding
    from cli.staking.keys import find_validator_key, prove_possession, unlock_validator_key
    from cli.wallet.amounts import format_coins, parse_coins
    from cli.wallet.secrets_in import password

    value = parse_coins(amount)
    found = find_validator_key(key_file)
    payer = terms.open()
    secret = password(key_password_file, f"Password of {key_file}", flag="--key-password-file")
    proof = prove_possession(unlock_validator_key(found, secret), payer.chain_id, payer.account.address)
    purpose = f"Stake {format_coins(value)} with the validator key 0x{found.public.hex()}"
    facts = payer.pay(purpose, to=SYSTEM_ADDRESS, value=value, data=encode_deposit(found.public, proof))
    if facts is not None:
        holding = fetch_holding(payer.client, payer.account.address)
        facts |= {"stakeWei": str(holding.stake), "countsFromBlock": holding.counts_from.first_height}
        text = f"{mined_line(facts)}; {format_coins(holding.stake)} count from block {facts['countsFromBlock']}"
        payer.tell(facts, text)


@stake_command.command("withdraw")
@click.argument("amount", required=False)
@click.option("--until-paid", is_flag=True, help="After the request, wait until it is due and have it paid out.")
@paying_options
def withdraw(amount: str | None, until_paid: bool, terms: Terms) -> None:
    """Ask for AMOUNT coins (MND, or `all`) back; without an amount, have paid out what is due.

    A request takes the coins out of the stake at once and makes them wait about a week (devnet: 20 blocks). Then call
    it again without an amount. --until-paid does both.
    """
    from chain.primitives.units import Wei
    from chain.staking_abi import encode_request_withdrawal, encode_withdraw
    from chain.staking_registry import SYSTEM_ADDRESS
    from cli.staking.holdings import fetch_holding
    from cli.wallet.amounts import format_coins, parse_coins
    from cli.wallet.errors import CallRefused

    if until_paid and (amount is None or terms.manner.no_wait):
        raise click.UsageError("--until-paid needs an amount to ask for, and waits")
    payer = terms.open()
    client, owner = payer.client, payer.account.address
    holding = fetch_holding(client, owner)
    if amount is not None:
        asked = holding.stake if amount == "all" else parse_coins(amount)
        purpose = f"Ask for {format_coins(asked)} of the stake"
        facts = payer.pay(purpose, to=SYSTEM_ADDRESS, value=Wei(0), data=encode_request_withdrawal(asked))
        if facts is None:
            return
        holding = fetch_holding(client, owner)
        release = max((entry.release_height for entry in holding.withdrawals), default=holding.height)
        facts |= {"requestedWei": str(asked), "dueAtBlock": release}
        payer.tell(facts, f"{mined_line(facts)}; due at block {release}")
        if not until_paid:
            return
        click.echo(f"waiting for block {release}", err=True)
        # The call is executed in the block after the head, which is the first that may pay.
        while client.number("eth_blockNumber") + 1 < release:
            time.sleep(1)
        holding = fetch_holding(client, owner)
        payer = payer.unasked()
    if not holding.due:
        waits = min((entry.release_height for entry in holding.withdrawals), default=None)
        raise CallRefused("nothing to pay out: " + (f"due at block {waits}" if waits else "nothing was asked for"))
    due = holding.due
    purpose = f"Have {format_coins(due)} paid out"
    facts = payer.pay(purpose, to=SYSTEM_ADDRESS, value=Wei(0), data=encode_withdraw())
    if facts is not None:
        facts["paidWei"] = str(due)
        payer.tell(facts, f"{mined_line(facts)}; {format_coins(due)} paid out")


@stake_command.command("status")
@click.argument("addresses", nargs=-1)
@click.option("--all", "everyone", is_flag=True, help="All validators of the chain.")
@click.option(
    "--blocks",
    type=click.IntRange(1),
    default=COUNTED_BLOCKS,
    show_default=True,
    help="Count tickets in this many last blocks.",
)
@click.option(
    "--token-file", type=click.Path(path_type=Path), help="The node's rpc.token: also show its own validators."
)
@wallet_option
@rpc_option
@json_option
def status(
    addresses: tuple[str, ...],
    everyone: bool,
    blocks: int,
    token_file: Path | None,
    wallet: Path | None,
    rpc: str,
    as_json: bool,
) -> None:
    """Show stakes: since when they count, what they may expect, the tickets they won.

    Shows the accounts named, else those of the wallet. Tickets are counted in the last blocks of the chain, and what
    they minted is recomputed from the headers; their share of the tips comes on top.
    """
    from cli.datadir import read_token
    from cli.rpc_client import RpcClient
    from cli.staking.report import fetch_report, own_lines, report_lines
    from cli.wallet.addresses import parse_address

    token = "" if token_file is None else read_token(token_file)
    client = RpcClient(rpc, token=token)
    owners = [parse_address(text) for text in addresses]
    if not owners and not everyone:
        owners = [entry.address for entry in keystore_of(wallet).accounts()]
    report = fetch_report(client, None if everyone else owners, blocks=blocks, own=bool(token))
    if as_json:
        click.echo(json.dumps(report.as_json(), indent=2))
        return
    for line in [*report_lines(report), *own_lines(report)]:
        click.echo(line)
