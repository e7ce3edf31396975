"""The keyed hash of the slots is SipHash-1-3, for any number of ids at once."""

from chain.primitives.peer import PEER_ID_BYTES, PeerId
from net.core.overlay.ranks import KEY_BYTES, ranks

KEY = bytes(range(KEY_BYTES))
VECTOR = bytes.fromhex("0db6a7166c7b1581")
"""SipHash-1-3 of the bytes 0 to 31 under the key 0 to 15, little-endian: vector 32 of `test_siphash_1_3` in Rust's
library/coretests/tests/hash/sip.rs (MIT or Apache 2.0)."""


def test_the_published_vector_of_an_id_s_length() -> None:
    """An id is 32 bytes, so one vector of the published 64 applies."""
    (found,) = ranks(KEY, [PeerId(bytes(range(PEER_ID_BYTES)))])
    assert int(found).to_bytes(8, "little") == VECTOR


def test_an_id_s_rank_depends_on_the_key_and_on_no_other_id() -> None:
    """Ranking many ids at once gives each the rank it has alone."""
    peers = [PeerId(bytes([number]) * PEER_ID_BYTES) for number in range(50)]
    together = ranks(KEY, peers)
    assert [int(ranks(KEY, [peer])[0]) for peer in peers] == [int(rank) for rank in together]
    assert len({int(rank) for rank in together}) == len(peers)
    assert not (ranks(KEY[::-1], peers) == together).any()
