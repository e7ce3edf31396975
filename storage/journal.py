"""An ordered, durable list of small records under one prefix: the mempool's journal.

An appended record is on disk when the call returns: what RPC accepted is not lost by a crash or a power cut.
"""

from collections.abc import Iterator

from storage.keys import JOURNAL, journal_key
from storage.kv import KeyValueStore


class Journal:
    """Implements `chain.mempool.ports.JournalStore`; for one thread."""

    def __init__(self, store: KeyValueStore) -> None:
        self._store = store

    def append(self, number: int, record: bytes) -> None:
        """Keep a record under its number. Raises `StorageError`."""
        self._store.write({journal_key(number): record}, durable=True)

    def delete(self, numbers: tuple[int, ...]) -> None:
        """Forget records; numbers that are not there are passed over."""
        self._store.write({}, [journal_key(number) for number in numbers], durable=False)

    def records(self) -> Iterator[tuple[int, bytes]]:
        """Yield all records in the order of their numbers."""
        skip = len(JOURNAL.prefix)
        return ((int.from_bytes(key[skip:], "big"), record) for key, record in self._store.iterate(JOURNAL.prefix))
