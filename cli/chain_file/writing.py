"""Writing the canonical chain of a stopped node's database into a file."""

from collections.abc import Callable
from typing import BinaryIO

from chain.block import encode_sealed
from chain.ports import ChainStore
from chain.primitives.canonical import pack
from chain.primitives.errors import ConfigError, StorageError
from chain.primitives.units import Hash32
from cli.chain_file.stream import write_block, write_head


def export_blocks(
    store: ChainStore,
    network_id: Hash32,
    file: BinaryIO,
    *,
    first: int,
    last: int | None,
    progress: Callable[[int, float], None],
) -> int:
    """Write the canonical blocks `first` to `last` (default: the head) and return how many; block 0 is everybody's.

    Bodies are written as they are stored. Raises `StorageError` for a missing block, `ConfigError` for an empty range.
    """
    head_id = store.head_id()
    head = None if head_id is None else store.chained(head_id)
    if head is None:
        raise StorageError("the database holds no chain: run the node first")
    end = head.height if last is None else last
    if not 1 <= first <= end <= head.height:
        raise ConfigError(f"there are blocks 1 to {head.height}, not {first} to {end}")
    write_head(file, network_id)
    for height in range(first, end + 1):
        block_id = store.canonical_id(height)
        block = None if block_id is None else store.chained(block_id)
        body = None if block_id is None else store.body(block_id)
        if block is None or body is None:
            raise StorageError(f"block {height} is missing or has no body: run `mappemonde db repair`")
        write_block(file, pack([encode_sealed(block.sealed), body]))
        done = height - first + 1
        progress(done, done / (end - first + 1))
    return end - first + 1
