"""The archive of map records: buffered writes, reads that see them."""

from chain.primitives.peer import PeerId
from storage.archive import BUFFER_MAX, RecordArchive
from storage.kv import KeyValueStore


def _peer(number: int) -> PeerId:
    return PeerId(number.to_bytes(32, "big"))


def test_reads_see_what_is_not_written_yet(store: KeyValueStore) -> None:
    archive = RecordArchive(store)
    archive.put(_peer(1), b"old")
    archive.flush()
    archive.put(_peer(1), b"new")
    assert archive.get(_peer(1)) == b"new"
    assert RecordArchive(store).get(_peer(1)) == b"old"
    archive.delete(_peer(1))
    assert archive.get(_peer(1)) is None
    archive.flush()
    assert RecordArchive(store).get(_peer(1)) is None


def test_items_are_all_records_in_the_order_of_origins(store: KeyValueStore) -> None:
    archive = RecordArchive(store)
    for number in (3, 1, 2):
        archive.put(_peer(number), bytes((number,)))
    archive.delete(_peer(2))
    assert list(archive.items()) == [(_peer(1), b"\x01"), (_peer(3), b"\x03")]


def test_the_buffer_is_bounded(store: KeyValueStore) -> None:
    archive = RecordArchive(store)
    for number in range(BUFFER_MAX):
        archive.put(_peer(number), b"r")
    assert len(list(RecordArchive(store).items())) == BUFFER_MAX
