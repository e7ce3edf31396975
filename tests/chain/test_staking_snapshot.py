"""Snapshots: the Merkle root of RFC 6962, the commitment, and stakes from deposit to ticket on a real chain."""

from hashlib import sha256

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.genesis import load_genesis
from chain.primitives.hashing import keccak256
from chain.primitives.keys import schnorr_sign
from chain.primitives.units import COIN, Address, Wei
from chain.rules import InvalidBlock, Rule
from chain.staking import deposit_digest
from chain.staking_abi import encode_deposit, encode_request_withdrawal
from chain.staking_registry import SYSTEM_ADDRESS
from chain.staking_snapshot import make_snapshot, stakes_root
from tests.helpers.chain_builder import ChainBuilder
from tests.helpers.transactions import DEVNET_KEYS, address_of_key, key_of, sign

PARAMS = load_genesis("devnet").params
OWNER = DEVNET_KEYS[0]
VALIDATOR = key_of(4242)
PUBLIC = bytes(VALIDATOR.public_key.format())
REWARD = Address(b"R" * 20)


def _rfc_6962(leaves: list[bytes]) -> bytes:
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + _rfc_6962(leaves[:split]) + _rfc_6962(leaves[split:])).digest()


@given(st.dictionaries(st.binary(min_size=33, max_size=33), st.integers(1, 2**100).map(Wei), max_size=20))
def test_the_root_is_that_of_rfc_6962(stakes: dict[bytes, Wei]) -> None:
    leaves = [key + stake.to_bytes(32, "big") for key, stake in sorted(stakes.items())]
    assert stakes_root(stakes) == _rfc_6962(leaves)


@given(
    st.dictionaries(st.binary(min_size=33, max_size=33), st.integers(1, 2**100).map(Wei), max_size=5),
    st.integers(0, 2**100).map(Wei),
)
def test_the_commitment_binds_total_issued_and_root(stakes: dict[bytes, Wei], issued: Wei) -> None:
    found = make_snapshot(stakes.items(), issued)
    total = sum(stakes.values())
    assert (found.total, found.issued, found.stakes) == (total, issued, stakes)
    numbers = [number.to_bytes((number.bit_length() + 7) // 8, "big") for number in (total, issued)]
    assert found.commitment == keccak256(msgpack.packb([*numbers, found.root]))


def test_a_deposit_counts_from_three_epochs_on_and_its_ticket_is_paid_by_rule_9() -> None:
    chain = ChainBuilder()
    digest = deposit_digest(PARAMS.chain_id, PUBLIC, address_of_key(OWNER))
    data = encode_deposit(PUBLIC, schnorr_sign(VALIDATOR, digest, bytes(32)))
    # Executed in epoch 1 (heights 5 to 9), so it counts from epoch 4 (height 20).
    built = chain.chain(4)
    deposit = sign(OWNER, to=SYSTEM_ADDRESS, value=9_000 * COIN, data=data, gas=300_000)
    built.append(chain.extend(built[-1].chained, [deposit]))
    assert built[-1].execution.receipts[0].succeeded
    built += chain.chain(13, built[-1].chained)
    head = built[-1].chained
    assert head.height == 18
    with pytest.raises(InvalidBlock) as caught:
        chain.draw(head, VALIDATOR, REWARD)
    assert caught.value.rule is Rule.TICKET_UNKNOWN_KEY
    head = chain.extend(head).chained
    assert chain.stake_after(head).stakes == {PUBLIC: 9_000 * COIN}
    # At height 20 the ramp is half way: a draw may be worthless, the next ones are not all.
    paid = 0
    for _ in range(6):
        try:
            draw = chain.draw(head, VALIDATOR, REWARD)
        except InvalidBlock as error:
            worthless = error.rule is Rule.TICKET_WORTHLESS
            assert worthless  # both outcomes are valid, the seed decides
            head = chain.extend(head).chained
            continue
        block = chain.extend(head, draw=draw)
        reward = block.execution.reward
        cap = 3000 * min(block.chained.height - 15, 10) // 10
        assert reward.ticket_reward == 5 * 50 * COIN * (cap - draw.handicap) // (8 * 3000)
        paid += reward.ticket_reward
        head = block.chained
        assert chain.state(head).balance(REWARD) == paid
    assert paid > 0


def test_a_withdrawal_no_longer_counts_three_epochs_later() -> None:
    chain = ChainBuilder()
    digest = deposit_digest(PARAMS.chain_id, PUBLIC, address_of_key(OWNER))
    data = encode_deposit(PUBLIC, schnorr_sign(VALIDATOR, digest, bytes(32)))
    first = chain.extend(None, [sign(OWNER, to=SYSTEM_ADDRESS, value=5 * COIN, data=data, gas=300_000)])
    leave = encode_request_withdrawal(5 * COIN)
    second = chain.extend(first.chained)
    third = chain.chain(3, second.chained)[-1]  # height 5: the next epoch
    out = chain.extend(third.chained, [sign(OWNER, to=SYSTEM_ADDRESS, nonce=1, data=leave, gas=300_000)])
    head = chain.chain(12, out.chained)[-1].chained
    assert head.height == 18
    assert chain.stake_after(head).stakes == {PUBLIC: 5 * COIN}  # epoch 3 looks at height 4
    assert chain.stake_after(chain.extend(head).chained).stakes == {}  # epoch 4 looks at height 9
