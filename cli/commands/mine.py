"""`mine`: hash for a node from another process, or another machine."""

import socket
import sys

import click

from chain.primitives.errors import ConfigError
from cli.commands.options import rpc_option

LOG_EVERY = 10
"""Seconds between two lines of counters where no terminal shows a live one."""


@click.command("mine")
@rpc_option
@click.option("--worker", default="", help="Name for the share account at the node (default: this machine's name).")
@click.option(
    "--threads", type=click.IntRange(0, 1024), default=0, show_default=True, help="Hashing threads; 0: all cores."
)
@click.option(
    "--rate", type=click.IntRange(0), default=0, show_default=True, help="Most hashes a second in all; 0: no limit."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines for scripts.")
def mine_command(rpc: str, worker: str, threads: int, rate: int, as_json: bool) -> None:
    """Hash for a node that was started with --reward-address; all that is needed of it is its RPC.

    Any number of miners work through one node, which counts their shares by worker (`mappemonde_mining`) and puts its
    own reward address into the blocks. Work that a new block makes stale is dropped at once; when the node is away,
    the miner calls again until it is back. Ctrl-C ends it.
    """
    import uvloop

    from cli.mining_client.driver import mine
    from cli.mining_client.report import JsonReporter, Reporter, TextReporter
    from consensus.shares import MAX_WORKER_NAME

    name = worker or socket.gethostname()[:MAX_WORKER_NAME]
    if len(name) > MAX_WORKER_NAME or not name.isprintable():
        raise ConfigError(f"--worker must have at most {MAX_WORKER_NAME} printable characters")

    def write(text: str) -> None:
        click.echo(text, nl=False)

    reporter: Reporter
    if as_json:
        reporter = JsonReporter(write, status_every=LOG_EVERY)
    else:
        reporter = TextReporter(write, live=sys.stdout.isatty(), status_every=LOG_EVERY)
    uvloop.run(mine(rpc, name, threads, rate, reporter))
