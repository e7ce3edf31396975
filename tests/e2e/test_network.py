"""A real network of node processes: one chain, WebRTC links, a payment, a crash and a latecomer."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import rlp
from eth_account import Account
from trie.hexary import HexaryTrie
from web3 import Web3

from chain.genesis import load_genesis
from tests.helpers.processes import NodeProcess, command, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

PARAMS = load_genesis("devnet").params
MNEMONIC = "test test test test test test test test test test test junk"
MINERS = ("0x23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f", "0xa0Ee7A142d267C1f36714E4a8F75612F20a79720")
RECEIVER = Web3.to_checksum_address("0x" + "c0ffee" * 6 + "beef")
RATE = ("--mine-threads", "1", "--mine-rate", "10")
BLOCKS = 20


class Network:
    """Four nodes, two of them mining; `late` joins when the test says so."""

    def __init__(self, root: Path) -> None:
        mining = [("--mine", "--reward-address", account, *RATE) for account in MINERS]
        first = NodeProcess(root / "node-0", "--trust-own-clock", *mining[0])
        join = ("--bootstrap", first.bootstrap_url)
        self.nodes = [first, NodeProcess(root / "node-1", *join, *mining[1])]
        self.nodes += [NodeProcess(root / f"node-{index}", *join) for index in (2, 3)]
        self.late = NodeProcess(root / "node-4", *join)

    def everyone(self) -> list[NodeProcess]:
        """Return the nodes that run."""
        return [node for node in (*self.nodes, self.late) if node.running()]

    def agree(self) -> bool:
        """Tell whether all running nodes have the same block at the lowest of their heads, at most one block back."""
        heights = [node.height() for node in self.everyone()]
        if min(heights) < max(heights) - 1:
            return False
        return len({node.block_hash(min(heights)) for node in self.everyone()}) == 1


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """Run the network for all tests of this file."""
    network = Network(tmp_path_factory.mktemp("network"))
    try:
        for node in network.nodes:
            node.start()
        yield network
    finally:
        codes = [node.stop() for node in network.everyone()]
        assert codes == [0] * len(codes), "nodes stop cleanly"


def peers(node: NodeProcess) -> list[dict[str, object]]:
    """Return a node's neighbours."""
    answer = node.ask("mappemonde_peers")
    return answer if isinstance(answer, list) else []


