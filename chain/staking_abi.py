"""The staking account's interface: how calls, results, reverts and events are encoded (Solidity ABI, version 2).

The few types needed are coded here and not by eth-abi: what a call means is consensus, and must not change with the
version of a library. Tests compare the two. `staking_abi` gives the interface as wallets want it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from importlib import resources

from chain.primitives.errors import Malformed
from chain.primitives.hashing import keccak256
from chain.primitives.units import Address, Hash32

WORD = 32
SELECTOR_BYTES = 4

MAX_CALL_BYTES = 1_024
"""Longest call data: `deposit`, the longest, has 260 bytes; anything far longer is refused before it is decoded."""


class Kind(Enum):
    """Types of arguments."""

    UINT = "uint256"
    ADDRESS = "address"
    BYTES = "bytes"


@dataclass(frozen=True, slots=True)
class Tail:
    """An encoded value of variable length; its place in the head holds an offset."""

    content: bytes


def word(number: int) -> bytes:
    """Return a number, 0 .. 2^256 - 1, as a word."""
    return number.to_bytes(WORD, "big")


def address_word(address: Address) -> bytes:
    """Return an address as a word."""
    return bytes(12) + address


def bytes_tail(data: bytes) -> Tail:
    """Return a byte string as a value of variable length."""
    return Tail(word(len(data)) + data + bytes(-len(data) % WORD))


def array_tail(items: Sequence[bytes | Tail]) -> Tail:
    """Return an array as a value of variable length."""
    return Tail(word(len(items)) + encode_tuple(items))


def encode_tuple(parts: Sequence[bytes | Tail]) -> bytes:
    """Return words and values of variable length as arguments or results are laid out: heads, then tails."""
    head: list[bytes] = []
    tails: list[bytes] = []
    offset = WORD * len(parts)
    for part in parts:
        if isinstance(part, Tail):
            head.append(word(offset))
            tails.append(part.content)
            offset += len(part.content)
        else:
            head.append(part)
    return b"".join(head + tails)


def decode_arguments(kinds: Sequence[Kind], data: bytes) -> list[int | bytes]:
    """Return the arguments of a call: numbers for UINT, bytes for the others.

    Only the one encoding that `encode_tuple` makes is taken, so that every node reads a call alike. Raises `Malformed`.
    """
    if len(data) > MAX_CALL_BYTES:
        raise Malformed(f"{len(data)} bytes of arguments where at most {MAX_CALL_BYTES} may stand")
    values: list[int | bytes] = []
    parts: list[bytes | Tail] = []
    for index, kind in enumerate(kinds):
        head = _word_at(data, index * WORD)
        number = int.from_bytes(head, "big")
        if kind is Kind.UINT:
            values.append(number)
            parts.append(head)
        elif kind is Kind.ADDRESS:
            values.append(head[12:])
            parts.append(bytes(12) + head[12:])
        else:
            length = int.from_bytes(_word_at(data, number), "big")
            value = data[number + WORD : number + WORD + length]
            values.append(value)
            parts.append(bytes_tail(value))
    if encode_tuple(parts) != data:
        raise Malformed("not the canonical encoding of the arguments")
    return values


def _word_at(data: bytes, offset: int) -> bytes:
    if offset + WORD > len(data):
        raise Malformed("arguments end early")
    return data[offset : offset + WORD]


def selector(signature: str) -> bytes:
    """Return the four bytes that name a function."""
    return keccak256(signature.encode())[:SELECTOR_BYTES]


def event_topic(signature: str) -> Hash32:
    """Return the first topic of an event's logs."""
    return keccak256(signature.encode())


_ERROR = selector("Error(string)")


def encode_revert(reason: str) -> bytes:
    """Return what a reverted call gives back: Error(string)."""
    return _ERROR + encode_tuple([bytes_tail(reason.encode())])


def revert_reason(output: bytes) -> str | None:
    """Return the reason of a reverted call, None if the output carries none."""
    if output[:SELECTOR_BYTES] != _ERROR:
        return None
    try:
        (reason,) = decode_arguments([Kind.BYTES], output[SELECTOR_BYTES:])
    except Malformed:
        return None
    return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else None


DEPOSIT = selector("deposit(bytes,bytes)")
REQUEST_WITHDRAWAL = selector("requestWithdrawal(uint256)")
WITHDRAW = selector("withdraw()")
STAKE_OF = selector("stakeOf(address)")
TOTAL_STAKE = selector("totalStake()")
VALIDATORS = selector("validators(uint256,uint256)")
HOLDING_OF = selector("holdingOf(address)")

DEPOSITED = event_topic("Deposited(address,bytes,uint256,uint256)")
WITHDRAWAL_REQUESTED = event_topic("WithdrawalRequested(address,uint256,uint256,uint256)")
WITHDRAWN = event_topic("Withdrawn(address,uint256)")


def encode_deposit(validator_key: bytes, proof: bytes) -> bytes:
    """Return the call data of a deposit; the amount is the transaction's value."""
    return DEPOSIT + encode_tuple([bytes_tail(validator_key), bytes_tail(proof)])


def encode_request_withdrawal(amount: int) -> bytes:
    """Return the call data that asks for `amount` wei back."""
    return REQUEST_WITHDRAWAL + word(amount)


def encode_withdraw() -> bytes:
    """Return the call data that fetches what has waited long enough."""
    return WITHDRAW


def staking_abi() -> list[dict[str, object]]:
    """Return the interface as a list for web3.py's `Contract` and its like (staking_abi.json)."""
    text = (resources.files("chain") / "staking_abi.json").read_text()
    loaded: list[dict[str, object]] = json.loads(text)
    return loaded
