"""What the three failure-domain tags of a record say (docs/protocol, network): two bytes for each, 0 for not told."""

from enum import IntEnum

from chain.primitives.errors import ConfigError
from chain.primitives.hashing import blake2b_128

Tags = tuple[int, int, int]
"""Operator, country, release."""

OPERATOR_MAX_BYTES = 64
"""Longest name of an operator."""

_MINORS = 1_000
"""Minor releases of a major one, for the tag: 65.535 is the last that can be told."""


class DomainKind(IntEnum):
    """Place of a tag in a record."""

    OPERATOR = 0
    COUNTRY = 1
    RELEASE = 2


def operator_tag(name: str) -> int:
    """Return the tag of who runs a node, 0 for an empty name: two bytes of the name's hash, whatever its case.

    One in 65,535 pairs of names shares a tag. Raises `ConfigError` for a name over OPERATOR_MAX_BYTES.
    """
    told = name.strip().lower().encode()
    if len(told) > OPERATOR_MAX_BYTES:
        raise ConfigError(f"operator has {len(told)} bytes; at most {OPERATOR_MAX_BYTES} are hashed")
    return (int.from_bytes(blake2b_128(told)[:2], "big") or 1) if told else 0


def country_tag(code: str) -> int:
    """Return the tag of an ISO 3166-1 code of two letters, which are its bytes; 0 for an empty one.

    Raises `ConfigError` for anything else.
    """
    told = code.strip().upper()
    if not told:
        return 0
    if len(told) != 2 or not (told.isascii() and told.isalpha()):
        raise ConfigError(f"country is {code!r}, not a code of two letters such as FR")
    return int.from_bytes(told.encode(), "big")


def release_tag(version: str) -> int:
    """Return the tag of a version such as 1.4.2: its major and minor number, 0 for what is no such version."""
    major, _, rest = version.partition(".")
    minor = rest.partition(".")[0]
    if not (major.isdecimal() and minor.isdecimal()):
        return 0
    tag = int(major) * _MINORS + int(minor)
    return tag if int(minor) < _MINORS and tag < 1 << 16 else 0


def domain_name(kind: DomainKind, tag: int) -> str:
    """Return a failure domain as one word, as metrics and alarms name it: country_fr, release_1.4, operator_51966.

    Peers announce any number: a country that is no two letters goes by its number.
    """
    if kind is DomainKind.RELEASE:
        return f"release_{tag // _MINORS}.{tag % _MINORS}"
    letters = tag.to_bytes(2, "big")
    if kind is DomainKind.COUNTRY and letters.isalpha():
        return f"country_{letters.decode().lower()}"
    return f"{kind.name.lower()}_{tag}"
