"""Accounts and their storage at one block, with changes on top (yellow paper 4.1: secure tries).

One `State` serves one block under execution, or one question of a reader; it is used by one thread. Changes stay in
memory until `commit`, which hashes every changed trie node once.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from chain.ports import NodeReader
from chain.primitives import rlp
from chain.primitives.errors import Malformed, StorageError
from chain.primitives.hashing import EMPTY_KECCAK, keccak256
from chain.primitives.units import Address, Hash32, Wei
from chain.trie import PRIVATE_CACHE_NODES, Trie
from chain.trie_nodes import EMPTY_ROOT, NodeCache

_T = TypeVar("_T")

WRITER_CACHE_NODES = 32_768
"""Decoded nodes, up to twice as many, that the importer keeps between blocks (`NodeCache(WRITER_CACHE_NODES)`): the hot
part of the state, about 64 MB at most."""


@dataclass(frozen=True, slots=True)
class Account:
    """What the state trie holds under the hash of an address."""

    nonce: int
    """Number of transactions sent."""
    balance: Wei
    storage_root: Hash32
    """Root of the account's storage; only the staking account has any."""
    code_hash: Hash32
    """keccak256 of the code; only the staking account has any, as a marker (`staking.SYSTEM_CODE`)."""

    @property
    def is_empty(self) -> bool:
        """Tell whether the account is left out of the trie (EIP-161)."""
        return not (self.nonce or self.balance) and self.code_hash == EMPTY_KECCAK


NO_ACCOUNT = Account(0, Wei(0), EMPTY_ROOT, EMPTY_KECCAK)
"""An account that nobody has touched."""


@dataclass(frozen=True, slots=True)
class StorageProof:
    """The value of a storage slot and the trie nodes that prove it."""

    slot: Hash32
    value: int
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class AccountProof:
    """An account and the trie nodes that prove it against a state root (EIP-1186)."""

    address: Address
    account: Account
    proof: tuple[bytes, ...]
    storage: tuple[StorageProof, ...]


def encode_account(account: Account) -> bytes:
    """Return what the state trie holds."""
    numbers = rlp.encode(rlp.encode_int(account.nonce)) + rlp.encode(rlp.encode_int(account.balance))
    payload = numbers + b"\xa0" + account.storage_root + b"\xa0" + account.code_hash
    return rlp.list_head(len(payload)) + payload


def decode_account(raw: bytes) -> Account:
    """Return the account of a trie value. Raises `Malformed`."""
    nonce, balance, storage_root, code_hash = rlp.decode_list(rlp.decode(raw), count=4)
    return Account(
        nonce=rlp.decode_int(nonce, max_bytes=8),
        balance=Wei(rlp.decode_int(balance)),
        storage_root=Hash32(rlp.decode_bytes(storage_root, size=32)),
        code_hash=Hash32(rlp.decode_bytes(code_hash, size=32)),
    )


def slot_key(number: int) -> Hash32:
    """Return a slot number as the 32 bytes that name it."""
    return Hash32(number.to_bytes(32, "big"))


