"""`run` and `init`: a full node from its settings."""

import json
import os
from collections.abc import Callable
from dataclasses import Field
from pathlib import Path

import click

from cli.commands.options import json_option, place_options
from cli.config import ENVIRONMENT_PREFIX, SETTINGS, is_list, load_config

LIST_FLAGS = {
    "link_addresses": "link-address",
    "rpc_hosts": "rpc-host-name",
    "metrics_hosts": "metrics-host-name",
    "stake_keys": "stake-key",
}
"""Flags of settings that are lists, where the singular reads better."""


Handler = Callable[..., None]


def _option(setting: "Field[object]") -> Callable[[Handler], Handler]:
    """Return the click option of a setting; absent flags stay out, so that file and environment can speak."""
    metadata = setting.metadata
    text = metadata["text"] + (f" [{metadata['unit']}]" if metadata["unit"] else "")
    flag = "--" + LIST_FLAGS.get(setting.name, setting.name.replace("_", "-"))
    if isinstance(setting.default, bool):
        return click.option(f"{flag}/--no-{flag[2:]}", setting.name, default=None, help=text)
    if is_list(setting):
        return click.option(flag, setting.name, multiple=True, help=text)
    shown = f"  (default: {setting.default})" if setting.default not in ("", 0) else ""
    if metadata["choices"]:
        return click.option(flag, setting.name, type=click.Choice(metadata["choices"]), help=text + shown)
    kind = int if isinstance(setting.default, int) else str
    return click.option(flag, setting.name, type=kind, metavar=kind.__name__.upper(), help=text + shown)


def node_options(command: Handler) -> Handler:
    """Give a command's function one option per setting of a node."""
    for setting in reversed(SETTINGS):
        command = _option(setting)(command)
    return command


@click.command(
    "run", epilog=f"Every setting can stand in the file or in the environment, as {ENVIRONMENT_PREFIX}RPC_PORT."
)
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="TOML file of settings.")
@click.option("--stop-with-parent", is_flag=True, hidden=True, help="Stop when standard input closes.")
@click.option("--json", "as_json", is_flag=True, help="Log in JSON, as --log-format json.")
@node_options
def run_command(config_file: Path | None, stop_with_parent: bool, as_json: bool, **flags: object) -> None:
    """Run a full node until Ctrl-C or SIGTERM.

    The node keeps its chain and its identity in its data directory, links to its neighbours over WebRTC, and answers
    wallets over JSON-RPC at http://127.0.0.1:8545.
    """
    from cli.logs import set_up_logs
    from cli.node import run_node

    given = {name: value for name, value in flags.items() if value not in (None, ())}
    if as_json:
        given["log_format"] = "json"
    config = load_config(config_file, os.environ, given)
    set_up_logs(config.log_level, config.log_format)
    run_node(config, stop_with_parent=stop_with_parent)


@click.command("init")
@place_options
@json_option
def init_command(network: str, datadir: str, as_json: bool) -> None:
    """Make a data directory with a new identity, and print its peer id.

    The identity's proof of work takes about two minutes on mainnet and no time elsewhere. `run` does the same when
    the directory is not there yet. An identity that exists is kept.
    """
    from chain.genesis import load_genesis
    from cli.clock import wall_millis
    from cli.datadir import load_identity, make_datadir

    place = make_datadir(datadir, network)
    genesis = load_genesis(network)
    identity = load_identity(
        place, genesis.params, wall_millis(), lambda: click.echo("searching the identity's proof of work...", err=True)
    )
    if as_json:
        click.echo(json.dumps({"network": network, "datadir": str(place.root), "peerId": identity.peer.hex()}))
    else:
        click.echo(f"{identity.peer.hex()}\n{network} node in {place.root}")
