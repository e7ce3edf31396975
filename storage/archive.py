"""The archive of signed map records: what the network core asks of `net.core.ports.RecordArchive`, on disk.

Writes are gathered and go to disk without waiting for it: a record lost in a crash is fetched again from the network.
"""

from collections.abc import Iterator

from chain.primitives.peer import PeerId
from storage.keys import RECORDS, record_key
from storage.kv import KeyValueStore

BUFFER_MAX = 512
"""Changes gathered before they are written together: 150 kB of records. When full, all of it is written."""


class RecordArchive:
    """Records by origin; for one thread. The composition root calls `flush` now and then, and before closing."""

    def __init__(self, store: KeyValueStore) -> None:
        self._store = store
        self._changes: dict[PeerId, bytes | None] = {}

    def put(self, origin: PeerId, record: bytes) -> None:
        """Keep the newest record of an origin in place of the one before."""
        self._change(origin, record)

    def get(self, origin: PeerId) -> bytes | None:
        """Return the record of an origin, None if there is none."""
        if origin in self._changes:
            return self._changes[origin]
        return self._store.get(record_key(origin))

    def delete(self, origin: PeerId) -> None:
        """Forget an origin."""
        self._change(origin, None)

    def items(self) -> Iterator[tuple[PeerId, bytes]]:
        """Yield all records in the order of their origins, as they stand now."""
        self.flush()
        skip = len(RECORDS.prefix)
        return ((PeerId(key[skip:]), record) for key, record in self._store.iterate(RECORDS.prefix))

    def flush(self) -> None:
        """Write what was gathered. Raises `StorageError`; the changes then stay gathered."""
        puts = {record_key(origin): record for origin, record in self._changes.items() if record is not None}
        deletes = [record_key(origin) for origin, record in self._changes.items() if record is None]
        if puts or deletes:
            self._store.write(puts, deletes, durable=False)
            self._changes.clear()

    def _change(self, origin: PeerId, record: bytes | None) -> None:
        self._changes[origin] = record
        if len(self._changes) >= BUFFER_MAX:
            self.flush()
