"""Identities: keys with even points, signatures, shared secrets, storage."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.primitives.canonical import pack
from chain.primitives.errors import Malformed
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.identity.identity import (
    Proof,
    create_identity,
    decode_identity,
    encode_identity,
    identity_of,
    proof_current,
    renew,
    signed_by,
)
from net.core.identity.proof import ID_EPOCH, proof_valid
from net.core.identity.records import sign_record
from tests.helpers.map_world import START, identity, record

NO_PROOF = Proof(nonce=0, epoch=0)


@given(st.integers(1, 1 << 64), st.integers(1, 1 << 64))
@settings(max_examples=25)
def test_both_ends_compute_one_secret(left: int, right: int) -> None:
    one = identity_of(left.to_bytes(32, "big"), NO_PROOF)
    other = identity_of(right.to_bytes(32, "big"), NO_PROOF)
    assert one.shared_secret(other.peer) == other.shared_secret(one.peer)


def test_signatures_are_bound_to_tag_data_and_key() -> None:
    one = identity(1)
    signature = one.sign("mappemonde/test", b"data", bytes(32))
    assert signed_by(one.peer, "mappemonde/test", b"data", signature)
    assert not signed_by(one.peer, "mappemonde/other", b"data", signature)
    assert not signed_by(one.peer, "mappemonde/test", b"date", signature)
    assert not signed_by(identity(2).peer, "mappemonde/test", b"data", signature)


def test_creation_renewal_and_storage() -> None:
    one = create_identity(Random(3).randbytes, START, 4)
    assert proof_valid(one.peer, one.proof.nonce, one.proof.epoch, 4)
    assert proof_current(one, START)
    later = Millis(START + 2 * ID_EPOCH)
    assert not proof_current(one, later)
    renewed = renew(one, later, 4)
    assert renewed.peer == one.peer
    assert proof_current(renewed, later)
    stored = decode_identity(encode_identity(renewed))
    assert (stored.peer, stored.proof, stored.key.secret) == (renewed.peer, renewed.proof, renewed.key.secret)


def test_the_secret_is_not_shown() -> None:
    assert identity(1).key.secret.hex() not in repr(identity(1))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        pack([1, bytes(32), 0, 0]),
        pack([1, b"\xff" * 32, 0, 0]),
        pack([2, bytes(31) + b"\x01", 0, 0]),
        pack([1, bytes(31) + b"\x01", -1, 0]),
        pack([1, bytes(31) + b"\x01", True, 0]),
        pack([1, bytes(31) + b"\x01", 0, 1 << 16]),
        pack([1, b"\x01", 0, 0]),
    ],
)
def test_damaged_files(raw: bytes) -> None:
    with pytest.raises(Malformed):
        decode_identity(raw)


def test_a_peer_id_that_is_no_point() -> None:
    with pytest.raises(Malformed):
        identity(1).shared_secret(PeerId(b"\xff" * 32))


def test_a_node_signs_for_itself_alone() -> None:
    with pytest.raises(AssertionError):
        sign_record(identity(1), record(identity(2)), bytes(32))
