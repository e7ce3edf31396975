"""Options that many commands share, in one spelling."""

from pathlib import Path

import click

from chain.primitives.errors import StorageError
from cli.config import ENVIRONMENT_PREFIX, NETWORKS
from cli.datadir import DataDir, default_datadir, user_path

rpc_option = click.option(
    "--rpc",
    default="http://127.0.0.1:8545",
    show_default=True,
    envvar="MAPPEMONDE_RPC",
    help="Address of the node's RPC.",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")


def place_options(command: click.decorators.FC) -> click.decorators.FC:
    """Give a command `--network` and `--datadir`, which `place_of` makes a directory of.

    Both are read from the environment as the node's settings are, so that `run` and these commands mean one node.
    """
    datadir = click.option(
        "--datadir",
        default="",
        envvar=f"{ENVIRONMENT_PREFIX}DATADIR",
        help="Data directory of the node (default: the network's).",
    )
    network = click.option(
        "--network",
        type=click.Choice(NETWORKS),
        default="mainnet",
        envvar=f"{ENVIRONMENT_PREFIX}NETWORK",
        show_default=True,
        help="Network of the node.",
    )
    return network(datadir(command))


def place_of(datadir: str, network: str) -> DataDir:
    """Return a node's data directory: the one named, or its network's."""
    return DataDir(user_path(datadir)) if datadir else default_datadir(network)


def database_of(datadir: str, network: str) -> Path:
    """Return a node's database directory. Raises `StorageError` if there is none: opening would make one."""
    place = place_of(datadir, network)
    if not place.database.is_dir():
        raise StorageError(f"there is no database in {place.root}: name the node's --datadir and --network")
    return place.database
