"""A database that another process has open."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SCRIPT = (
    "import sys; from pathlib import Path; from storage.leveldb import open_level\n"
    "store = open_level(Path(sys.argv[1])); print('open', flush=True); sys.stdin.read(); store.close()"
)


@contextmanager
def held_by_another_process(path: Path) -> Iterator[None]:
    """Have the database in a directory open elsewhere as long as the block lasts."""
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == "open\n"
        yield
        other.stdin.close()
        assert other.wait(timeout=20) == 0
