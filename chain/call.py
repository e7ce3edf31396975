"""Questions to a state that change nothing: calls and estimates of gas, as wallets ask them before they sign."""

from dataclasses import dataclass

from chain.params import ChainParams
from chain.primitives.errors import NodeError
from chain.primitives.units import Address, Gas, Wei
from chain.rules import InvalidTransaction, TxRule
from chain.staking import StakingCall, run_call
from chain.staking_abi import revert_reason
from chain.staking_registry import SYSTEM_ADDRESS
from chain.state import State
from chain.transaction import TX_GAS, AccessEntry, access_list_gas, data_gas


@dataclass(frozen=True, slots=True)
class CallRequest:
    """What a caller asks; no signature, nonce or fee stands behind it."""

    sender: Address
    to: Address | None
    """None would create a contract, which is refused."""
    value: Wei
    data: bytes
    gas: Gas | None
    """Gas limit; None for the block's."""
    access_list: tuple[AccessEntry, ...]
    height: int
    """Height of the block that would execute it: the head's plus one."""


@dataclass(frozen=True, slots=True)
class CallResult:
    """What a call would do."""

    succeeded: bool
    gas_used: Gas
    """With the intrinsic cost."""
    output: bytes
    """Results of the function; the encoded reason after a revert; empty for a plain account, or when gas ran out."""
    reason: str | None
    """Reason of a revert in words, None without one."""


class CallReverted(NodeError):
    """An estimate of a call that would revert (JSON-RPC error code 3, with `output` as its data)."""

    def __init__(self, result: CallResult) -> None:
        super().__init__(f"execution reverted: {result.reason}" if result.reason else "execution reverted")
        self.output = result.output
        self.reason = result.reason


def call(state: State, params: ChainParams, request: CallRequest) -> CallResult:
    """Return what a transaction would do in a state, which stays as it is.

    Raises `InvalidTransaction`: CREATION, INTRINSIC_GAS, or FUNDS_FOR_TRANSFER when the sender lacks the value.
    """
    if request.to is None:
        raise InvalidTransaction(TxRule.CREATION)
    intrinsic = Gas(TX_GAS + data_gas(request.data) + access_list_gas(request.access_list))
    limit = params.gas_limit if request.gas is None else min(request.gas, params.gas_limit)
    if limit < intrinsic:
        raise InvalidTransaction(TxRule.INTRINSIC_GAS, expected=intrinsic, got=limit)
    balance = state.balance(request.sender)
    if balance < request.value:
        raise InvalidTransaction(TxRule.FUNDS_FOR_TRANSFER, expected=request.value, got=balance)
    if request.to != SYSTEM_ADDRESS:
        return CallResult(succeeded=True, gas_used=intrinsic, output=b"", reason=None)
    state.begin()
    try:
        state.set_balance(request.sender, Wei(balance - request.value))
        state.add_balance(SYSTEM_ADDRESS, request.value)
        gas = Gas(limit - intrinsic)
        outcome = run_call(state, params, StakingCall(request.sender, request.value, request.data, request.height, gas))
    finally:
        state.revert()
    return CallResult(
        succeeded=outcome.succeeded,
        gas_used=Gas(intrinsic + outcome.gas_used),
        output=outcome.output,
        reason=None if outcome.succeeded else revert_reason(outcome.output),
    )


def estimate_gas(state: State, params: ChainParams, request: CallRequest) -> Gas:
    """Return the gas limit a transaction needs: exact, since all costs are fixed.

    Raises `InvalidTransaction` as `call` does, and `CallReverted`.
    """
    result = call(state, params, request)
    if not result.succeeded:
        raise CallReverted(result)
    return result.gas_used
