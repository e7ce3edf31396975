"""The staking account, function by function, and stakes from deposit to repayment."""

from dataclasses import replace

import pytest
from coincurve import PrivateKey
from eth_abi.abi import decode as eth_decode
from eth_abi.abi import encode as eth_encode
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.execution import BlockFacts, BodyBuilder, Execution
from chain.genesis import load_genesis
from chain.primitives.hashing import keccak256
from chain.primitives.keys import schnorr_sign
from chain.primitives.units import COIN, GWEI, Address, Gas, Wei
from chain.receipt import Receipt
from chain.staking import (
    DEPOSIT_GAS,
    LISTED_GAS,
    MAX_LISTED,
    READ_GAS,
    UNKNOWN_GAS,
    WITHDRAWAL_GAS,
    StakingCall,
    code_of,
    deposit_digest,
    run_call,
)
from chain.staking_abi import (
    DEPOSIT,
    DEPOSITED,
    HOLDING_OF,
    REQUEST_WITHDRAWAL,
    STAKE_OF,
    TOTAL_STAKE,
    VALIDATORS,
    WITHDRAW,
    WITHDRAWAL_REQUESTED,
    WITHDRAWN,
    encode_deposit,
    encode_request_withdrawal,
    encode_withdraw,
    revert_reason,
)
from chain.staking_registry import MAX_WITHDRAWALS, SYSTEM_ADDRESS, Entry, Registry
from chain.staking_snapshot import snapshot
from chain.state import State, slot_key
from chain.transaction import intrinsic_gas
from tests.helpers.chain_builder import MemoryNodes
from tests.helpers.transactions import DEVNET_KEYS, address_of_key, key_of, sign

GENESIS = load_genesis("devnet")
PARAMS = GENESIS.params
ALICE, BOB, CAROL = DEVNET_KEYS
MINER = Address(b"M" * 20)
VALIDATOR, OTHER = key_of(1001), key_of(1002)


def _public(key: PrivateKey) -> bytes:
    return bytes(key.public_key.format())


def _proof(validator: PrivateKey, owner: PrivateKey, *, chain_id: int = PARAMS.chain_id) -> bytes:
    return schnorr_sign(validator, deposit_digest(chain_id, _public(validator), address_of_key(owner)), bytes(32))


def _deposit_data(validator: PrivateKey, owner: PrivateKey) -> bytes:
    return encode_deposit(_public(validator), _proof(validator, owner))


class Chain:
    """Blocks one after the other; changed by `block` alone."""

    def __init__(self) -> None:
        self.nodes = MemoryNodes(GENESIS.trie_nodes)
        self.root = GENESIS.header.state_root
        self.height = 0

    def state(self) -> State:
        """Return the state now."""
        return State(self.nodes, self.root)

    def registry(self) -> Registry:
        """Return the registry now."""
        return Registry(self.state())

    def block(self, *calls: tuple[PrivateKey, bytes, int], at: int | None = None) -> Execution:
        """Execute calls (sender, data, value) of the staking account in the next block, or in the one at a height."""
        self.height = self.height + 1 if at is None else at
        state = self.state()
        builder = BodyBuilder(state, BlockFacts(self.height, MINER, GWEI, None), PARAMS)
        for key, data, value in calls:
            nonce = state.nonce(address_of_key(key))
            signed = sign(key, to=SYSTEM_ADDRESS, nonce=nonce, value=value, data=data, gas=2_000_000)
            assert builder.add(signed)
        done = builder.finish()
        self.nodes.update(done.trie_nodes)
        self.root = done.state_root
        return done

    def call(self, key: PrivateKey, data: bytes, value: int = 0) -> tuple[Receipt, int]:
        """Execute one call in a block of its own and return its receipt and its gas beyond the intrinsic."""
        done = self.block((key, data, value))
        return done.receipts[0], done.gas_used - intrinsic_gas(done.transactions[0].tx)

    def ask(self, data: bytes, *, value: int = 0, gas: int = 10_000_000) -> bytes:
        """Return what a call gives back, or the reason of its revert."""
        state = self.state()
        call = StakingCall(address_of_key(ALICE), Wei(value), data, self.height + 1, Gas(gas))
        outcome = run_call(state, PARAMS, call)
        return outcome.output if outcome.succeeded else (revert_reason(outcome.output) or "").encode()


