"""External miners: processes that know their node by its RPC alone share its work, and none of them is missed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.processes import ROOT, STOP_SECONDS, NodeProcess, command, environment, free_port, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(170)]

ACCOUNT = "0xa0Ee7A142d267C1f36714E4a8F75612F20a79720"
RATE = 300
"""Hashes a second of each miner: a share in 3.4 s, 4 % of a core."""


class MinerProcess:
    """One `mappemonde mine` in an empty directory of its own, with its JSON lines."""

    def __init__(self, directory: Path, name: str, url: str) -> None:
        directory.mkdir()
        self.name = name
        self.log = directory / "miner.jsonl"
        words = [sys.executable, "-m", "cli.main", "mine", "--rpc", url, "--worker", name, "--json"]
        words += ["--threads", "1", "--rate", str(RATE)]
        # Neither the node's directory nor its settings: what it needs comes over RPC.
        alone = {**environment(), "PYTHONPATH": str(ROOT), "HOME": str(directory)}
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                words, cwd=directory, env=alone, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def events(self, kind: str) -> list[dict[str, object]]:
        """Return what it has told so far of one kind."""
        lines = self.log.read_text().splitlines()
        events = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
        return [event for event in events if event["event"] == kind]

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.kill()
        self._process.wait(STOP_SECONDS)

    def stop(self) -> int:
        """End it with Ctrl-C and return its exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        return self._process.wait(STOP_SECONDS)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """Run a node that has a reward address and does not hash."""
    found = NodeProcess(tmp_path_factory.mktemp("farm") / "node", "--trust-own-clock", "--reward-address", ACCOUNT)
    try:
        yield found.start()
    finally:
        assert found.stop() == 0


@pytest.fixture(scope="module")
def miners(node: NodeProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[MinerProcess]]:
    """Run two miners for it."""
    root = tmp_path_factory.mktemp("miners")
    found = [MinerProcess(root / name, name, node.rpc.url) for name in ("barn", "attic")]
    yield found
    for miner in found:
        miner.kill()


def workers(node: NodeProcess) -> dict[str, dict[str, object]]:
    """Return the node's share accounts by name."""
    mining = node.ask("mappemonde_mining")
    assert isinstance(mining, dict)
    assert mining["hashRate"] == 0, "the node does not hash itself"
    return {worker["name"]: worker for worker in mining["workers"]}


def count(node: NodeProcess, name: str, member: str) -> int:
    """Return a counter of a worker's account, 0 before it has one."""
    return int(str(workers(node).get(name, {}).get(member, 0)))


def test_two_miners_find_blocks_and_share_the_work(node: NodeProcess, miners: list[MinerProcess]) -> None:
    """Blocks come though the node does not hash; both accounts have shares; the reward is the node's account's."""
    wait_for("three blocks", lambda: node.height() >= 3, 100)
    wait_for("shares of both", lambda: all(count(node, miner.name, "shares") > 0 for miner in miners), 60)
    block = node.ask("eth_getBlockByNumber", "0x1", False)
    assert isinstance(block, dict)
    assert block["miner"] == ACCOUNT.lower()
    for miner in miners:
        told = {event["verdict"] for event in miner.events("verdict")}
        assert "best" in told or "share" in told
        assert "repeated" not in told
        heights = [event["height"] for event in miner.events("work") if event["height"] is not None]
        assert heights == sorted(heights, key=lambda height: int(str(height))), "work follows the head"
    status = node.ask("mappemonde_status")
    assert isinstance(status, dict)
    assert status["roles"]["mining"] is False


def test_garbage_gets_a_verdict_or_a_named_error_and_harms_nobody(
    node: NodeProcess, miners: list[MinerProcess]
) -> None:
    """Work for an unknown parent is stale, a nonce that counted counts once, what is no nonce is an error by name."""
    del miners
    unknown, nonce = "0x" + "77" * 32, "0x" + "00" * 8
    assert node.ask("mappemonde_submitWork", unknown, nonce, "vandal") == "stale"
    work = node.ask("mappemonde_getWork")
    assert isinstance(work, dict)
    first = node.ask("mappemonde_submitWork", work["id"], nonce, "vandal")
    again = node.ask("mappemonde_submitWork", work["id"], nonce, "vandal")
    assert again in ("weak" if first == "weak" else "repeated", "stale")
    for wrong in ((unknown, "0x00"), ("0x00", nonce), (unknown, nonce, "two\nlines"), (unknown,), (unknown, 5)):
        assert node.ask("mappemonde_submitWork", *wrong) is None, "refused with an error"
    account = workers(node)["vandal"]
    assert int(str(account["stale"])) >= 1
    assert node.running()


def test_killing_one_loses_nothing(node: NodeProcess, miners: list[MinerProcess]) -> None:
    """Blocks go on with the other; the node comes back and the miner goes on by itself; Ctrl-C ends it cleanly."""
    victim, survivor = miners
    height, shares = node.height(), count(node, victim.name, "shares")
    victim.kill()
    wait_for("two more blocks", lambda: node.height() >= height + 2, 60)
    assert count(node, victim.name, "shares") >= shares, "its account stays"
    height = node.height()
    assert node.stop() == 0
    wait_for("the miner notices", lambda: survivor.events("silent"), 30)
    node.start()
    assert node.height() >= height
    wait_for("another block", lambda: node.height() > height, 60)
    assert survivor.stop() == 0
    (sums,) = survivor.events("stopped")
    assert int(str(sums["breaks"])) >= 1
    assert os.listdir(survivor.log.parent) == ["miner.jsonl"], "it left nothing on the disk"


def test_a_node_without_a_reward_address_is_named(tmp_path: Path) -> None:
    """One line and the exit code of a refusal over RPC; garbage as an address of the node is named too."""
    plain = NodeProcess(tmp_path / "plain", "--trust-own-clock").start()
    try:
        done = command("mine", "--rpc", plain.rpc.url)
        assert (done.returncode, "without a reward address" in done.stderr) == (5, True)
    finally:
        assert plain.stop() == 0
    done = command("mine", "--rpc", f"ftp://127.0.0.1:{free_port()}")
    assert (done.returncode, "http" in done.stderr) == (5, True)
    assert "Traceback" not in done.stderr
