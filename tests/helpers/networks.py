"""Small networks for tests: devnet's document with a few fields changed and test accounts funded."""

import tomllib
from importlib import resources

from eth_account import Account

from chain.genesis import Genesis, parse_genesis
from chain.primitives.units import Address
from chain.transaction import SignedTransaction, parse_transaction, recover_sender

FUNDED = 4
"""Accounts with 1000 MND each at block 0."""


RECEIVER = Address(b"\x77" * 20)
"""Who is paid by default."""


def key_of(number: int) -> bytes:
    """Return the private key of a test account."""
    return (number + 1).to_bytes(32, "big")


def address_of(number: int) -> Address:
    """Return the address of a test account; the first FUNDED have coins."""
    return Address(bytes.fromhex(Account.from_key(key_of(number)).address[2:]))


def small_genesis(**changes: int) -> Genesis:
    """Return devnet's genesis with fields changed by name and the seal as light as Argon2 allows."""
    document = tomllib.loads((resources.files("genesis") / "devnet.toml").read_text(encoding="utf-8"))
    for name, value in {"pow_memory_kib": 8, **changes}.items():
        (section,) = [fields for fields in document.values() if name in fields]
        section[name] = value
    document["allocations"] = {f"0x{address_of(number).hex()}": "1000 MND" for number in range(FUNDED)}
    return parse_genesis(document, "test")


def payment(
    genesis: Genesis,
    sender: int,
    nonce: int,
    *,
    to: Address = RECEIVER,
    value: int = 1,
    data: bytes = b"",
    gas: int = 21_000,
) -> SignedTransaction:
    """Return a signed type 2 transaction of a test account."""
    fields = {
        "type": 2,
        "chainId": genesis.params.chain_id,
        "nonce": nonce,
        "maxPriorityFeePerGas": 10**9,
        "maxFeePerGas": 10**11,
        "gas": gas,
        "to": to,
        "value": value,
        "data": data,
    }
    raw = Account.sign_transaction(fields, key_of(sender)).raw_transaction
    return recover_sender(parse_transaction(bytes(raw), genesis.params.chain_id))
