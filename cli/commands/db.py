"""`db`: what to do with a stopped node's database: count it, look through it, tidy it, save what can be saved."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import click

from cli.commands.options import database_of, json_option, place_options
from cli.commands.progress_line import clear_line, show_line
from cli.exit_codes import ExitCode


@click.group("db")
def db_command() -> None:
    """Count, verify, prune, compact or repair the database of a stopped node."""


def _bytes_on_disk(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


@db_command.command("stats")
@place_options
@json_option
def stats(datadir: str, network: str, as_json: bool) -> None:
    """Count entries and bytes of every table; reads the whole database."""
    from storage.chain_store import ChainStore
    from storage.keys import SCHEMA_VERSION
    from storage.leveldb import open_level
    from storage.verify import sizes

    path = database_of(datadir, network)
    store = open_level(path)
    try:
        found = sizes(store)
        floor = ChainStore(store).state_floor()
    finally:
        store.close()
    on_disk = _bytes_on_disk(path)
    if as_json:
        tables = {
            size.table.name: {"entries": size.entries, "keyBytes": size.key_bytes, "valueBytes": size.value_bytes}
            for size in found
        }
        told = {
            "path": str(path),
            "schemaVersion": SCHEMA_VERSION,
            "bytesOnDisk": on_disk,
            "stateFloor": floor,
            "tables": tables,
        }
        click.echo(json.dumps(told, indent=2))
        return
    states = f"states from block {floor} on" if floor else "all states"
    click.echo(f"{path}, schema version {SCHEMA_VERSION}, {on_disk / 1e6:.1f} MB on disk, {states}")
    click.echo(f"{'table':<24} {'entries':>10} {'bytes':>14} {'bytes each':>11}")
    for size in found:
        total = size.key_bytes + size.value_bytes
        click.echo(f"{size.table.name:<24} {size.entries:>10} {total:>14} {total / max(1, size.entries):>11.0f}")


@db_command.command("verify")
@place_options
@json_option
def verify(datadir: str, network: str, as_json: bool) -> None:
    """Walk the canonical chain: headers link, bodies and receipts match their roots, the head's state is whole.

    Nothing is changed. Exit code 0: all is well; 3: the faults are listed.
    """
    from chain.genesis import load_genesis
    from storage.leveldb import open_level
    from storage.verify import verify as walk

    path = database_of(datadir, network)
    genesis = load_genesis(network)
    store = open_level(path)
    try:
        found = walk(store, genesis.chained.id, genesis.params, _progress())
    finally:
        store.close()
    if as_json:
        faults = [{"height": fault.height, "text": fault.text} for fault in found.faults]
        told = {"head": found.head_height, "blocks": found.blocks, "transactions": found.transactions, "faults": faults}
        click.echo(json.dumps(told, indent=2))
    else:
        for fault in found.faults:
            click.echo(f"block {fault.height}: {fault.text}")
        click.echo(
            f"{found.blocks} blocks, {found.transactions} transactions, head {found.head_height}: "
            f"{_verdict(len(found.faults))}"
        )
    if found.faults:
        raise click.exceptions.Exit(ExitCode.STORAGE)


def _verdict(faults: int) -> str:
    if not faults:
        return "all is well"
    return f"{faults} faults; make a copy of the directory, then run `mappemonde db repair`"


def _progress() -> Callable[[int, int], None]:
    """Return what shows how far the walk is, on a terminal alone."""
    if not sys.stderr.isatty():
        return lambda _height, _head: None

    def show(height: int, head: int) -> None:
        if height % 100 == 0 or height == head:
            click.echo(f"\r{height} of {head} blocks" + ("\n" if height == head else ""), nl=False, err=True)

    return show


@db_command.command("prune")
@place_options
@click.option(
    "--keep",
    type=click.IntRange(1),
    metavar="BLOCKS",
    help="Blocks below the head whose states stay, at least 128 (default: as long as stake is bound; mainnet: a week).",
)
@click.option("--dry-run", is_flag=True, help="Count what would be removed and remove nothing.")
@json_option
def prune(datadir: str, network: str, keep: int | None, dry_run: bool, as_json: bool) -> None:
    """Remove the states and side blocks that the node does not need any more, and compact what stays.

    All headers, bodies and receipts of the chain stay. Removed states come back with a new sync alone: RPC calls about
    accounts at older blocks get an error, and the node follows no branch that forks off below the states it has.
    Interrupted, the same command goes on.
    """
    from chain.genesis import load_genesis
    from consensus.rules import ConsensusRules
    from storage.leveldb import open_level
    from storage.prune import default_keep
    from storage.prune import prune as remove

    path = database_of(datadir, network)
    params = load_genesis(network).params
    before = _bytes_on_disk(path)
    wanted = default_keep(params) if keep is None else keep
    store = open_level(path)
    try:
        done = remove(store, params, ConsensusRules(params), keep=wanted, dry_run=dry_run, progress=show_line)
        if done.state_floor and not dry_run:
            show_line("compacting")
            store.compact()
    finally:
        store.close()
        clear_line()
    after = _bytes_on_disk(path)
    if as_json:
        told = {
            "path": str(path),
            "dryRun": dry_run,
            "head": done.head_height,
            "stateFloor": done.state_floor,
            "keptStates": done.kept_states,
            "keptNodes": done.kept_nodes,
            "removedNodes": done.removed_nodes,
            "removedBlocks": done.removed_blocks,
            "removedBytes": done.removed_bytes,
            "bytesBefore": before,
            "bytesAfter": after,
        }
        click.echo(json.dumps(told))
        return
    if not done.state_floor:
        click.echo(f"nothing to remove: the states of all {done.head_height + 1} blocks are to be kept")
        return
    removed = "would be removed" if dry_run else "removed"
    click.echo(
        f"states from block {done.state_floor} to the head {done.head_height} stay; {removed}: {done.removed_nodes} "
        f"trie nodes and {done.removed_blocks} side blocks, {done.removed_bytes / 1e6:.1f} MB before compression"
    )
    if not dry_run:
        click.echo(f"{path}: {before / 1e6:.1f} MB before, {after / 1e6:.1f} MB after")


@db_command.command("compact")
@place_options
@json_option
def compact(datadir: str, network: str, as_json: bool) -> None:
    """Rewrite the database without what was replaced or deleted: smaller, and quicker to read.

    LevelDB does the same bit by bit while the node runs; this does all of it at once.
    """
    from chain.genesis import load_genesis
    from storage.leveldb import open_level
    from storage.migrations import claim

    path = database_of(datadir, network)
    params = load_genesis(network).params
    before = _bytes_on_disk(path)
    store = open_level(path)
    try:
        claim(store, params.network_id, params.name)
        store.compact()
    finally:
        store.close()
    after = _bytes_on_disk(path)
    if as_json:
        click.echo(json.dumps({"path": str(path), "bytesBefore": before, "bytesAfter": after}))
    else:
        click.echo(f"{path}: {before / 1e6:.1f} MB before, {after / 1e6:.1f} MB after")


@db_command.command("repair")
@place_options
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def repair(datadir: str, network: str, yes: bool, as_json: bool) -> None:
    """Save what can be saved of a damaged database; make a copy of the directory first.

    The chain is cut back to its last whole block and the node syncs the rest again.
    """
    from chain.genesis import load_genesis
    from storage.repair import repair as salvage

    path = database_of(datadir, network)
    if not yes:
        click.confirm(f"Repair {path}? What cannot be read is removed; have you made a copy", abort=True, err=True)
    genesis = load_genesis(network)
    done = salvage(path, genesis.chained.id, genesis.params)
    if as_json:
        click.echo(json.dumps({"head": done.head_height, "removedBlocks": done.removed_blocks}))
    else:
        click.echo(
            f"the chain is whole up to block {done.head_height}; "
            f"{done.removed_blocks} blocks above or beside it were removed"
        )
