"""The registry of stakes as it lies in the staking account's storage trie.

| slot | holds |
|---|---|
| 0 | coins issued: subsidies, ticket rewards, and a devnet's premine (wei); written by every block |
| 1 | sum of all stakes (wei) |
| 2 | number of entries |
| K(3) + 3 i | entry i: validator key without its first byte |
| K(3) + 3 i + 1 | entry i: owner |
| K(3) + 3 i + 2 | entry i: first byte of the validator key (2 or 3) · 2^248 + stake (wei) |
| K(owner ‖ 4) | number of the owner's entry plus one, 0 without one |
| K(validator key ‖ 5) | owner who registered the key, 0 if free |
| K(owner ‖ 6) | withdrawals: number of the first waiting · 2^64 + number of the next one |
| K(owner ‖ 6) + 1 + (j mod 16) | withdrawal j: height of its release · 2^128 + amount (wei) |

K is Keccak-256; owners and slot numbers are padded to 32 bytes, as Solidity lays out mappings and arrays. Entries are
dense: when one goes, the last takes its number. So the whole registry can be read, proved and enumerated by slots.
"""

from dataclasses import dataclass

from chain.primitives.hashing import keccak256
from chain.primitives.units import Address, Hash32, Wei
from chain.staking_abi import address_word, word
from chain.state import State, slot_key

SYSTEM_ADDRESS = Address(b"mappemonde".ljust(19, b"\x00") + b"\x01")
"""Address of the staking account: 0x6d617070656d6f6e646500000000000000000001, "mappemonde" and a one. Only a Keccak
preimage would give it a key."""

MAX_WITHDRAWALS = 16
"""Withdrawals of one owner that may wait at once; a further request is refused until one is fetched."""

ISSUED_SLOT = slot_key(0)
_TOTAL_SLOT = slot_key(1)
_COUNT_SLOT = slot_key(2)
_ENTRIES = int.from_bytes(keccak256(word(3)), "big")
_ENTRY_WORDS = 3
_PREFIX_SHIFT = 248
_STAKE_MASK = (1 << 128) - 1
_AMOUNT_SHIFT = 128
_QUEUE_SHIFT = 64
_QUEUE_MASK = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Entry:
    """A validator."""

    owner: Address
    validator_key: bytes
    """33-byte compressed secp256k1 key."""
    stake: Wei


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """An amount that waits."""

    release_height: int
    """First height at which it is paid."""
    amount: Wei


def _offset(base: int, number: int) -> Hash32:
    return slot_key((base + number) % (1 << 256))


def _owner_base(owner: Address, table: int) -> int:
    return int.from_bytes(keccak256(address_word(owner) + word(table)), "big")


def _key_slot(validator_key: bytes) -> Hash32:
    return keccak256(validator_key + word(5))


