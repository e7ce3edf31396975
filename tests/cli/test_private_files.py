"""Secrets on disk: whole or absent, for their owner alone, and there after a power cut."""

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from chain.primitives.errors import StorageError
from cli.private_files import create_private, write_private
from cli.wallet.key_file import write_key_file

Write = Callable[[Path, bytes], None]


def write_key(file: Path, raw: bytes) -> None:
    write_key_file(file, {"key": raw.hex()})


WRITES = pytest.mark.parametrize("write", [write_private, create_private, write_key])


@WRITES
@pytest.mark.parametrize("fault", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_full_disk_or_an_interrupt_leaves_nothing(
    write: Write, fault: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_descriptor: int) -> None:
        raise fault

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises((StorageError, KeyboardInterrupt)):
        write(tmp_path / "key", b"secret")
    assert list(tmp_path.iterdir()) == []


@WRITES
def test_what_is_written_is_on_the_disk_with_its_name(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[bool] = []
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(stat.S_ISDIR(os.fstat(number).st_mode)))
    write(tmp_path / "key", b"secret")
    assert synced == [False, True]
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["key"]


@pytest.mark.parametrize("write", [write_private, create_private])
def test_a_file_or_a_link_laid_in_the_way_gets_nothing(write: Write, tmp_path: Path) -> None:
    caught, open_to_all = tmp_path / "caught", tmp_path / "key.partial"
    caught.touch()
    (tmp_path / "words.partial").symlink_to(caught)
    open_to_all.touch(mode=0o666)
    with open_to_all.open("rb") as spy:
        write(tmp_path / "words", b"secret")
        write(tmp_path / "key", b"secret")
        assert spy.read() == caught.read_bytes() == b""
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_a_new_file_never_takes_the_place_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "key"
    file.write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        create_private(file, b"other")

    def no_links(_source: str, _target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    with pytest.raises(FileExistsError):
        create_private(file, b"other")
    create_private(tmp_path / "second", b"other")
    assert (file.read_bytes(), (tmp_path / "second").read_bytes()) == (b"mine", b"other")
    assert len(list(tmp_path.iterdir())) == 2
