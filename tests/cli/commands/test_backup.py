"""`backup` as an operator uses it: what it prints, and a copy that every other command takes for the original."""

import json
import os
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from chain.primitives.errors import ConfigError, StorageError
from cli.main import cli
from cli.private_files import write_private
from storage.leveldb import open_level
from tests.helpers.chain_builder import ChainBuilder
from tests.helpers.grown_devnet import fill, payments

HEIGHT = 5


def run(root: Path, *words: str, network: str = "devnet") -> Result:
    return CliRunner().invoke(cli, [*words, "--network", network, "--datadir", str(root)])


@pytest.fixture
def node(tmp_path: Path) -> Path:
    root = tmp_path / "node"
    builder = ChainBuilder()
    fill(root, builder, payments(builder, HEIGHT))
    assert run(root, "init").exit_code == 0
    return root


def test_the_copy_is_a_node(node: Path, tmp_path: Path) -> None:
    done = json.loads(run(node, "backup", str(tmp_path / "copy"), "--json").output)
    assert (done["backup"], done["network"], done["head"]) == (str(tmp_path / "copy"), "devnet", HEIGHT)
    assert done["files"] > 3
    assert done["bytes"] > 10_000
    assert list(done["secrets"]) == ["identity.key"]
    copy = tmp_path / "copy"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o700
    for words in (("init", "--json"), ("db", "verify"), ("supply",)):
        ours, theirs = run(node, *words), run(copy, *words)
        assert ours.exit_code == theirs.exit_code == 0
        assert ours.output.replace(str(node), "") == theirs.output.replace(str(copy), "")


def test_people_are_told_what_is_secret_and_never_to_run_both(node: Path, tmp_path: Path) -> None:
    output = run(node, "backup", str(tmp_path / "copy")).output
    assert "devnet at block 5" in output
    assert "secret: identity.key (the node's identity" in output
    assert "Not in it: wallets" in output
    assert "never beside it" in output
    assert "Never run it beside the original" in " ".join(run(node, "backup", "--help").output.split())


def test_any_name_of_a_secret_is_shown_on_one_line(node: Path, tmp_path: Path) -> None:
    for name in (b"latin-\xe9.key", b"two\nlines"):
        write_private(node / os.fsdecode(name), b"secret")
    done = run(node, "backup", str(tmp_path / "copy"))
    assert done.exit_code == 0, done.exception
    assert "  secret: 'latin-\\udce9.key' (readable by its owner alone)\n" in done.output
    assert "  secret: 'two\\nlines' (readable by its owner alone)\n" in done.output


def test_what_cannot_be_done_is_said_in_one_line(node: Path, tmp_path: Path) -> None:
    target = str(tmp_path / "copy")
    store = open_level(node / "chain")
    used = run(node, "backup", target)
    store.close()
    assert isinstance(used.exception, StorageError)
    assert "in use" in str(used.exception)
    nowhere = run(tmp_path / "nowhere", "backup", target)
    assert "there is no database" in str(nowhere.exception)
    assert not (tmp_path / "nowhere").exists()
    assert "belongs to network devnet" in str(run(node, "backup", target, network="testnet").exception)
    again = run(node, "backup", str(node))
    assert isinstance(again.exception, ConfigError)
    assert not list(tmp_path.glob("copy*"))
