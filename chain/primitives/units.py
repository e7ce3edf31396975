"""Units that stand in types: a number that means milliseconds is not a number that means wei."""

from typing import NewType

Millis = NewType("Millis", int)
"""Milliseconds: since the Unix epoch for moments, plain for durations."""

Wei = NewType("Wei", int)
"""The smallest part of the coin; 10^18 wei are one monde (MND)."""

Gas = NewType("Gas", int)
"""Units of execution cost (Ethereum yellow paper, appendix G)."""

Height = NewType("Height", int)
"""Number of ancestors of a block; genesis has 0."""

LogTarget = NewType("LogTarget", int)
"""Base-2 logarithm in Q16 fixed point (65536 is one bit) of a 256-bit target."""

Hash32 = NewType("Hash32", bytes)
"""A 32-byte digest."""

Address = NewType("Address", bytes)
"""A 20-byte account address: the last 20 bytes of the Keccak-256 of the public key."""

COIN = Wei(10**18)
GWEI = Wei(10**9)
ZERO_HASH = Hash32(bytes(32))
ZERO_ADDRESS = Address(bytes(20))
