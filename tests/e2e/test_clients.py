"""The wallet libraries people have, unmodified, against a real node: ethers, viem, web3.js, cast and web3.py.

Each runs as a process of its own (tests/e2e/clients) with an account of its own, all at once against one node, and
prints a line per check. The call sequences of MetaMask and Rabby are in test_wallets.py.
"""

import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.client_tasks import DEVNET_CHAIN_ID, STAKE, VALUE, Task, make_task
from tests.helpers.processes import ROOT, NodeProcess, environment

SOURCES = ROOT / "tests" / "e2e" / "clients"
PLACE = ROOT / ".tools" / "clients"
"""Where the packages are installed and the scripts run: Node.js looks for packages beside the script."""

INSTALL_SECONDS = 300
RUN_SECONDS = 360
REWARDS = "0x23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f"
FUNDED = 10_000 * 10**18
CHECKS = (
    "chain",
    "balance",
    "fees",
    "newHeads",
    "replacement",
    "transfers",
    "receipts",
    "watch",
    "stake",
    "revert",
    "refusals",
)
NODE = shutil.which("node") is not None and shutil.which("npm") is not None
CLIENTS = ("ethers", "viem", "web3js", "cast", "web3py")

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(INSTALL_SECONDS + RUN_SECONDS)]

Line = dict[str, object]


def install() -> Path:
    """Install the packages that the lock file names, unless they are there; return the folder of the scripts."""
    PLACE.mkdir(parents=True, exist_ok=True)
    lock = (SOURCES / "package-lock.json").read_bytes()
    done = PLACE / "node_modules" / ".installed"
    fresh = not done.exists() or done.read_bytes() != lock
    for source in SOURCES.iterdir():
        if source.suffix in {".json", ".mjs"}:
            shutil.copyfile(source, PLACE / source.name)
    if fresh:
        words = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        installed = subprocess.run(
            words, cwd=PLACE, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
        )
        assert installed.returncode == 0, installed.stderr
        done.write_bytes(lock)
    return PLACE


class Runs:
    """All clients at work at once; the report of one is waited for when a test asks for it."""

    def __init__(self, node: NodeProcess, folder: Path) -> None:
        self.node = node
        self._folder = folder
        self.tasks: dict[str, Task] = {}
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self._reports: dict[str, dict[str, Line]] = {}

    def start(self, name: str, account: int) -> None:
        """Start a client with one of the prefunded accounts."""
        task = make_task(self.node, account)
        file = self._folder / f"{name}.json"
        file.write_text(json.dumps(task.as_json()))
        words = [sys.executable, str(SOURCES / "web3_py.py")] if name == "web3py" else ["node", f"{name}.mjs"]
        self.tasks[name] = task
        with (self._folder / f"{name}.out").open("w") as out:
            self._processes[name] = subprocess.Popen(
                [*words, str(file)],
                cwd=ROOT if name == "web3py" else PLACE,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                text=True,
            )

    def report(self, name: str) -> dict[str, Line]:
        """Return a client's lines by their check."""
        if name not in self._processes:
            pytest.skip("the package of cast is for x86-64 Linux" if NODE else "Node.js and npm are not installed")
        if name not in self._reports:
            code = self._processes[name].wait(RUN_SECONDS)
            text = (self._folder / f"{name}.out").read_text()
            lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
            self._reports[name] = {str(line["check"]): line for line in lines}
            assert code == 0 or not all(line["ok"] for line in lines), text
        report = self._reports[name]
        failed = [line for line in report.values() if not line["ok"]]
        assert not failed, json.dumps(failed, indent=1)
        return report

    def stop(self) -> None:
        """End what still runs."""
        for process in self._processes.values():
            if process.poll() is None:
                process.kill()
            process.wait(10)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """Run one mining node and all clients."""
    folder = tmp_path_factory.mktemp("clients")
    if NODE:
        install()
    mining = ("--mine", "--reward-address", REWARDS, "--mine-threads", "1", "--mine-rate", "20")
    node = NodeProcess(folder / "node", "--trust-own-clock", *mining)
    runs = Runs(node.start(), folder)
    try:
        for account, name in enumerate(CLIENTS):
            if name == "web3py" or (NODE and (name != "cast" or has_cast())):
                runs.start(name, account)
        yield runs
    finally:
        runs.stop()
        code = node.stop()
    assert code == 0, node.tail()


def has_cast() -> bool:
    """Tell whether cast's package is for this machine; npm leaves it out elsewhere."""
    return sys.platform == "linux" and platform.machine() == "x86_64"


def number(value: object) -> int:
    """Return a number that a client reported as text or as a number."""
    return int(str(value))


def texts(value: object) -> list[str]:
    """Return a list of texts from a report."""
    assert isinstance(value, list)
    return [str(entry) for entry in value]


