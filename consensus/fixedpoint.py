"""Logarithms and powers of two in Q16 fixed point: the only arithmetic of DESIGN section 5 that is not plain.

The *algorithms* here are normative: two nodes must get the same last bit, so neither may be replaced by one that is
merely as exact. Q16 means that 65536 stands for one bit (a factor of two).
"""

ONE_BIT = 1 << 16
"""One bit, a factor of two, in Q16."""

FULL_BITS = 256 << 16
"""log2(2^256): the logarithm of the whole range of a hash, in Q16."""

_TOP = 1 << 63
_CARRY = 1 << 64

_CUBIC_1 = 195_766_423_245_049
_CUBIC_2 = 971_821_376
_CUBIC_3 = 5_127
"""Coefficients of aserti3-2d's cubic (Bitcoin Cash, 2020): 2^f - 1 for f in [0, 1), error under 0.013 %."""


def log2_q16(number: int) -> int:
    """Return the base-2 logarithm of a positive integer in Q16, rounded down but for the mantissa's truncation.

    The number is normalised to a mantissa of 64 bits (bits below are dropped), which is then squared 16 times; each
    squaring gives one bit of the fraction.
    """
    assert number > 0, "zero has no logarithm"
    exponent = number.bit_length() - 1
    mantissa = number >> (exponent - 63) if exponent >= 63 else number << (63 - exponent)
    fraction = 0
    for _ in range(16):
        mantissa = (mantissa * mantissa) >> 63
        fraction <<= 1
        if mantissa >= _CARRY:
            mantissa >>= 1
            fraction |= 1
    return (exponent << 16) | fraction


def exp2_q16(bits: int) -> int:
    """Return floor(2^(bits / 65536)) for bits >= 0, by the cubic of aserti3-2d."""
    assert bits >= 0, "a negative exponent has no integer power"
    fraction = bits & 0xFFFF
    factor = ONE_BIT + (
        (_CUBIC_1 * fraction + _CUBIC_2 * fraction * fraction + _CUBIC_3 * fraction**3 + (1 << 47)) >> 48
    )
    return (factor << (bits >> 16)) >> 16


def clamp(value: int, low: int, high: int) -> int:
    """Return the value, or the bound it passes."""
    return max(low, min(value, high))
