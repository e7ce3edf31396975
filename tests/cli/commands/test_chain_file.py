"""`export` and `import` on real databases: a copy is whole, a broken file is refused where it breaks."""

import json
import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from chain.block import Block, encode_block
from chain.importer import Importer
from chain.primitives.errors import ConfigError, Malformed, StorageError
from chain.primitives.units import COIN, ZERO_HASH
from chain.rules import Rule
from cli.chain_file.reading import BlockRefused
from cli.chain_file.stream import write_block, write_head
from cli.main import cli
from storage.chain_store import ChainStore
from storage.leveldb import open_level
from storage.migrations import claim
from tests.helpers.chain_builder import Built, ChainBuilder
from tests.helpers.transactions import DEVNET_KEYS, address_of_key, key_of, sign

HEIGHT = 6


def run(root: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, [*words, "--network", "devnet", "--datadir", str(root)])


@pytest.fixture(scope="module")
def chain() -> tuple[ChainBuilder, list[Built]]:
    builder = ChainBuilder()
    paid = sign(DEVNET_KEYS[0], to=address_of_key(key_of(77)), value=COIN)
    first = builder.extend(None, [paid])
    return builder, [first, *builder.chain(HEIGHT - 1, first.chained)]


@pytest.fixture
def filled(tmp_path: Path, chain: tuple[ChainBuilder, list[Built]]) -> Path:
    builder, blocks = chain
    root = tmp_path / "node"
    store = open_level(root / "chain")
    claim(store, builder.params.network_id, builder.params.name)
    importer = Importer(builder.params, builder.genesis, ChainStore(store), builder.rules)
    for built in blocks:
        importer.add(built.verified(), built.chained.time)
    store.close()
    return root


def head_of(root: Path) -> object:
    return json.loads(run(root, "db", "verify", "--json").output)["head"]


@pytest.mark.slow
def test_a_chain_goes_out_and_comes_in_again(filled: Path, tmp_path: Path) -> None:
    file, copy = tmp_path / "blocks", tmp_path / "copy"
    told = json.loads(run(filled, "export", str(file), "--json").output)
    assert (told["blocks"], told["first"], told["bytes"]) == (HEIGHT, 1, file.stat().st_size)
    assert not file.with_name("blocks.part").exists()
    assert run(copy, "import", str(file)).output == f"{HEIGHT} blocks imported, 0 were there; head {HEIGHT}\n"
    verified = json.loads(run(copy, "db", "verify", "--json").output)
    assert (verified["head"], verified["transactions"], verified["faults"]) == (HEIGHT, 1, [])
    again = json.loads(run(copy, "import", str(file), "--json").output)
    assert again == {"imported": 0, "known": HEIGHT, "head": HEIGHT}


@pytest.mark.slow
def test_a_file_beside_the_exported_one_is_left_alone(filled: Path, tmp_path: Path) -> None:
    file, mine = tmp_path / "blocks", tmp_path / "blocks.part"
    mine.write_text("mine")
    other = CliRunner().invoke(cli, ["export", str(file), "--network", "testnet", "--datadir", str(filled)])
    assert other.exit_code != 0
    assert run(filled, "export", str(file)).exit_code == 0
    assert mine.read_text() == "mine"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["blocks", "blocks.part", "node"]


@pytest.mark.slow
def test_blocks_come_in_through_a_pipe(filled: Path, tmp_path: Path) -> None:
    """As from `import <(zcat blocks.gz)`."""
    file, pipe = tmp_path / "blocks", tmp_path / "pipe"
    run(filled, "export", str(file))
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(file.read_bytes()))
    writer.start()
    taken = run(tmp_path / "copy", "import", str(pipe))
    writer.join()
    assert taken.output == f"{HEIGHT} blocks imported, 0 were there; head {HEIGHT}\n"


@pytest.mark.slow
def test_an_import_goes_on_where_it_stopped(filled: Path, tmp_path: Path) -> None:
    lower, upper, whole, copy = (tmp_path / name for name in ("lower", "upper", "whole", "copy"))
    assert run(filled, "export", str(lower), "--to", "2").exit_code == 0
    assert run(filled, "export", str(upper), "--from", "4").exit_code == 0
    assert run(filled, "export", str(whole)).exit_code == 0
    run(copy, "import", str(lower))
    gap = run(copy, "import", str(upper))
    assert isinstance(gap.exception, BlockRefused)
    assert str(gap.exception) == "block 4 of the file stands on a block that is not here: the head is 2"
    cut = tmp_path / "cut"
    cut.write_bytes(whole.read_bytes()[:-5])
    broken = run(copy, "import", str(cut))
    assert isinstance(broken.exception, Malformed)
    assert head_of(copy) == HEIGHT - 1, "what came before the cut is imported"
    assert json.loads(run(copy, "import", str(whole), "--json").output)["imported"] == 1


@pytest.mark.slow
def test_a_false_seal_and_a_false_body_stop_the_import(tmp_path: Path, chain: tuple[ChainBuilder, list[Built]]) -> None:
    builder, blocks = chain
    third = blocks[2].block
    claimed = Block(replace(third.sealed, pow=third.sealed.pow ^ 1), third.transactions)
    broken = builder.broken(lambda header: replace(header, state_root=ZERO_HASH), blocks[1].chained)
    for name, bad, rule in (
        ("seal", claimed, Rule.FALSE_CLAIM),
        ("state", Block(broken.sealed, ()), Rule.STATE_ROOT),
        ("body", Block(third.sealed, blocks[0].block.transactions), Rule.TRANSACTIONS_ROOT),
    ):
        file, copy = tmp_path / name, tmp_path / f"{name}-copy"
        with file.open("wb") as out:
            write_head(out, builder.params.network_id)
            for built in blocks[:2]:
                write_block(out, encode_block(built.block))
            write_block(out, encode_block(bad))
        refused = run(copy, "import", str(file))
        assert isinstance(refused.exception, BlockRefused), refused.output
        assert str(rule.value) in str(refused.exception)
        assert head_of(copy) == 2


def test_refusals(filled: Path, tmp_path: Path) -> None:
    file = tmp_path / "there"
    file.write_bytes(b"")
    assert "nothing was overwritten" in str(run(filled, "export", str(file)).exception)
    nothing = run(tmp_path / "nowhere", "export", str(tmp_path / "new"))
    assert isinstance(nothing.exception, StorageError)
    assert not (tmp_path / "nowhere").exists()
    beyond = run(filled, "export", str(tmp_path / "new"), "--from", "4", "--to", "9")
    assert isinstance(beyond.exception, ConfigError)
    assert str(beyond.exception) == "there are blocks 1 to 6, not 4 to 9"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["node", "there"], "no part of a file is left"
    assert isinstance(run(tmp_path / "copy", "import", str(file)).exception, Malformed)
