"""Mnemonics (BIP-39) and the accounts under them (BIP-32, BIP-44: m/44'/60'/0'/0/i), by eth-account."""

from coincurve import PrivateKey

from cli.wallet.errors import BadMnemonic
from cli.wallet.key_file import private_key

WORDS = 24
"""Words of a new mnemonic: 256 bits."""

MAX_INDEX = (1 << 31) - 1


def new_mnemonic() -> str:
    """Return a new random mnemonic in English."""
    from eth_account.hdaccount import generate_mnemonic
    from eth_account.types import Language

    return str(generate_mnemonic(WORDS, Language.ENGLISH))


def account_key(mnemonic: str, index: int) -> PrivateKey:
    """Return the key of account `index`. Raises `BadMnemonic`, which never quotes the words."""
    from eth_account.hdaccount import key_from_seed, seed_from_mnemonic
    from eth_utils.exceptions import ValidationError

    assert 0 <= index <= MAX_INDEX
    words = " ".join(mnemonic.split())
    try:
        seed = seed_from_mnemonic(words, "")
    except (ValidationError, ValueError):
        raise BadMnemonic(
            f"not a BIP-39 mnemonic ({len(words.split())} words): one is misspelt, missing or in the wrong place"
        ) from None
    return private_key(bytes(key_from_seed(seed, f"m/44'/60'/0'/0/{index}")))
