"""`db` on a real LevelDB directory: clear results and exit codes, and nothing made by looking."""

import json
from pathlib import Path

from click.testing import CliRunner, Result

from chain.genesis import load_genesis
from chain.importer import Importer
from chain.primitives.errors import StorageError
from cli.main import cli
from storage import keys
from storage.chain_store import ChainStore
from storage.leveldb import open_level
from storage.migrations import claim
from tests.helpers.forge import FakeRules, Forge

GENESIS = load_genesis("devnet")
HEIGHT = 4


def run(root: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["db", *words, "--network", "devnet", "--datadir", str(root)])


def filled(root: Path) -> None:
    store, forge = open_level(root / "chain"), Forge(GENESIS)
    claim(store, GENESIS.params.network_id, GENESIS.params.name)
    importer = Importer(GENESIS.params, GENESIS, ChainStore(store), FakeRules())
    parent = forge.root
    for _ in range(HEIGHT):
        block = forge.block(parent)
        importer.add(block, block.arrived)
        parent = forge.chained(block)
    store.close()


def damage(root: Path, height: int) -> None:
    store = open_level(root / "chain")
    block_id = store.get(keys.height_key(height))
    assert block_id is not None
    store.write({}, [keys.RECEIPTS.prefix + block_id], durable=True)
    store.close()


def test_a_whole_database(tmp_path: Path) -> None:
    filled(tmp_path)
    verified = run(tmp_path, "verify")
    assert (verified.exit_code, verified.output) == (0, "5 blocks, 0 transactions, head 4: all is well\n")
    told = json.loads(run(tmp_path, "stats", "--json").output)
    assert told["tables"]["headers"]["entries"] == HEIGHT + 1
    assert told["bytesOnDisk"] > 0
    assert "canonical chain" in run(tmp_path, "stats").output


def test_a_damaged_one_is_told_and_repaired(tmp_path: Path) -> None:
    filled(tmp_path)
    damage(tmp_path, 3)
    verified = run(tmp_path, "verify")
    assert verified.exit_code == 3
    assert "block 3: receipts of" in verified.output
    assert "db repair" in verified.output
    assert json.loads(run(tmp_path, "verify", "--json").output)["faults"][0]["height"] == 3
    refused = CliRunner().invoke(cli, ["db", "repair", "--network", "devnet", "--datadir", str(tmp_path)], input="n\n")
    assert refused.exit_code == 1, "not without a word from the operator"
    repaired = run(tmp_path, "repair", "--yes")
    assert repaired.output == "the chain is whole up to block 2; 2 blocks above or beside it were removed\n"
    assert run(tmp_path, "verify").exit_code == 0


def test_looking_makes_nothing(tmp_path: Path) -> None:
    for command in ("stats", "verify", "compact", "repair"):
        result = run(tmp_path / "nowhere", command)
        assert isinstance(result.exception, StorageError)
        assert "there is no database" in str(result.exception)
    assert not (tmp_path / "nowhere").exists()


def test_a_database_in_use_and_one_of_another_network_are_refused(tmp_path: Path) -> None:
    filled(tmp_path)
    other = CliRunner().invoke(cli, ["db", "verify", "--network", "testnet", "--datadir", str(tmp_path)])
    assert "belongs to network devnet" in str(other.exception)
    store = open_level(tmp_path / "chain")
    assert "in use" in str(run(tmp_path, "verify").exception)
    store.close()


def test_compacting_keeps_all_there_is(tmp_path: Path) -> None:
    filled(tmp_path)
    told = json.loads(run(tmp_path, "compact", "--json").output)
    assert 0 < told["bytesAfter"] <= told["bytesBefore"]
    assert run(tmp_path, "compact").output.endswith(" MB after\n")
    assert run(tmp_path, "verify").output == "5 blocks, 0 transactions, head 4: all is well\n"
    other = CliRunner().invoke(cli, ["db", "compact", "--network", "testnet", "--datadir", str(tmp_path)])
    assert "belongs to network devnet" in str(other.exception)
