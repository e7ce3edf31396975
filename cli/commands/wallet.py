"""`wallet`: accounts, balances and payments. Keys come from files or prompts, never from the command line."""

import json
from pathlib import Path

import click

from cli.commands.options import json_option, rpc_option
from cli.commands.paying import (
    Terms,
    balance_of,
    keystore_of,
    mined_line,
    password_option,
    paying_options,
    wallet_option,
)
from cli.wallet.keystore import Keystore

MAX_IMPORTED = 100
"""Accounts of one mnemonic imported at once: each costs the work of its password."""


@click.group("wallet")
def wallet_command() -> None:
    """Make accounts, see balances, pay.

    Keys lie encrypted in key files (Web3 secret storage, version 3) that other wallets read too. A key or mnemonic is
    never taken from the command line, where every user of the machine could read it.
    """


@wallet_command.command("new")
@wallet_option
@password_option
@click.option("--mnemonic-file", type=click.Path(path_type=Path), help="Write the mnemonic there, not to the screen.")
@click.option("--no-mnemonic", is_flag=True, help="Make a single key; the key file is then its only backup.")
@json_option
def new(
    wallet: Path | None, password_file: Path | None, mnemonic_file: Path | None, no_mnemonic: bool, as_json: bool
) -> None:
    """Make a new account from a new mnemonic of 24 words, shown once: write it down, it restores the account."""
    from cli.clock import wall_millis
    from cli.private_files import create_private
    from cli.wallet.addresses import format_address
    from cli.wallet.errors import AccountExists
    from cli.wallet.key_file import new_private_key
    from cli.wallet.mnemonics import account_key, new_mnemonic
    from cli.wallet.secrets_in import password

    if as_json and mnemonic_file is None and not no_mnemonic:
        raise click.UsageError("with --json the mnemonic is not printed: give --mnemonic-file or --no-mnemonic")
    if mnemonic_file is not None and mnemonic_file.exists():
        raise AccountExists(f"{mnemonic_file} exists; nothing was overwritten")
    secret = password(password_file, "Password of the new account", twice=True)
    words = "" if no_mnemonic else new_mnemonic()
    key = account_key(words, 0) if words else new_private_key()
    if mnemonic_file is not None and words:
        try:
            create_private(mnemonic_file, words.encode() + b"\n")
        except FileExistsError:
            raise AccountExists(f"{mnemonic_file} exists; nothing was overwritten") from None
    account = keystore_of(wallet).add(key, secret, wall_millis())
    address = format_address(account.address)
    if as_json:
        click.echo(json.dumps({"address": address, "file": str(account.file)}))
        return
    click.echo(f"{address}\n{account.file}")
    if words and mnemonic_file is None:
        click.echo(f"\nWrite these words down; they are not shown again:\n\n  {words}\n")


