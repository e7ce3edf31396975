"""Signed transactions for tests, made without any wallet library."""

from coincurve import PrivateKey

from chain.primitives import rlp
from chain.primitives.hashing import keccak256
from chain.primitives.keys import address_of, sign_recoverable
from chain.primitives.units import GWEI, Address, Gas, Wei
from chain.transaction import AccessEntry, SignedTransaction, TxType, parse_transaction

DEVNET_CHAIN_ID = 156_900

DEVNET_KEYS = tuple(
    PrivateKey(bytes.fromhex(text))
    for text in (
        "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
        "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
        "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    )
)
"""Keys of the first three prefunded accounts of devnet; everybody has them."""


def key_of(number: int) -> PrivateKey:
    """Return a test key by number, from 1."""
    return PrivateKey(number.to_bytes(32, "big"))


def address_of_key(key: PrivateKey) -> Address:
    """Return the account of a key."""
    return address_of(key.public_key)


def sign(
    key: PrivateKey,
    *,
    to: Address,
    nonce: int = 0,
    value: int = 0,
    data: bytes = b"",
    gas: int = 21_000,
    max_fee: int = 2 * GWEI,
    tip: int = GWEI,
    kind: TxType = TxType.DYNAMIC_FEE,
    access_list: tuple[AccessEntry, ...] = (),
    chain_id: int = DEVNET_CHAIN_ID,
) -> SignedTransaction:
    """Return a signed transaction; for types 0 and 1 `max_fee` is the gas price."""
    number = rlp.encode_int
    body: list[rlp.Item] = [number(gas), to, number(value), data]
    listed: rlp.Item = [[entry.address, entry.slots] for entry in access_list]
    if kind is TxType.LEGACY:
        fields: list[rlp.Item] = [number(nonce), number(max_fee), *body]
        parity, r, s = sign_recoverable(key, keccak256(rlp.encode([*fields, number(chain_id), b"", b""])))
        raw = rlp.encode([*fields, number(35 + 2 * chain_id + parity), number(r), number(s)])
    else:
        fees = [number(tip), number(max_fee)] if kind is TxType.DYNAMIC_FEE else [number(max_fee)]
        fields = [number(chain_id), number(nonce), *fees, *body, listed]
        head = bytes((kind,))
        parity, r, s = sign_recoverable(key, keccak256(head + rlp.encode(fields)))
        raw = head + rlp.encode([*fields, number(parity), number(r), number(s)])
    tx = parse_transaction(raw, chain_id)
    assert (tx.gas_limit, tx.value) == (Gas(gas), Wei(value))
    return SignedTransaction(tx, address_of_key(key))
