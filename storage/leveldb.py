"""LevelDB behind the key-value port, with errors that say what to do.

LevelDB writes a batch to its log before it answers, so that a batch survives the end of the process without `durable`
and a loss of power with it. The price of `durable` is one fdatasync: bench/storage_commit.py.
"""

import fcntl
import logging
import os
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock, get_ident
from typing import Protocol

import plyvel

from chain.primitives.errors import StorageError
from storage.directory import sync_directory
from storage.level_log import blank_damage, hides_damage, logs_are_only_torn

log = logging.getLogger("storage")

BLOCK_CACHE_BYTES = 16 << 20
"""LevelDB's cache of uncompressed blocks. Our own caches sit above it; a Raspberry Pi has room for this."""

WRITE_BUFFER_BYTES = 8 << 20
"""Size of the table in memory before it is sorted to disk; two of them may be alive at once."""

BLOOM_BITS = 10
"""Bits per key of the filters that spare a disk read for absent keys: 1 % false positives."""

LOCK_FILE = "LOCK"
"""The file that whoever has the database open holds a lock on."""

REPAIR_FILE = "REPAIR"
"""Stands in the directory while a repair is under way. LevelDB's part moves logs away before it has written the list of
the tables it made of them, and deletes the tables when it is opened in between; ours cuts the chain in many batches."""

CLOSE_POLL_SECONDS = 0.001
"""How often closing looks whether all reads have ended: one takes micro- to milliseconds."""

MAX_OPEN_FILES = 256
"""Tables kept open, 2 MiB each; well below the usual limit of 1024 descriptors, which links need too."""


class _Database(Protocol):
    """What we use of plyvel.DB, which has no types."""

    def get(self, key: bytes, *, verify_checksums: bool) -> bytes | None: ...
    def write_batch(self, *, transaction: bool = ..., sync: bool = ...) -> "_Batch": ...
    def iterator(self, *, prefix: bytes, verify_checksums: bool) -> Iterator[tuple[bytes, bytes]]: ...
    def compact_range(self, *, start: bytes, stop: bytes) -> None: ...
    def close(self) -> None: ...


class _Batch(Protocol):
    def put(self, key: bytes, value: bytes) -> None: ...
    def delete(self, key: bytes) -> None: ...
    def write(self) -> None: ...


