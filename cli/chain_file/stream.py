"""The format of an exported chain: a head that names the network, then sealed blocks in the order of their heights.

    b"mappemonde blocks 1\\n" ‖ NETWORK_ID (32) ‖ { length (4, big-endian) ‖ encode_block }

The end of the file ends the stream. Nothing in it is trusted: `reading` has every block checked.
"""

from collections.abc import Iterator
from typing import BinaryIO

from chain.block import SEALED_MAX_BYTES, Block, decode_block
from chain.params import ChainParams
from chain.primitives.errors import Malformed
from chain.primitives.units import Hash32

HEAD = b"mappemonde blocks 1\n"

LENGTH_BYTES = 4

FRAMING = 16
"""Bytes that an encoded block is longer than its header and body (`chain.block.decode_block`)."""


def write_head(file: BinaryIO, network_id: Hash32) -> None:
    """Begin a stream."""
    file.write(HEAD + network_id)


def write_block(file: BinaryIO, encoded: bytes) -> None:
    """Append an encoded block."""
    file.write(len(encoded).to_bytes(LENGTH_BYTES, "big") + encoded)


def read_blocks(file: BinaryIO, params: ChainParams) -> Iterator[Block]:
    """Yield the blocks of a stream.

    Raises `Malformed` for what is no such stream, one of another network, and a block that cannot be decoded or is cut
    off; the blocks before it have been yielded then.
    """
    most = params.max_body_bytes + SEALED_MAX_BYTES + FRAMING
    if file.read(len(HEAD)) != HEAD:
        raise Malformed("this is no file of blocks that `mappemonde export` wrote")
    if file.read(len(params.network_id)) != params.network_id:
        raise Malformed(f"the file holds blocks of another network than {params.name}")
    while length := file.read(LENGTH_BYTES):
        size = int.from_bytes(length, "big")
        if size > most:
            raise Malformed(f"a block of {size} bytes is longer than any ({most})")
        encoded = file.read(size)
        if len(length) < LENGTH_BYTES or len(encoded) < size:
            raise Malformed("the file ends within a block: it was cut off")
        yield decode_block(encoded, params)
