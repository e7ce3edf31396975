"""Prunes the database given as argument in small batches and tells each, until it is killed."""

import sys
from pathlib import Path

from storage import prune as pruning
from storage.leveldb import open_level
from storage.prune import prune
from tests.helpers.forge import FakeRules
from tests.helpers.networks import small_genesis

KEEP = 22
"""Blocks below the head whose states stay, fewer than an operator may ask for."""


def main(path: Path) -> None:
    """Prune until killed."""
    pruning.KEEP_MIN = KEEP
    pruning.BATCH = 4
    pruning.BLOCKS_BATCH = 1

    def tell(text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    params = small_genesis(epoch_length=3).params
    prune(open_level(path), params, FakeRules(), keep=KEEP, dry_run=False, progress=tell)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
