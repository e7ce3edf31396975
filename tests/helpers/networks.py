"""Small networks for tests: devnet's document with a few fields changed and test accounts funded."""

import tomllib
from importlib import resources

from chain.genesis import Genesis, parse_genesis
from chain.primitives.units import GWEI, Address
from chain.transaction import SignedTransaction
from tests.helpers.transactions import address_of_key, key_of, sign

FUNDED = 4
"""Accounts with 1000 MND each at block 0."""


RECEIVER = Address(b"\x77" * 20)
"""Who is paid by default."""


def address_of(number: int) -> Address:
    """Return the address of a test account, counted from 0; the first FUNDED have coins."""
    return address_of_key(key_of(number + 1))


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
    return sign(
        key_of(sender + 1),
        nonce=nonce,
        to=to,
        value=value,
        data=data,
        gas=gas,
        max_fee=100 * GWEI,
        tip=GWEI,
        chain_id=genesis.params.chain_id,
    )
