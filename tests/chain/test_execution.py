"""The state transition: every rule by name, fees to the wei, supply kept."""

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.block import Header
from chain.execution import BlockFacts, BodyBuilder, Execution, TicketReward, execute_block, verify_block
from chain.fees import handicap_cap
from chain.genesis import load_genesis
from chain.primitives.units import COIN, GWEI, Address, Gas, Millis, Wei
from chain.receipt import EMPTY_BLOOM
from chain.rules import InvalidBlock, InvalidTransaction, Rule, TxRule
from chain.staking_abi import encode_withdraw
from chain.staking_registry import SYSTEM_ADDRESS, Registry
from chain.state import State
from chain.transaction import SignedTransaction, TxType
from tests.helpers.chain_builder import ChainBuilder, MemoryNodes
from tests.helpers.transactions import DEVNET_KEYS, address_of_key, key_of, sign

ALICE, BOB = DEVNET_KEYS[:2]
A, B = address_of_key(ALICE), address_of_key(BOB)
MINER = Address(b"M" * 20)
STAKER = Address(b"T" * 20)
GENESIS = load_genesis("devnet")
PARAMS = GENESIS.params
FACTS = BlockFacts(1, MINER, GWEI, None)


def _state() -> State:
    return State(MemoryNodes(GENESIS.trie_nodes), GENESIS.header.state_root)


def _run(*transactions: SignedTransaction, facts: BlockFacts = FACTS) -> tuple[State, Execution]:
    state = _state()
    return state, execute_block(state, facts, transactions, PARAMS)


def test_a_payment_moves_value_burns_the_base_fee_and_tips_the_miner() -> None:
    state, done = _run(sign(ALICE, to=B, value=5 * COIN, max_fee=10 * GWEI, tip=3 * GWEI))
    assert state.balance(A) == 10_000 * COIN - 5 * COIN - 21_000 * 4 * GWEI
    assert state.nonce(A) == 1
    assert state.balance(B) == 10_005 * COIN
    assert state.balance(MINER) == 50 * COIN + 21_000 * 3 * GWEI
    assert done.burnt == 21_000 * GWEI
    receipt = done.receipts[0]
    assert (receipt.succeeded, receipt.cumulative_gas_used, receipt.logs, receipt.bloom) == (
        True,
        21_000,
        (),
        EMPTY_BLOOM,
    )


def test_the_tip_is_capped_by_the_fee() -> None:
    state, _ = _run(sign(ALICE, to=B, max_fee=GWEI + 7, tip=GWEI))
    assert state.balance(MINER) == 50 * COIN + 21_000 * 7


@pytest.mark.parametrize("kind", [TxType.LEGACY, TxType.ACCESS_LIST])
def test_a_gas_price_above_the_base_fee_is_a_tip(kind: TxType) -> None:
    state, _ = _run(sign(ALICE, to=B, max_fee=5 * GWEI, kind=kind))
    assert state.balance(MINER) == 50 * COIN + 21_000 * 4 * GWEI


def test_data_to_a_plain_account_is_a_transfer_and_unused_gas_is_not_paid() -> None:
    state, done = _run(sign(ALICE, to=B, value=1, data=b"\x00hello", gas=100_000))
    assert done.gas_used == 21_000 + 4 + 5 * 16
    assert state.balance(A) == 10_000 * COIN - 1 - done.gas_used * 2 * GWEI


def test_a_payment_to_oneself_costs_the_fee_only() -> None:
    state, _ = _run(sign(ALICE, to=A, value=5 * COIN))
    assert state.balance(A) == 10_000 * COIN - 21_000 * 2 * GWEI


