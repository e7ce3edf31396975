"""`show`: a block, a transaction, an account or a validator, for people; `--json` gives what the node answers."""

import json
from collections.abc import Sequence

import click

from cli.commands.network import fetch_object
from cli.commands.options import json_option, rpc_option
from cli.commands.why import NotFound, block_selector
from cli.explain.blocks import number_of
from cli.rpc_client import RpcClient, RpcRefused, as_list, quantity
from cli.texts import seconds, when
from cli.wallet.addresses import format_address, parse_address
from cli.wallet.amounts import format_coins, format_gwei

MAX_TRANSACTIONS_SHOWN = 20
VALIDATORS_PAGE = 100
KEY_CHARACTERS = 68

Lines = Sequence[tuple[str, str]]


@click.group("show")
def show_command() -> None:
    """Show a block, transaction, account or validator."""


def _print(lines: Lines) -> None:
    for name, text in lines:
        click.echo(f"{name:<12} {text}")


@show_command.command("block")
@click.argument("block", default="latest")
@rpc_option
@json_option
def show_block(block: str, rpc: str, as_json: bool) -> None:
    """Show BLOCK: a height, a hash, or latest (the default), safe or finalized."""
    client = RpcClient(rpc)
    head = client.call("mappemonde_head", block_selector(block))
    if not isinstance(head, dict):
        raise NotFound(f"the node at {rpc} has no block {block}")
    found = fetch_object(client, "eth_getBlockByHash", head.get("hash"), False)
    if as_json:
        click.echo(json.dumps({**found, "consensus": head}, indent=2))
        return
    transactions = as_list(found.get("transactions"))
    ticket, first = head.get("ticket"), quantity(head.get("number")) == 0
    used, limit = quantity(found.get("gasUsed")), quantity(found.get("gasLimit"))
    _print(
        [
            ("block", f"{quantity(head.get('number'))}"),
            ("hash", f"{head.get('hash')}"),
            ("parent", "none" if first else f"{head.get('parentHash')}"),
            ("time", when(head.get("time")) + ("" if first else f", {seconds(head.get('interval'))} after its parent")),
            ("miner", f"{head.get('miner')}"),
            ("ticket", f"{ticket.get('rewardAddress')}" if isinstance(ticket, dict) else "none"),
            ("handicap", seconds(head.get("handicap"))),
            ("gas", f"{used} of {limit} ({100 * used / limit:.2f} %)"),
            ("base fee", format_gwei(quantity(found.get("baseFeePerGas")))),
            ("size", f"{quantity(found.get('size'))} bytes"),
            ("work", "none" if first else f"2^{quantity(head.get('work')).bit_length() - 1}"),
            ("state root", f"{found.get('stateRoot')}"),
            ("transactions", f"{len(transactions)}"),
        ]
    )
    for name in transactions[:MAX_TRANSACTIONS_SHOWN]:
        click.echo(f"  {name}")
    if len(transactions) > MAX_TRANSACTIONS_SHOWN:
        click.echo(f"  and {len(transactions) - MAX_TRANSACTIONS_SHOWN} more; --json lists all")


@show_command.command("tx")
@click.argument("transaction")
@rpc_option
@json_option
def show_tx(transaction: str, rpc: str, as_json: bool) -> None:
    """Show TRANSACTION, by its hash."""
    client = RpcClient(rpc)
    found = client.call("eth_getTransactionByHash", transaction)
    if not isinstance(found, dict):
        raise NotFound(f"the node at {rpc} knows no transaction {transaction}; `mappemonde why tx` tells more")
    receipt = client.call("eth_getTransactionReceipt", transaction)
    if as_json:
        click.echo(json.dumps({**found, "receipt": receipt}, indent=2))
        return
    lines = [
        ("transaction", f"{found.get('hash')}"),
        ("type", f"{quantity(found.get('type'))}"),
        ("from", f"{found.get('from')}, nonce {quantity(found.get('nonce'))}"),
        ("to", f"{found.get('to')}"),
        ("value", format_coins(quantity(found.get("value")))),
        ("data", f"{(len(str(found.get('input'))) - 2) // 2} bytes"),
    ]
    if isinstance(receipt, dict):
        used, price = quantity(receipt.get("gasUsed")), quantity(receipt.get("effectiveGasPrice"))
        status = "succeeded" if quantity(receipt.get("status")) else "failed"
        place = f"block {quantity(receipt.get('blockNumber'))}, place {quantity(receipt.get('transactionIndex'))}"
        lines += [
            ("status", f"{status}, {place}"),
            ("fee", f"{format_coins(used * price)} ({used} gas at {format_gwei(price)})"),
            ("logs", f"{len(as_list(receipt.get('logs')))}"),
        ]
    else:
        fee = quantity(found.get("maxFeePerGas") or found.get("gasPrice"))
        lines += [
            ("status", "waiting; `mappemonde why tx` says for what"),
            ("highest fee", f"{format_gwei(fee)} per gas, {quantity(found.get('gas'))} gas"),
        ]
    _print(lines)


