"""What waits in this node's pool, as neighbours that ask are told of it (docs/protocol, exchange, pools at link-up)."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from chain.exchange.messages import NAMES_MAX, SALT_BYTES, Picked, PickRequest, Waiting, encode_response, name_of
from chain.exchange.ports import BlockSource, PoolReader
from chain.exchange.transactions import Transactions
from chain.primitives.units import Hash32, Millis

FRESH_FOR = Millis(5_000)
"""Everybody who asks within this time, and before the head moves, gets the same list: a full pool takes 60 to 85 ms to
list (`python -m bench.pools`), so askers cost under 2 % of a core however many they are."""

LISTS_MAX = 4
"""Lists that are kept for those who pick from them, the oldest goes first: 15 s at least unless the head moves often,
and picking takes a few seconds."""

PICKED_BYTES = 1 << 20
"""Transactions of one answer stop before this sum; the first one always fits (128 KiB at most)."""


@dataclass(frozen=True, slots=True)
class _List:
    hashes: tuple[Hash32, ...]
    payload: bytes
    """The encoded WAITING response."""
    head_id: Hash32
    made: Millis


class WaitingLists:
    """The answers to WAITING and PICK."""

    def __init__(
        self,
        source: BlockSource,
        pool: PoolReader,
        transactions: Transactions,
        *,
        entropy: Callable[[int], bytes],
    ) -> None:
        self._source = source
        self._pool = pool
        self._transactions = transactions
        self._entropy = entropy
        self._lists: OrderedDict[bytes, _List] = OrderedDict()
        self.given = 0
        self.picked = 0

    def waiting(self, now: Millis) -> bytes:
        """Return the encoded WAITING response."""
        self.given += 1
        newest = next(reversed(self._lists.values()), None)
        if newest is None or newest.head_id != self._source.head().id or not 0 <= now - newest.made < FRESH_FOR:
            newest = self._make(now)
        return newest.payload

    def pick(self, asked: PickRequest) -> Picked:
        """Return the transactions at some places of a list."""
        found = self._lists.get(asked.salt)
        if found is None or asked.places[-1] >= len(found.hashes):
            return Picked(None)
        raws: list[bytes | None] = []
        size = 0
        for place in asked.places:
            signed = self._pool.get(found.hashes[place])
            size += 0 if signed is None else len(signed.tx.raw)
            if raws and size > PICKED_BYTES:
                break
            raws.append(None if signed is None else signed.tx.raw)
        self.picked += len(raws) - raws.count(None)
        return Picked(tuple(raws))

    def _make(self, now: Millis) -> _List:
        salt = self._entropy(SALT_BYTES)
        named: dict[bytes, Hash32] = {}
        for signed in self._pool.by_merit():
            tx_hash = signed.tx.hash
            if self._transactions.is_shown(tx_hash, now):
                named.setdefault(name_of(salt, tx_hash), tx_hash)
                if len(named) >= NAMES_MAX:
                    break
        payload = encode_response(Waiting(salt, tuple(named)))
        made = self._lists[salt] = _List(tuple(named.values()), payload, self._source.head().id, now)
        while len(self._lists) > LISTS_MAX:
            self._lists.popitem(last=False)
        return made
