"""Proof of work of ids and their epochs."""

from hypothesis import given, settings
from hypothesis import strategies as st

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.identity.proof import (
    ID_EPOCH,
    NONCE_LIMIT,
    epoch_end,
    epoch_of,
    epoch_valid,
    find_proof,
    proof_hash,
    proof_valid,
    search_proof,
)

IDS = st.binary(min_size=32, max_size=32).map(PeerId)
TIMES = st.integers(0, 4_000_000_000_000).map(Millis)
ONE = PeerId(bytes(range(32)))


def test_a_known_hash() -> None:
    assert f"{proof_hash(ONE, 7, 1480):064x}" == "ed8f8105375603197620f47487443b2eb112dd8d998a06beeca3b03712bda32d"


@given(IDS, TIMES)
@settings(max_examples=50)
def test_epochs_tile_time(peer: PeerId, at: Millis) -> None:
    epoch = epoch_of(peer, at)
    end = epoch_end(peer, epoch)
    assert end - ID_EPOCH <= at < end
    assert epoch_of(peer, end) == epoch + 1


@given(IDS, TIMES)
@settings(max_examples=50)
def test_current_and_previous_epoch_count(peer: PeerId, at: Millis) -> None:
    epoch = epoch_of(peer, at)
    assert [epoch_valid(peer, epoch + step, at) for step in (-2, -1, 0, 1)] == [False, True, True, False]


def test_epochs_of_ids_do_not_end_together() -> None:
    ends = {epoch_end(PeerId(bytes((number,)) * 32), 1480) for number in range(50)}
    assert len(ends) == 50


def test_a_found_proof_is_valid_for_its_epoch_alone() -> None:
    nonce = find_proof(ONE, 1480, 32)
    assert proof_valid(ONE, nonce, 1480, 32)
    assert not proof_valid(ONE, nonce, 1480, 1 << 64)
    assert sum(proof_valid(ONE, nonce, epoch, 1 << 12) for epoch in range(1481, 1486)) == 0
    assert not any(proof_valid(ONE, number, epoch, 1) for number, epoch in ((-1, 0), (NONCE_LIMIT, 0), (0, 1 << 16)))


def test_a_search_goes_on_past_the_last_nonce_and_may_fail() -> None:
    nonce = search_proof(ONE, 3, 1, NONCE_LIMIT - 1, 1)
    assert nonce == NONCE_LIMIT - 1
    assert search_proof(ONE, 3, 1 << 200, NONCE_LIMIT - 2, 4) is None
