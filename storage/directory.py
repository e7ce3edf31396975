"""Directories on the disk: what stands in a file is safe only when its name is, too."""

import errno
import os
from pathlib import Path

_NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EACCES)
"""What file systems answer that keep no order of their own for directories, or for one that cannot be listed."""


def sync_directory(directory: Path) -> None:
    """Wait until a directory is on the disk: a power cut can else take the name of a file whose content is safe."""
    try:
        descriptor = os.open(directory, os.O_RDONLY)
    except PermissionError:
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(descriptor)