@pytest.mark.parametrize("name", CLIENTS)
def test_every_check_of_a_client_passes(runs: Runs, name: str) -> None:
    report = runs.report(name)
    assert tuple(report) == CHECKS
    assert number(report["chain"]["chainId"]) == DEVNET_CHAIN_ID
    assert number(report["balance"]["balance"]) == FUNDED
    assert number(report["fees"]["gasPrice"]) >= 10**9
    assert number(report["newHeads"]["number"]) > 0


@pytest.mark.parametrize("name", CLIENTS)
def test_transfers_of_all_types_are_paid_to_the_wei(runs: Runs, name: str) -> None:
    """What the client was told agrees with the node's own receipts and with the receiver's balance."""
    receipts = runs.report(name)["receipts"]
    kinds = {"replacement": 2, "auto": 2, "legacy": 0, "listed": 1, "dynamic": 2, "deposit": 2}
    spent = 0
    for label, kind in kinds.items():
        found = receipts[label]
        assert isinstance(found, dict)
        told = runs.node.ask("eth_getTransactionReceipt", found["hash"])
        assert isinstance(told, dict)
        assert (told["type"], told["status"]) == (hex(kind), "0x1")
        assert found["type"] == kind
        assert int(told["gasUsed"], 16) == number(found["gas"])
        assert int(told["effectiveGasPrice"], 16) == number(found["price"])
        spent += number(found["gas"]) * number(found["price"])
    task = runs.tasks[name]
    received = runs.node.ask("eth_getBalance", task.receiver, "latest")
    count = runs.node.ask("eth_getTransactionCount", task.address, "latest")
    transfers = int(str(received), 16) // VALUE
    assert int(str(received), 16) == transfers * VALUE
    assert transfers == int(str(count), 16) - 1, "each transfer once, and the deposit"
    left = runs.node.ask("eth_getBalance", task.address, "latest")
    missing = FUNDED - STAKE - transfers * VALUE - spent - int(str(left), 16)
    # cast paid one more to wait for it over its WebSocket
    assert missing == 0 if transfers == len(kinds) - 1 else 0 < missing < 21_000 * 10 * 10**9


@pytest.mark.parametrize("name", CLIENTS)
def test_a_replacement_at_exactly_eleven_tenths_is_taken(runs: Runs, name: str) -> None:
    line = runs.report(name)["replacement"]
    assert "underpriced" in str(line["refusal"]).lower()
    assert runs.node.ask("eth_getTransactionReceipt", line["first"]) is None
    assert runs.node.ask("eth_getTransactionByHash", line["first"]) is None


@pytest.mark.parametrize("name", CLIENTS)
def test_a_deposit_is_made_watched_and_counted(runs: Runs, name: str) -> None:
    report, task = runs.report(name), runs.tasks[name]
    event = report["watch"]
    assert event["owner"] == task.address
    assert event["key"] == task.validator_key
    assert number(event["amount"]) == number(event["stake"]) == number(report["stake"]["stake"]) == STAKE
    told = runs.node.ask("mappemonde_validator", task.address)
    assert isinstance(told, dict)
    assert told["validatorKey"] == task.validator_key
    assert int(told["stake"], 16) == STAKE


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_reads_the_reason_of_a_revert(runs: Runs, name: str) -> None:
    line = runs.report(name)["revert"]
    assert f"requestWithdrawal: more than the stake of {STAKE} wei" in str(line["called"])
    assert "withdraw: nothing to pay yet" in str(line["estimated"])


@pytest.mark.parametrize(
    ("name", "broke", "used"),
    [
        ("ethers", ["INSUFFICIENT_FUNDS", "INSUFFICIENT_FUNDS"], "NONCE_EXPIRED"),
        ("viem", ["InsufficientFundsError", "InsufficientFundsError"], "NonceTooLowError"),
        ("web3js", ["insufficient funds for "], "nonce too low"),
        ("cast", ["insufficient funds for gas * price + value", "insufficient funds for transfer"], "nonce too low"),
        ("web3py", ["insufficient funds for gas * price + value", "insufficient funds for transfer"], "nonce too low"),
    ],
)
def test_a_client_knows_what_an_error_means(runs: Runs, name: str, broke: list[str], used: str) -> None:
    """Its own classes where it has some, else the words that its users compare."""
    line = runs.report(name)["refusals"]
    for expected, found in zip(broke, texts(line["insufficientFunds"]), strict=True):
        assert expected in found
    assert used in str(line["nonceTooLow"])
    if name == "viem":
        assert (line["gasTooLow"], line["capTooLow"]) == ("IntrinsicGasTooLowError", "FeeCapTooLowError")
        assert runs.report(name)["receipts"]["seenAs"] == "repriced", "it sees that the first one was replaced"