def test_a_deposit_registers_a_validator_and_logs_it() -> None:
    chain = Chain()
    receipt, gas = chain.call(ALICE, _deposit_data(VALIDATOR, ALICE), 5 * COIN)
    assert (receipt.succeeded, gas) == (True, DEPOSIT_GAS)
    (log,) = receipt.logs
    assert log.address == SYSTEM_ADDRESS
    assert log.topics == (DEPOSITED, bytes(12) + address_of_key(ALICE))
    assert eth_decode(["bytes", "uint256", "uint256"], log.data) == (_public(VALIDATOR), 5 * COIN, 5 * COIN)
    assert any(receipt.bloom)
    assert chain.state().balance(SYSTEM_ADDRESS) == 5 * COIN
    assert chain.registry().entry(0) == Entry(address_of_key(ALICE), _public(VALIDATOR), Wei(5 * COIN))


def test_reads_answer_as_the_abi_says() -> None:
    chain = Chain()
    chain.block((ALICE, _deposit_data(VALIDATOR, ALICE), 5 * COIN), (BOB, _deposit_data(OTHER, BOB), 2 * COIN))
    alice, bob = address_of_key(ALICE), address_of_key(BOB)
    assert int.from_bytes(chain.ask(STAKE_OF + eth_encode(["address"], [alice])), "big") == 5 * COIN
    assert int.from_bytes(chain.ask(STAKE_OF + eth_encode(["address"], [bytes(20)])), "big") == 0
    assert int.from_bytes(chain.ask(TOTAL_STAKE), "big") == 7 * COIN
    kinds = ["address[]", "bytes[]", "uint256[]"]
    everyone = eth_decode(kinds, chain.ask(VALIDATORS + eth_encode(["uint256", "uint256"], [0, 10])))
    hexadecimal = ["0x" + alice.hex(), "0x" + bob.hex()]
    assert everyone == (tuple(hexadecimal), (_public(VALIDATOR), _public(OTHER)), (5 * COIN, 2 * COIN))
    second = eth_decode(kinds, chain.ask(VALIDATORS + eth_encode(["uint256", "uint256"], [1, 2**256 - 1])))
    assert second == ((hexadecimal[1],), (_public(OTHER),), (2 * COIN,))
    assert eth_decode(kinds, chain.ask(VALIDATORS + eth_encode(["uint256", "uint256"], [2**255, 1]))) == ((), (), ())


def test_listing_costs_by_the_limit_asked_for() -> None:
    chain = Chain()
    for limit in (0, 3, MAX_LISTED, 10**9):
        _, gas = chain.call(ALICE, VALIDATORS + eth_encode(["uint256", "uint256"], [0, limit]))
        assert gas == READ_GAS + LISTED_GAS * min(limit, MAX_LISTED)
    assert chain.ask(VALIDATORS + eth_encode(["uint256", "uint256"], [0, 3]), gas=READ_GAS + 3 * LISTED_GAS - 1) == b""


def test_a_deposit_can_be_raised() -> None:
    chain = Chain()
    chain.block((ALICE, _deposit_data(VALIDATOR, ALICE), COIN), (ALICE, _deposit_data(VALIDATOR, ALICE), 1))
    assert chain.registry().stake_of(address_of_key(ALICE)) == COIN + 1
    assert (chain.registry().total, chain.registry().count) == (COIN + 1, 1)


def _bad_key() -> bytes:
    return b"\x02" + b"\xff" * 32


