"""A bounded read cache that any thread may use."""

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Cache(Generic[K, V]):
    """The most recently used entries, between `size` and 2 * `size` of them once full.

    Two generations: when the young one is full it becomes the old one, and the old one is forgotten; what is read from
    the old one moves to the young one. Every step is one operation on a dict, so that threads need no lock: the worst
    a race does is to forget an entry early. (An OrderedDict needs a lock around each read.)
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        """Return the entry, None if it is not here."""
        value = self._young.get(key)
        if value is None:
            value = self._old.get(key)
            if value is not None:
                self.put(key, value)
        return value

    def put(self, key: K, value: V) -> None:
        """Keep an entry."""
        young = self._young
        young[key] = value
        if len(young) > self._size:
            self._old = young
            self._young = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)
