"""`supply`: the audit of all coins."""

import json
from pathlib import Path

import click

from cli.commands.options import json_option, rpc_option
from cli.commands.progress_line import clear_line, show_line

TOLD_EVERY = 64
"""Blocks between two updates of the progress line."""


@click.command("supply")
@rpc_option
@click.option("--datadir", type=click.Path(path_type=Path), help="Audit a stopped node's database instead.")
@click.option("--network", type=click.Choice(("mainnet", "testnet", "devnet")), help="Network of the chain.")
@json_option
def supply_command(rpc: str, datadir: Path | None, network: str | None, as_json: bool) -> None:
    """Recompute all coins from block 0 on: issued = premine + subsidies + ticket rewards, total = issued - burnt.

    The sums are made from headers, tickets, transactions and receipts, whose hashes are checked, and compared to the
    wei with all balances of the state, the registry's count, and the node's own record. Any difference is an error
    (exit code 6). With --datadir every account of the state is summed, whether a block names it or not.
    """
    from chain.genesis import load_genesis
    from cli.audit.findings import Findings

    findings: Findings
    if datadir is not None:
        from cli.audit.from_database import audit_database
        from cli.datadir import DataDir, user_path
        from storage.chain_store import ChainStore
        from storage.leveldb import open_level
        from storage.migrations import claim

        if network is None:
            raise click.UsageError("--datadir needs --network")
        place = DataDir(user_path(datadir)).database
        if not place.is_dir():
            raise click.UsageError(f"there is no database in {datadir}")
        genesis = load_genesis(network)
        store = open_level(place)
        try:
            claim(store, genesis.params.network_id, genesis.params.name)
            findings = audit_database(ChainStore(store), genesis, _progress)
        finally:
            store.close()
    else:
        from cli.audit.over_rpc import audit_over_rpc
        from cli.rpc_client import RpcClient
        from cli.wallet.transactions import check_chain, network_of

        client = RpcClient(rpc)
        genesis = load_genesis(network_of(check_chain(client, network)))
        findings = audit_over_rpc(client, genesis, _progress)
    clear_line()
    if as_json:
        click.echo(json.dumps(findings.as_json()))
        return
    for line in findings.lines():
        click.echo(line)


def _progress(height: int, end: int) -> None:
    if height % TOLD_EVERY == 0 or height == end:
        show_line(f"block {height} of {end}")
