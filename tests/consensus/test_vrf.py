import hashlib
import json
from pathlib import Path

import pytest
from coincurve import PrivateKey, PublicKey
from hypothesis import given
from hypothesis import strategies as st

from chain.primitives.errors import Malformed
from consensus import vrf

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "vrf.json").read_text())


@pytest.mark.parametrize("vector", VECTORS["vectors"])
def test_vectors(vector: dict[str, str]) -> None:
    key = PrivateKey(bytes.fromhex(vector["secret_key"]))
    alpha, proof = bytes.fromhex(vector["alpha"]), bytes.fromhex(vector["proof"])
    assert key.public_key.format().hex() == vector["public_key"]
    assert vrf.prove(key, alpha) == proof
    assert vrf.verify(bytes.fromhex(vector["public_key"]), alpha, proof).hex() == vector["beta"]
    assert vrf.claimed_output(proof).hex() == vector["beta"]


def test_gamma_agrees_with_the_draft_05_vector() -> None:
    # Draft 05 hashed to the curve without the trailing zero: gamma = x H checks try-and-increment and the product.
    draft = VECTORS["draft05"]
    key, alpha = PrivateKey(bytes.fromhex(draft["secret_key"])), bytes.fromhex(draft["alpha"])
    head = b"\xfe\x01" + key.public_key.format() + alpha
    for counter in range(256):
        try:
            point = PublicKey(b"\x02" + hashlib.sha256(head + bytes((counter,))).digest())
        except ValueError:
            continue
        break
    assert point.multiply(key.secret).format().hex() == draft["proof"][:66]
    with pytest.raises(Malformed):
        vrf.verify(key.public_key.format(), alpha, bytes.fromhex(draft["proof"]))


@given(st.integers(1, 2**64), st.binary(max_size=80), st.integers(0, 80), st.integers(1, 255))
def test_any_changed_byte_of_a_proof_is_refused(secret: int, alpha: bytes, place: int, flip: int) -> None:
    key = PrivateKey.from_int(secret)
    proof = bytearray(vrf.prove(key, alpha))
    assert len(proof) == vrf.PROOF_BYTES
    proof[place] ^= flip
    with pytest.raises(Malformed):
        vrf.verify(key.public_key.format(), alpha, bytes(proof))


@given(st.binary(max_size=100), st.binary(max_size=40), st.binary(max_size=40))
def test_any_bytes_are_refused_as_malformed(proof: bytes, public_key: bytes, alpha: bytes) -> None:
    with pytest.raises(Malformed):
        vrf.verify(public_key, alpha, proof)


def test_another_key_or_input_is_refused() -> None:
    key, other = PrivateKey.from_int(7), PrivateKey.from_int(8)
    proof = vrf.prove(key, b"input")
    with pytest.raises(Malformed):
        vrf.verify(other.public_key.format(), b"input", proof)
    with pytest.raises(Malformed):
        vrf.verify(key.public_key.format(), b"inpux", proof)