@wallet_command.command("import")
@wallet_option
@password_option
@click.option("--mnemonic-file", type=click.Path(path_type=Path), help="File with a BIP-39 mnemonic.")
@click.option("--key-file", type=click.Path(path_type=Path), help="File with a private key, 64 hex digits.")
@click.option("--keystore", type=click.Path(path_type=Path), help="Key file of another wallet (version 3).")
@click.option("--keystore-password-file", type=click.Path(path_type=Path), help="Its password (default: ask).")
@click.option("--index", type=click.IntRange(0, 2**31 - 1), default=0, help="First account of the mnemonic.")
@click.option("--count", type=click.IntRange(1, MAX_IMPORTED), default=1, help="Accounts of the mnemonic.")
@json_option
def import_(
    wallet: Path | None,
    password_file: Path | None,
    mnemonic_file: Path | None,
    key_file: Path | None,
    keystore: Path | None,
    keystore_password_file: Path | None,
    index: int,
    count: int,
    as_json: bool,
) -> None:
    """Import accounts from a mnemonic, a private key, or another wallet's key file.

    Without a file it asks for a mnemonic or a private key, without echo. Accounts of a mnemonic are those of
    m/44'/60'/0'/0/i, as in other wallets.
    """
    from cli.clock import wall_millis
    from cli.wallet.addresses import format_address
    from cli.wallet.key_file import decrypt, parse_private_key, read_key_file
    from cli.wallet.mnemonics import MAX_INDEX, account_key
    from cli.wallet.secrets_in import ask_secret, password, read_secret

    if index + count - 1 > MAX_INDEX:
        raise click.UsageError(f"a mnemonic has accounts 0 to {MAX_INDEX}: give a lower --index or --count")
    if sum(file is not None for file in (mnemonic_file, key_file, keystore)) > 1:
        raise click.UsageError("give one of --mnemonic-file, --key-file and --keystore")
    if keystore is not None:
        opened = password(keystore_password_file, f"Password of {keystore}", flag="--keystore-password-file")
        keys = [decrypt(read_key_file(keystore), opened, keystore)]
    else:
        if mnemonic_file is not None:
            secret = read_secret(mnemonic_file, "mnemonic")
        elif key_file is not None:
            secret = read_secret(key_file, "private key")
        else:
            secret = ask_secret("Mnemonic or private key", "--mnemonic-file or --key-file")
        secret = secret.strip()
        if key_file is not None or (mnemonic_file is None and " " not in secret):
            keys = [parse_private_key(secret)]
        else:
            keys = [account_key(secret, number) for number in range(index, index + count)]
    store = keystore_of(wallet)
    store.check_new(keys)
    chosen = password(password_file, "New password of the account", twice=True)
    made = [store.add(key, chosen, wall_millis()) for key in keys]
    if as_json:
        click.echo(json.dumps([{"address": format_address(entry.address), "file": str(entry.file)} for entry in made]))
    else:
        for entry in made:
            click.echo(f"{format_address(entry.address)}  {entry.file}")


@wallet_command.command("list")
@wallet_option
@json_option
def list_(wallet: Path | None, as_json: bool) -> None:
    """List the accounts of the wallet."""
    from cli.wallet.addresses import format_address

    store = keystore_of(wallet)
    accounts = [(format_address(entry.address), str(entry.file)) for entry in store.accounts()]
    if as_json:
        click.echo(json.dumps([{"address": address, "file": file} for address, file in accounts]))
        return
    for address, file in accounts:
        click.echo(f"{address}  {file}")
    if not accounts:
        _tell_empty(store)


def _tell_empty(store: Keystore) -> None:
    click.echo(f"no accounts in {store.directory}; `mappemonde wallet new` makes one", err=True)


@wallet_command.command("balance")
@click.argument("addresses", nargs=-1)
@wallet_option
@rpc_option
@json_option
def balance(addresses: tuple[str, ...], wallet: Path | None, rpc: str, as_json: bool) -> None:
    """Show what accounts hold: those of the wallet, or any others by address."""
    from cli.rpc_client import RpcClient
    from cli.wallet.addresses import format_address, parse_address
    from cli.wallet.amounts import format_coins

    chosen = [parse_address(text) for text in addresses]
    if not chosen:
        store = keystore_of(wallet)
        chosen = [entry.address for entry in store.accounts()]
        if not chosen:
            _tell_empty(store)
    client = RpcClient(rpc)
    found = [(format_address(address), balance_of(client, address)) for address in chosen]
    if as_json:
        click.echo(json.dumps([{"address": address, "balanceWei": str(wei)} for address, wei in found]))
        return
    for address, wei in found:
        click.echo(f"{address}  {format_coins(wei)}")


@wallet_command.command("send")
@click.argument("receiver")
@click.argument("amount")
@paying_options
def send(receiver: str, amount: str, terms: Terms) -> None:
    """Send AMOUNT coins (MND, up to 18 decimals) to the account RECEIVER."""
    from cli.wallet.addresses import parse_address
    from cli.wallet.amounts import format_coins, parse_coins

    to, value = parse_address(receiver), parse_coins(amount)
    payer = terms.open()
    facts = payer.pay(f"Send {format_coins(value)}", to=to, value=value)
    if facts is not None:
        payer.tell(facts, mined_line(facts))
