"""The staking account's encodings against eth-abi and web3.py."""

import pytest
from eth_abi.abi import decode as eth_decode
from eth_abi.abi import encode as eth_encode
from hypothesis import given
from hypothesis import strategies as st
from web3 import Web3

from chain.primitives.errors import Malformed
from chain.primitives.hashing import keccak256
from chain.primitives.units import Address
from chain.staking import SYSTEM_CODE, SYSTEM_CODE_HASH
from chain.staking_abi import (
    DEPOSITED,
    MAX_CALL_BYTES,
    WITHDRAWAL_REQUESTED,
    WITHDRAWN,
    Kind,
    Tail,
    address_word,
    array_tail,
    bytes_tail,
    decode_arguments,
    encode_deposit,
    encode_request_withdrawal,
    encode_revert,
    encode_tuple,
    encode_withdraw,
    revert_reason,
    staking_abi,
    word,
)
from chain.staking_registry import SYSTEM_ADDRESS

_UINT = st.integers(0, 2**256 - 1)
_ADDRESS = st.binary(min_size=20, max_size=20)
_BYTES = st.binary(max_size=100)


def _part(kind: Kind, value: int | bytes) -> bytes | Tail:
    if isinstance(value, int):
        return word(value)
    return address_word(Address(value)) if kind is Kind.ADDRESS else bytes_tail(value)


_ARGUMENTS = st.lists(
    st.one_of(
        st.tuples(st.just(Kind.UINT), _UINT),
        st.tuples(st.just(Kind.ADDRESS), _ADDRESS),
        st.tuples(st.just(Kind.BYTES), _BYTES),
    ),
    max_size=4,
)


@given(_ARGUMENTS)
def test_arguments_are_encoded_as_eth_abi_does_and_come_back(arguments: list[tuple[Kind, int | bytes]]) -> None:
    kinds = [kind for kind, _ in arguments]
    raw = encode_tuple([_part(kind, value) for kind, value in arguments])
    assert raw == eth_encode([kind.value for kind in kinds], [value for _, value in arguments])
    assert decode_arguments(kinds, raw) == [value for _, value in arguments]


@given(st.lists(st.tuples(_ADDRESS, _BYTES, _UINT), max_size=5))
def test_arrays_are_encoded_as_eth_abi_does(rows: list[tuple[bytes, bytes, int]]) -> None:
    raw = encode_tuple(
        [
            array_tail([address_word(Address(row[0])) for row in rows]),
            array_tail([bytes_tail(row[1]) for row in rows]),
            array_tail([word(row[2]) for row in rows]),
        ]
    )
    values = [[row[column] for row in rows] for column in range(3)]
    assert raw == eth_encode(["address[]", "bytes[]", "uint256[]"], values)


@given(st.lists(st.sampled_from(Kind), max_size=3), st.binary(max_size=MAX_CALL_BYTES + 8))
def test_any_bytes_are_arguments_or_malformed(kinds: list[Kind], raw: bytes) -> None:
    try:
        values = decode_arguments(kinds, raw)
    except Malformed:
        return
    assert encode_tuple([_part(kind, value) for kind, value in zip(kinds, values, strict=True)]) == raw


@given(_ARGUMENTS, st.integers(0, 2000), st.integers(0, 255))
def test_no_other_bytes_mean_the_same_call(arguments: list[tuple[Kind, int | bytes]], place: int, byte: int) -> None:
    kinds = [kind for kind, _ in arguments]
    raw = encode_tuple([_part(kind, value) for kind, value in arguments])
    place = min(place, len(raw))
    for other in (raw[:place] + bytes((byte,)) + raw[place + 1 :], raw + bytes((byte,)), raw[:place]):
        if other != raw:
            try:
                assert decode_arguments(kinds, other) != [value for _, value in arguments]
            except Malformed:
                continue


def test_the_published_abi_names_what_the_node_executes() -> None:
    contract = Web3().eth.contract(address=Web3.to_checksum_address(SYSTEM_ADDRESS), abi=staking_abi())
    assert contract.encode_abi("deposit", [b"k" * 33, b"p" * 64]) == "0x" + encode_deposit(b"k" * 33, b"p" * 64).hex()
    assert contract.encode_abi("requestWithdrawal", [7]) == "0x" + encode_request_withdrawal(7).hex()
    assert contract.encode_abi("withdraw", []) == "0x" + encode_withdraw().hex()
    topics = {
        bytes(Web3.keccak(text=f"{entry['name']}({','.join(item['type'] for item in entry['inputs'])})"))
        for entry in staking_abi()
        if entry["type"] == "event" and isinstance(entry["inputs"], list)
    }
    assert topics == {bytes(DEPOSITED), bytes(WITHDRAWAL_REQUESTED), bytes(WITHDRAWN)}


@given(st.lists(st.sampled_from("a é€𝄞"), max_size=40).map("".join))
def test_revert_reasons_are_error_strings(reason: str) -> None:
    output = encode_revert(reason)
    assert output[:4] == keccak256(b"Error(string)")[:4]
    assert eth_decode(["string"], output[4:]) == (reason,)
    assert revert_reason(output) == reason


@pytest.mark.parametrize("output", [b"", b"\x08\xc3\x79\xa0", b"\x00" * 68, encode_revert("x")[:-1]])
def test_other_outputs_carry_no_reason(output: bytes) -> None:
    assert revert_reason(output) is None


def test_the_system_address_shows_code() -> None:
    assert SYSTEM_CODE[0] == 0xFE
    assert keccak256(SYSTEM_CODE) == SYSTEM_CODE_HASH
    assert SYSTEM_ADDRESS.hex() == "6d617070656d6f6e646500000000000000000001"