@pytest.mark.parametrize(
    ("reason", "data", "value"),
    [
        ("under the minimum", _deposit_data(VALIDATOR, ALICE), COIN - 1),
        ("under the minimum", _deposit_data(VALIDATOR, ALICE), 0),
        ("does not show", encode_deposit(_public(VALIDATOR), bytes(64)), COIN),
        ("does not show", encode_deposit(_public(VALIDATOR), b""), COIN),
        ("does not show", _deposit_data(VALIDATOR, BOB), COIN),
        ("does not show", encode_deposit(_public(VALIDATOR), _proof(VALIDATOR, ALICE, chain_id=1569)), COIN),
        ("does not show", encode_deposit(_public(OTHER), _proof(VALIDATOR, ALICE)), COIN),
        ("does not show", encode_deposit(_bad_key(), bytes(64)), COIN),
        ("not a compressed", encode_deposit(_public(VALIDATOR)[1:], _proof(VALIDATOR, ALICE)), COIN),
        ("not a compressed", encode_deposit(b"\x04" + _public(VALIDATOR)[1:], _proof(VALIDATOR, ALICE)), COIN),
        ("arguments end early", encode_deposit(b"", b"")[:-64], COIN),
        ("not the canonical", _deposit_data(VALIDATOR, ALICE) + b"\x00", COIN),
        ("at most 1024", _deposit_data(VALIDATOR, ALICE) + bytes(2000), COIN),
        ("takes no value", encode_withdraw(), 1),
        ("takes no value", encode_request_withdrawal(1), 1),
        ("nothing to pay", encode_withdraw(), 0),
        ("more than the stake of 0", encode_request_withdrawal(1), 0),
        ("no such function", b"", COIN),
        ("no such function", b"\x01\x02\x03", 0),
        ("no such function", b"\x01\x02\x03\x04", 0),
    ],
)
def test_wrong_calls_revert_with_a_reason_and_change_nothing(reason: str, data: bytes, value: int) -> None:
    chain = Chain()
    assert reason in chain.ask(data, value=value).decode()
    before = chain.state()
    receipt, _ = chain.call(ALICE, data, value)
    after = chain.state()
    assert (receipt.succeeded, receipt.logs) == (False, ())
    assert after.balance(SYSTEM_ADDRESS) == before.balance(SYSTEM_ADDRESS) == 0
    assert snapshot(after).stakes == {}


def test_keys_and_owners_belong_together() -> None:
    chain = Chain()
    chain.block((ALICE, _deposit_data(VALIDATOR, ALICE), COIN))
    assert "another validator key" in chain.ask(_deposit_data(OTHER, ALICE), value=COIN).decode()
    receipt, _ = chain.call(BOB, _deposit_data(VALIDATOR, BOB), COIN)
    assert not receipt.succeeded
    # Once the owner has left, the key is free.
    chain.block((ALICE, encode_request_withdrawal(COIN), 0), (BOB, _deposit_data(VALIDATOR, BOB), COIN))
    assert chain.registry().key_owner(_public(VALIDATOR)) == address_of_key(BOB)
    assert chain.registry().number_of(address_of_key(ALICE)) is None


def test_a_withdrawal_stops_counting_at_once_and_is_paid_to_the_wei_after_unbonding() -> None:
    chain = Chain()
    alice = address_of_key(ALICE)
    chain.block((ALICE, _deposit_data(VALIDATOR, ALICE), 5 * COIN))
    receipt, gas = chain.call(ALICE, encode_request_withdrawal(3 * COIN))
    assert (receipt.succeeded, gas) == (True, WITHDRAWAL_GAS)
    release = 2 + PARAMS.unbonding_blocks
    (log,) = receipt.logs
    assert log.topics == (WITHDRAWAL_REQUESTED, bytes(12) + alice)
    assert eth_decode(["uint256", "uint256", "uint256"], log.data) == (3 * COIN, 2 * COIN, release)
    assert snapshot(chain.state()).stakes == {_public(VALIDATOR): 2 * COIN}
    chain.height = release - 2
    kinds = ["bytes", "uint256", "uint256", "uint256", "uint256"]
    position = HOLDING_OF + eth_encode(["address"], [alice])
    assert eth_decode(kinds, chain.ask(position)) == (_public(VALIDATOR), 2 * COIN, 3 * COIN, 0, release)
    assert not chain.call(ALICE, encode_withdraw())[0].succeeded
    assert eth_decode(kinds, chain.ask(position)) == (_public(VALIDATOR), 2 * COIN, 3 * COIN, 3 * COIN, 0)
    before = chain.state().balance(alice)
    done = chain.block((ALICE, encode_withdraw(), 0))
    assert chain.state().balance(alice) == before + 3 * COIN - done.gas_used * 2 * GWEI
    assert done.receipts[0].logs[0].topics == (WITHDRAWN, bytes(12) + alice)
    assert int.from_bytes(done.receipts[0].logs[0].data, "big") == 3 * COIN
    assert chain.state().balance(SYSTEM_ADDRESS) == 2 * COIN


