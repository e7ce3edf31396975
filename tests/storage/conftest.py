"""The suite of the key-value port runs on every implementation."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.kv import KeyValueStore
from storage.leveldb import open_level
from storage.memory import MemoryStore


@pytest.fixture(params=["memory", "leveldb"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KeyValueStore]:
    made: KeyValueStore = MemoryStore() if request.param == "memory" else open_level(tmp_path / "db")
    yield made
    made.close()
