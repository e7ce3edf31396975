"""What the mempool's tests stand on: accounts and a journal in memory, transactions without signatures."""

from collections.abc import Iterator
from dataclasses import dataclass

from chain.primitives.hashing import keccak256
from chain.primitives.units import GWEI, Address, Gas, Hash32, Wei
from chain.transaction import SignedTransaction, Transaction, TxType
from tests.helpers.transactions import DEVNET_CHAIN_ID

RICH = Wei(10**24)


@dataclass(frozen=True, slots=True)
class FakeAccount:
    """Nonce and balance."""

    nonce: int
    balance: Wei


class FakeAccounts:
    """Accounts by address; everybody is rich unless said otherwise."""

    def __init__(self) -> None:
        self.nonces: dict[Address, int] = {}
        self.balances: dict[Address, Wei] = {}

    def account(self, address: Address) -> FakeAccount:
        """Return an account."""
        return FakeAccount(self.nonces.get(address, 0), self.balances.get(address, RICH))


class FakeJournal:
    """A journal in memory."""

    def __init__(self) -> None:
        self.kept: dict[int, bytes] = {}

    def append(self, number: int, record: bytes) -> None:
        """Keep a record."""
        assert not self.kept or number > max(self.kept), "numbers rise"
        self.kept[number] = record

    def delete(self, numbers: tuple[int, ...]) -> None:
        """Forget records."""
        for number in numbers:
            self.kept.pop(number, None)

    def records(self) -> Iterator[tuple[int, bytes]]:
        """Yield all records."""
        yield from sorted(self.kept.items())


def sender(number: int) -> Address:
    """Return a sender's address."""
    return Address(number.to_bytes(20, "big"))


def plain(
    who: int,
    nonce: int,
    *,
    tip: int = GWEI,
    fee: int = 3 * GWEI,
    value: int = 0,
    gas: int = 21_000,
    size: int = 0,
    salt: int = 0,
) -> SignedTransaction:
    """Return a transaction with a made-up signature: the pool never looks at it."""
    raw = repr((who, nonce, tip, fee, value, gas, size, salt)).encode() + bytes(size)
    tx = Transaction(
        type=TxType.DYNAMIC_FEE,
        chain_id=DEVNET_CHAIN_ID,
        nonce=nonce,
        max_priority_fee=Wei(tip),
        max_fee=Wei(fee),
        gas_limit=Gas(gas),
        to=sender(255),
        value=Wei(value),
        data=b"",
        access_list=(),
        y_parity=0,
        r=1,
        s=1,
        raw=raw,
        hash=keccak256(raw),
        signing_hash=Hash32(bytes(32)),
    )
    return SignedTransaction(tx, sender(who))
