"""Starts, watches and stops the processes of a devnet."""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import TextIO

from chain.primitives.errors import ConfigError, ListenError, NodeError, StorageError
from cli.devnet.plan import NodePlan
from cli.rpc_client import RpcClient, RpcRefused, RpcUnreachable

MARKER = "mappemonde-devnet"
"""File that tells a directory made by this command from one that happens to bear its name: `--fresh` deletes only
the former."""

READY_SECONDS = 60.0
STOP_SECONDS = 8.0


class DevnetFailed(NodeError):
    """A process ended or did not answer in time; the text quotes the end of its log."""


def prepare_directory(root: Path, *, fresh: bool) -> TextIO:
    """Make the devnet's directory, emptied first if `fresh`, and return what keeps others out of it until it is closed.

    Raises `ConfigError` if it belongs to something else, `StorageError` when a devnet runs in it or it cannot be made.
    """
    marker = root / MARKER
    try:
        root.mkdir(parents=True, exist_ok=True)
        if any(root.iterdir()) and not marker.exists():
            raise ConfigError(f"{root} is not empty and was not made by `mappemonde devnet`: name another --datadir")
        held = marker.open("a")
    except OSError as error:
        raise StorageError(f"cannot make the devnet's directory {root}: {error.strerror}") from None
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not held.tell():
            held.write("made by `mappemonde devnet`; delete this directory or start with --fresh for a new chain\n")
            held.flush()
        if fresh:
            _empty(root, marker)
    except BlockingIOError:
        held.close()
        raise StorageError(f"a devnet is running in {root}: stop it first, or name another --datadir") from None
    except OSError as error:
        held.close()
        raise StorageError(f"cannot clear {root}: {error.strerror}") from None
    except BaseException:
        held.close()
        raise
    return held


def _empty(root: Path, marker: Path) -> None:
    # The marker stays: what an interrupt leaves of the rest is still known for a devnet's.
    for entry in root.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry != marker:
            entry.unlink()


class Supervisor:
    """The running processes. Used from one thread; ends every process it started and no other."""

    def __init__(self, plans: tuple[NodePlan, ...]) -> None:
        self.plans = plans
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def check_ports(self) -> None:
        """Raise `ListenError` when a port is taken: somebody else's node would be watched, and paid into, for ours."""
        for plan in self.plans:
            for port in (plan.rpc_port, plan.metrics_port, plan.rendezvous_port):
                _check_free(port)

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
        try:
            plan.datadir.mkdir(parents=True, exist_ok=True)
            with plan.log_file.open("ab") as log:
                self._processes[plan.index] = subprocess.Popen(
                    plan.command(bootstrap), stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
                )
        except OSError as error:
            raise StorageError(f"cannot start node {plan.index} in {plan.datadir}: {error.strerror}") from None

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


def _check_free(port: int) -> None:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise ListenError(
            f"port {port} is not free ({reason}): stop what uses it, or move all ports with --port-offset"
        ) from None


def _last_lines(file: Path, count: int = 12) -> str:
    try:
        lines = file.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(f"  {line}" for line in lines[-count:])
