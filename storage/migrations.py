"""The stamps of a database: which network it belongs to and which schema wrote it."""

from chain.primitives.errors import StorageError
from chain.primitives.units import Hash32
from storage.keys import META_NETWORK, META_VERSION, SCHEMA_VERSION
from storage.kv import KeyValueStore

_ID_BYTES = 32


def claim(store: KeyValueStore, network_id: Hash32, network_name: str) -> None:
    """Stamp an empty database with schema version and network, or check the stamps of one that has them.

    Raises `StorageError` for another network's database and for another schema version; nothing is changed then.
    """
    version = store.get(META_VERSION)
    network = store.get(META_NETWORK)
    if version is None and network is None:
        if next(iter(store.iterate(b"")), None) is not None:
            raise StorageError("this database was not made by mappemonde: choose another --datadir")
        stamps = {META_VERSION: str(SCHEMA_VERSION).encode(), META_NETWORK: network_id + network_name.encode()}
        store.write(stamps, durable=True)
        return
    _check_version(version)
    _check_network(network, network_id, network_name)


def _check_version(stamp: bytes | None) -> None:
    text = (stamp or b"").decode(errors="replace")
    if not (text.isascii() and text.isdigit()):
        raise StorageError(f"the database's version stamp {text!r} is damaged: run `mappemonde db repair` on a copy")
    if int(text) > SCHEMA_VERSION:
        raise StorageError(
            f"the database has schema version {text}, this program knows {SCHEMA_VERSION}: install the newer version"
        )
    if int(text) < SCHEMA_VERSION:
        raise StorageError(
            f"the database has schema version {text}, this program needs {SCHEMA_VERSION}: "
            "start with an empty --datadir to sync anew, or go on with the older version"
        )


def _check_network(stamp: bytes | None, network_id: Hash32, network_name: str) -> None:
    if stamp is None or len(stamp) < _ID_BYTES:
        raise StorageError("the database's network stamp is damaged: run `mappemonde db repair` on a copy")
    if stamp[:_ID_BYTES] != network_id:
        theirs = stamp[_ID_BYTES:].decode(errors="replace")
        raise StorageError(
            f"the database belongs to network {theirs} ({stamp[:4].hex()}…), not to {network_name} "
            f"({network_id[:4].hex()}…): choose another --datadir or --network"
        )
