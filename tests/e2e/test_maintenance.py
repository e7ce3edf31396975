"""`db prune` and `backup` between runs of a real node: it goes on from what they leave, and is kept out meanwhile."""

import json
from pathlib import Path

import pytest

from chain.primitives.units import Address
from cli.exit_codes import ExitCode
from cli.rpc_client import RpcRefused
from tests.helpers.chain_builder import ChainBuilder
from tests.helpers.grown_devnet import fill, payments
from tests.helpers.processes import NodeProcess, command, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

ACCOUNT = "0x23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f"
ALONE = ("--trust-own-clock", "--mine", "--mine-threads", "1", "--mine-rate", "50", "--reward-address", ACCOUNT)
HEIGHT = 200
FLOOR = HEIGHT - 128
PAID = "0x" + Address((1).to_bytes(20, "big")).hex()


def test_a_node_runs_on_a_pruned_database_and_on_its_backup(tmp_path: Path) -> None:
    root, copy = tmp_path / "node", tmp_path / "copy"
    builder = ChainBuilder()
    fill(root, builder, payments(builder, HEIGHT))
    place = ("--network", "devnet", "--datadir", str(root), "--json")
    done = command("db", "prune", *place)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["stateFloor"] == FLOOR
    assert done.stderr == "", "progress is for terminals"

    node = NodeProcess(root, *ALONE).start()
    assert node.ask("eth_getBalance", PAID, "latest") == node.ask("eth_getBalance", PAID, hex(FLOOR)) == "0x1"
    with pytest.raises(RpcRefused, match="historical state is not available"):
        node.rpc.call("eth_getBalance", PAID, "0x5")
    for words in (("backup", str(copy)), ("db", "prune")):
        kept_out = command(*words, *place)
        assert kept_out.returncode == ExitCode.STORAGE
        assert "stop that node first" in kept_out.stderr
    head = wait_for("a block on the pruned chain", lambda: node.height() > HEIGHT and node.height(), 90)
    assert node.stop() == 0

    saved = command("backup", str(copy), *place)
    assert saved.returncode == 0, saved.stderr
    told = json.loads(saved.stdout)
    assert told["head"] >= head
    assert {"identity.key", "rpc.token"} == set(told["secrets"])
    restored = NodeProcess(copy, *ALONE).start()
    assert restored.peer_id == node.peer_id
    assert restored.block_hash(told["head"]) == told["headHash"]
    wait_for("a block on the restored chain", lambda: restored.height() > told["head"], 90)
    assert restored.stop() == 0
    assert command("db", "verify", "--network", "devnet", "--datadir", str(copy)).returncode == 0


def test_a_heavier_chain_from_below_the_states_is_told_and_harms_nothing(tmp_path: Path) -> None:
    builder = ChainBuilder()
    common = payments(builder, HEIGHT)
    fill(tmp_path / "pruned", builder, common)
    rival = [*common[:10], *payments(builder, 2 * HEIGHT, common[9].chained, extra=b"rival")]
    fill(tmp_path / "rival", builder, rival)
    done = command("db", "prune", "--network", "devnet", "--datadir", str(tmp_path / "pruned"))
    assert done.returncode == 0, done.stderr
    pruned = NodeProcess(tmp_path / "pruned", "--trust-own-clock")
    other = NodeProcess(tmp_path / "rival", "--bootstrap", pruned.bootstrap_url)
    pruned.start()
    other.start()
    wait_for("the branch is seen", lambda: "forks off at block 10:" in pruned.log.read_text(), 90)
    assert f"the states below block {FLOOR} were removed here (db prune)" in pruned.log.read_text()
    assert (pruned.height(), other.height()) == (HEIGHT, len(rival))
    assert pruned.ask("mappemonde_peers"), "nobody is blamed"
    bans = command(
        "bans", "--rpc", f"http://127.0.0.1:{pruned.rpc_port}", "--datadir", str(tmp_path / "pruned"), "--json"
    )
    assert json.loads(bans.stdout) == [], bans.stderr
    assert pruned.ask("eth_getBalance", PAID, "latest") == "0x1"
    assert other.stop() == 0
    assert pruned.stop() == 0
