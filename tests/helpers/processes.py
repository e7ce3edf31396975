"""Real node processes for end-to-end tests: started, asked, killed and restarted as an operator would."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from cli.rpc_client import RpcClient, RpcRefused, RpcUnreachable

Value = TypeVar("Value")

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 60.0
STOP_SECONDS = 15.0
POLL_SECONDS = 0.2


PORTS = range(12_000, 32_000)
"""Below those that systems give to sockets by themselves (RFC 6335: 49152 on, Linux: 32768 on), so that no link's own
socket takes a port before the node that was told it."""

WORKERS_MAX = 8
"""Test processes side by side, each of which gives ports of its own part of PORTS."""

_given: set[int] = set()


def worker_ports() -> Sequence[int]:
    """Return the ports of this test process: no other one takes a port between its choice and a node's start, or while
    a node that keeps it is restarted."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS_MAX
    return PORTS[worker::WORKERS_MAX]


def free_port() -> int:
    """Return a port that was free for TCP and UDP a moment ago: a rendezvous listens on both under one number."""
    while True:
        port = secrets.choice(worker_ports())
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            try:
                tcp.bind(("127.0.0.1", port))
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in _given:
            _given.add(port)
            return port


def wait_for(what: str, probe: Callable[[], Value | None], seconds: float) -> Value:
    """Return the first value of `probe` that is neither None nor False; fail with `what` after the time is over."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = probe()
        if value is not None and value is not False:
            return value
        time.sleep(POLL_SECONDS)
    raise AssertionError(f"not within {seconds:.0f} s: {what}")


def environment() -> dict[str, str]:
    """Return the environment without settings of a node."""
    return {name: value for name, value in os.environ.items() if not name.startswith("MAPPEMONDE_")}


def command(*words: str, timeout: float = 60.0) -> "subprocess.CompletedProcess[str]":
    """Run `mappemonde` with these words to its end."""
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *words],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


class NodeProcess:
    """One `mappemonde run` on the devnet with ports of its own; keeps its directory across restarts."""

    def __init__(self, datadir: Path, *flags: str) -> None:
        self.datadir = datadir
        self.flags = flags
        self.rpc_port = free_port()
        self.metrics_port = free_port()
        self.rendezvous_port = free_port()
        self.log = datadir.with_suffix(".log")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def rpc(self) -> RpcClient:
        """A client of the node's RPC."""
        return RpcClient(f"http://127.0.0.1:{self.rpc_port}", timeout_seconds=10.0)

    @property
    def peer_id(self) -> str:
        """The node's id in hex; makes the directory if need be."""
        done = command("init", "--network", "devnet", "--datadir", str(self.datadir), "--json")
        assert done.returncode == 0, done.stderr
        return str(json.loads(done.stdout)["peerId"])

    @property
    def bootstrap_url(self) -> str:
        """What newcomers dial, with the id pinned."""
        return f"ws://{self.peer_id}@127.0.0.1:{self.rendezvous_port}"

    def start(self, *extra: str) -> "NodeProcess":
        """Start the process and wait until its RPC answers."""
        words = [sys.executable, "-m", "cli.main", "run", "--network", "devnet", "--datadir", str(self.datadir)]
        words += ["--rendezvous-host", "127.0.0.1", "--rendezvous-port", str(self.rendezvous_port)]
        words += ["--rendezvous-url", f"ws://127.0.0.1:{self.rendezvous_port}", "--link-address", "127.0.0.1"]
        words += ["--rpc-port", str(self.rpc_port), "--metrics-port", str(self.metrics_port), *self.flags, *extra]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                words, cwd=ROOT, env=environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        wait_for(f"node in {self.datadir} answers:\n{self.tail()}", self._answers, READY_SECONDS)
        return self

    def _answers(self) -> bool:
        assert self.running(), f"the node has ended:\n{self.tail()}"
        return self.ask("web3_clientVersion") is not None

    def ask(self, method: str, *parameters: object) -> object:
        """Return a method's result, None while the node does not answer."""
        try:
            return self.rpc.call(method, *parameters)
        except (RpcUnreachable, RpcRefused):
            return None

    def metrics_text(self) -> str:
        """Return the node's metrics page."""
        done = subprocess.run(
            ["curl", "-sf", f"http://127.0.0.1:{self.metrics_port}/metrics"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
        return done.stdout

    def metrics(self) -> dict[str, float]:
        """Return the node's metrics by their names and labels as they are written."""
        lines = [line.rsplit(" ", 1) for line in self.metrics_text().splitlines() if line and not line.startswith("#")]
        return {name: float(value) for name, value in lines}

    def height(self) -> int:
        """Return the height of the node's head, -1 while it does not answer."""
        answer = self.ask("eth_blockNumber")
        return -1 if answer is None else int(str(answer), 16)

    def block_hash(self, height: int) -> str | None:
        """Return the hash of the canonical block of a height."""
        block = self.ask("eth_getBlockByNumber", hex(height), False)
        return str(block["hash"]) if isinstance(block, dict) else None

    def running(self) -> bool:
        """Tell whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """End the process with SIGKILL, as a power cut would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(STOP_SECONDS)

    def stop(self) -> int:
        """End the process with SIGTERM and return its exit code."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_SECONDS)
            raise AssertionError(f"the node did not stop in {STOP_SECONDS:.0f} s:\n{self.tail()}") from None

    def tail(self) -> str:
        """Return the end of the node's log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-30:]) if self.log.exists() else ""
