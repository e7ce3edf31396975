"""Named blobs."""

import pytest

from chain.primitives.errors import StorageError
from storage.bucket import BLOB_MAX, NAME_MAX, Bucket
from storage.kv import KeyValueStore


class _Huge(bytes):
    def __len__(self) -> int:
        return BLOB_MAX + 1


def test_blobs_are_kept_by_name(store: KeyValueStore) -> None:
    bucket = Bucket(store)
    bucket.put("mesh/anchors", b"1")
    bucket.put("mesh/bans", b"2")
    bucket.put("mesh/anchors", b"3")
    assert Bucket(store).get("mesh/anchors") == b"3"
    assert bucket.names() == ("mesh/anchors", "mesh/bans")
    bucket.delete("mesh/anchors")
    assert bucket.get("mesh/anchors") is None


@pytest.mark.parametrize("name", ["", "x" * (NAME_MAX + 1)])
def test_names_are_bounded(store: KeyValueStore, name: str) -> None:
    with pytest.raises(StorageError, match="name has"):
        Bucket(store).put(name, b"")


def test_blobs_are_bounded(store: KeyValueStore) -> None:
    with pytest.raises(StorageError, match="over the limit"):
        Bucket(store).put("big", _Huge())
