"""`why`: what made a block's time, and what stands in the way of a transaction or a link."""

import json

import click

from chain.primitives.errors import NodeError
from cli.commands.network import fetch_map, fetch_object, objects_of
from cli.commands.options import json_option, rpc_option
from cli.exit_codes import ExitCode
from cli.explain.blocks import computed_time, explain_block, seal_bits
from cli.explain.transactions import Explained, Fate, Market, Sender, explain_mined, explain_unknown, explain_waiting
from cli.rpc_client import RpcClient, as_list, quantity
from cli.texts import when

HASH_CHARACTERS = 66
PEER_CHARACTERS = 64


class NotFound(NodeError):
    """The node knows no such thing."""

    exit_code = ExitCode.REFUSED


def block_selector(text: str) -> str:
    """Return a block as the RPC names it: a height in decimal digits, `0x` quantity or hash, or a tag."""
    return hex(int(text)) if text.isascii() and text.isdigit() else text


@click.group("why")
def why_command() -> None:
    """Explain a block's time, a transaction's fate, or why there is a link with a peer or none."""


@why_command.command("block")
@click.argument("block")
@rpc_option
@json_option
def why_block(block: str, rpc: str, as_json: bool) -> None:
    """Explain when BLOCK (a height, hash, or latest) was ripe: target, seal, ticket and delay."""
    client = RpcClient(rpc)
    head = client.call("mappemonde_head", block_selector(block))
    if not isinstance(head, dict):
        raise NotFound(f"the node at {rpc} has no block {block}")
    chain = fetch_object(client, "mappemonde_chain")
    lines = explain_block(head, chain)
    if as_json:
        told: dict[str, object] = {"facts": head, "reasons": [{"name": name, "text": text} for name, text in lines]}
        if quantity(head.get("number")):
            told |= {"sealBits": seal_bits(head), "computedTime": computed_time(head, chain)}
        click.echo(json.dumps(told, indent=2))
        return
    click.echo(f"block {quantity(head['number'])}, {head['hash']}")
    for name, text in lines:
        click.echo(f"{name:<9} {text}")


@why_command.command("tx")
@click.argument("transaction")
@rpc_option
@json_option
def why_tx(transaction: str, rpc: str, as_json: bool) -> None:
    """Explain where TRANSACTION stands: its hash, or a signed transaction (0x...) that was not sent yet."""
    client = RpcClient(rpc)
    explained = (
        _explain_hash(client, transaction) if len(transaction) <= HASH_CHARACTERS else _explain_raw(client, transaction)
    )
    if as_json:
        click.echo(json.dumps({"fate": explained.fate.value, "reasons": explained.reasons}, indent=2))
    else:
        click.echo(explained.fate.value)
        for reason in explained.reasons:
            click.echo(f"- {reason}")
    if explained.fate is Fate.UNKNOWN:
        raise click.exceptions.Exit(ExitCode.REFUSED)


def _explain_hash(client: RpcClient, name: str) -> Explained:
    found = client.call("eth_getTransactionByHash", name)
    if not isinstance(found, dict):
        return explain_unknown()
    receipt = client.call("eth_getTransactionReceipt", name)
    if isinstance(receipt, dict):
        status = fetch_object(client, "mappemonde_status")
        head, final = status.get("head"), status.get("finalized")
        heights = [quantity(part.get("number")) if isinstance(part, dict) else 0 for part in (head, final)]
        return explain_mined(receipt, *heights)
    return _explain_against_chain(client, found, sent=True)


def _explain_raw(client: RpcClient, text: str) -> Explained:
    from chain.transaction import parse_transaction, recover_sender

    try:
        raw = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raise NotFound("neither the hash of a transaction nor a signed one in hexadecimal digits") from None
    signed = recover_sender(parse_transaction(raw, quantity(client.call("eth_chainId"))))
    tx = signed.tx
    if client.call("eth_getTransactionByHash", "0x" + tx.hash.hex()) is not None:
        return _explain_hash(client, "0x" + tx.hash.hex())
    facts: dict[str, object] = {
        "hash": "0x" + tx.hash.hex(),
        "from": "0x" + signed.sender.hex(),
        "nonce": hex(tx.nonce),
    }
    facts |= {"maxFeePerGas": hex(tx.max_fee), "value": hex(tx.value), "gas": hex(tx.gas_limit)}
    explained = _explain_against_chain(client, facts, sent=False)
    return Explained(explained.fate, ("the node does not have it: it was not sent here", *explained.reasons))


def _explain_against_chain(client: RpcClient, found: dict[str, object], *, sent: bool) -> Explained:
    account = str(found.get("from"))
    sender = Sender(
        mined_nonce=quantity(client.call("eth_getTransactionCount", account, "latest")),
        pool_nonce=quantity(client.call("eth_getTransactionCount", account, "pending")),
        balance=quantity(client.call("eth_getBalance", account, "latest")),
    )
    pending = fetch_object(client, "eth_getBlockByNumber", "pending", False)
    chosen = tuple(str(name) for name in as_list(pending.get("transactions")))
    return explain_waiting(found, sender, Market(quantity(pending.get("baseFeePerGas")), chosen), sent=sent)


@why_command.command("peer")
@click.argument("peer")
@rpc_option
@json_option
def why_peer(peer: str, rpc: str, as_json: bool) -> None:
    """Explain how the node stands with PEER, an id or its beginning: at which step links failed."""
    client = RpcClient(rpc)
    wanted = peer.lower().removeprefix("0x")
    if len(wanted) != PEER_CHARACTERS:
        known = [str(node["id"]) for node in fetch_map(client)[0]]
        matching = [name for name in known if wanted and name.startswith(wanted)]
        if not matching:
            raise NotFound(f"no peer on the map begins with {peer!r}")
        if len(matching) > 1:
            raise NotFound(f"{len(matching)} peers on the map begin with {peer!r}: give more of the id")
        wanted = matching[0]
    why = fetch_object(client, "mappemonde_whyPeer", wanted)
    if as_json:
        click.echo(json.dumps(why, indent=2))
        return
    click.echo(f"peer      {why['id']}")
    click.echo(f"link      {why['linked'] or 'none'}")
    click.echo(
        f"map       {'on it' if why['onMap'] else 'no live record'}, {'a' if why['reachable'] else 'no'} way to it"
    )
    for state in ("banned", "quarantined"):
        if why[state]:
            click.echo(f"state     {state}")
    for attempt in objects_of(why["attempts"]):
        way = "asked it" if attempt["direction"] == "out" else "was asked"
        ended = "link came up" if attempt["step"] == "up" else f"failed at {attempt['step']}: {attempt['reason']}"
        click.echo(f"{when(attempt['ended'])}  {attempt['kind']}, {way}, {ended}")
