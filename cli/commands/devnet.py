"""`devnet`: a network of node processes on this machine, with a live table."""

import json
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from cli.commands.options import json_option
from cli.devnet.plan import MAX_NODES, MINERS, NodePlan

if TYPE_CHECKING:
    from chain.params import ChainParams
    from cli.devnet.supervisor import Supervisor

MNEMONIC = "test test test test test test test test test test test junk"
"""The developers' mnemonic of Hardhat and Foundry; its accounts are prefunded on the devnet and nowhere else."""


@click.command("devnet")
@click.option(
    "--nodes", type=click.IntRange(1, MAX_NODES), default=4, show_default=True, help="Node processes to start."
)
@click.option("--fresh", is_flag=True, help="Forget the chain of the last devnet and start anew.")
@click.option(
    "--datadir", type=click.Path(path_type=Path), help="Directory of the devnet (default: under the user's data)."
)
@click.option(
    "--port-offset", type=click.IntRange(0, 50_000), default=0, show_default=True, help="Added to every port."
)
@json_option
def devnet_command(nodes: int, fresh: bool, datadir: Path | None, port_offset: int, as_json: bool) -> None:
    """Run a network of nodes on this machine: two mine, all of them answer wallets; of six or more, three stake.

    Node i listens on RPC port 8545 + 10 i, metrics port 9469 + 10 i and rendezvous port 6369 + 10 i. The accounts of
    the well-known mnemonic "test test ... junk" hold 10,000 coins each. Ctrl-C stops all nodes; the next start
    continues the same chain, --fresh starts a new one.

    With --json each line is an object: first, once the network answers, its nodes and accounts, then each block.
    """
    from chain.genesis import load_genesis
    from cli.clock import wall_millis
    from cli.datadir import default_datadir, load_identity, make_datadir, user_path
    from cli.devnet.plan import plan_devnet
    from cli.devnet.stakes import make_key
    from cli.devnet.supervisor import Supervisor, prepare_directory

    root = default_datadir("devnet").root if datadir is None else user_path(datadir)
    click.get_current_context().with_resource(prepare_directory(root, fresh=fresh))
    genesis = load_genesis("devnet")
    accounts = [f"0x{address.hex()}" for address in genesis.allocations]
    plans = plan_devnet(root, nodes, port_offset, tuple(accounts[-MINERS:]))
    identity = load_identity(make_datadir(str(plans[0].datadir), "devnet"), genesis.params, wall_millis(), lambda: None)
    for plan in plans:
        if plan.stake is not None:
            make_key(plan.stake)
    supervisor = Supervisor(plans)
    supervisor.check_ports()
    stopping = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    click.echo(f"starting {nodes} nodes in {root} ...", err=as_json)
    try:
        supervisor.start(f"ws://{identity.peer.hex()}@127.0.0.1:{plans[0].rendezvous_port}", stopping)
        if not stopping.is_set():
            _introduce(plans, accounts, as_json=as_json)
            _deposit(plans, as_json=as_json)
            _watch(supervisor, genesis.params, stopping, as_json=as_json)
    finally:
        try:
            click.echo("stopping ...", err=as_json)
        finally:  # nobody may be there to read it: `devnet | head`
            clean = supervisor.stop()
        if as_json:
            click.echo(json.dumps({"event": "stopped", "clean": clean}))
        elif clean:
            click.echo("all nodes have stopped; the next `mappemonde devnet` goes on from here")
        else:
            click.echo("killed a node")


def _watch(supervisor: "Supervisor", params: "ChainParams", stopping: threading.Event, *, as_json: bool) -> None:
    from cli.devnet.earnings import Earnings
    from cli.devnet.lines import say_addresses, say_json, say_text, watch_lines
    from cli.devnet.table import watch_table

    earnings = Earnings(supervisor.plans, params)
    if as_json:
        watch_lines(supervisor, earnings, stopping, say_json)
    elif sys.stdout.isatty():
        watch_table(supervisor, earnings, params, stopping)
    else:
        say_addresses(supervisor.plans)
        watch_lines(supervisor, earnings, stopping, say_text)


def _deposit(plans: tuple[NodePlan, ...], *, as_json: bool) -> None:
    """Make the stakers' deposits through node 0, as anybody could."""
    from cli.devnet.stakes import deposit_stake
    from cli.rpc_client import RpcClient
    from cli.wallet.amounts import format_coins

    client = RpcClient(plans[0].rpc_url)
    for plan in plans:
        if plan.stake is not None and (owner := deposit_stake(client, plan.stake, MNEMONIC)) is not None:
            click.echo(f"node {plan.index} stakes {format_coins(plan.stake.stake)} of {owner}", err=as_json)


def _introduce(plans: tuple[NodePlan, ...], accounts: list[str], *, as_json: bool) -> None:
    from cli.devnet.lines import say_ready
    from cli.rpc_client import RpcClient

    rpc_url = plans[0].rpc_url
    chain_id = RpcClient(rpc_url).number("eth_chainId")
    if as_json:
        say_ready(plans, chain_id=chain_id, mnemonic=MNEMONIC, accounts=accounts)
        return
    click.echo(f"chain id {chain_id}; funded accounts of the mnemonic `{MNEMONIC}`:")
    for index, address in enumerate(accounts):
        click.echo(f"  {index}  {address}")
    click.echo("try  cast balance " + accounts[0] + f" --rpc-url {rpc_url}\n")
