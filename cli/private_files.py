"""Files that hold secrets: for their owner alone, whole or not there, and on the disk once the call has returned."""

import errno
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from chain.primitives.errors import StorageError
from storage.directory import sync_directory

PARTIAL_PREFIX = ".partial-"
"""A file under way bears a name that nobody can foresee behind this: one made before, or a link, cannot catch it."""


def write_private(file: Path, raw: bytes) -> None:
    """Write a file, over one that is there. Raises `StorageError`; the file is as it was then."""
    _write(file, raw, lambda partial: os.replace(partial, file))


def create_private(file: Path, raw: bytes) -> None:
    """Write a new file. Raises `FileExistsError` if there is one, or `StorageError`."""
    _write(file, raw, lambda partial: _name(partial, file))


def _write(file: Path, raw: bytes, publish: Callable[[str], None]) -> None:
    try:
        descriptor, partial = tempfile.mkstemp(prefix=PARTIAL_PREFIX, dir=file.parent)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(raw)
                stream.flush()
                os.fsync(stream.fileno())
            publish(partial)
        finally:
            Path(partial).unlink(missing_ok=True)
        sync_directory(file.parent)
    except FileExistsError:
        raise
    except OSError as error:
        raise StorageError(f"cannot write {file}: {error.strerror}") from None


def _name(partial: str, file: Path) -> None:
    try:
        os.link(partial, file)
    except FileExistsError:
        raise
    except OSError:  # no links on this file system, as on many USB sticks
        if file.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(file)) from None
        os.replace(partial, file)
