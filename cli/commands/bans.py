"""`bans` and `unban`: whom a node keeps away; for its operator, who can read the node's token."""

import json
from pathlib import Path

import click

from chain.primitives.errors import ConfigError, NodeError
from cli.commands.network import objects_of
from cli.commands.options import json_option, place_of, place_options, rpc_option
from cli.datadir import read_token
from cli.exit_codes import ExitCode
from cli.rpc_client import RpcClient
from cli.texts import when


class NotBanned(NodeError):
    """There is no ban to lift."""

    exit_code = ExitCode.REFUSED


def _token_options(command: click.decorators.FC) -> click.decorators.FC:
    token = click.option(
        "--token-file",
        type=click.Path(path_type=Path),
        help="File of the node's admin token (default: rpc.token in the data directory).",
    )
    return place_options(token(command))


def _client(rpc: str, token_file: Path | None, datadir: str, network: str) -> RpcClient:
    """Return a client with the operator's token. Raises `ConfigError` when it cannot be read."""
    return RpcClient(rpc, token=read_token(token_file or place_of(datadir, network).token_file))


@click.command("bans")
@rpc_option
@_token_options
@json_option
def bans_command(rpc: str, token_file: Path | None, datadir: str, network: str, as_json: bool) -> None:
    """Show which peers a node keeps away, why and until when."""
    bans = objects_of(_client(rpc, token_file, datadir, network).call("mappemonde_bans"))
    if as_json:
        click.echo(json.dumps(bans, indent=2))
    elif not bans:
        click.echo("nobody is banned")
    for ban in [] if as_json else bans:
        click.echo(f"{ban['id']}  until {when(ban['until'])}  {ban['reason']}")


@click.command("unban")
@click.argument("peer")
@rpc_option
@_token_options
@json_option
def unban_command(peer: str, rpc: str, token_file: Path | None, datadir: str, network: str, as_json: bool) -> None:
    """Lift the ban of PEER: its id, or the beginning of it as `bans` shows it."""
    client = _client(rpc, token_file, datadir, network)
    wanted = peer.lower().removeprefix("0x")
    found = [str(ban["id"]) for ban in objects_of(client.call("mappemonde_bans"))]
    matching = [name for name in found if name.startswith(wanted)] if wanted else []
    if len(matching) > 1:
        raise ConfigError(f"{peer} is the beginning of {len(matching)} banned ids: give more of it")
    if not matching or client.call("mappemonde_unban", matching[0]) is not True:
        raise NotBanned(f"{peer} is not banned")
    click.echo(json.dumps({"unbanned": matching[0]}) if as_json else f"{matching[0]} is no longer banned")
