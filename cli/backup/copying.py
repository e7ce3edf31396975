"""Copying a data directory: beside its destination first, read back byte by byte, and in its place when it is whole."""

import hashlib
import os
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from chain.params import ChainParams
from chain.primitives.errors import ConfigError, StorageError
from chain.primitives.units import Hash32
from cli.backup.contents import Contents, HeldFile, survey
from cli.datadir import DataDir, user_path
from storage.chain_store import ChainStore
from storage.directory import sync_directory
from storage.leveldb import hold_level, open_level
from storage.migrations import claim

PART_BYTES = 1 << 20
"""Read and written at once."""

SPARE_BYTES = 64 << 20
"""Free space asked for beyond what is copied: folders, and the database's own log when the copy is opened."""

OWNER_ONLY = 0o700
"""Permission bits that a copy may have: the owner's, of those that the original has."""


@dataclass(frozen=True, slots=True)
class BackedUp:
    """What was copied."""

    contents: Contents
    head_id: Hash32
    head_height: int


def back_up(datadir: DataDir, destination: Path, params: ChainParams, progress: Callable[[int, int], None]) -> BackedUp:
    """Copy a stopped node's data directory; `progress` takes bytes copied, of how many.

    Raises `ConfigError` when the destination cannot be one, and `StorageError` when the database is in use or not this
    network's, there is no space, or the copy is not what was copied. Nothing is left then.
    """
    root = DataDir(datadir.root.resolve())
    target = user_path(destination).absolute()
    partial = target.parent / f"{target.name}.partial"
    _check_target(root, target, partial)
    head_id, _ = _head_of(root, params)
    # The lock that the node takes, for as long as the copying lasts; who came in between is seen by its head.
    with hold_level(root.database):
        contents = survey(root)
        _check_space(target.parent, contents)
        try:
            partial.mkdir(mode=OWNER_ONLY)
        except OSError as error:
            raise StorageError(f"cannot write {partial}: {error.strerror}") from None
        try:
            _copy(root.root, partial, contents, progress)
            found = _head_of(DataDir(partial), params)
            if found[0] != head_id:
                raise StorageError("the database changed while it was copied: is a node running? Start again")
            _settle(partial)
            if os.path.lexists(target):
                raise ConfigError(f"{target} exists; nothing was overwritten")
            partial.rename(target)
            sync_directory(target.parent)
        except OSError as error:
            raise StorageError(f"cannot write {error.filename or partial}: {error.strerror}") from None
        finally:
            with suppress(FileNotFoundError):
                shutil.rmtree(partial)
    return BackedUp(contents, *found)


def _check_target(root: DataDir, target: Path, partial: Path) -> None:
    if os.path.lexists(target):
        raise ConfigError(f"{target} exists; nothing was overwritten")
    if os.path.lexists(partial):
        raise ConfigError(f"{partial} is left of a backup that was interrupted, with secrets in it: remove it first")
    if not target.parent.is_dir():
        raise ConfigError(f"there is no folder {target.parent}")
    if target.parent.resolve().is_relative_to(root.root):
        raise ConfigError(f"{target} lies in the data directory itself: choose a place outside, best on another disk")


def _check_space(parent: Path, contents: Contents) -> None:
    free = shutil.disk_usage(parent).free
    if free < contents.size + SPARE_BYTES:
        raise StorageError(
            f"a backup of {contents.size / 1e6:.1f} MB does not fit into {parent}: {free / 1e6:.1f} MB are free, "
            f"{SPARE_BYTES / 1e6:.0f} MB more than its size are needed"
        )


def _head_of(place: DataDir, params: ChainParams) -> tuple[Hash32, int]:
    """Return id and height of the head of a database that nobody has open."""
    store = open_level(place.database)
    try:
        claim(store, params.network_id, params.name)
        chain = ChainStore(store)
        head_id = chain.head_id()
        head = None if head_id is None else chain.chained(head_id)
        if head is None:
            raise StorageError(f"the database in {place.database} holds no chain: run the node first")
        return head.id, head.height
    finally:
        store.close()


def _copy(source: Path, partial: Path, contents: Contents, progress: Callable[[int, int], None]) -> None:
    for folder in contents.folders:
        (partial / folder).mkdir(mode=OWNER_ONLY)
    done = 0
    for file in contents.files:
        written = _copy_file(source / file.place, partial / file.place, file)
        if _digest(partial / file.place) != written:
            raise StorageError(f"the copy of {file.place} is not what was written: check the disk of {partial}")
        done += file.size
        progress(done, contents.size)


def _settle(partial: Path) -> None:
    """Wait for the disk, and take away what others may do: LevelDB has made files of its own when it was opened."""
    for folder, _, files in os.walk(partial):
        for name in files:
            descriptor = os.open(Path(folder, name), os.O_RDONLY)
            try:
                os.fchmod(descriptor, stat.S_IMODE(os.fstat(descriptor).st_mode) & OWNER_ONLY)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_directory(Path(folder))


def _copy_file(source: Path, target: Path, file: HeldFile) -> bytes:
    """Copy a file and return the digest of what was read."""
    digest = hashlib.sha256()
    # A link put in the file's place since the survey is not followed.
    reading = os.open(source, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(reading, "rb") as original:
        writing = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, file.mode & OWNER_ONLY | stat.S_IRUSR)
        with os.fdopen(writing, "wb") as copy:
            while part := original.read(PART_BYTES):
                digest.update(part)
                copy.write(part)
    return digest.digest()


def _digest(path: Path) -> bytes:
    with path.open("rb") as copy:
        return hashlib.file_digest(copy, "sha256").digest()
