"""Transactions of types 0, 1 and 2, as Ethereum encodes and signs them (EIP-155, EIP-2718, EIP-2930, EIP-1559)."""

from dataclasses import dataclass
from enum import IntEnum

from chain.primitives import rlp
from chain.primitives.errors import Malformed
from chain.primitives.hashing import keccak256
from chain.primitives.keys import CURVE_ORDER, HALF_ORDER, recover_address
from chain.primitives.units import Address, Gas, Hash32, Wei
from chain.rules import InvalidTransaction, TxRule

MAX_TRANSACTION_BYTES = 128 * 1024
"""Longest encoded transaction. A rule and not a policy, so that one transaction never fills much of a body."""

MAX_NONCE = 2**64 - 2
"""The last usable nonce (EIP-2681)."""

TX_GAS = Gas(21_000)
"""Cost of any transaction (yellow paper, appendix G)."""
DATA_ZERO_GAS = Gas(4)
"""Cost of a zero byte of data."""
DATA_NONZERO_GAS = Gas(16)
"""Cost of any other byte of data (EIP-2028)."""
ACCESS_ADDRESS_GAS = Gas(2_400)
"""Cost of an address in an access list (EIP-2930)."""
ACCESS_SLOT_GAS = Gas(1_900)
"""Cost of a slot in an access list (EIP-2930)."""


class TxType(IntEnum):
    """EIP-2718 type byte; legacy transactions have none on the wire."""

    LEGACY = 0
    ACCESS_LIST = 1
    DYNAMIC_FEE = 2


@dataclass(frozen=True, slots=True)
class AccessEntry:
    """One account of an access list (EIP-2930): charged for, otherwise unused, since there is no EVM."""

    address: Address
    slots: tuple[Hash32, ...]


@dataclass(frozen=True, slots=True)
class Transaction:
    """A decoded transaction; built only by `parse_transaction`, which guarantees ranges and canonical form."""

    type: TxType
    chain_id: int
    """EIP-155 chain id; always present: unprotected legacy transactions are refused."""
    nonce: int
    """Number of transactions the sender sent before, below 2^64 - 1 (EIP-2681)."""
    max_priority_fee: Wei
    """Highest tip per gas; for types 0 and 1 the gas price."""
    max_fee: Wei
    """Highest total fee per gas; for types 0 and 1 the gas price."""
    gas_limit: Gas
    to: Address
    """Receiver; creation is refused at decoding."""
    value: Wei
    data: bytes
    access_list: tuple[AccessEntry, ...]
    y_parity: int
    """0 or 1 (legacy: v - 35 - 2 * chain_id)."""
    r: int
    s: int
    """At most half the group order (EIP-2)."""
    raw: bytes
    """Encoding as it travels and is hashed: the type byte and RLP payload, or RLP alone for legacy."""
    hash: Hash32
    """keccak256(raw)."""
    signing_hash: Hash32
    """What the sender signed."""


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """A transaction whose sender has been recovered (65 µs, so it is done once, in worker threads)."""

    tx: Transaction
    sender: Address


def parse_transaction(raw: bytes, chain_id: int) -> Transaction:
    """Return the transaction that `raw` encodes, checked by itself but for its signature and gas.

    Raises `InvalidTransaction` by the rule it breaks, whatever the bytes are.
    """
    if len(raw) > MAX_TRANSACTION_BYTES:
        raise InvalidTransaction(TxRule.SIZE, expected=MAX_TRANSACTION_BYTES, got=len(raw))
    if not raw:
        raise InvalidTransaction(TxRule.ENCODING, detail="no bytes")
    try:
        if raw[0] >= 0xC0:
            return _parse_legacy(raw, chain_id)
        if raw[0] == TxType.ACCESS_LIST:
            return _parse_typed(raw, chain_id, TxType.ACCESS_LIST)
        if raw[0] == TxType.DYNAMIC_FEE:
            return _parse_typed(raw, chain_id, TxType.DYNAMIC_FEE)
    except Malformed as error:
        raise InvalidTransaction(TxRule.ENCODING, detail=str(error)) from None
    raise InvalidTransaction(TxRule.TYPE, got=raw[0])


