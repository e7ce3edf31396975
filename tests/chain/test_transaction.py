"""Transactions against eth-account, every refusal by name, and any bytes."""

import pytest
import rlp as pyrlp
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from chain.primitives import rlp
from chain.primitives.keys import CURVE_ORDER
from chain.primitives.units import Address, Hash32
from chain.rules import InvalidTransaction, TxRule
from chain.transaction import (
    MAX_NONCE,
    MAX_TRANSACTION_BYTES,
    AccessEntry,
    SignedTransaction,
    TxType,
    check_gas_and_fees,
    intrinsic_gas,
    parse_transaction,
    recover_sender,
    upfront_cost,
)
from tests.helpers.transactions import DEVNET_CHAIN_ID, key_of, sign

SECRET = bytes(31) + b"\x07"
KEY = key_of(7)
TO = Address(b"\x22" * 20)

_AMOUNT = st.integers(0, 2**256 - 1)
_LIST = st.lists(
    st.tuples(st.binary(min_size=20, max_size=20), st.lists(st.binary(min_size=32, max_size=32), max_size=3)),
    max_size=3,
)


def _fields(
    kind: int,
    nonce: int,
    fee: int,
    tip: int,
    gas: int,
    value: int,
    data: bytes,
    listed: list[tuple[bytes, list[bytes]]],
) -> dict[str, object]:
    fields: dict[str, object] = {"nonce": nonce, "gas": gas, "to": "0x" + TO.hex(), "value": value, "data": data}
    fields["chainId"] = DEVNET_CHAIN_ID
    if kind == TxType.DYNAMIC_FEE:
        fields |= {"type": 2, "maxFeePerGas": fee, "maxPriorityFeePerGas": tip}
    else:
        fields["gasPrice"] = fee
    if kind != TxType.LEGACY:
        fields |= {
            "type": int(kind),
            "accessList": [
                {"address": "0x" + address.hex(), "storageKeys": ["0x" + slot.hex() for slot in slots]}
                for address, slots in listed
            ],
        }
    return fields


@pytest.mark.slow
@given(
    st.sampled_from(TxType),
    st.integers(0, MAX_NONCE),
    _AMOUNT,
    _AMOUNT,
    st.integers(0, 2**64 - 1),
    _AMOUNT,
    st.binary(max_size=80),
    _LIST,
)
def test_eth_account_and_we_read_and_sign_alike(
    kind: TxType,
    nonce: int,
    fee: int,
    tip: int,
    gas: int,
    value: int,
    data: bytes,
    listed: list[tuple[bytes, list[bytes]]],
) -> None:
    tip = min(tip, fee)
    theirs = Account.sign_transaction(_fields(kind, nonce, fee, tip, gas, value, data, listed), SECRET)
    tx = parse_transaction(bytes(theirs.raw_transaction), DEVNET_CHAIN_ID)
    assert tx.hash == bytes(theirs.hash)
    assert "0x" + recover_sender(tx).sender.hex() == Account.from_key(SECRET).address.lower()
    entries = tuple(AccessEntry(Address(address), tuple(map(Hash32, slots))) for address, slots in listed)
    ours = sign(
        KEY,
        to=TO,
        nonce=nonce,
        value=value,
        data=data,
        gas=gas,
        max_fee=fee,
        tip=tip,
        kind=kind,
        access_list=entries,
    )
    assert ours == recover_sender(tx)
    assert tx.access_list == (() if kind is TxType.LEGACY else entries)
    assert upfront_cost(tx) == gas * fee + value


def _legacy(**changes: object) -> bytes:
    fields: dict[str, object] = {
        "nonce": b"",
        "price": b"\x01",
        "gas": b"\x52\x08",
        "to": TO,
        "value": b"",
        "data": b"",
    }
    fields |= {"v": rlp.encode_int(35 + 2 * DEVNET_CHAIN_ID), "r": b"\x01", "s": b"\x01"} | changes
    return bytes(pyrlp.encode(list(fields.values())))


def _dynamic(**changes: object) -> bytes:
    fields: dict[str, object] = {"chain": rlp.encode_int(DEVNET_CHAIN_ID), "nonce": b"", "tip": b"\x01", "fee": b"\x02"}
    fields |= {"gas": b"\x52\x08", "to": TO, "value": b"", "data": b"", "list": []}
    fields |= {"parity": b"", "r": b"\x01", "s": b"\x01"} | changes
    return b"\x02" + bytes(pyrlp.encode(list(fields.values())))


def test_the_plain_forms_are_valid() -> None:
    assert parse_transaction(_legacy(), DEVNET_CHAIN_ID).type is TxType.LEGACY
    assert parse_transaction(_dynamic(), DEVNET_CHAIN_ID).type is TxType.DYNAMIC_FEE