@pytest.mark.parametrize(
    ("rule", "signed"),
    [
        (TxRule.NONCE_HIGH, sign(ALICE, to=B, nonce=1)),
        (TxRule.FUNDS, sign(ALICE, to=B, value=10_000 * COIN)),
        (TxRule.FUNDS, sign(key_of(77), to=B)),
        (TxRule.FEE_BELOW_BASE, sign(ALICE, to=B, max_fee=GWEI - 1, tip=0)),
        (TxRule.TIP_ABOVE_FEE, sign(ALICE, to=B, max_fee=GWEI, tip=GWEI + 1)),
        (TxRule.INTRINSIC_GAS, sign(ALICE, to=B, gas=20_999)),
        (TxRule.INTRINSIC_GAS, sign(ALICE, to=B, gas=21_015, data=b"x")),
        (TxRule.FUNDS, sign(ALICE, to=B, value=10_000 * COIN - 21_000 * 2 * GWEI + 1)),
    ],
)
def test_what_cannot_be_executed_is_refused_by_name(rule: TxRule, signed: SignedTransaction) -> None:
    builder = BodyBuilder(_state(), FACTS, PARAMS)
    with pytest.raises(InvalidTransaction) as caught:
        builder.add(signed)
    assert caught.value.rule is rule
    with pytest.raises(InvalidBlock) as block:
        _run(signed)
    assert block.value.rule is Rule.TRANSACTION
    assert rule.value in str(block.value)
    # Nothing has changed: an empty body follows.
    assert builder.finish() == _run()[1]


def test_a_used_nonce_is_too_low() -> None:
    builder = BodyBuilder(_state(), FACTS, PARAMS)
    assert builder.add(sign(ALICE, to=B))
    with pytest.raises(InvalidTransaction, match="nonce too low: expected 1, got 0"):
        builder.add(sign(ALICE, to=B, value=1))


def test_the_whole_balance_can_be_sent() -> None:
    state, _ = _run(sign(ALICE, to=B, value=10_000 * COIN - 21_000 * 2 * GWEI))
    assert state.balance(A) == 0


def test_gas_and_bytes_of_a_block_are_bounded() -> None:
    builder = BodyBuilder(_state(), FACTS, PARAMS)
    assert builder.add(sign(ALICE, to=B, gas=60_000_000))
    assert builder.gas_left() == 120_000_000 - 21_000
    assert not builder.add(sign(ALICE, to=B, nonce=1, gas=120_000_000))
    with pytest.raises(InvalidBlock) as gas:
        _run(sign(ALICE, to=B), sign(ALICE, to=B, nonce=1, gas=119_990_000))
    assert gas.value.rule is Rule.GAS_LIMIT
    small = replace(PARAMS, max_body_bytes=200)
    with pytest.raises(InvalidBlock) as size:
        execute_block(_state(), FACTS, (sign(ALICE, to=B), sign(ALICE, to=B, nonce=1)), small)
    assert size.value.rule is Rule.BODY_SIZE


def test_a_plain_payment_to_the_staking_account_reverts_and_pays_its_gas() -> None:
    state, done = _run(sign(ALICE, to=SYSTEM_ADDRESS, value=COIN, gas=50_000))
    assert not done.receipts[0].succeeded
    assert done.gas_used == 22_000
    assert state.balance(A) == 10_000 * COIN - 22_000 * 2 * GWEI
    assert (state.balance(SYSTEM_ADDRESS), state.nonce(A)) == (0, 1)


def test_a_staking_call_without_enough_gas_pays_all_of_it() -> None:
    state, done = _run(sign(ALICE, to=SYSTEM_ADDRESS, data=encode_withdraw(), gas=60_000))
    assert not done.receipts[0].succeeded
    assert done.gas_used == 60_000
    assert state.balance(A) == 10_000 * COIN - 60_000 * 2 * GWEI


def test_a_ticket_shares_tips_by_rule_9() -> None:
    height = 1000
    facts = BlockFacts(height, MINER, GWEI, TicketReward(STAKER, Millis(600)))
    state, done = _run(sign(ALICE, to=B, max_fee=10 * GWEI, tip=3 * GWEI), facts=facts)
    cap = handicap_cap(height, PARAMS)
    assert cap == 3000
    reward = 5 * 50 * COIN * (cap - 600) // (8 * 3000)
    tips = 21_000 * 3 * GWEI
    share = tips * reward // (50 * COIN + reward)
    assert reward == 25 * COIN
    assert state.balance(STAKER) == reward + share
    assert state.balance(MINER) == 50 * COIN + tips - share
    assert Registry(state).issued == 100_000 * COIN + 75 * COIN
    assert done.reward.issued == 75 * COIN


