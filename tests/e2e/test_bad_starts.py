"""What an operator can get wrong: one line that says what to do, the documented exit code, and nothing lost."""

import socket
from pathlib import Path

import pytest

from cli.exit_codes import ExitCode
from tests.helpers.processes import NodeProcess, command, free_port, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

ALONE = ("--trust-own-clock", "--mine", "--mine-threads", "1", "--mine-rate", "20")
ACCOUNT = "0x23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f"


def run(datadir: Path, *flags: str, network: str = "devnet") -> tuple[int, str]:
    """Run a node that is expected to refuse; return its exit code and what it said last."""
    words = ["run", "--network", network, "--datadir", str(datadir), "--link-address", "127.0.0.1"]
    words += ["--rendezvous-host", "127.0.0.1", "--rendezvous-port", str(free_port())]
    words += ["--rpc-port", str(free_port()), "--metrics-port", str(free_port()), *flags]
    done = command(*words)
    said = [line for line in done.stderr.splitlines() if line.startswith("mappemonde: ")]
    assert "Traceback" not in done.stderr
    assert len(said) == 1, done.stderr
    return done.returncode, said[0]


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (("--mine",), "reward_address"),
        (("--mine", "--reward-address", "0x12"), "40 hex digits"),
        (("--extra", "x" * 33), "33 bytes"),
        (("--stun", "nowhere"), "host:port"),
        (("--link-address", "localhost"), "not an IP address"),
        (("--bootstrap", "http://x"), "bootstrap"),
        (("--config", "/does/not/exist.toml"), "cannot read the configuration"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, flags: tuple[str, ...], text: str) -> None:
    """Exit code 2 and the setting's name."""
    code, said = run(tmp_path / "node", *flags)
    assert code == ExitCode.USAGE
    assert text in said


def test_an_unknown_setting_is_named(tmp_path: Path) -> None:
    """In the file, with the nearest known name."""
    file = tmp_path / "node.toml"
    file.write_text("rpc_prot = 1\n")
    code, said = run(tmp_path / "node", "--config", str(file))
    assert code == ExitCode.USAGE
    assert "did you mean rpc_port" in said


@pytest.mark.parametrize("flag", ["--rpc-port", "--metrics-port", "--rendezvous-port"])
def test_a_port_in_use_is_named(tmp_path: Path, flag: str) -> None:
    """Exit code 4, whichever listener it is."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        code, said = run(tmp_path / "node", flag, str(port))
    assert code == ExitCode.NETWORK
    assert str(port) in said


def test_a_database_of_another_network_is_refused(tmp_path: Path) -> None:
    """Exit code 3, both names in the text, and the database still works for its own network."""
    node = NodeProcess(tmp_path / "node", *ALONE, "--reward-address", ACCOUNT).start()
    wait_for("two blocks", lambda: node.height() >= 2, 60)
    height = node.height()
    code, said = run(tmp_path / "node")
    assert code == ExitCode.STORAGE, "in use by the running node"
    assert node.stop() == 0
    code, said = run(tmp_path / "node", network="testnet")
    assert code == ExitCode.STORAGE
    assert "devnet" in said
    assert "testnet" in said
    node.start()
    assert node.height() >= height
    assert node.stop() == 0


def test_a_damaged_database_is_refused_and_kept(tmp_path: Path) -> None:
    """Exit code 3, a line that says what to do; no file is deleted."""
    node = NodeProcess(tmp_path / "node", *ALONE, "--reward-address", ACCOUNT).start()
    assert node.stop() == 0
    database = tmp_path / "node" / "chain"
    manifest = next(database.glob("MANIFEST-*"))
    manifest.write_bytes(b"\xff" * 100)
    before = sorted(path.name for path in database.iterdir())
    code, said = run(tmp_path / "node")
    assert code == ExitCode.STORAGE
    assert str(database) in said
    assert [name for name in before if name not in {path.name for path in database.iterdir()}] == []


def test_a_damaged_identity_is_refused(tmp_path: Path) -> None:
    """Exit code 3; the file is not overwritten."""
    assert command("init", "--network", "devnet", "--datadir", str(tmp_path / "node")).returncode == 0
    key = tmp_path / "node" / "identity.key"
    key.write_bytes(b"garbage")
    code, said = run(tmp_path / "node")
    assert code == ExitCode.STORAGE
    assert "identity.key" in said
    assert key.read_bytes() == b"garbage"
    assert key.stat().st_mode & 0o077 == 0


def test_a_bootstrap_that_is_down_is_waited_for(tmp_path: Path) -> None:
    """The node stays up and joins when the bootstrap comes."""
    first = NodeProcess(tmp_path / "first", *ALONE, "--reward-address", ACCOUNT)
    second = NodeProcess(tmp_path / "second", "--bootstrap", first.bootstrap_url)
    second.start()
    first.start()
    try:
        wait_for("the second follows the first", lambda: second.height() >= 1, 90)
    finally:
        codes = (first.stop(), second.stop())
    assert codes == (0, 0)


def test_a_node_that_knows_nobody_says_so(tmp_path: Path) -> None:
    """It would wait in silence for ever; the first node of a network is meant to be alone."""
    lost = NodeProcess(tmp_path / "lost").start()
    first = NodeProcess(tmp_path / "first", *ALONE, "--reward-address", ACCOUNT).start()
    codes = (lost.stop(), first.stop())
    assert codes == (0, 0)
    assert "--bootstrap" in lost.tail()
    assert "--bootstrap" not in first.tail()


def test_commands_say_when_no_node_answers() -> None:
    """Exit code 5 and the address."""
    for words in (["status"], ["peers"], ["map"]):
        done = command(*words, "--rpc", f"http://127.0.0.1:{free_port()}")
        assert done.returncode == ExitCode.RPC
        assert "no node answers" in done.stderr