_HIGH_S = rlp.encode_int(CURVE_ORDER // 2 + 1)


@pytest.mark.parametrize(
    ("rule", "raw"),
    [
        (TxRule.ENCODING, b""),
        (TxRule.ENCODING, _legacy() + b"\x00"),
        (TxRule.ENCODING, _legacy()[:-1]),
        (TxRule.ENCODING, _legacy(nonce=b"\x00")),
        (TxRule.ENCODING, _legacy(value=b"\x00\x01")),
        (TxRule.ENCODING, _legacy(value=b"\x01" * 33)),
        (TxRule.ENCODING, _legacy(to=TO[1:])),
        (TxRule.ENCODING, _legacy(data=[])),
        (TxRule.ENCODING, _legacy(more=b"")),
        (TxRule.ENCODING, _dynamic(list=b"")),
        (TxRule.ENCODING, _dynamic(list=[[TO]])),
        (TxRule.ENCODING, _dynamic(list=[[TO, [b"short"]]])),
        (TxRule.TYPE, b"\x00"),
        (TxRule.TYPE, b"\x03" + _dynamic()[1:]),
        (TxRule.TYPE, b"\x04" + _dynamic()[1:]),
        (TxRule.TYPE, b"\xb8\x01"),
        (TxRule.SIZE, _legacy(data=bytes(MAX_TRANSACTION_BYTES))),
        (TxRule.CHAIN_ID, _legacy(v=rlp.encode_int(37))),
        (TxRule.CHAIN_ID, _dynamic(chain=b"\x01")),
        (TxRule.UNPROTECTED, _legacy(v=b"\x1b")),
        (TxRule.UNPROTECTED, _legacy(v=b"\x1c")),
        (TxRule.SIGNATURE, _legacy(v=b"\x1d")),
        (TxRule.SIGNATURE, _legacy(v=b"")),
        (TxRule.SIGNATURE, _legacy(r=b"")),
        (TxRule.SIGNATURE, _legacy(s=b"")),
        (TxRule.SIGNATURE, _legacy(s=_HIGH_S)),
        (TxRule.SIGNATURE, _legacy(r=rlp.encode_int(CURVE_ORDER))),
        (TxRule.SIGNATURE, _dynamic(parity=b"\x02")),
        (TxRule.CREATION, _legacy(to=b"")),
        (TxRule.CREATION, _dynamic(to=b"")),
        (TxRule.NONCE_MAX, _legacy(nonce=rlp.encode_int(MAX_NONCE + 1))),
        (TxRule.VALUE_RANGE, _legacy(gas=rlp.encode_int(2**64))),
    ],
)
def test_each_fault_has_its_name(rule: TxRule, raw: bytes) -> None:
    with pytest.raises(InvalidTransaction) as caught:
        parse_transaction(raw, DEVNET_CHAIN_ID)
    assert caught.value.rule is rule
    assert rule.value in str(caught.value)


def test_a_signature_without_a_key_is_refused() -> None:
    # r = 5 is the x of no point on the curve.
    tx = parse_transaction(_legacy(r=b"\x05"), DEVNET_CHAIN_ID)
    with pytest.raises(InvalidTransaction) as caught:
        recover_sender(tx)
    assert caught.value.rule is TxRule.SIGNATURE


@given(st.one_of(st.binary(max_size=200), st.binary(max_size=200).map(lambda tail: b"\x02" + tail)))
def test_any_bytes_are_a_transaction_or_refused(raw: bytes) -> None:
    _parse(raw)


@given(st.sampled_from(TxType), st.integers(0, 200), st.integers(0, 255))
def test_a_changed_byte_gives_another_transaction_or_none(kind: TxType, place: int, byte: int) -> None:
    raw = sign(KEY, to=TO, kind=kind, access_list=(AccessEntry(TO, (Hash32(bytes(32)),)),)).tx.raw
    changed = bytearray(raw)
    changed[place % len(raw)] = byte
    found = _parse(bytes(changed))
    if found is not None and changed != raw:
        assert found.tx.hash != sign(KEY, to=TO, kind=kind).tx.hash
        assert found.tx.raw == bytes(changed)


def _parse(raw: bytes) -> SignedTransaction | None:
    try:
        return recover_sender(parse_transaction(raw, DEVNET_CHAIN_ID))
    except InvalidTransaction:
        return None


def test_intrinsic_gas_is_that_of_eip_2028_and_eip_2930() -> None:
    assert intrinsic_gas(sign(KEY, to=TO).tx) == 21_000
    assert intrinsic_gas(sign(KEY, to=TO, data=b"\x00\x00\x01").tx) == 21_000 + 4 + 4 + 16
    listed = (AccessEntry(TO, (Hash32(bytes(32)), Hash32(bytes(32)))), AccessEntry(TO, ()))
    assert intrinsic_gas(sign(KEY, to=TO, access_list=listed).tx) == 21_000 + 2 * 2_400 + 2 * 1_900


@pytest.mark.parametrize(
    ("rule", "signed"),
    [
        (TxRule.TIP_ABOVE_FEE, sign(KEY, to=TO, max_fee=1, tip=2)),
        (TxRule.INTRINSIC_GAS, sign(KEY, to=TO, gas=20_999)),
        (TxRule.GAS_LIMIT, sign(KEY, to=TO, gas=120_000_001)),
    ],
)
def test_gas_and_fees_are_checked_by_name(rule: TxRule, signed: SignedTransaction) -> None:
    with pytest.raises(InvalidTransaction) as caught:
        check_gas_and_fees(signed.tx, sign(KEY, to=TO, gas=120_000_000).tx.gas_limit)
    assert caught.value.rule is rule