@show_command.command("account")
@click.argument("address")
@rpc_option
@json_option
def show_account(address: str, rpc: str, as_json: bool) -> None:
    """Show the account ADDRESS: balance, nonce, stake."""
    address = format_address(parse_address(address))
    client = RpcClient(rpc)
    balance = quantity(client.call("eth_getBalance", address, "latest"))
    nonce = quantity(client.call("eth_getTransactionCount", address, "latest"))
    pending = quantity(client.call("eth_getTransactionCount", address, "pending")) - nonce
    stake = fetch_object(client, "mappemonde_validator", address)
    if as_json:
        told = {"address": address, "balance": hex(balance), "nonce": nonce, "waiting": pending, "staking": stake}
        click.echo(json.dumps(told, indent=2))
        return
    lines = [
        ("account", address),
        ("balance", format_coins(balance)),
        ("nonce", f"{nonce}" + (f", {pending} of its transactions wait" if pending else "")),
    ]
    if stake.get("validatorKey") is not None:
        lines.append(("stake", format_coins(quantity(stake.get("stake")))))
        lines.append(("validator", f"{stake.get('validatorKey')}"))
    _print(lines)


@show_command.command("validator")
@click.argument("validator")
@rpc_option
@json_option
def show_validator(validator: str, rpc: str, as_json: bool) -> None:
    """Show VALIDATOR, by the address that owns the stake or by the validator key: stakes, epochs, withdrawals."""
    client = RpcClient(rpc)
    owner = (
        _owner_of(client, validator) if len(validator) == KEY_CHARACTERS else format_address(parse_address(validator))
    )
    found = fetch_object(client, "mappemonde_validator", owner)
    if found.get("validatorKey") is None:
        raise NotFound(f"{validator} has no stake")
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    _print(
        [
            ("validator", f"{found.get('validatorKey')}"),
            ("owner", f"{found.get('owner')}"),
            ("stake", format_coins(quantity(found.get("stake")))),
        ]
    )
    for entry in as_list(found.get("epochs")):
        if isinstance(entry, dict):
            stake, total = quantity(entry.get("stake")), quantity(entry.get("total"))
            share = f" ({100 * stake / total:.2f} % of all)" if total else ""
            first = quantity(entry.get("firstNumber"))
            click.echo(f"epoch {number_of(entry, 'epoch')} (from block {first}): {format_coins(stake)} counts{share}")
    for entry in as_list(found.get("withdrawals")):
        if isinstance(entry, dict):
            release = quantity(entry.get("releaseNumber"))
            click.echo(f"withdrawal: {format_coins(quantity(entry.get('amount')))}, free from block {release}")


def _owner_of(client: RpcClient, key: str) -> str:
    """Return the owner of a validator key. Raises `NotFound`."""
    offset = 0
    while True:
        page = fetch_object(client, "mappemonde_validators", offset, VALIDATORS_PAGE)
        entries = as_list(page.get("validators"))
        for entry in entries:
            if isinstance(entry, dict) and str(entry.get("validatorKey")).lower() == key.lower():
                return str(entry.get("owner"))
        offset += len(entries)
        if not entries:
            raise NotFound(f"no validator has the key {key}")
        if offset > number_of(page, "count"):
            raise RpcRefused(0, f"{client.url} lists more validators than it counts")