class State:
    """The accounts under a state root, with changes that are not committed yet."""

    def __init__(self, reader: NodeReader, root: Hash32, cache: NodeCache | None = None) -> None:
        """`cache` may be shared by any number of states; without one the state has its own small one."""
        self._reader = reader
        self._cache = cache if cache is not None else NodeCache(PRIVATE_CACHE_NODES)
        self._trie = Trie(reader, root, self._cache)
        self._root = root
        self._accounts: dict[Address, Account] = {}
        self._changed: dict[Address, None] = {}
        self._slots: dict[tuple[Address, Hash32], int] = {}
        self._changed_slots: dict[tuple[Address, Hash32], None] = {}
        self._storage_tries: dict[Address, Trie] = {}
        self._journal: list[Callable[[], None]] | None = None

    @property
    def root(self) -> Hash32:
        """The root of the last commit, at first the one the state was opened at; changes since then are not in it."""
        return self._root

    def account(self, address: Address) -> Account:
        """Return an account, `NO_ACCOUNT` if there is none. Raises `MissingNode`."""
        account = self._accounts.get(address)
        if account is None:
            raw = self._trie.get(keccak256(address))
            account = _stored(decode_account, raw) if raw else NO_ACCOUNT
            self._accounts[address] = account
        return account

    def balance(self, address: Address) -> Wei:
        """Return an account's balance."""
        return self.account(address).balance

    def nonce(self, address: Address) -> int:
        """Return the nonce that an account's next transaction must have."""
        return self.account(address).nonce

    def set_account(self, address: Address, account: Account) -> None:
        """Replace an account; its storage root is set by `commit` alone."""
        if self._journal is not None:
            before = self.account(address)
            self._journal.append(lambda: self._accounts.__setitem__(address, before))
        self._accounts[address] = account
        self._changed[address] = None

    def set_balance(self, address: Address, balance: Wei) -> None:
        """Set an account's balance."""
        self.set_account(address, replace(self.account(address), balance=balance))

    def add_balance(self, address: Address, amount: Wei) -> None:
        """Pay an account."""
        account = self.account(address)
        balance = Wei(account.balance + amount)
        self.set_account(address, Account(account.nonce, balance, account.storage_root, account.code_hash))

    def set_nonce(self, address: Address, nonce: int) -> None:
        """Set an account's nonce."""
        self.set_account(address, replace(self.account(address), nonce=nonce))

    def storage(self, address: Address, slot: Hash32) -> int:
        """Return the word in a storage slot, zero if nothing is there."""
        key = (address, slot)
        value = self._slots.get(key)
        if value is None:
            raw = self._storage_trie(address).get(keccak256(slot))
            value = _stored(lambda stored: rlp.decode_int(rlp.decode(stored)), raw) if raw else 0
            self._slots[key] = value
        return value

    def set_storage(self, address: Address, slot: Hash32, value: int) -> None:
        """Set the word in a storage slot, 0 .. 2^256 - 1; zero frees it."""
        assert 0 <= value < 1 << 256, "a slot holds 256 bits"
        key = (address, slot)
        if self._journal is not None:
            before = self.storage(address, slot)
            self._journal.append(lambda: self._slots.__setitem__(key, before))
        self._slots[key] = value
        self._changed_slots[key] = None

    def begin(self) -> None:
        """Start a stretch of changes that ends with `keep` or `revert`; stretches do not nest."""
        assert self._journal is None, "a stretch of changes is open"
        self._journal = []

    def revert(self) -> None:
        """Undo all changes since `begin`."""
        assert self._journal is not None, "begin comes before revert"
        for undo in reversed(self._journal):
            undo()
        self._journal = None

    def keep(self) -> None:
        """Keep all changes since `begin`: they can no longer be undone."""
        self._journal = None

    def commit(self) -> tuple[Hash32, dict[Hash32, bytes]]:
        """Return the state root with all changes, and the trie nodes that are new.

        The caller stores the nodes before it reads on. Raises `MissingNode`.
        """
        new: dict[Hash32, bytes] = {}
        values: dict[Address, list[tuple[bytes, bytes]]] = {}
        for address, slot in self._changed_slots:
            value = self._slots[address, slot]
            entry = (keccak256(slot), rlp.encode(rlp.encode_int(value)) if value else b"")
            values.setdefault(address, []).append(entry)
        for address, entries in values.items():
            trie = self._storage_trie(address)
            trie.put_many(entries)
            root, nodes = trie.commit()
            new.update(nodes)
            self._accounts[address] = replace(self.account(address), storage_root=root)
            self._changed[address] = None
        changed = ((address, self._accounts[address]) for address in self._changed)
        self._trie.put_many(
            (keccak256(address), b"" if account.is_empty else encode_account(account)) for address, account in changed
        )
        self._root, nodes = self._trie.commit()
        new.update(nodes)
        self._changed.clear()
        self._changed_slots.clear()
        self._journal = None
        return self._root, new

    def prove(self, address: Address, slots: Iterable[Hash32] = ()) -> AccountProof:
        """Return an account and slots of its storage with their proofs against `root` (EIP-1186).

        The state must have no uncommitted change. Raises `MissingNode`.
        """
        assert not self._changed, "a state is proved after its commit"
        trie = self._storage_trie(address)
        return AccountProof(
            address=address,
            account=self.account(address),
            proof=self._trie.prove(keccak256(address)),
            storage=tuple(
                StorageProof(slot, self.storage(address, slot), trie.prove(keccak256(slot))) for slot in slots
            ),
        )

    def _storage_trie(self, address: Address) -> Trie:
        trie = self._storage_tries.get(address)
        if trie is None:
            trie = Trie(self._reader, self.account(address).storage_root, self._cache)
            self._storage_tries[address] = trie
        return trie


def _stored(decode: Callable[[bytes], _T], raw: bytes) -> _T:
    try:
        return decode(raw)
    except Malformed as error:
        raise StorageError(f"a state entry is damaged ({error}): restore a backup") from None
