"""What a data directory holds: which files, how much, and which of them are secrets."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from chain.primitives.errors import StorageError
from cli.datadir import DataDir
from cli.staking.keys import find_validator_key
from cli.wallet.errors import BadKeyFile
from cli.wallet.key_file import read_key_file
from storage.leveldb import LOCK_FILE

KEY_FILES_MAX = 1_000
"""Files outside the database that are looked into for keys; a node's own directory has three."""

DEPTH_MAX = 64
"""Folders within folders; a node's own directory has two. What removes a copy that failed goes down by recursion, and
must not end half way: secrets would be left."""


@dataclass(frozen=True, slots=True)
class HeldFile:
    """A file of a data directory."""

    place: Path
    """Below the directory."""
    size: int
    mode: int
    """Permission bits."""


@dataclass(frozen=True, slots=True)
class Contents:
    """All that is to be copied."""

    folders: tuple[Path, ...]
    """Below the directory, parents first."""
    files: tuple[HeldFile, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def survey(datadir: DataDir) -> Contents:
    """Return what lies in a data directory, but for the database's lock, by whichever name: whoever holds it loses it
    with the first descriptor on that file that is closed.

    Raises `StorageError` for what a copy could not hold: a symbolic link, which may lead anywhere, what is neither file
    nor folder, and folders nested without end.
    """
    folders: list[Path] = []
    files: list[HeldFile] = []
    waiting = [datadir.root]
    try:
        lock = _inode((datadir.database / LOCK_FILE).stat())
        while waiting:
            with os.scandir(waiting.pop()) as found:
                entries = sorted(found, key=lambda entry: entry.name)
            for entry in entries:
                path = Path(entry.path)
                place = path.relative_to(datadir.root)
                if entry.is_symlink():
                    raise StorageError(
                        f"{path} is a symbolic link to {path.readlink()}: a backup takes nothing from outside the data "
                        "directory. Put the thing itself there, or copy both by hand while the node is stopped"
                    )
                if entry.is_dir():
                    if len(place.parts) > DEPTH_MAX:
                        raise StorageError(
                            f"{path} is {len(place.parts)} folders deep: move what lies there away first"
                        )
                    folders.append(place)
                    waiting.append(path)
                elif not entry.is_file():
                    raise StorageError(f"{path} is neither a file nor a folder: move it away first")
                elif _inode(facts := entry.stat()) != lock:
                    files.append(HeldFile(place, facts.st_size, stat.S_IMODE(facts.st_mode)))
    except OSError as error:
        raise StorageError(f"cannot read {error.filename or datadir.root}: {error.strerror}") from None
    return Contents(tuple(sorted(folders)), tuple(sorted(files, key=lambda file: file.place)))


def _inode(facts: os.stat_result) -> tuple[int, int]:
    return facts.st_dev, facts.st_ino


def secrets_of(datadir: DataDir, contents: Contents) -> dict[str, str]:
    """Return the files that are secrets, by their place in the directory, and what each of them opens."""
    known = {
        datadir.identity_file: "the node's identity: who has it can pose as this node",
        datadir.token_file: "the token for admin calls of the RPC",
    }
    told: dict[str, str] = {}
    others = [file for file in contents.files if not (datadir.root / file.place).is_relative_to(datadir.database)]
    for file in others[:KEY_FILES_MAX]:
        path = datadir.root / file.place
        kind = known.get(path) or _key_kind(path) or ("readable by its owner alone" if not file.mode & 0o077 else None)
        if kind is not None:
            told[str(file.place)] = kind
    return told


def _key_kind(path: Path) -> str | None:
    try:
        read_key_file(path)
    except BadKeyFile:
        return None
    try:
        find_validator_key(path)
    except BadKeyFile:
        return "a wallet's key, under its password"
    return "a validator key, under its password"
