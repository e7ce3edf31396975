"""`export` and `import`: the chain of a stopped node as a file, and back through every check."""

import json
import os
import secrets
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from chain.primitives.errors import ConfigError, StorageError
from cli.commands.options import database_of, json_option, place_options
from cli.commands.progress_line import clear_line, show_line


@click.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--from", "first", type=click.IntRange(1), default=1, show_default=True, help="First block.")
@click.option("--to", "last", type=click.IntRange(1), help="Last block (default: the head).")
@place_options
@json_option
def export_command(file: Path, first: int, last: int | None, datadir: str, network: str, as_json: bool) -> None:
    """Write the chain of a stopped node into FILE, for `import` on another machine or as a copy to keep.

    FILE appears when it is whole; one that exists is kept.
    """
    from chain.genesis import load_genesis
    from cli.chain_file.pace import Pace
    from cli.chain_file.writing import export_blocks
    from storage.chain_store import ChainStore
    from storage.leveldb import open_level
    from storage.migrations import claim

    database = database_of(datadir, network)
    if file.exists():
        raise ConfigError(f"{file} exists; nothing was overwritten")
    params = load_genesis(network).params
    part = file.with_name(f"{file.name}.{secrets.token_hex(4)}.part")
    store = open_level(database)
    try:
        claim(store, params.network_id, params.name)
        pace = Pace(time.monotonic, show_line)
        with part.open("xb") as out:
            count = export_blocks(ChainStore(store), params.network_id, out, first=first, last=last, progress=pace)
            out.flush()
            os.fsync(out.fileno())
        part.rename(file)
    except OSError as error:
        raise StorageError(f"cannot write {part}: {error.strerror}") from None
    finally:
        store.close()
        part.unlink(missing_ok=True)
        clear_line()
    size = file.stat().st_size
    if as_json:
        click.echo(json.dumps({"file": str(file), "blocks": count, "first": first, "bytes": size}))
    else:
        click.echo(f"{count} blocks from {first} on, {size / 1e6:.1f} MB: {file}")


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@place_options
@json_option
def import_command(file: Path, datadir: str, network: str, as_json: bool) -> None:
    """Take the blocks of FILE into a stopped node's chain; each is checked as if a stranger had sent it.

    Blocks that are there are passed over, so an import that was interrupted goes on when it is started again. It ends
    at the first block that is not valid, and keeps those before it.
    """
    from chain.genesis import load_genesis
    from chain.importer import Importer
    from cli.chain_file.pace import Pace
    from cli.chain_file.reading import BlockReader
    from cli.chain_file.stream import read_blocks
    from cli.clock import wall_millis
    from cli.datadir import make_datadir
    from consensus.rules import ConsensusRules
    from storage.chain_store import ChainStore
    from storage.leveldb import open_level
    from storage.migrations import claim

    place = make_datadir(datadir, network)
    genesis = load_genesis(network)
    rules = ConsensusRules(genesis.params)
    found = file.stat()
    total = found.st_size if stat.S_ISREG(found.st_mode) else None  # a pipe has no size
    store = open_level(place.database)
    pool = ThreadPoolExecutor(os.cpu_count() or 1, "checks")
    try:
        claim(store, genesis.params.network_id, genesis.params.name)
        chain = ChainStore(store)
        importer = Importer(genesis.params, genesis, chain, rules)
        reader = BlockReader(genesis.params, importer, chain, rules, pool, wall_millis)
        pace = Pace(time.monotonic, show_line)
        with file.open("rb") as blocks:
            taken = reader.take(
                read_blocks(blocks, genesis.params),
                lambda count: pace(count, None if total is None else blocks.tell() / total),
            )
    except OSError as error:
        raise StorageError(f"cannot read {file}: {error.strerror}") from None
    finally:
        pool.shutdown(cancel_futures=True)
        store.close()
        clear_line()
    if as_json:
        click.echo(json.dumps({"imported": taken.imported, "known": taken.known, "head": taken.head}))
    else:
        click.echo(f"{taken.imported} blocks imported, {taken.known} were there; head {taken.head}")
