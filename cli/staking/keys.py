"""Validator keys: encrypted files apart from spending keys, and the proof that a depositor holds one.

The file is a keystore V3 without an address and with a member `mappemonde`, so that no wallet takes it for an account
and the public key can be read without the password. A node that stakes needs this key and no other: who steals it can
win tickets for an account of their choice, but cannot touch the stake.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from coincurve import PrivateKey

from chain.primitives.keys import schnorr_sign
from chain.primitives.units import Address
from chain.staking import KEY_BYTES, deposit_digest
from cli.wallet.errors import BadKeyFile
from cli.wallet.key_file import SCRYPT_N, decrypt, encrypt, read_key_file, write_key_file

PURPOSE = "validator key"


@dataclass(frozen=True, slots=True)
class ValidatorFile:
    """A validator key on disk, still locked."""

    file: Path
    public: bytes
    """33 bytes, as the registry holds it."""


def write_validator_key(file: Path, key: PrivateKey, password: str, *, work: int = SCRYPT_N) -> ValidatorFile:
    """Write a new key file. Raises `AccountExists` if there is a file, or `StorageError`."""
    content = encrypt(key, password, work=work)
    content.pop("address", None)
    public = bytes(key.public_key.format())
    content["mappemonde"] = {"purpose": PURPOSE, "validatorKey": "0x" + public.hex()}
    write_key_file(file, content)
    return ValidatorFile(file, public)


def find_validator_key(file: Path) -> ValidatorFile:
    """Return what a validator key file says of itself. Raises `BadKeyFile`, for a spending key too."""
    mark = read_key_file(file).get("mappemonde")
    if not isinstance(mark, dict) or mark.get("purpose") != PURPOSE:
        raise BadKeyFile(f"{file} is no validator key: make one with `mappemonde stake key new`")
    try:
        public = bytes.fromhex(str(mark.get("validatorKey", "")).removeprefix("0x"))
    except ValueError:
        public = b""
    if len(public) != KEY_BYTES or public[0] not in (2, 3):
        raise BadKeyFile(f"{file} names no validator key: it is damaged")
    return ValidatorFile(file, public)


def unlock_validator_key(found: ValidatorFile, password: str) -> PrivateKey:
    """Return the key. Raises `WrongPassword` or `BadKeyFile`."""
    key = decrypt(read_key_file(found.file), password, found.file)
    if bytes(key.public_key.format()) != found.public:
        raise BadKeyFile(f"{found.file} holds another key than it names: it is damaged")
    return key


def prove_possession(key: PrivateKey, chain_id: int, depositor: Address) -> bytes:
    """Return the proof that `deposit` wants: the key's signature over chain, key and depositor (chain.staking)."""
    digest = deposit_digest(chain_id, bytes(key.public_key.format()), depositor)
    return schnorr_sign(key, digest, os.urandom(32))
