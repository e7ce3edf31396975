"""Deposits of test accounts in the staking account."""

from coincurve import PrivateKey
from eth_abi.abi import encode

from chain.genesis import Genesis
from chain.primitives.hashing import keccak256, tagged_hash
from chain.primitives.keys import schnorr_sign
from chain.staking_registry import SYSTEM_ADDRESS
from chain.transaction import SignedTransaction
from tests.helpers.networks import address_of, payment


def validator_key(number: int) -> PrivateKey:
    """Return the validator key of a test account."""
    return PrivateKey((1000 + number).to_bytes(32, "big"))


def deposit(genesis: Genesis, sender: int, nonce: int, *, value: int) -> SignedTransaction:
    """Return a test account's deposit with its validator key."""
    key = validator_key(sender)
    public_key = key.public_key.format()
    signed = genesis.params.chain_id.to_bytes(32, "big") + public_key + address_of(sender)
    proof = schnorr_sign(key, tagged_hash("mappemonde/deposit", signed), bytes(32))
    data = keccak256(b"deposit(bytes,bytes)")[:4] + encode(["bytes", "bytes"], [public_key, proof])
    return payment(genesis, sender, nonce, to=SYSTEM_ADDRESS, value=value, data=data, gas=300_000)
