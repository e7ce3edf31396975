"""The port to an ordered key-value store."""

from collections.abc import Collection, Iterator, Mapping
from typing import Protocol


class KeyValueStore(Protocol):
    """Ordered byte strings to byte strings. Any thread may read and write; all methods raise `StorageError`."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, None if there is none."""

    def write(self, puts: Mapping[bytes, bytes], deletes: Collection[bytes] = (), *, durable: bool) -> None:
        """Carry out all deletes, then all puts, as one atomic batch: a crash leaves all of it or nothing.

        `durable` returns only when the batch would survive a loss of power; without it, it survives the end of the
        process alone. Raises `StorageError` when the disk is full or fails; then nothing of the batch was written.
        """

    def iterate(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield the pairs whose key begins with `prefix`, in the order of keys, as they stood at the call."""

    def close(self) -> None:
        """Release the store. Later calls raise `StorageError`; a second `close` does nothing."""
