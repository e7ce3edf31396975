"""The staking account (DESIGN 4.2): a system address with code of its own, called like a contract.

| function | gas beyond the intrinsic | reverts |
|---|---|---|
| `deposit(bytes validatorKey, bytes proof)`, payable | 150,000 | key, proof or amount wrong; key of another owner |
| `requestWithdrawal(uint256 amount)` | 80,000 | more than staked, a rest under the minimum, 16 waiting |
| `withdraw()` | 80,000 | nothing to pay yet |
| `stakeOf(address)`, `totalStake()` | 5,000 | |
| `holdingOf(address)` | 20,000 | |
| `validators(uint256 offset, uint256 limit)` | 5,000 + 6,000 · min(limit, 256) | |
| anything else, a plain payment too | 1,000 | always |

Costs are fixed, so estimates are exact. They follow the EVM's order of magnitude (20,000 for a new slot, 3,000 for a
signature check) and keep a block full of the dearest calls within a second of work. A call that reverts pays its cost
and changes nothing else; a call with less gas than its cost pays all its gas.

An owner has one validator key and a key has one owner. The proof shows that the depositor holds the key: a BIP340
signature by it, tag "mappemonde/deposit", over chain id (32 bytes) ‖ key (33) ‖ depositor (20), so that nobody can
register another's key or copy a deposit that waits. BIP340 and not ECDSA, because tickets are signed with it too, and a
signer for validators needs one scheme.
"""

from collections.abc import Callable
from dataclasses import dataclass

from chain.params import ChainParams
from chain.primitives.errors import Malformed
from chain.primitives.hashing import keccak256, tagged_hash
from chain.primitives.keys import schnorr_valid
from chain.primitives.units import Address, Gas, Hash32, Wei
from chain.receipt import Log
from chain.staking_abi import (
    DEPOSIT,
    DEPOSITED,
    HOLDING_OF,
    REQUEST_WITHDRAWAL,
    SELECTOR_BYTES,
    STAKE_OF,
    TOTAL_STAKE,
    VALIDATORS,
    WITHDRAW,
    WITHDRAWAL_REQUESTED,
    WITHDRAWN,
    Kind,
    address_word,
    array_tail,
    bytes_tail,
    decode_arguments,
    encode_revert,
    encode_tuple,
    word,
)
from chain.staking_registry import MAX_WITHDRAWALS, SYSTEM_ADDRESS, Entry, Registry, Withdrawal
from chain.state import Account, State
from chain.trie_nodes import EMPTY_ROOT

SYSTEM_CODE = b"\xfemappemonde staking account, executed by the node itself"
"""What eth_getCode shows for the staking account, so that wallets see a contract (WALLET_RPC.md). The first byte is the
EVM's INVALID; no node runs this."""

SYSTEM_CODE_HASH = keccak256(SYSTEM_CODE)
SYSTEM_NONCE = 1
"""As contracts have it since EIP-161."""

DEPOSIT_GAS = Gas(150_000)
WITHDRAWAL_GAS = Gas(80_000)
READ_GAS = Gas(5_000)
HOLDING_GAS = Gas(20_000)
LISTED_GAS = Gas(6_000)
UNKNOWN_GAS = Gas(1_000)

MAX_LISTED = 256
"""Most validators that one call of `validators` lists; callers page through the rest."""

KEY_BYTES = 33
PROOF_BYTES = 64


@dataclass(frozen=True, slots=True)
class StakingCall:
    """One call of the staking account; its value is already in the account's balance."""

    sender: Address
    value: Wei
    data: bytes
    height: int
    """Height of the block that executes the call."""
    gas: Gas
    """Gas left after the intrinsic cost."""


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """What a call did; when it failed, the caller reverts the state."""

    succeeded: bool
    gas_used: Gas
    """At most the call's gas."""
    output: bytes
    """Encoded results, or the encoded reason of a revert; empty when the gas ran out."""
    logs: tuple[Log, ...]


class _Revert(Exception):
    """A call that must change nothing."""


@dataclass(frozen=True, slots=True)
class _Context:
    state: State
    registry: Registry
    params: ChainParams
    call: StakingCall