class Registry:
    """Reads and writes of the registry in one state; checks nothing, `staking` does."""

    def __init__(self, state: State) -> None:
        self._state = state

    def _get(self, slot: Hash32) -> int:
        return self._state.storage(SYSTEM_ADDRESS, slot)

    def _set(self, slot: Hash32, value: int) -> None:
        self._state.set_storage(SYSTEM_ADDRESS, slot, value)

    @property
    def issued(self) -> Wei:
        """Coins issued so far."""
        return Wei(self._get(ISSUED_SLOT))

    def add_issued(self, amount: Wei) -> None:
        """Count coins that a block, or genesis, brings into being."""
        self._set(ISSUED_SLOT, self._get(ISSUED_SLOT) + amount)

    @property
    def total(self) -> Wei:
        """Sum of all stakes."""
        return Wei(self._get(_TOTAL_SLOT))

    @property
    def count(self) -> int:
        """Number of validators."""
        return self._get(_COUNT_SLOT)

    def entry(self, number: int) -> Entry:
        """Return a validator by number, 0 .. `count` - 1; numbers change when validators leave."""
        base = number * _ENTRY_WORDS
        owner = Address(slot_key(self._get(_offset(_ENTRIES, base + 1)))[12:])
        key, stake = self.key_and_stake(number)
        return Entry(owner, key, stake)

    def key_and_stake(self, number: int) -> tuple[bytes, Wei]:
        """Return what the snapshot needs of a validator."""
        base = number * _ENTRY_WORDS
        stake = self._get(_offset(_ENTRIES, base + 2))
        key = bytes((stake >> _PREFIX_SHIFT,)) + word(self._get(_offset(_ENTRIES, base)))
        return key, Wei(stake & _STAKE_MASK)

    def number_of(self, owner: Address) -> int | None:
        """Return the number of an owner's entry, None without one."""
        number = self._get(_offset(_owner_base(owner, 4), 0))
        return number - 1 if number else None

    def stake_of(self, owner: Address) -> Wei:
        """Return an owner's stake."""
        number = self.number_of(owner)
        return Wei(0) if number is None else self.key_and_stake(number)[1]

    def key_owner(self, validator_key: bytes) -> Address | None:
        """Return who registered a validator key, None if it is free."""
        owner = self._get(_key_slot(validator_key))
        return Address(slot_key(owner)[12:]) if owner else None

    def add_entry(self, entry: Entry) -> None:
        """Register a validator; neither its owner nor its key has an entry."""
        number = self.count
        self._set(_COUNT_SLOT, number + 1)
        self._write(number, entry)
        self._set(_key_slot(entry.validator_key), int.from_bytes(entry.owner, "big"))
        self._set(_TOTAL_SLOT, self.total + entry.stake)

    def set_stake(self, number: int, stake: Wei) -> None:
        """Change a validator's stake; at zero it leaves the registry and its key is free again."""
        entry = self.entry(number)
        self._set(_TOTAL_SLOT, self.total - entry.stake + stake)
        if stake:
            self._set(_offset(_ENTRIES, number * _ENTRY_WORDS + 2), entry.validator_key[0] << _PREFIX_SHIFT | stake)
            return
        last = self.count - 1
        self._set(_COUNT_SLOT, last)
        self._set(_offset(_owner_base(entry.owner, 4), 0), 0)
        self._set(_key_slot(entry.validator_key), 0)
        if last != number:
            self._write(number, self.entry(last))
        for place in range(_ENTRY_WORDS):
            self._set(_offset(_ENTRIES, last * _ENTRY_WORDS + place), 0)

    def _write(self, number: int, entry: Entry) -> None:
        base = number * _ENTRY_WORDS
        self._set(_offset(_ENTRIES, base), int.from_bytes(entry.validator_key[1:], "big"))
        self._set(_offset(_ENTRIES, base + 1), int.from_bytes(entry.owner, "big"))
        self._set(_offset(_ENTRIES, base + 2), entry.validator_key[0] << _PREFIX_SHIFT | entry.stake)
        self._set(_offset(_owner_base(entry.owner, 4), 0), number + 1)

    def withdrawals(self, owner: Address) -> list[Withdrawal]:
        """Return an owner's waiting withdrawals, oldest first: at most `MAX_WITHDRAWALS`."""
        base = _owner_base(owner, 6)
        queue = self._get(_offset(base, 0))
        waiting = []
        for number in range(queue >> _QUEUE_SHIFT, queue & _QUEUE_MASK):
            entry = self._get(_offset(base, 1 + number % MAX_WITHDRAWALS))
            waiting.append(Withdrawal(entry >> _AMOUNT_SHIFT, Wei(entry & _STAKE_MASK)))
        return waiting

    def add_withdrawal(self, owner: Address, withdrawal: Withdrawal) -> None:
        """Append a withdrawal; fewer than `MAX_WITHDRAWALS` wait."""
        base = _owner_base(owner, 6)
        queue = self._get(_offset(base, 0))
        place = (queue & _QUEUE_MASK) % MAX_WITHDRAWALS
        self._set(_offset(base, 1 + place), withdrawal.release_height << _AMOUNT_SHIFT | withdrawal.amount)
        self._set(_offset(base, 0), queue + 1)

    def drop_withdrawals(self, owner: Address, count: int) -> None:
        """Remove the oldest `count` withdrawals."""
        base = _owner_base(owner, 6)
        queue = self._get(_offset(base, 0))
        first = queue >> _QUEUE_SHIFT
        for number in range(first, first + count):
            self._set(_offset(base, 1 + number % MAX_WITHDRAWALS), 0)
        first += count
        after = queue & _QUEUE_MASK
        self._set(_offset(base, 0), 0 if first == after else first << _QUEUE_SHIFT | after)
