"""The file of blocks: what is written is read, and any bytes are blocks or `Malformed`."""

from contextlib import suppress
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.block import encode_block
from chain.genesis import load_genesis
from chain.primitives.errors import Malformed
from cli.chain_file.stream import HEAD, read_blocks, write_block, write_head
from tests.helpers.chain_builder import ChainBuilder

BUILDER = ChainBuilder()
PARAMS = BUILDER.params
BLOCKS = [built.block for built in BUILDER.chain(3)]


def stream() -> bytes:
    file = BytesIO()
    write_head(file, PARAMS.network_id)
    for block in BLOCKS:
        write_block(file, encode_block(block))
    return file.getvalue()


def test_what_is_written_is_read() -> None:
    assert list(read_blocks(BytesIO(stream()), PARAMS)) == BLOCKS


def test_a_file_that_was_cut_off_gives_its_whole_blocks_first() -> None:
    whole = stream()
    for cut in (1, 3, len(encode_block(BLOCKS[2])), len(encode_block(BLOCKS[2])) + 3):
        read = read_blocks(BytesIO(whole[:-cut]), PARAMS)
        assert [next(read), next(read)] == BLOCKS[:2]
        with pytest.raises(Malformed, match="cut off"):
            next(read)


def test_other_files_networks_and_lengths_are_refused() -> None:
    with pytest.raises(Malformed, match="no file of blocks"):
        next(read_blocks(BytesIO(b"PK\x03\x04" + bytes(60)), PARAMS))
    with pytest.raises(Malformed, match="another network than testnet"):
        next(read_blocks(BytesIO(stream()), load_genesis("testnet").params))
    with pytest.raises(Malformed, match="longer than any"):
        next(read_blocks(BytesIO(HEAD + PARAMS.network_id + b"\xff\xff\xff\xff"), PARAMS))


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_blocks_or_malformed(tail: bytes, framed: bool) -> None:
    length = len(tail).to_bytes(4, "big") if framed else b""
    with suppress(Malformed):
        list(read_blocks(BytesIO(HEAD + PARAMS.network_id + length + tail), PARAMS))
