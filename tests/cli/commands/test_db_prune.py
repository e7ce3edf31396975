"""`db prune` on a real LevelDB directory, and every other command after it."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from chain.importer import Importer
from chain.primitives.errors import ConfigError, StorageError
from chain.state import State
from chain.trie import MissingNode
from chain.verified import ImportStatus
from cli.chain_file.reading import BlockRefused
from cli.main import cli
from storage.chain_store import ChainStore
from storage.leveldb import open_level
from tests.helpers.chain_builder import Built, ChainBuilder
from tests.helpers.grown_devnet import fill, payments

pytestmark = pytest.mark.slow

HEIGHT = 200
FLOOR = HEIGHT - 128
SIDE = 3


def run(root: Path, *words: str, network: str = "devnet") -> Result:
    return CliRunner().invoke(cli, [*words, "--network", network, "--datadir", str(root)])


def told(root: Path, *words: str) -> dict[str, object]:
    result = run(root, *words, "--json")
    assert result.exit_code == 0, result.exception
    found = json.loads(result.output)
    assert isinstance(found, dict)
    return found


class Chain:
    """Blocks with a side branch below the floor."""

    def __init__(self) -> None:
        self.builder = ChainBuilder()
        self.blocks = payments(self.builder, HEIGHT)
        self.side = payments(self.builder, SIDE, self.blocks[9].chained, extra=b"side")


@pytest.fixture(scope="module")
def chain() -> Chain:
    return Chain()


@pytest.fixture(scope="module")
def original(chain: Chain, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("original") / "node"
    fill(root, chain.builder, [*chain.blocks, *chain.side])
    return root


@pytest.fixture
def node(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "node"))


def blocks_of(root: Path) -> set[tuple[str, int]]:
    return {
        (name, size["entries"])
        for name, size in json.loads(run(root, "db", "stats", "--json").output)["tables"].items()
    }


def test_counting_and_pruning_agree_and_say_what_they_did(node: Path) -> None:
    before = blocks_of(node)
    counted = told(node, "db", "prune", "--dry-run")
    assert (counted["dryRun"], counted["stateFloor"], counted["head"]) == (True, FLOOR, HEIGHT)
    assert blocks_of(node) == before
    assert "would be removed" in run(node, "db", "prune", "--dry-run").output
    done = told(node, "db", "prune")
    same = ("stateFloor", "keptStates", "keptNodes", "removedNodes", "removedBlocks", "removedBytes")
    assert [done[name] for name in same] == [counted[name] for name in same]
    assert done["removedBlocks"] == SIDE
    assert int(str(done["removedNodes"])) > 100
    assert 0 < int(str(done["bytesAfter"])) < int(str(done["bytesBefore"]))
    again = run(node, "db", "prune")
    assert again.output.startswith(f"states from block {FLOOR} to the head {HEIGHT} stay; removed: 0 trie nodes and 0")
    assert again.output.endswith(" MB after\n")
    assert told(node, "db", "stats")["stateFloor"] == FLOOR
    assert f"states from block {FLOOR} on" in run(node, "db", "stats").output


def test_a_chain_that_is_short_enough_is_left_as_it_is(node: Path) -> None:
    before = blocks_of(node)
    assert run(node, "db", "prune", "--keep", str(HEIGHT)).output == (
        f"nothing to remove: the states of all {HEIGHT + 1} blocks are to be kept\n"
    )
    assert told(node, "db", "prune", "--keep", "5000")["removedBytes"] == 0
    assert blocks_of(node) == before
    assert "all states" in run(node, "db", "stats").output


def test_what_is_wrong_is_told_and_nothing_is_removed(node: Path, tmp_path: Path) -> None:
    before = blocks_of(node)
    few = run(node, "db", "prune", "--keep", "127")
    assert isinstance(few.exception, ConfigError)
    assert "last 128 blocks" in str(few.exception)
    nowhere = run(tmp_path / "nowhere", "db", "prune")
    assert isinstance(nowhere.exception, StorageError)
    assert not (tmp_path / "nowhere").exists()
    assert "belongs to network devnet" in str(run(node, "db", "prune", network="testnet").exception)
    store = open_level(node / "chain")
    assert "in use" in str(run(node, "db", "prune").exception)
    store.close()
    assert blocks_of(node) == before


def test_all_other_commands_work_on_what_is_left(node: Path, tmp_path: Path) -> None:
    supply = told(node, "supply")
    told(node, "db", "prune")
    assert (
        run(node, "db", "verify").output == f"{HEIGHT + 1} blocks, {HEIGHT} transactions, head {HEIGHT}: all is well\n"
    )
    assert told(node, "supply") == supply
    file = tmp_path / "blocks"
    assert told(node, "export", str(file))["blocks"] == HEIGHT
    assert told(tmp_path / "other", "import", str(file))["head"] == HEIGHT
    assert told(node, "import", str(file))["known"] == HEIGHT
    assert told(node, "db", "compact")["bytesAfter"]
    assert told(node, "db", "repair", "--yes") == {"head": HEIGHT, "removedBlocks": 0}
    assert told(node, "db", "stats")["stateFloor"] == FLOOR
    assert run(node, "db", "verify").exit_code == 0


def test_a_file_that_forks_off_below_is_refused_with_the_way_out(chain: Chain, node: Path, tmp_path: Path) -> None:
    rival = [*chain.blocks[:10], *payments(chain.builder, 30, chain.blocks[9].chained, extra=b"file")]
    fill(tmp_path / "rival", chain.builder, rival)
    file = tmp_path / "blocks"
    told(tmp_path / "rival", "export", str(file))
    told(node, "db", "prune")
    refused = run(node, "import", str(file))
    assert isinstance(refused.exception, BlockRefused)
    assert f"forks off below block {FLOOR}" in str(refused.exception)
    assert told(node, "db", "verify")["head"] == HEIGHT


def rival(chain: Chain, fork: int, count: int) -> list[Built]:
    return payments(chain.builder, count, chain.blocks[fork - 1].chained, extra=b"rival")


def test_a_node_goes_on_and_reorganises_down_to_the_floor(chain: Chain, node: Path) -> None:
    told(node, "db", "prune")
    store = open_level(node / "chain")
    database = ChainStore(store)
    importer = Importer(chain.builder.params, chain.builder.genesis, database, chain.builder.rules)
    deep = rival(chain, FLOOR, 150)
    for block in deep:
        importer.add(block.verified(), deep[-1].chained.time)
    heavier = next(block for block in deep if block.chained.total_work > chain.blocks[-1].chained.total_work)
    assert importer.head().height >= heavier.chained.height
    assert importer.head().header.extra == b"rival"
    assert importer.statistics().deepest_reorganisation == HEIGHT - FLOOR == 128
    below = rival(chain, FLOOR - 1, 1)[0]
    assert importer.add(below.verified(), deep[-1].chained.time).status is ImportStatus.PRUNED
    assert importer.statistics().invalid == 0
    with pytest.raises(MissingNode):
        State(database, chain.blocks[5].chained.header.state_root).balance(chain.blocks[5].chained.header.miner)
    store.close()
    assert run(node, "db", "verify").exit_code == 0
