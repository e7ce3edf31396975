"""A key-value store in memory: for tests and simulations."""

from collections.abc import Collection, Iterator, Mapping
from threading import Lock

from chain.primitives.errors import StorageError


class MemoryStore:
    """`kv.KeyValueStore` over one dict; lost when the process ends."""

    def __init__(self) -> None:
        self._pairs: dict[bytes, bytes] = {}
        self._lock = Lock()
        self._closed = False

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, None if there is none."""
        self._check_open()
        return self._pairs.get(key)

    def write(self, puts: Mapping[bytes, bytes], deletes: Collection[bytes] = (), *, durable: bool) -> None:
        """Carry out all deletes, then all puts; `durable` means nothing here."""
        with self._lock:
            self._check_open()
            for key in deletes:
                self._pairs.pop(key, None)
            self._pairs.update(puts)

    def iterate(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield the pairs whose key begins with `prefix`, in the order of keys, as they stand now."""
        with self._lock:
            self._check_open()
            return iter(sorted((key, value) for key, value in self._pairs.items() if key.startswith(prefix)))

    def close(self) -> None:
        """Refuse all later calls; the pairs stay, so that `reopen` can stand for a restart."""
        self._closed = True

    def reopen(self) -> "MemoryStore":
        """Return a store with the same pairs, as a restart finds them."""
        store = MemoryStore()
        store._pairs = dict(self._pairs)
        return store

    def _check_open(self) -> None:
        if self._closed:
            raise StorageError("the store in memory is closed")
