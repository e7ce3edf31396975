"""Key files open with their password and nothing else; a hostile file costs nothing."""

import json
from pathlib import Path

import pytest

from chain.primitives.keys import CURVE_ORDER
from cli.wallet.errors import AccountExists, BadKey, BadKeyFile, WrongPassword
from cli.wallet.key_file import (
    KeyFile,
    decrypt,
    encrypt,
    new_private_key,
    parse_private_key,
    read_key_file,
    write_key_file,
)

LIGHT = 2
WHERE = Path("key.json")

SPECIFIED: KeyFile = {
    "crypto": {
        "cipher": "aes-128-ctr",
        "cipherparams": {"iv": "6087dab2f9fdbbfaddc31a909735c1e6"},
        "ciphertext": "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",
        "kdf": "pbkdf2",
        "kdfparams": {
            "c": 262144,
            "dklen": 32,
            "prf": "hmac-sha256",
            "salt": "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd",
        },
        "mac": "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2",
    },
    "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
    "version": 3,
}
"""Test vector of the Web3 Secret Storage Definition (PBKDF2-SHA-256), password `testpassword`."""


@pytest.mark.slow
def test_the_vector_of_the_definition() -> None:
    key = decrypt(SPECIFIED, "testpassword", WHERE)
    assert key.secret.hex() == "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d"


@pytest.mark.slow
def test_a_key_comes_back_with_its_password_alone(tmp_path: Path) -> None:
    key, file = new_private_key(), tmp_path / "wallet" / "key"
    write_key_file(file, encrypt(key, "päss", work=LIGHT))
    assert file.stat().st_mode & 0o777 == 0o600
    assert key.secret.hex() not in file.read_text()
    assert decrypt(read_key_file(file), "päss", file).secret == key.secret
    with pytest.raises(WrongPassword) as error:
        decrypt(read_key_file(file), "pass", file)
    assert "pass" not in str(error.value).replace("password", "")
    with pytest.raises(AccountExists):
        write_key_file(file, {})


@pytest.mark.parametrize(
    "changes",
    [
        {"n": 1 << 30},
        {"r": 64},
        {"p": 1000},
        {"n": 0},
        {"n": "2"},
        {"n": True},
        {"dklen": 1 << 30},
        {"salt": None},
    ],
)
def test_a_file_cannot_ask_for_more_than_a_machine_has(changes: dict[str, object]) -> None:
    content = encrypt(new_private_key(), "x", work=LIGHT)
    crypto = content["crypto"]
    assert isinstance(crypto, dict)
    crypto["kdfparams"].update(changes)
    with pytest.raises(BadKeyFile):
        decrypt(content, "x", WHERE)


GREEDY = {"n": 1 << 30, "r": 1, "p": 1, "dklen": 32, "salt": "00"}


@pytest.mark.parametrize(
    ("place", "name", "value"),
    [
        ((), "CRYPTO", {"kdf": "scrypt", "kdfparams": GREEDY}),
        (("crypto",), "KDFParams", GREEDY),
        (("crypto", "kdfparams"), "N", 1 << 30),
        ((), "Version", 4),
    ],
)
def test_no_second_spelling_of_a_name_passes_the_bounds(
    place: tuple[str, ...], name: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library takes names in any case, and the last one of those that differ in it alone."""
    content = json.loads(json.dumps(encrypt(new_private_key(), "x", work=LIGHT)))
    monkeypatch.setattr("eth_keyfile.keyfile._scrypt_hash", lambda *_, n, **__: pytest.fail(f"asked for n = {n}"))
    inner = content
    for step in place:
        inner = inner[step]
    inner[name] = value
    with pytest.raises(BadKeyFile, match="damaged"):
        decrypt(content, "x", WHERE)


@pytest.mark.parametrize(
    "crypto",
    [
        None,
        {},
        {"kdf": "md5", "kdfparams": {}},
        {"kdf": "scrypt"},
        {"kdf": "pbkdf2", "kdfparams": {"c": 1, "dklen": 32}},
    ],
)
def test_damaged_files_are_named(crypto: object) -> None:
    with pytest.raises(BadKeyFile):
        decrypt({"version": 3, "crypto": crypto}, "x", WHERE)


@pytest.mark.parametrize("content", [b"", b"{", b"[3]", b'{"version": 1}', b"\xff", b"[" * 70_000, b" " * 70_000])
def test_what_is_no_key_file_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)
    with pytest.raises(BadKeyFile, match="no key file"):
        read_key_file(file)
    with pytest.raises(BadKeyFile, match="cannot read"):
        read_key_file(tmp_path / "nowhere")


@pytest.mark.parametrize("text", ["", "12", "zz" * 32, "00" * 32, f"{CURVE_ORDER:064x}", "11" * 33])
def test_what_is_no_private_key_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(BadKey) as error:
        parse_private_key(text)
    assert not text or text not in str(error.value).replace("32 bytes", "")


def test_the_file_is_json_that_others_read() -> None:
    made = json.loads(json.dumps(encrypt(new_private_key(), "x", work=LIGHT)))
    assert (made["version"], made["crypto"]["cipher"], made["crypto"]["kdf"]) == (3, "aes-128-ctr", "scrypt")