def test_a_rest_is_nothing_or_the_minimum() -> None:
    chain = Chain()
    chain.block((ALICE, _deposit_data(VALIDATOR, ALICE), 2 * COIN))
    assert b"leave nothing" in chain.ask(encode_request_withdrawal(COIN + 1))
    assert b"nothing asked" in chain.ask(encode_request_withdrawal(0))
    assert b"more than the stake" in chain.ask(encode_request_withdrawal(2 * COIN + 1))
    assert chain.ask(encode_request_withdrawal(COIN)) == b""
    assert chain.ask(encode_request_withdrawal(2 * COIN)) == b""


def test_waiting_withdrawals_are_bounded_and_paid_oldest_first() -> None:
    chain = Chain()
    alice = address_of_key(ALICE)
    chain.block((ALICE, _deposit_data(VALIDATOR, ALICE), 100 * COIN))
    for _ in range(3):  # the ring of slots is gone round
        first = chain.height + 1
        for number in range(MAX_WITHDRAWALS):
            chain.block((ALICE, encode_request_withdrawal(number + 1), 0))
        assert b"withdrawals wait" in chain.ask(encode_request_withdrawal(1))
        chain.block((ALICE, encode_withdraw(), 0), at=first + PARAMS.unbonding_blocks + 4)
        waiting = chain.registry().withdrawals(alice)
        assert [entry.amount for entry in waiting] == list(range(6, MAX_WITHDRAWALS + 1))
        chain.block((ALICE, encode_withdraw(), 0), at=chain.height + PARAMS.unbonding_blocks)
        assert chain.registry().withdrawals(alice) == []


def test_the_minimum_is_the_networks() -> None:
    state = State(MemoryNodes(GENESIS.trie_nodes), GENESIS.header.state_root)
    call = StakingCall(address_of_key(ALICE), Wei(COIN), _deposit_data(VALIDATOR, ALICE), 1, DEPOSIT_GAS)
    strict = replace(PARAMS, min_stake=Wei(100 * COIN))
    assert not run_call(state, strict, call).succeeded
    assert run_call(state, PARAMS, call).succeeded


def test_genesis_holds_the_account_and_counts_the_premine() -> None:
    state = State(MemoryNodes(GENESIS.trie_nodes), GENESIS.header.state_root)
    assert code_of(state.account(SYSTEM_ADDRESS)) != b""
    assert code_of(state.account(address_of_key(ALICE))) == b""
    assert snapshot(state).issued == 100_000 * COIN
    assert UNKNOWN_GAS < READ_GAS


_OWNERS = [*DEVNET_KEYS]
_KEYS = [VALIDATOR, OTHER, key_of(1003), key_of(1004)]
_STEPS = st.one_of(
    st.tuples(st.just("deposit"), st.integers(0, 2), st.integers(0, 3), st.integers(0, 3)),
    st.tuples(st.just("request"), st.integers(0, 2), st.integers(0, 5), st.just(0)),
    st.tuples(st.just("withdraw"), st.integers(0, 2), st.integers(0, 15), st.just(0)),
)


