"""Starts, watches and stops the processes of a devnet."""

import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

from chain.primitives.errors import ConfigError, NodeError
from cli.devnet.plan import NodePlan
from cli.rpc_client import RpcClient, RpcRefused, RpcUnreachable

MARKER = "mappemonde-devnet"
"""File that tells a directory made by this command from one that happens to bear its name: `--fresh` deletes only
the former."""

READY_SECONDS = 60.0
STOP_SECONDS = 8.0


class DevnetFailed(NodeError):
    """A process ended or did not answer in time; the text quotes the end of its log."""


def prepare_directory(root: Path, *, fresh: bool) -> None:
    """Make the devnet's directory, emptied first if `fresh`. Raises `ConfigError` when it belongs to something else."""
    marker = root / MARKER
    if root.exists() and any(root.iterdir()) and not marker.exists():
        raise ConfigError(f"{root} is not empty and was not made by `mappemonde devnet`: name another --datadir")
    if fresh and marker.exists():
        shutil.rmtree(root)
    root.mkdir(parents=True, exist_ok=True)
    marker.write_text("made by `mappemonde devnet`; delete this directory or start with --fresh for a new chain\n")


class Supervisor:
    """The running processes. Used from one thread; ends every process it started and no other."""

    def __init__(self, plans: tuple[NodePlan, ...]) -> None:
        self.plans = plans
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, bootstrap: str, stopping: threading.Event) -> None:
        """Start node 0, wait until it answers, then the others, unless told to stop. Raises `DevnetFailed`."""
        first, *others = self.plans
        self._spawn(first, "")
        self._wait_ready(first, stopping)
        for plan in others:
            self._spawn(plan, bootstrap)
        for plan in others:
            self._wait_ready(plan, stopping)

    def _spawn(self, plan: NodePlan, bootstrap: str) -> None:
        plan.datadir.mkdir(parents=True, exist_ok=True)
        with plan.log_file.open("ab") as log:
            self._processes[plan.index] = subprocess.Popen(
                plan.command(bootstrap), stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
            )

    def _wait_ready(self, plan: NodePlan, stopping: threading.Event) -> None:
        client = RpcClient(plan.rpc_url, timeout_seconds=2.0)
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline and not stopping.is_set():
            if (code := self._processes[plan.index].poll()) is not None:
                raise DevnetFailed(f"node {plan.index} ended at once (exit code {code}):\n{_last_lines(plan.log_file)}")
            try:
                client.call("web3_clientVersion")
            except (RpcUnreachable, RpcRefused):
                stopping.wait(0.1)
            else:
                return
        if stopping.is_set():
            return
        raise DevnetFailed(
            f"node {plan.index} did not answer at {plan.rpc_url} in {READY_SECONDS:.0f} s; see {plan.log_file}"
        )

    def ended(self) -> dict[int, int]:
        """Return the exit codes of the processes that are no longer running, by node."""
        codes = {index: process.poll() for index, process in self._processes.items()}
        return {index: code for index, code in codes.items() if code is not None}

    def stop(self) -> bool:
        """Stop every process, gently first. Return whether all of them ended by themselves."""
        for process in self._processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        clean = True
        for process in self._processes.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                clean = False
            if process.stdin is not None:
                process.stdin.close()
        return clean


def _last_lines(file: Path, count: int = 12) -> str:
    try:
        lines = file.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(f"  {line}" for line in lines[-count:])