_Result = tuple[bytes, tuple[Log, ...]]


@dataclass(frozen=True, slots=True)
class _Function:
    run: Callable[[_Context, list[int | bytes]], _Result]
    arguments: tuple[Kind, ...]
    gas: Gas
    payable: bool = False


def deposit_digest(chain_id: int, validator_key: bytes, depositor: Address) -> Hash32:
    """Return what a validator key signs (BIP340) to prove that the depositor holds it."""
    return tagged_hash("mappemonde/deposit", word(chain_id) + validator_key + depositor)


def system_account(balance: Wei) -> Account:
    """Return the staking account as genesis creates it."""
    return Account(nonce=SYSTEM_NONCE, balance=balance, storage_root=EMPTY_ROOT, code_hash=SYSTEM_CODE_HASH)


def code_of(account: Account) -> bytes:
    """Return an account's code: the marker of the staking account, nothing for all others."""
    return SYSTEM_CODE if account.code_hash == SYSTEM_CODE_HASH else b""


def run_call(state: State, params: ChainParams, call: StakingCall) -> CallOutcome:
    """Execute a call. The caller has begun a stretch of changes and reverts it if the call does not succeed."""
    function = _FUNCTIONS.get(call.data[:SELECTOR_BYTES])
    gas = UNKNOWN_GAS if function is None else function.gas
    try:
        if gas > call.gas:
            return CallOutcome(succeeded=False, gas_used=call.gas, output=b"", logs=())
        if function is None:
            raise _Revert("the staking account has no such function and takes no plain payment")
        arguments = decode_arguments(function.arguments, call.data[SELECTOR_BYTES:])
        if function.run is _validators:
            gas = Gas(gas + LISTED_GAS * min(_number(arguments[1]), MAX_LISTED))
            if gas > call.gas:
                return CallOutcome(succeeded=False, gas_used=call.gas, output=b"", logs=())
        if call.value and not function.payable:
            raise _Revert("this function takes no value")
        output, logs = function.run(_Context(state, Registry(state), params, call), arguments)
    except Malformed as error:
        return CallOutcome(succeeded=False, gas_used=gas, output=encode_revert(str(error)), logs=())
    except _Revert as reason:
        return CallOutcome(succeeded=False, gas_used=gas, output=encode_revert(str(reason)), logs=())
    return CallOutcome(succeeded=True, gas_used=gas, output=output, logs=logs)


def _number(value: int | bytes) -> int:
    assert isinstance(value, int)
    return value


def _text(value: int | bytes) -> bytes:
    assert isinstance(value, bytes)
    return value


def _log(topic: Hash32, owner: Address, data: bytes) -> tuple[Log, ...]:
    return (Log(SYSTEM_ADDRESS, (topic, Hash32(address_word(owner))), data),)


def _deposit(context: _Context, arguments: list[int | bytes]) -> _Result:
    key, proof = _text(arguments[0]), _text(arguments[1])
    call, registry, params = context.call, context.registry, context.params
    if len(key) != KEY_BYTES or key[0] not in (2, 3):
        raise _Revert("deposit: the validator key is not a compressed secp256k1 key")
    number = registry.number_of(call.sender)
    stake = call.value
    if number is None:
        if registry.key_owner(key) is not None:
            raise _Revert("deposit: the validator key belongs to another account")
    else:
        entry = registry.entry(number)
        if entry.validator_key != key:
            raise _Revert("deposit: this account stakes with another validator key")
        stake = Wei(stake + entry.stake)
    if not call.value or stake < params.min_stake:
        raise _Revert(f"deposit: stake under the minimum of {params.min_stake} wei")
    if len(proof) != PROOF_BYTES or not schnorr_valid(
        key[1:], deposit_digest(params.chain_id, key, call.sender), proof
    ):
        raise _Revert("deposit: the proof does not show that you hold the validator key")
    if number is None:
        registry.add_entry(Entry(call.sender, key, stake))
    else:
        registry.set_stake(number, stake)
    return b"", _log(DEPOSITED, call.sender, encode_tuple([bytes_tail(key), word(call.value), word(stake)]))