def _parse_legacy(raw: bytes, chain_id: int) -> Transaction:
    fields = rlp.decode_list(rlp.decode(raw), count=9)
    v = rlp.decode_int(fields[6])
    if v in (27, 28):
        raise InvalidTransaction(TxRule.UNPROTECTED)
    if v < 35:
        raise InvalidTransaction(TxRule.SIGNATURE, detail=f"v is {v}")
    _check_chain(chain_id, (v - 35) // 2)
    price = Wei(rlp.decode_int(fields[1]))
    unsigned: list[rlp.Item] = [*fields[:6], rlp.encode_int(chain_id), b"", b""]
    return _checked(
        kind=TxType.LEGACY,
        chain_id=chain_id,
        nonce=fields[0],
        fees=(price, price),
        payload=fields[2:6],
        access_list=(),
        signature=(v - 35 - 2 * chain_id, fields[7], fields[8]),
        raw=raw,
        signing_hash=keccak256(rlp.encode(unsigned)),
    )


def _parse_typed(raw: bytes, chain_id: int, kind: TxType) -> Transaction:
    dynamic = kind is TxType.DYNAMIC_FEE
    fields = rlp.decode_list(rlp.decode(raw[1:]), count=12 if dynamic else 11)
    _check_chain(chain_id, rlp.decode_int(fields[0]))
    tip = Wei(rlp.decode_int(fields[2]))
    rest = fields[3:]
    fee = tip
    if dynamic:
        fee = Wei(rlp.decode_int(rest.pop(0)))
    return _checked(
        kind=kind,
        chain_id=chain_id,
        nonce=fields[1],
        fees=(tip, fee),
        payload=rest[:4],
        access_list=_access_list(rest[4]),
        signature=(rlp.decode_int(rest[5]), rest[6], rest[7]),
        raw=raw,
        signing_hash=keccak256(raw[:1] + rlp.encode(fields[:-3])),
    )


def _check_chain(expected: int, got: int) -> None:
    if got != expected:
        raise InvalidTransaction(TxRule.CHAIN_ID, expected=expected, got=got)


def _checked(
    *,
    kind: TxType,
    chain_id: int,
    nonce: rlp.Decoded,
    fees: tuple[Wei, Wei],
    payload: list[rlp.Decoded],
    access_list: tuple[AccessEntry, ...],
    signature: tuple[int, rlp.Decoded, rlp.Decoded],
    raw: bytes,
    signing_hash: Hash32,
) -> Transaction:
    y_parity, r, s = signature[0], rlp.decode_int(signature[1]), rlp.decode_int(signature[2])
    gas_limit = rlp.decode_int(payload[0])
    receiver = rlp.decode_bytes(payload[1])
    number = rlp.decode_int(nonce)
    if not receiver:
        raise InvalidTransaction(TxRule.CREATION)
    if len(receiver) != 20:
        raise InvalidTransaction(TxRule.ENCODING, detail="an address has 20 bytes")
    if number > MAX_NONCE:
        raise InvalidTransaction(TxRule.NONCE_MAX, expected=MAX_NONCE, got=number)
    if gas_limit >= 2**64:
        raise InvalidTransaction(TxRule.VALUE_RANGE, detail="gas limit past 64 bits")
    if y_parity not in (0, 1) or not 0 < r < CURVE_ORDER or not 0 < s <= HALF_ORDER:
        raise InvalidTransaction(TxRule.SIGNATURE, detail="signature values out of range")
    return Transaction(
        type=kind,
        chain_id=chain_id,
        nonce=number,
        max_priority_fee=fees[0],
        max_fee=fees[1],
        gas_limit=Gas(gas_limit),
        to=Address(receiver),
        value=Wei(rlp.decode_int(payload[2])),
        data=rlp.decode_bytes(payload[3]),
        access_list=access_list,
        y_parity=y_parity,
        r=r,
        s=s,
        raw=raw,
        hash=keccak256(raw),
        signing_hash=signing_hash,
    )


def _access_list(item: rlp.Decoded) -> tuple[AccessEntry, ...]:
    entries = []
    for entry in rlp.decode_list(item):
        address, slots = rlp.decode_list(entry, count=2)
        entries.append(
            AccessEntry(
                Address(rlp.decode_bytes(address, size=20)),
                tuple(Hash32(rlp.decode_bytes(slot, size=32)) for slot in rlp.decode_list(slots)),
            )
        )
    return tuple(entries)


def recover_sender(tx: Transaction) -> SignedTransaction:
    """Return the transaction with the account that signed it. 65 µs, releases the GIL: for workers.

    Raises `InvalidTransaction` when no key fits the signature.
    """
    try:
        return SignedTransaction(tx, recover_address(tx.signing_hash, tx.y_parity, tx.r, tx.s))
    except Malformed as error:
        raise InvalidTransaction(TxRule.SIGNATURE, detail=str(error)) from None


def data_gas(data: bytes) -> Gas:
    """Return the cost of a transaction's data (EIP-2028)."""
    zeros = data.count(0)
    return Gas(zeros * DATA_ZERO_GAS + (len(data) - zeros) * DATA_NONZERO_GAS)


def access_list_gas(access_list: tuple[AccessEntry, ...]) -> Gas:
    """Return the cost of an access list (EIP-2930)."""
    return Gas(sum(ACCESS_ADDRESS_GAS + len(entry.slots) * ACCESS_SLOT_GAS for entry in access_list))


def intrinsic_gas(tx: Transaction) -> Gas:
    """Return what a transaction costs before the receiver does anything."""
    gas = TX_GAS
    if tx.data:
        gas = Gas(gas + data_gas(tx.data))
    if tx.access_list:
        gas = Gas(gas + access_list_gas(tx.access_list))
    return gas


def check_gas_and_fees(tx: Transaction, block_gas_limit: Gas) -> Gas:
    """Check what gas and fees must obey in any state, and return the intrinsic gas.

    Raises `InvalidTransaction` by rule. The mempool asks this on arrival; execution asks it again.
    """
    if tx.max_priority_fee > tx.max_fee:
        raise InvalidTransaction(TxRule.TIP_ABOVE_FEE, expected=tx.max_fee, got=tx.max_priority_fee)
    needed = intrinsic_gas(tx)
    if tx.gas_limit < needed:
        raise InvalidTransaction(TxRule.INTRINSIC_GAS, expected=needed, got=tx.gas_limit)
    if tx.gas_limit > block_gas_limit:
        raise InvalidTransaction(TxRule.GAS_LIMIT, expected=block_gas_limit, got=tx.gas_limit)
    return needed


def upfront_cost(tx: Transaction) -> Wei:
    """Return what the sender must own before the transaction runs: all gas at the highest fee, and the value."""
    return Wei(tx.gas_limit * tx.max_fee + tx.value)
