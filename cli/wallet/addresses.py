"""Addresses as people write them: EIP-55 checksums out, and checked on the way in."""

from chain.primitives.hashing import keccak256
from chain.primitives.units import Address
from cli.wallet.errors import BadAddress

_DIGITS = frozenset("0123456789abcdefABCDEF")


def format_address(address: Address | bytes) -> str:
    """Return an address with its checksum (EIP-55): a digit is a capital where the hash of the digits says so."""
    digits = address.hex()
    marks = keccak256(digits.encode()).hex()
    return "0x" + "".join(
        digit.upper() if int(mark, 16) >= 8 else digit for digit, mark in zip(digits, marks, strict=False)
    )


def parse_address(text: str) -> Address:
    """Return the address of a text; with capitals and small letters mixed, the checksum must fit.

    Raises `BadAddress`.
    """
    digits = text[2:]
    if not text.startswith("0x") or len(digits) != 40 or not _DIGITS.issuperset(digits):
        raise BadAddress(f"{text[:80]!r} is no address: 0x and 40 hex digits")
    address = Address(bytes.fromhex(digits))
    if digits not in (digits.lower(), digits.upper()) and format_address(address) != text:
        raise BadAddress(f"the checksum of {text} does not fit: a digit is wrong (if not, write it in small letters)")
    return address