def _request_withdrawal(context: _Context, arguments: list[int | bytes]) -> _Result:
    amount = _number(arguments[0])
    call, registry, params = context.call, context.registry, context.params
    number = registry.number_of(call.sender)
    stake = registry.stake_of(call.sender)
    if number is None or amount > stake:
        raise _Revert(f"requestWithdrawal: more than the stake of {stake} wei")
    if not amount:
        raise _Revert("requestWithdrawal: nothing asked for")
    rest = Wei(stake - amount)
    if 0 < rest < params.min_stake:
        raise _Revert(f"requestWithdrawal: leave nothing, or the minimum of {params.min_stake} wei")
    if len(registry.withdrawals(call.sender)) >= MAX_WITHDRAWALS:
        raise _Revert(f"requestWithdrawal: {MAX_WITHDRAWALS} withdrawals wait, fetch them first")
    release = call.height + params.unbonding_blocks
    registry.set_stake(number, rest)
    registry.add_withdrawal(call.sender, Withdrawal(release, Wei(amount)))
    return b"", _log(WITHDRAWAL_REQUESTED, call.sender, word(amount) + word(rest) + word(release))


def _withdraw(context: _Context, _arguments: list[int | bytes]) -> _Result:
    call, registry, state = context.call, context.registry, context.state
    ready = [entry for entry in registry.withdrawals(call.sender) if entry.release_height <= call.height]
    if not ready:
        raise _Revert("withdraw: nothing to pay yet")
    amount = Wei(sum(entry.amount for entry in ready))
    registry.drop_withdrawals(call.sender, len(ready))
    state.set_balance(SYSTEM_ADDRESS, Wei(state.balance(SYSTEM_ADDRESS) - amount))
    state.add_balance(call.sender, amount)
    return b"", _log(WITHDRAWN, call.sender, word(amount))


def _stake_of(context: _Context, arguments: list[int | bytes]) -> _Result:
    return word(context.registry.stake_of(Address(_text(arguments[0])))), ()


def _total_stake(context: _Context, _arguments: list[int | bytes]) -> _Result:
    return word(context.registry.total), ()


def _holding_of(context: _Context, arguments: list[int | bytes]) -> _Result:
    owner = Address(_text(arguments[0]))
    number = context.registry.number_of(owner)
    key, stake = (b"", Wei(0)) if number is None else context.registry.key_and_stake(number)
    waiting = context.registry.withdrawals(owner)
    later = [entry for entry in waiting if entry.release_height > context.call.height]
    total = sum(entry.amount for entry in waiting)
    withdrawable = total - sum(entry.amount for entry in later)
    next_release = later[0].release_height if later else 0
    return encode_tuple([bytes_tail(key), word(stake), word(total), word(withdrawable), word(next_release)]), ()


def _validators(context: _Context, arguments: list[int | bytes]) -> _Result:
    offset, limit = _number(arguments[0]), min(_number(arguments[1]), MAX_LISTED)
    last = min(offset + limit, context.registry.count)
    entries = [context.registry.entry(number) for number in range(offset, last)]
    return (
        encode_tuple(
            [
                array_tail([address_word(entry.owner) for entry in entries]),
                array_tail([bytes_tail(entry.validator_key) for entry in entries]),
                array_tail([word(entry.stake) for entry in entries]),
            ]
        ),
        (),
    )


_FUNCTIONS = {
    DEPOSIT: _Function(_deposit, (Kind.BYTES, Kind.BYTES), DEPOSIT_GAS, payable=True),
    REQUEST_WITHDRAWAL: _Function(_request_withdrawal, (Kind.UINT,), WITHDRAWAL_GAS),
    WITHDRAW: _Function(_withdraw, (), WITHDRAWAL_GAS),
    STAKE_OF: _Function(_stake_of, (Kind.ADDRESS,), READ_GAS),
    TOTAL_STAKE: _Function(_total_stake, (), READ_GAS),
    HOLDING_OF: _Function(_holding_of, (Kind.ADDRESS,), HOLDING_GAS),
    VALIDATORS: _Function(_validators, (Kind.UINT, Kind.UINT), READ_GAS),
}
