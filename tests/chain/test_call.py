"""Calls and estimates: answers of the staking account, plain accounts, refusals; the state stays as it is."""

import pytest
from coincurve import PrivateKey

from chain.call import CallRequest, CallReverted, call, estimate_gas
from chain.execution import BlockFacts, BodyBuilder
from chain.genesis import load_genesis
from chain.primitives.keys import schnorr_sign
from chain.primitives.units import COIN, GWEI, ZERO_ADDRESS, Address, Gas, Hash32, Wei
from chain.rules import InvalidTransaction, TxRule
from chain.staking import DEPOSIT_GAS, READ_GAS, deposit_digest
from chain.staking_abi import TOTAL_STAKE, encode_deposit, encode_withdraw, revert_reason, word
from chain.staking_registry import SYSTEM_ADDRESS
from chain.state import State
from chain.transaction import AccessEntry
from tests.helpers.chain_builder import MemoryNodes
from tests.helpers.transactions import DEVNET_KEYS, address_of_key, key_of, sign

GENESIS = load_genesis("devnet")
PARAMS = GENESIS.params
ALICE = address_of_key(DEVNET_KEYS[0])


def _state() -> State:
    return State(MemoryNodes(GENESIS.trie_nodes), GENESIS.header.state_root)


def _request(
    data: bytes = b"",
    *,
    to: Address | None = SYSTEM_ADDRESS,
    value: int = 0,
    gas: int | None = None,
    sender: Address = ALICE,
    access_list: tuple[AccessEntry, ...] = (),
) -> CallRequest:
    limit = None if gas is None else Gas(gas)
    return CallRequest(sender, to, Wei(value), data, limit, access_list, height=1)


def _deposit(validator: PrivateKey) -> bytes:
    public = bytes(validator.public_key.format())
    return encode_deposit(public, schnorr_sign(validator, deposit_digest(PARAMS.chain_id, public, ALICE), bytes(32)))


def test_a_plain_account_answers_nothing_and_costs_the_intrinsic_gas() -> None:
    result = call(_state(), PARAMS, _request(b"\x01\x00", to=ZERO_ADDRESS, value=COIN))
    assert (result.succeeded, result.output, result.gas_used) == (True, b"", 21_020)


def test_a_read_answers_and_changes_nothing() -> None:
    state = _state()
    root = state.root
    result = call(state, PARAMS, _request(TOTAL_STAKE))
    assert result.output == word(0)
    assert result.gas_used == 21_000 + 4 * 16 + READ_GAS
    assert state.commit() == (root, {})


def test_a_call_that_would_change_the_state_does_not() -> None:
    state = _state()
    assert call(state, PARAMS, _request(_deposit(key_of(9)), value=5 * COIN)).succeeded
    assert state.balance(ALICE) == 10_000 * COIN
    assert call(state, PARAMS, _request(TOTAL_STAKE)).output == word(0)
    assert state.commit()[0] == GENESIS.header.state_root


def test_estimates_are_exactly_what_the_transaction_needs() -> None:
    data = _deposit(key_of(9))
    estimate = estimate_gas(_state(), PARAMS, _request(data, value=COIN))
    assert estimate > DEPOSIT_GAS
    for gas, succeeded in ((estimate, True), (estimate - 1, False)):
        builder = BodyBuilder(_state(), BlockFacts(1, ZERO_ADDRESS, GWEI, None), PARAMS)
        assert builder.add(sign(DEVNET_KEYS[0], to=SYSTEM_ADDRESS, value=COIN, data=data, gas=gas))
        done = builder.finish()
        assert (done.receipts[0].succeeded, done.gas_used) == (succeeded, gas)


def test_an_estimate_counts_the_access_list() -> None:
    listed = (AccessEntry(ALICE, (Hash32(bytes(32)),)),)
    assert estimate_gas(_state(), PARAMS, _request(to=ZERO_ADDRESS, access_list=listed)) == 21_000 + 2_400 + 1_900


def test_a_revert_gives_its_reason() -> None:
    result = call(_state(), PARAMS, _request(encode_withdraw()))
    assert (result.succeeded, result.reason) == (False, "withdraw: nothing to pay yet")
    assert revert_reason(result.output) == result.reason
    with pytest.raises(CallReverted, match="execution reverted: withdraw: nothing to pay yet") as caught:
        estimate_gas(_state(), PARAMS, _request(encode_withdraw()))
    assert caught.value.output == result.output


def test_running_out_of_gas_has_no_reason() -> None:
    result = call(_state(), PARAMS, _request(TOTAL_STAKE, gas=22_000))
    assert (result.succeeded, result.output, result.reason, result.gas_used) == (False, b"", None, 22_000)
    with pytest.raises(CallReverted, match=r"execution reverted$"):
        estimate_gas(_state(), PARAMS, _request(TOTAL_STAKE, gas=22_000))


@pytest.mark.parametrize(
    ("rule", "request_"),
    [
        (TxRule.CREATION, _request(to=None)),
        (TxRule.INTRINSIC_GAS, _request(to=ZERO_ADDRESS, gas=20_999)),
        (TxRule.FUNDS_FOR_TRANSFER, _request(to=ZERO_ADDRESS, value=10_000 * COIN + 1)),
        (TxRule.FUNDS_FOR_TRANSFER, _request(sender=ZERO_ADDRESS, value=1)),
    ],
)
def test_refusals_have_names(rule: TxRule, request_: CallRequest) -> None:
    for ask in (call, estimate_gas):
        with pytest.raises(InvalidTransaction) as caught:
            ask(_state(), PARAMS, request_)
        assert caught.value.rule is rule
