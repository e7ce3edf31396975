"""`backup`: a complete copy of a stopped node's data directory."""

import json
from pathlib import Path

import click

from cli.commands.options import database_of, json_option, place_of, place_options
from cli.commands.progress_line import clear_line, show_line

NEVER_BOTH = (
    "Start it in place of the original, never beside it: of two nodes with one identity one stops (exit code 7), and "
    "when both have signed the same moment the network expels the identity for up to two weeks"
)
"""What whoever restores a backup must know."""


@click.command("backup")
@click.argument("destination", type=click.Path(path_type=Path))
@place_options
@json_option
def backup_command(destination: Path, datadir: str, network: str, as_json: bool) -> None:
    """Copy the data directory of a stopped node to DESTINATION, from which a node can be started again.

    The copy holds everything: the identity, the database with chain, map, bans, addresses of other nodes and waiting
    transactions, the RPC's token, and validator keys that lie in the directory. Wallets, settings and keys kept
    elsewhere are not in it. DESTINATION appears when every byte has been read back; one that exists is kept. Only its
    owner can read it: it holds secrets.

    Restore by naming it: `mappemonde run --datadir DESTINATION`. Never run it beside the original: the network expels
    an identity that two nodes use. docs/operator.md tells what else to know.
    """
    from chain.genesis import load_genesis
    from cli.backup.contents import secrets_of
    from cli.backup.copying import back_up
    from cli.datadir import user_path

    database_of(datadir, network)
    place = place_of(datadir, network)
    try:
        done = back_up(place, destination, load_genesis(network).params, _show)
    finally:
        clear_line()
    target = user_path(destination).absolute()
    secrets = secrets_of(place, done.contents)
    if as_json:
        told = {
            "backup": str(target),
            "network": network,
            "head": done.head_height,
            "headHash": "0x" + done.head_id.hex(),
            "files": len(done.contents.files),
            "bytes": done.contents.size,
            "secrets": secrets,
        }
        click.echo(json.dumps(told, indent=2))
        return
    click.echo(
        f"{target}: {len(done.contents.files)} files, {done.contents.size / 1e6:.1f} MB, read back and compared; "
        f"{network} at block {done.head_height}"
    )
    for file, what in secrets.items():
        # Names are bytes on this disk: one that is no text, or has control characters, is told in escapes.
        click.echo(f"  secret: {file if file.isprintable() else ascii(file)} ({what})")
    click.echo("Not in it: wallets, settings and keys outside the data directory.")
    click.echo(f"{NEVER_BOTH}.")


def _show(done: int, total: int) -> None:
    show_line(f"{done / 1e6:.0f} of {total / 1e6:.0f} MB")