class LevelStore:
    """`kv.KeyValueStore` over one LevelDB directory; made by `open_level`."""

    def __init__(self, database: _Database, path: Path) -> None:
        self._database = database
        self._path = path
        self._writing = Lock()
        self._failed = ""
        self._closed = False
        self._readers: set[int] = set()
        """Threads inside LevelDB. Adding, discarding and asking are atomic: cheaper than a lock on each read."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, None if there is none."""
        reader = get_ident()
        self._readers.add(reader)
        try:
            self._check_open()
            return self._database.get(key, verify_checksums=True)  # a flipped bit is an error, not a value
        except (plyvel.Error, RuntimeError) as error:
            raise explain(self._path, error) from None
        finally:
            self._readers.discard(reader)

    def write(self, puts: Mapping[bytes, bytes], deletes: Collection[bytes] = (), *, durable: bool) -> None:
        """Carry out all deletes, then all puts, as one atomic batch; `durable` waits for the disk.

        After a write that failed none is taken until the database is opened again: part of it may stand in the log, and
        what LevelDB would write behind that, and call durable, cannot be read again.
        """
        # One at a time: else LevelDB might carry out one that waits before we know that the one before it has failed.
        with self._writing:
            if self._failed:
                raise StorageError(self._failed)
            try:
                self._check_open()
                batch = self._database.write_batch(sync=durable)
                for key in deletes:
                    batch.delete(key)
                for key, value in puts.items():
                    batch.put(key, value)
                batch.write()
            except (plyvel.Error, RuntimeError) as error:
                told = explain(self._path, error)
                self._failed = str(told)
                raise told from None

    def iterate(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield the pairs whose key begins with `prefix`, in the order of keys, as they stand now."""
        reader = get_ident()
        self._readers.add(reader)
        try:
            self._check_open()
            # The iterator takes its snapshot here, not at the first `next`.
            return self._walk(self._database.iterator(prefix=prefix, verify_checksums=True))
        except (plyvel.Error, RuntimeError) as error:
            raise explain(self._path, error) from None
        finally:
            self._readers.discard(reader)

    def _walk(self, pairs: Iterator[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
        while True:
            reader = get_ident()
            self._readers.add(reader)
            try:
                self._check_open()
                pair = next(pairs, None)
            except (plyvel.Error, RuntimeError) as error:
                raise explain(self._path, error) from None
            finally:
                self._readers.discard(reader)
            if pair is None:
                return
            yield pair

    def compact(self) -> None:
        """Rewrite all tables without what was deleted or replaced; takes as much free disk as the largest of them."""
        try:
            # Without bounds plyvel 1.5 hands LevelDB the empty key as both: then nothing but the buffer is written out.
            self._database.compact_range(start=b"\x00", stop=b"\xff")
        except (plyvel.Error, RuntimeError) as error:
            raise explain(self._path, error) from None
        self.write({}, durable=True)  # LevelDB tells of a compaction that failed only whoever writes next

    def close(self) -> None:
        """Release the directory's lock, once the calls that other threads are in have ended; further ones are refused.

        plyvel frees the database at once, and who still reads it would take the process down.
        """
        self._closed = True
        while self._readers:
            time.sleep(CLOSE_POLL_SECONDS)
        with self._writing:
            self._database.close()

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("closed")  # what plyvel raises; `explain` names the directory


def open_level(path: Path, *, repairing: bool = False) -> LevelStore:
    """Open the database in a directory, made if it is not there; `repairing` is for the repair itself.

    Raises `StorageError` when another process has it open, it is damaged, its repair was cut short, the disk is full or
    it may not be written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        if not repairing and (path / REPAIR_FILE).exists():
            raise StorageError(
                f"the repair of the database in {path} was cut short: run `mappemonde db repair` again before anything"
            )
        if hides_damage(path):
            raise plyvel.CorruptionError(b"the length of a record in the log")
        try:
            database = _open(path, paranoid=True)
        except plyvel.CorruptionError:
            if not logs_are_only_torn(path):
                raise
            log.warning("the last write to the database in %s was cut short: what was not acknowledged is gone", path)
            _open(path, paranoid=False).close()  # takes what is whole from the logs
            database = _open(path, paranoid=True)
    except (plyvel.Error, OSError) as error:
        raise explain(path, error) from None
    return LevelStore(database, path)


def _open(path: Path, *, paranoid: bool) -> _Database:
    """Open a database; `paranoid` refuses damaged logs, and compacts no damaged block into one with a true checksum."""
    database: _Database = plyvel.DB(
        str(path),
        create_if_missing=True,
        paranoid_checks=paranoid,
        lru_cache_size=BLOCK_CACHE_BYTES,
        write_buffer_size=WRITE_BUFFER_BYTES,
        bloom_filter_bits=BLOOM_BITS,
        max_open_files=MAX_OPEN_FILES,
    )
    return database


@contextmanager
def hold_level(path: Path) -> Iterator[None]:
    """Keep every other process from opening a database, without opening it: its files stay as they are.

    For a process that does not have it open itself and does not touch LOCK_FILE meanwhile: a process has one lock on a
    file, which ends with the first descriptor that is closed. Raises `StorageError` when the database is in use.
    """
    try:
        lock = (path / LOCK_FILE).open("ab")
    except OSError as error:
        raise explain(path, error) from None
    with lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise explain(path, error) from None
        yield


@contextmanager
def mark_repair(path: Path) -> Iterator[None]:
    """Let a database be opened for its repair alone until this has ended well. Raises `StorageError`."""
    if not path.is_dir():
        raise StorageError(f"there is no database in {path}")
    mark = path / REPAIR_FILE
    try:
        with hold_level(path), mark.open("wb") as stream:  # the mark would keep a node that runs from its next start
            os.fsync(stream.fileno())
            sync_directory(path)
        yield
        mark.unlink()
        sync_directory(path)
    except OSError as error:
        raise explain(path, error) from None


def repair_level(path: Path) -> None:
    """Rebuild the tables of a damaged database from what can be read; the rest is set aside in `lost/`.

    Raises `StorageError` when another process has the database open or it cannot be repaired.
    """
    if not path.is_dir():
        raise StorageError(f"there is no database in {path}")
    try:
        with hold_level(path):
            blank_damage(path)
        plyvel.repair_db(str(path), paranoid_checks=True)  # else it keeps tables with blocks that cannot be read
    except (plyvel.Error, OSError) as error:
        raise explain(path, error) from None


def explain(path: Path, error: Exception) -> StorageError:
    """Return the error of LevelDB or the system as one line that names the directory and says what to do."""
    raw = error.args[0] if error.args else ""
    text = raw.decode(errors="replace") if isinstance(raw, bytes) else str(error)
    if isinstance(error, RuntimeError):
        return StorageError(f"the database in {path} is closed")
    for sign, advice in _ADVICE:
        if sign in text:
            return StorageError(advice.format(path=path, text=text))
    if isinstance(error, plyvel.CorruptionError):
        return StorageError(_DAMAGED.format(path=path, text=text))
    return StorageError(f"the database in {path} cannot be used: {text}")


_DAMAGED = "the database in {path} is damaged ({text}): keep a copy, run `mappemonde db repair`; nothing was deleted"

_ADVICE = (
    (
        "already held by process",
        "the database in {path} is in use by this process already: two nodes cannot share a directory",
    ),
    (
        "Resource temporarily unavailable",
        "the database in {path} is in use by another process: stop that node first or choose another --datadir",
    ),
    ("No space left", "the disk that holds the database in {path} is full: free some space and start again"),
    ("Disk quota", "the disk quota for the database in {path} is used up: free some space and start again"),
    ("File too large", "a file of the database in {path} may not grow: raise the limit (`ulimit -f`), start again"),
    ("Permission denied", "no permission to write the database in {path}: check who owns that directory"),
    ("Read-only file system", "the database in {path} lies on a read-only file system: choose another --datadir"),
    ("Too many open files", "too many open files to use the database in {path}: raise the limit (`ulimit -n`)"),
    ("Not a directory", "{path} is not a directory: choose another --datadir"),
    ("File exists", "{path} is not a directory: choose another --datadir"),
    ("Input/output error", "the disk that holds the database in {path} fails ({text}): check the disk, keep a copy"),
    ("orruption", _DAMAGED),
    ("missing files", _DAMAGED),
    ("CURRENT", _DAMAGED),
    ("MANIFEST", _DAMAGED),
)
"""Part of the error's text, and what is told instead; the first that fits."""