@pytest.mark.slow
@settings(max_examples=50)
@given(st.lists(_STEPS, max_size=20))
def test_the_registry_follows_a_plain_model(steps: list[tuple[str, int, int, int]]) -> None:
    chain = Chain()
    stakes: dict[int, tuple[int, int]] = {}  # owner -> (key, coins)
    queues: dict[int, list[tuple[int, int]]] = {0: [], 1: [], 2: []}
    for name, owner, number, coins in steps:
        who = _OWNERS[owner]
        if name == "deposit":
            receipt, _ = chain.call(who, _deposit_data(_KEYS[number], who), coins * COIN)
            key, held = stakes.get(owner, (number, 0))
            taken = any(other != owner and entry[0] == number for other, entry in stakes.items())
            valid = key == number and coins > 0 and not taken
            if valid:
                stakes[owner] = (key, held + coins)
        elif name == "request":
            receipt, _ = chain.call(who, encode_request_withdrawal(number * COIN))
            key, held = stakes.get(owner, (0, 0))
            valid = 0 < number <= held
            if valid:
                queues[owner].append((chain.height + PARAMS.unbonding_blocks, number))
                stakes[owner] = (key, held - number)
                if held == number:
                    del stakes[owner]
        else:
            chain.height += number
            receipt, _ = chain.call(who, encode_withdraw())
            valid = bool(queues[owner]) and queues[owner][0][0] <= chain.height
            queues[owner] = [entry for entry in queues[owner] if entry[0] > chain.height]
        assert receipt.succeeded == valid
        registry = chain.registry()
        found = snapshot(chain.state())
        assert found.stakes == {_public(_KEYS[key]): held * COIN for key, held in stakes.values()}
        assert found.total == registry.total == sum(held for _, held in stakes.values()) * COIN
        listed = {registry.entry(index).owner for index in range(registry.count)}
        assert listed == {address_of_key(_OWNERS[index]) for index in stakes}
        waiting = sum(amount for queue in queues.values() for _, amount in queue) * COIN
        assert chain.state().balance(SYSTEM_ADDRESS) == found.total + waiting


_SELECTORS = [DEPOSIT, REQUEST_WITHDRAWAL, WITHDRAW, STAKE_OF, TOTAL_STAKE, VALIDATORS, HOLDING_OF, b"none"]
_WORDS = st.lists(
    st.one_of(st.integers(0, 300), st.integers(0, 2**256 - 1)).map(lambda number: number.to_bytes(32, "big")),
    max_size=5,
).map(b"".join)


@given(
    st.sampled_from(_SELECTORS),
    st.one_of(_WORDS, st.binary(max_size=80)),
    st.sampled_from([0, COIN]),
    st.integers(0, 10**7),
)
def test_any_call_has_an_outcome_within_its_gas(name: bytes, arguments: bytes, value: int, gas: int) -> None:
    state = State(MemoryNodes(GENESIS.trie_nodes), GENESIS.header.state_root)
    call = StakingCall(address_of_key(ALICE), Wei(value), name + arguments, 1, Gas(gas))
    outcome = run_call(state, PARAMS, call)
    assert 0 <= outcome.gas_used <= gas
    if not outcome.succeeded:
        assert outcome.logs == ()
        assert (outcome.output == b"") == (outcome.gas_used == gas) or revert_reason(outcome.output)


def test_the_registry_lies_in_the_slots_of_its_table() -> None:
    chain = Chain()
    chain.block((ALICE, _deposit_data(VALIDATOR, ALICE), 3 * COIN), (ALICE, encode_request_withdrawal(COIN), 0))
    state = chain.state()
    owner = bytes(12) + address_of_key(ALICE)
    public = _public(VALIDATOR)

    def at(slot: int) -> int:
        return state.storage(SYSTEM_ADDRESS, slot_key(slot))

    def hashed(*parts: bytes) -> int:
        return int.from_bytes(keccak256(b"".join(parts)), "big")

    def numbered(number: int) -> bytes:
        return number.to_bytes(32, "big")

    assert (at(0), at(1), at(2)) == (100_050 * COIN, 2 * COIN, 1)
    entries = hashed(numbered(3))
    assert at(entries) == int.from_bytes(public[1:], "big")
    assert at(entries + 1) == int.from_bytes(owner, "big")
    assert at(entries + 2) == public[0] * 2**248 + 2 * COIN
    assert at(hashed(owner, numbered(4))) == 1
    assert at(hashed(public, numbered(5))) == int.from_bytes(owner, "big")
    queue = hashed(owner, numbered(6))
    assert at(queue) == 1
    assert at(queue + 1) == 21 * 2**128 + COIN
