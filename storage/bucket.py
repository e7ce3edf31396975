"""Named blobs: what services keep between runs (anchors, bans, clock, own sequence number, mempool journal)."""

from chain.primitives.errors import StorageError
from storage.keys import BLOBS, blob_key
from storage.kv import KeyValueStore

NAME_MAX = 128
"""Longest name, bytes. Names are chosen by our own code; the bound catches one that was built from outside input."""

BLOB_MAX = 64 << 20
"""Largest blob, bytes: LevelDB holds a whole value in memory."""


class Bucket:
    """Blobs by name over a key-value store; every write is durable before it returns."""

    def __init__(self, store: KeyValueStore) -> None:
        self._store = store

    def put(self, name: str, blob: bytes) -> None:
        """Keep a blob in place of the one before; it is on disk when this returns. Raises `StorageError`."""
        if len(blob) > BLOB_MAX:
            raise StorageError(f"blob {name} of {len(blob)} bytes is over the limit of {BLOB_MAX}")
        self._store.write({_key(name): blob}, durable=True)

    def get(self, name: str) -> bytes | None:
        """Return a blob, None if there is none."""
        return self._store.get(_key(name))

    def delete(self, name: str) -> None:
        """Forget a blob."""
        self._store.write({}, (_key(name),), durable=True)

    def names(self) -> tuple[str, ...]:
        """Return all names, sorted by their bytes."""
        return tuple(key[len(BLOBS.prefix) :].decode() for key, _ in self._store.iterate(BLOBS.prefix))


def _key(name: str) -> bytes:
    key = blob_key(name)
    if not name or len(key) > NAME_MAX + len(BLOBS.prefix):
        raise StorageError(f"a blob's name has 1 to {NAME_MAX} bytes")
    return key