def full_mesh(nodes: list[NodeProcess]) -> bool:
    """Tell whether every node has a listed link to every other and sees all of them confirmed on its map."""
    count = len(nodes)
    for node in nodes:
        status = node.ask("mappemonde_status")
        listed = [peer for peer in peers(node) if peer["kind"] == "listed"]
        if len(listed) != count - 1 or not isinstance(status, dict):
            return False
        if status["map"] != {"peers": count, "links": count * (count - 1) // 2}:
            return False
    return True


def test_every_node_links_to_every_other_and_maps_it(network: Network) -> None:
    """Must show 3: four peers on every map with their real links; one link per joiner went through the rendezvous."""
    wait_for("a full mesh of confirmed links", lambda: full_mesh(network.nodes), 90)
    ids = {node.peer_id for node in network.nodes}
    for node in network.nodes:
        done = command("map", "--json", "--rpc", node.rpc.url)
        found = json.loads(done.stdout)
        assert {entry["id"] for entry in found["nodes"]} == ids
        pairs = {frozenset((link["origin"], link["target"])) for link in found["links"]}
        assert pairs == {frozenset((a, b)) for a in ids for b in ids if a != b}
    shown = command("map", "--rpc", network.nodes[0].rpc.url).stdout
    assert "4 peers, 6 confirmed links" in shown
    for node in network.nodes[1:]:
        metrics = node.metrics()
        assert metrics["mappemonde_mesh_own_rendezvous_links_total"] == 1
        assert metrics["mappemonde_mesh_relayed_links_total"] >= 2
        ways = [peer["signalled"] for peer in peers(node)]
        assert ways.count("rendezvous") <= 1, "the guest link, if it was turned into a listed one"


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool comes with Debian's package prometheus")
def test_prometheus_finds_nothing_to_say_about_the_metrics(network: Network) -> None:
    """`promtool check metrics` is silent."""
    for node in network.nodes[:2]:
        done = subprocess.run(
            ["promtool", "check", "metrics"],
            input=node.metrics_text(),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_web3_pays_and_proves_it(network: Network) -> None:
    """Must show 1: chain id, funded balance, a type 2 payment with its receipt, balances to the wei, a proof."""
    w3 = Web3(Web3.HTTPProvider(network.nodes[2].rpc.url))
    Account.enable_unaudited_hdwallet_features()
    payer = Account.from_mnemonic(MNEMONIC)
    assert w3.eth.chain_id == 156900
    funded = w3.eth.get_balance(payer.address)
    assert funded == 10_000 * 10**18
    value = 1_234_567_890_123_456_789
    tx = {
        "type": 2,
        "chainId": 156900,
        "nonce": w3.eth.get_transaction_count(payer.address, "pending"),
        "to": RECEIVER,
        "value": value,
        "gas": 21_000,
        "maxPriorityFeePerGas": w3.eth.max_priority_fee,
        "maxFeePerGas": 2 * w3.eth.gas_price,
    }
    tx_hash = w3.eth.send_raw_transaction(payer.sign_transaction(tx).raw_transaction)
    assert w3.eth.get_transaction(tx_hash)["blockNumber"] is None
    receipt = w3.eth.wait_for_transaction_receipt(tx_hash, timeout=120)
    assert receipt["status"] == 1
    assert receipt["gasUsed"] == 21_000
    assert receipt["from"] == payer.address
    height = receipt["blockNumber"]
    wait_for("all nodes have the block", lambda: min(node.height() for node in network.nodes) >= height, 60)
    for node in network.nodes:
        other = Web3(Web3.HTTPProvider(node.rpc.url))
        assert other.eth.get_transaction_receipt(tx_hash)["blockHash"] == receipt["blockHash"]
        assert other.eth.get_balance(RECEIVER) == value
        fee = receipt["effectiveGasPrice"] * receipt["gasUsed"]
        assert other.eth.get_balance(payer.address) == funded - value - fee
    block = w3.eth.get_block(height)
    proof = network.nodes[2].ask("eth_getProof", RECEIVER, [], hex(height))
    assert isinstance(proof, dict)
    trie_nodes = [rlp.decode(bytes.fromhex(node[2:])) for node in proof["accountProof"]]
    key = Web3.keccak(hexstr=RECEIVER)
    found = HexaryTrie.get_from_proof(bytes(block["stateRoot"]), key, trie_nodes)  # type: ignore[no-untyped-call]
    nonce, balance, storage_root, code_hash = rlp.decode(found)
    assert (nonce, int.from_bytes(balance, "big")) == (b"", value)
    assert ("0x" + storage_root.hex(), "0x" + code_hash.hex()) == (proof["storageHash"], proof["codeHash"])


def test_the_readme_script_pays(network: Network) -> None:
    """The example that the README shows works as it stands."""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "docs/examples/pay.py", network.nodes[3].rpc.url],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "status 1, gas 21000" in done.stdout


def test_a_killed_node_and_a_late_one_catch_up(network: Network) -> None:
    """Must show 2: after 20 blocks all agree; one is killed with -9 and restarted, a fifth comes late."""
    victim = network.nodes[3]
    wait_for("some blocks", lambda: victim.height() >= 5, 180)
    before = victim.height()
    victim.kill()
    wait_for(f"{BLOCKS} blocks", lambda: network.nodes[0].height() >= BLOCKS, 400)
    victim.start()
    assert victim.height() >= before, "nothing that was stored is lost"
    network.late.start()
    wait_for("all five agree", network.agree, 120)
    assert network.late.height() >= BLOCKS
    wait_for("a mesh of five", lambda: full_mesh(network.everyone()), 120)


def test_every_interval_lies_in_the_window(network: Network) -> None:
    """Must show 2: T_MIN to twice T_BLOCK; the first block is as late as the launch was."""
    head = network.nodes[0].height()
    heads = network.nodes[0].ask("mappemonde_heads", head - 1)
    assert isinstance(heads, list)
    intervals = [entry["interval"] for entry in heads]
    assert len(intervals) == head - 1 >= BLOCKS - 1
    outside = [interval for interval in intervals if not PARAMS.min_interval <= interval <= 2 * PARAMS.block_time]
    assert not outside
