"""Stamps of network and schema."""

import pytest

from chain.primitives.errors import StorageError
from chain.primitives.units import Hash32
from storage.keys import META_NETWORK, META_VERSION, SCHEMA_VERSION
from storage.kv import KeyValueStore
from storage.migrations import claim

DEVNET = Hash32(b"d" * 32)
TESTNET = Hash32(b"t" * 32)


def test_an_empty_database_is_stamped_and_accepted_again(store: KeyValueStore) -> None:
    claim(store, DEVNET, "devnet")
    claim(store, DEVNET, "devnet")
    assert store.get(META_VERSION) == str(SCHEMA_VERSION).encode()


def test_another_networks_database_is_refused_by_name(store: KeyValueStore) -> None:
    claim(store, TESTNET, "testnet")
    with pytest.raises(StorageError, match=r"belongs to network testnet \(74747474…\), not to devnet \(64646464…\)"):
        claim(store, DEVNET, "devnet")
    assert store.get(META_NETWORK) == TESTNET + b"testnet"


@pytest.mark.parametrize(
    ("version", "advice"), [(SCHEMA_VERSION + 1, "newer version"), (SCHEMA_VERSION - 1, "sync anew")]
)
def test_another_schema_is_refused(store: KeyValueStore, version: int, advice: str) -> None:
    claim(store, DEVNET, "devnet")
    store.write({META_VERSION: str(version).encode()}, durable=True)
    with pytest.raises(StorageError, match=rf"schema version {version}, this program .*{advice}"):
        claim(store, DEVNET, "devnet")


def test_a_damaged_stamp_is_told(store: KeyValueStore) -> None:
    claim(store, DEVNET, "devnet")
    store.write({META_VERSION: b"\xff"}, durable=True)
    with pytest.raises(StorageError, match=r"version stamp .* damaged"):
        claim(store, DEVNET, "devnet")
    store.write({META_VERSION: b"1", META_NETWORK: b"short"}, durable=True)
    with pytest.raises(StorageError, match="network stamp is damaged"):
        claim(store, DEVNET, "devnet")


def test_a_foreign_database_is_left_alone(store: KeyValueStore) -> None:
    store.write({b"someone's": b"data"}, durable=True)
    with pytest.raises(StorageError, match="not made by mappemonde"):
        claim(store, DEVNET, "devnet")
    assert list(store.iterate(b"")) == [(b"someone's", b"data")]
