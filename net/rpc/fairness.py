"""Who gives way when a table that all clients share is full: the client that holds most of it.

A fixed share for each client would leave most of a table empty when few are here. So any client may have all of it as
long as nobody else wants any; a newcomer takes places from whoever holds most, until both hold the same.
"""

from collections import OrderedDict, deque
from collections.abc import Mapping
from typing import Generic, TypeVar

Item = TypeVar("Item")


def who_yields(held: Mapping[str, int], newcomer: str) -> str | None:
    """Return the client that must give up a place of a full table to a newcomer; None if that is the newcomer."""
    most = max(held, key=lambda client: held[client], default=None)
    return None if most is None or held.get(newcomer, 0) >= held[most] else most


class FairQueue(Generic[Item]):
    """Items that wait, by client; clients have their turns one after the other. Mutable: changed by its owner alone."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: OrderedDict[str, deque[Item]] = OrderedDict()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def put(self, client: str, item: Item) -> Item | None:
        """Add an item; return the one that has to go for it when the queue is full, maybe itself."""
        displaced: Item | None = None
        if self._size >= self._most:
            yielding = who_yields({name: len(items) for name, items in self._waiting.items()}, client)
            if yielding is None:
                return item
            displaced = self._waiting[yielding].pop()
            self._size -= 1
            if not self._waiting[yielding]:
                del self._waiting[yielding]
        self._waiting.setdefault(client, deque()).append(item)
        self._size += 1
        return displaced

    def pop(self) -> Item:
        """Take out the item whose turn it is. The queue must not be empty."""
        client, items = next(iter(self._waiting.items()))
        item = items.popleft()
        self._size -= 1
        if items:
            self._waiting.move_to_end(client)
        else:
            del self._waiting[client]
        return item

    def discard(self, client: str, item: Item) -> None:
        """Take out an item, if it is still here."""
        items = self._waiting.get(client)
        if items is not None and item in items:
            items.remove(item)
            self._size -= 1
            if not items:
                del self._waiting[client]
