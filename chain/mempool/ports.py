"""What the mempool needs from outside."""

from collections.abc import Iterator
from typing import Protocol

from chain.primitives.units import Address, Wei


class AccountFacts(Protocol):
    """What the pool reads of an account; `state.Account` has it."""

    @property
    def nonce(self) -> int:
        """Nonce of the account's next transaction."""

    @property
    def balance(self) -> Wei:
        """Coins of the account."""


class AccountReader(Protocol):
    """The accounts after the head; `state.State` implements it."""

    def account(self, address: Address) -> AccountFacts:
        """Return an account; one that does not exist has nonce and balance 0."""


class JournalStore(Protocol):
    """An ordered, durable list of small records: over a key-value store in the node, in memory in tests.

    A call returns when its change would survive `kill -9`.
    """

    def append(self, number: int, record: bytes) -> None:
        """Keep a record under its number, which is higher than any before."""

    def delete(self, numbers: tuple[int, ...]) -> None:
        """Forget records; numbers that are not there are passed over."""

    def records(self) -> Iterator[tuple[int, bytes]]:
        """Yield all records in the order of their numbers."""