def test_blocks_are_executed_alike_when_built_and_when_verified() -> None:
    chain = ChainBuilder()
    built = chain.extend(transactions=[sign(ALICE, to=B, value=COIN), sign(BOB, to=A, value=7)], miner=MINER)
    assert built.chained.header.gas_used == 42_000
    assert chain.state(built.chained).balance(MINER) == 50 * COIN + 42_000 * GWEI


_ROOT = b"\x01" * 32


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        (Rule.BASE_FEE, {"base_fee": Wei(GWEI + 1)}),
        (Rule.TRANSACTIONS_ROOT, {"transactions_root": _ROOT}),
        (Rule.GAS_USED, {"gas_used": Gas(21_001)}),
        (Rule.RECEIPTS_ROOT, {"receipts_root": _ROOT}),
        (Rule.STATE_ROOT, {"state_root": _ROOT}),
        (Rule.STATE_ROOT, {"miner": Address(bytes(19) + b"\x01")}),
    ],
)
def test_a_header_that_lies_about_its_body_is_refused_by_name(rule: Rule, changes: dict[str, object]) -> None:
    chain = ChainBuilder()

    def munge(header: Header) -> Header:
        return replace(header, **changes)  # type: ignore[arg-type]  # the parameters above have the fields' types

    block = chain.broken(munge, transactions=[sign(ALICE, to=B)], miner=MINER)
    with pytest.raises(InvalidBlock) as caught:
        verify_block(_state(), chain.root.header, block.sealed, block.transactions, PARAMS)
    assert caught.value.rule is rule


def _supply(state: State, accounts: list[Address]) -> int:
    return sum(state.balance(account) for account in {*accounts, SYSTEM_ADDRESS, MINER, STAKER})


_PARTIES = [*DEVNET_KEYS, key_of(5), key_of(6)]
_ACTIONS = st.tuples(
    st.integers(0, len(_PARTIES) - 1),
    st.integers(0, len(_PARTIES)),  # the last one is the staking account
    st.integers(0, 12_000 * COIN),
    st.sampled_from([TxType.LEGACY, TxType.ACCESS_LIST, TxType.DYNAMIC_FEE]),
    st.integers(GWEI, 9 * GWEI),
    st.sampled_from([b"", b"\x00\x01", encode_withdraw(), b"\xff" * 40]),
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(_ACTIONS, max_size=6), min_size=1, max_size=4), st.booleans())
def test_balances_and_burnt_fees_are_what_was_issued(blocks: list[list[tuple[int, ...]]], with_ticket: bool) -> None:
    nodes = MemoryNodes(GENESIS.trie_nodes)
    root = GENESIS.header.state_root
    accounts = [*GENESIS.allocations, *(address_of_key(key) for key in _PARTIES)]
    burnt = 0
    for number, actions in enumerate(blocks):
        ticket = TicketReward(STAKER, Millis(411)) if with_ticket else None
        state = State(nodes, root)
        builder = BodyBuilder(state, BlockFacts(100 + number, MINER, GWEI, ticket), PARAMS)
        for who, whom, value, kind, fee, data in actions:
            key = _PARTIES[who]
            to = SYSTEM_ADDRESS if whom == len(_PARTIES) else address_of_key(_PARTIES[whom])
            signed = sign(
                key,
                to=to,
                nonce=state.nonce(address_of_key(key)),
                value=value,
                kind=TxType(kind),
                max_fee=fee,
                tip=fee // 3,
                data=data,  # type: ignore[arg-type]  # the tuple's type is that of all its items
                gas=130_000,
            )
            with suppress(InvalidTransaction):  # for want of funds
                builder.add(signed)
        done = builder.finish()
        nodes.update(done.trie_nodes)
        root = done.state_root
        burnt += done.burnt
        assert _supply(State(nodes, root), accounts) + burnt == Registry(State(nodes, root)).issued
