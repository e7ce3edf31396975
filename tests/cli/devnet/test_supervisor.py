"""The devnet's directory and ports are its own: nothing of another devnet is deleted, watched or paid into."""

import shutil
import socket
from pathlib import Path

import pytest

from chain.primitives.errors import ConfigError, ListenError, StorageError
from cli.devnet.plan import plan_devnet
from cli.devnet.supervisor import MARKER, Supervisor, prepare_directory


def test_a_running_devnet_keeps_its_directory(tmp_path: Path) -> None:
    root = tmp_path / "devnet"
    with prepare_directory(root, fresh=False):
        chain = root / "node-0" / "chain"
        chain.mkdir(parents=True)
        for fresh in (True, False):
            with pytest.raises(StorageError, match="is running"):
                prepare_directory(root, fresh=fresh)
        assert chain.is_dir()
    with prepare_directory(root, fresh=False):
        assert chain.is_dir()
    with prepare_directory(root, fresh=True):
        assert [entry.name for entry in root.iterdir()] == [MARKER]


def test_a_fresh_start_that_was_interrupted_is_begun_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "devnet"
    with prepare_directory(root, fresh=False):
        for name in ("node-0", "node-1", "other"):
            (root / name).mkdir()
    rmtree = shutil.rmtree

    def interrupted(path: Path) -> None:
        monkeypatch.setattr(shutil, "rmtree", rmtree)
        for entry in sorted(path.iterdir()):  # as the whole would be removed: files first
            if entry.is_file():
                entry.unlink()
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prepare_directory(root, fresh=True)
    with prepare_directory(root, fresh=True):
        assert [entry.name for entry in root.iterdir()] == [MARKER]


def test_a_directory_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter").touch()
    with pytest.raises(ConfigError, match="name another --datadir"):
        prepare_directory(tmp_path, fresh=True)
    for place in (tmp_path / "letter", tmp_path / "letter" / "devnet"):
        with pytest.raises(StorageError, match="letter"):
            prepare_directory(place, fresh=False)
    assert [entry.name for entry in tmp_path.iterdir()] == ["letter"]


def test_a_port_of_somebody_else_is_named_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        plans = plan_devnet(tmp_path, 1, port - 8545, ())
        supervisor = Supervisor(plans)
        with pytest.raises(ListenError, match=f"{port}.*--port-offset"):
            supervisor.check_ports()
    supervisor.check_ports()
