"""Key files: Web3 Secret Storage version 3 ("keystore V3") by eth-keyfile, with bounds on what a file may ask for."""

import json
from pathlib import Path

from coincurve import PrivateKey

from chain.primitives.errors import StorageError
from chain.primitives.keys import CURVE_ORDER
from cli.json_texts import parse_json
from cli.private_files import create_private
from cli.wallet.errors import AccountExists, BadKey, BadKeyFile, WrongPassword

MAX_FILE_BYTES = 64 * 1024
"""A key file has 600 bytes."""

SCRYPT_N = 1 << 17
"""Work of a password guess: 128 MiB and 0.4 s of a core, as OWASP asks; half of what geth takes, so that a Raspberry Pi
opens it too."""

MAX_SCRYPT_N = 1 << 20
MAX_SCRYPT_R = 8
MAX_SCRYPT_P = 8
MAX_PBKDF2_ROUNDS = 10_000_000
"""Bounds on a foreign file: without them it could ask for any amount of memory and time."""

KeyFile = dict[str, object]
"""The parsed JSON of a key file."""


def new_private_key() -> PrivateKey:
    """Return a fresh key from the system's entropy."""
    return PrivateKey(None)


def private_key(raw: bytes) -> PrivateKey:
    """Return the key of 32 bytes. Raises `BadKey`."""
    if len(raw) != 32 or not 0 < int.from_bytes(raw, "big") < CURVE_ORDER:
        raise BadKey("a private key has 32 bytes, not zero and below the order of the curve")
    return PrivateKey(raw)


def parse_private_key(text: str) -> PrivateKey:
    """Return the key of 64 hex digits, with or without 0x. Raises `BadKey`, which never quotes the text."""
    try:
        raw = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raise BadKey("a private key is 64 hex digits") from None
    return private_key(raw)


def encrypt(key: PrivateKey, password: str, *, work: int = SCRYPT_N) -> KeyFile:
    """Return the key file of a key; `work` is scrypt's n, a power of two."""
    from eth_keyfile.keyfile import create_keyfile_json

    made = create_keyfile_json(key.secret, password.encode(), version=3, kdf="scrypt", iterations=work)
    return dict(made)


def decrypt(content: KeyFile, password: str, where: Path) -> PrivateKey:
    """Return the key of a key file. Raises `WrongPassword` or `BadKeyFile`; neither tells anything of the key."""
    from eth_keyfile.keyfile import decode_keyfile_json

    checked = _checked(content, where)
    try:
        raw = decode_keyfile_json(checked, password.encode())
    except ValueError as error:
        if "MAC" in str(error):
            raise WrongPassword(f"the password does not open {where}") from None
        raise _damaged(where) from None
    except (KeyError, TypeError, NotImplementedError):
        raise _damaged(where) from None
    try:
        return private_key(raw)
    except BadKey:
        raise _damaged(where) from None


def read_key_file(file: Path) -> KeyFile:
    """Return the content of a key file, not yet opened. Raises `BadKeyFile`."""
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise BadKeyFile(f"cannot read the key file {file}: {error.strerror}") from None
    try:
        content = parse_json(raw) if len(raw) <= MAX_FILE_BYTES else None
    except ValueError:
        content = None
    if not isinstance(content, dict) or content.get("version") != 3:
        raise BadKeyFile(f"{file} is no key file (Web3 secret storage, version 3)")
    return content


def write_key_file(file: Path, content: KeyFile) -> None:
    """Write a new key file that only its owner may read. Raises `AccountExists` if there is one, or `StorageError`."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        create_private(file, json.dumps(content).encode())
    except FileExistsError:
        raise AccountExists(f"{file} exists; nothing was overwritten") from None
    except OSError as error:
        raise StorageError(f"cannot write {file}: {error.strerror}") from None


def _checked(content: KeyFile, where: Path) -> KeyFile:
    """Return what the library is to read, and no more: it takes names in any case, so that two spellings of one name
    could show it other numbers than were checked here."""
    crypto = _members(_members(content, where).get("crypto"), where)
    parameters = _members(crypto.get("kdfparams"), where)
    if crypto.get("kdf") == "scrypt":
        bounds = {"n": MAX_SCRYPT_N, "r": MAX_SCRYPT_R, "p": MAX_SCRYPT_P}
    elif crypto.get("kdf") == "pbkdf2":
        bounds = {"c": MAX_PBKDF2_ROUNDS}
    else:
        raise _damaged(where)
    for name, most in {**bounds, "dklen": 64}.items():
        number = parameters.get(name)
        if type(number) is not int or not 0 < number <= most:
            raise BadKeyFile(
                f"{where} asks for {name} = {str(number)[:40]} in its key derivation; at most {most} is opened"
            )
    taken: KeyFile = {name: crypto.get(name) for name in ("cipher", "ciphertext", "kdf", "mac")}
    taken["kdfparams"] = {name: parameters.get(name) for name in (*bounds, "dklen", "prf", "salt")}
    taken["cipherparams"] = {"iv": _members(crypto.get("cipherparams"), where).get("iv")}
    return {"version": 3, "crypto": taken}


def _members(value: object, where: Path) -> KeyFile:
    """Return an object with its names in small letters. Raises `BadKeyFile` if two are one name then."""
    if not isinstance(value, dict):
        raise _damaged(where)
    members = {str(name).lower(): member for name, member in value.items()}
    if len(members) != len(value):
        raise _damaged(where)
    return members


def _damaged(where: Path) -> BadKeyFile:
    return BadKeyFile(f"{where} is damaged: restore it from a backup, or import the mnemonic again")
