"""Signatures against eth-keys and the vectors of BIP340."""

import pytest
from coincurve import PrivateKey
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.primitives.errors import Malformed
from chain.primitives.hashing import blake2b_128, blake2b_256, keccak256, sha256, tagged_hash
from chain.primitives.keys import (
    CURVE_ORDER,
    HALF_ORDER,
    address_of,
    recover_address,
    schnorr_sign,
    schnorr_valid,
    sign_recoverable,
)
from chain.primitives.units import Hash32

_SECRETS = st.integers(1, CURVE_ORDER - 1)


@settings(max_examples=30)
@given(_SECRETS, st.binary(min_size=32, max_size=32))
def test_signatures_are_recovered_and_have_a_low_s(secret: int, digest: bytes) -> None:
    key = PrivateKey(secret.to_bytes(32, "big"))
    parity, r, s = sign_recoverable(key, Hash32(digest))
    assert s <= HALF_ORDER
    address = recover_address(Hash32(digest), parity, r, s)
    assert address == address_of(key.public_key)
    assert "0x" + address.hex() == Account.from_key(secret.to_bytes(32, "big")).address.lower()


@pytest.mark.parametrize(
    ("parity", "r", "s"),
    [(2, 1, 1), (-1, 1, 1), (0, 0, 1), (0, 1, 0), (0, CURVE_ORDER, 1), (0, 1, CURVE_ORDER), (0, 5, 1), (0, 2**256, 1)],
)
def test_impossible_signatures_are_malformed(parity: int, r: int, s: int) -> None:
    with pytest.raises(Malformed):
        recover_address(keccak256(b"x"), parity, r, s)


@given(st.binary(min_size=32, max_size=32), st.integers(0, 1), st.integers(), st.integers())
def test_any_numbers_give_an_address_or_malformed(digest: bytes, parity: int, r: int, s: int) -> None:
    try:
        assert len(recover_address(Hash32(digest), parity, r, s)) == 20
    except Malformed:
        return


def test_bip340_vector_1() -> None:
    """Test vector 1 of BIP340."""
    secret = bytes.fromhex("B7E151628AED2A6ABF7158809CF4F3C762E7160F38B4DA56A784D9045190CFEF")
    public = bytes.fromhex("DFF1D77F2A671C5F36183726DB2341BE58FEAE1DA2DECED843240F7B502BA659")
    message = bytes.fromhex("243F6A8885A308D313198A2E03707344A4093822299F31D0082EFA98EC4E6C89")
    signature = bytes.fromhex(
        "6896BD60EEAE296DB48A229FF71DFE071BDE413E6D43F917DC8DCF8C78DE3341"
        "8906D11AC976ABCCB20B091292BFF4EA897EFCB639EA871CFA95F6DE339E4B0A"
    )
    assert schnorr_sign(PrivateKey(secret), Hash32(message), bytes(31) + b"\x01") == signature
    assert schnorr_valid(public, message, signature)
    assert not schnorr_valid(public, message, signature[:-1] + b"\x00")


@given(st.binary(max_size=40), st.binary(min_size=32, max_size=32), st.binary(max_size=70))
def test_any_bytes_are_no_signature(public: bytes, message: bytes, signature: bytes) -> None:
    assert not schnorr_valid(public, message, signature)


def test_no_point_has_an_x_beyond_the_field() -> None:
    assert not schnorr_valid(b"\xff" * 32, bytes(32), bytes(64))


def test_hashes_are_the_ones_named() -> None:
    assert keccak256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert sha256(b"abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert blake2b_256(b"abc").hex() == "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319"
    assert len(blake2b_128(b"abc", key=b"k")) == 16
    assert blake2b_128(b"abc", key=b"k") != blake2b_128(b"abc")
    assert tagged_hash("t", b"m") == sha256(sha256(b"t") * 2 + b"m")
