"""Receipts and blooms against the Ethereum libraries, and their stored form."""

import pytest
import rlp as pyrlp
from hypothesis import given
from hypothesis import strategies as st
from trie.hexary import HexaryTrie

from chain.primitives.errors import Malformed
from chain.primitives.hashing import keccak256
from chain.primitives.units import Address, Gas, Hash32
from chain.receipt import (
    EMPTY_BLOOM,
    Log,
    Receipt,
    decode_receipts,
    encode_receipts,
    logs_bloom,
    make_receipt,
    receipt_envelope,
    union_bloom,
)
from chain.transaction import TxType
from chain.trie import ordered_root

LOGS = st.builds(
    Log,
    address=st.binary(min_size=20, max_size=20).map(Address),
    topics=st.lists(st.binary(min_size=32, max_size=32).map(Hash32), max_size=4).map(tuple),
    data=st.binary(max_size=80),
)
RECEIPTS = st.builds(
    make_receipt,
    st.sampled_from(TxType),
    succeeded=st.booleans(),
    cumulative_gas_used=st.integers(0, 2**63).map(Gas),
    logs=st.lists(LOGS, max_size=3).map(tuple),
)


@pytest.mark.slow
@given(st.lists(RECEIPTS, max_size=5))
def test_stored_receipts_come_back(receipts: list[Receipt]) -> None:
    assert decode_receipts(encode_receipts(receipts)) == tuple(receipts)


@given(st.binary(max_size=100))
def test_any_bytes_are_receipts_or_malformed(raw: bytes) -> None:
    try:
        receipts = decode_receipts(raw)
    except Malformed:
        return
    assert encode_receipts(receipts) == raw


def _bloom_of_yellow_paper(entries: list[bytes]) -> bytes:
    """Yellow paper 4.3.1 read literally: bits counted from the right of 2048."""
    bloom = bytearray(256)
    for entry in entries:
        digest = keccak256(entry)
        for pair in range(0, 6, 2):
            bit = (digest[pair] * 256 + digest[pair + 1]) % 2048
            bloom[255 - bit // 8] |= 1 << bit % 8
    return bytes(bloom)


@given(st.lists(LOGS, max_size=4))
def test_blooms_hold_addresses_and_topics(logs: list[Log]) -> None:
    entries = [entry for log in logs for entry in (log.address, *log.topics)]
    assert logs_bloom(logs) == _bloom_of_yellow_paper(entries)
    assert union_bloom([logs_bloom([log]) for log in logs] + [EMPTY_BLOOM]) == logs_bloom(logs)


def test_bloom_of_go_ethereum() -> None:
    """TestBloomExtensively of core/types/bloom9_test.go."""
    entries = [b"xxxxxxxxxx data %d yyyyyyyyyyyyyy" % number for number in range(100)]
    bloom = logs_bloom([Log(Address(entry), (), b"") for entry in entries])
    assert keccak256(bloom).hex() == "c8d3ca65cdb4874300a9e39475508f23ed6da09fdbc487f89a2dcf50b09eb263"


@pytest.mark.slow
@given(st.lists(RECEIPTS, max_size=5))
def test_the_receipts_root_is_that_of_pyrlp_and_py_trie(receipts: list[Receipt]) -> None:
    trie = HexaryTrie({})
    for index, receipt in enumerate(receipts):
        logs = [[log.address, list(log.topics), log.data] for log in receipt.logs]
        status = b"\x01" if receipt.succeeded else b""
        payload = pyrlp.encode([status, receipt.cumulative_gas_used, receipt.bloom, logs])
        trie[pyrlp.encode(index)] = (bytes((receipt.type,)) if receipt.type else b"") + payload
    assert ordered_root([receipt_envelope(receipt) for receipt in receipts]) == trie.root_hash
