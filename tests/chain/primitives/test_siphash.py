"""SipHash-1-3 over many messages at once gives each what the published function gives it alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.primitives.siphash import KEY_BYTES, Words, siphash13

KEY = bytes(range(KEY_BYTES))

VECTORS = {
    8: "8e9a298d11959036",
    16: "668b907d1add4fcc",
    24: "8c9c3467b2ae64f4",
    32: "0db6a7166c7b1581",
    40: "3115e4993236d2c1",
    48: "464c07dff843319f",
    56: "756d3c24dbc0bcb4",
}
"""By length: SipHash-1-3 of the bytes 0, 1, 2... under the key 0 to 15, little-endian, from `test_siphash_1_3` in
Rust's library/coretests/tests/hash/sip.rs (MIT or Apache 2.0)."""


def words(*messages: bytes) -> Words:
    return np.frombuffer(b"".join(messages), dtype="<u8").reshape(len(messages), -1)


@pytest.mark.parametrize("length", VECTORS)
def test_published_vectors(length: int) -> None:
    (found,) = siphash13(KEY, words(bytes(range(length))))
    assert int(found).to_bytes(8, "little").hex() == VECTORS[length]


@given(st.lists(st.binary(min_size=40, max_size=40), min_size=1, max_size=20), st.binary(min_size=16, max_size=16))
def test_each_message_is_hashed_on_its_own(messages: list[bytes], key: bytes) -> None:
    together = siphash13(key, words(*messages))
    assert [int(found) for found in together] == [int(siphash13(key, words(one))[0]) for one in messages]
    assert len(set(together.tolist())) == len(set(messages))


def test_another_key_gives_other_hashes() -> None:
    messages = words(*(bytes([number]) * 32 for number in range(50)))
    assert not (siphash13(KEY, messages) == siphash13(KEY[::-1], messages)).any()
