"""Amounts as people write them, exact to the wei: decimal digits in, integers inside, no float anywhere."""

from chain.primitives.units import Wei
from cli.wallet.errors import BadAmount

COIN_DECIMALS = 18
GWEI_DECIMALS = 9

MAX_WEI = (1 << 128) - 1
"""Larger amounts than a stake's 128 bits can hold are a slip: all coins ever issued are far below."""


def parse_units(text: str, decimals: int, unit: str) -> Wei:
    """Return the wei of a decimal number such as "1.5" in a unit of so many decimals. Raises `BadAmount`."""
    whole, point, fraction = text.partition(".")
    digits = whole + fraction
    if not (whole and digits.isascii() and digits.isdigit()) or (point and not fraction) or len(text) > 80:
        raise BadAmount(f"{text[:80]!r} is no amount: digits, and after a point at most {decimals} more, such as 1.5")
    if len(fraction) > decimals:
        raise BadAmount(f"{text} has {len(fraction)} decimals, {unit} has {decimals}: less than a wei does not exist")
    wei = int(whole) * 10**decimals + int(fraction.ljust(decimals, "0") or "0")
    if wei > MAX_WEI:
        raise BadAmount(f"{text} {unit} is more than can ever exist")
    return Wei(wei)


def parse_coins(text: str) -> Wei:
    """Return the wei of an amount in MND. Raises `BadAmount`."""
    return parse_units(text, COIN_DECIMALS, "MND")


def parse_gwei(text: str) -> Wei:
    """Return the wei of a fee in gwei. Raises `BadAmount`."""
    return parse_units(text, GWEI_DECIMALS, "gwei")


def format_units(wei: int, decimals: int) -> str:
    """Return all digits of an amount, without zeros at the end."""
    sign = "-" if wei < 0 else ""
    whole, fraction = divmod(abs(wei), 10**decimals)
    digits = f"{fraction:0{decimals}d}".rstrip("0")
    return f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}"


def format_coins(wei: int) -> str:
    """Return an amount in MND with its unit, to the wei."""
    return format_units(wei, COIN_DECIMALS) + " MND"


def format_gwei(wei: int) -> str:
    """Return a fee in gwei with its unit, to the wei."""
    return format_units(wei, GWEI_DECIMALS) + " gwei"
