"""Imports blocks into the database given as argument and tells each height, until it is killed.

Every third height it imports two siblings and moves from the worse to the better, so that a kill may fall into a
reorganisation as well.
"""

import sys
from pathlib import Path

from chain.importer import Importer
from storage.chain_store import ChainStore
from storage.leveldb import open_level
from tests.helpers.forge import INTERVAL, FakeRules, Forge
from tests.helpers.networks import payment, small_genesis

END = 2000
"""Height at which it gives up waiting for the kill."""


def main(path: Path) -> None:
    """Write until killed."""
    genesis = small_genesis()
    importer = Importer(genesis.params, genesis, ChainStore(open_level(path)), FakeRules())
    forge = Forge(genesis)
    # From block 1 again: the forge needs all states, and the importer knows what it has.
    parent, told = forge.root, importer.head().height
    for nonce in range(END):
        tx = payment(genesis, 0, nonce)
        better = forge.block(parent, tx)
        if nonce % 3 == 0:
            worse = forge.block(parent, tx, interval=INTERVAL + 1)
            importer.add(worse, worse.arrived)
        importer.add(better, better.arrived)
        parent = forge.chained(better)
        if importer.head().height > told:
            told = importer.head().height
            sys.stdout.write(f"{told}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
