"""Bodies with their senders: bounded, and read again from the store."""

import pytest

from chain import recent_bodies
from chain.block import encode_body
from chain.primitives.errors import StorageError
from chain.primitives.units import Hash32
from chain.recent_bodies import RecentBodies
from storage import keys
from storage.chain_store import ChainStore
from storage.memory import MemoryStore
from tests.helpers.networks import payment, small_genesis

GENESIS = small_genesis()


def _id(number: int) -> Hash32:
    return Hash32(number.to_bytes(32, "big"))


def _store(bodies: dict[int, bytes]) -> ChainStore:
    memory = MemoryStore()
    memory.write({keys.block_key(keys.BODIES, _id(number)): raw for number, raw in bodies.items()}, durable=True)
    return ChainStore(memory)


def test_a_body_that_is_not_kept_is_read_with_its_senders() -> None:
    signed = payment(GENESIS, 1, 0)
    bodies = RecentBodies(GENESIS.params, _store({1: encode_body((signed.tx,))}))
    assert bodies.get(_id(1)) == (signed,)


@pytest.mark.parametrize("raw", [b"\xff", b"\x91\xc4\x01a"])
def test_a_damaged_or_missing_body_is_told(raw: bytes) -> None:
    bodies = RecentBodies(GENESIS.params, _store({1: raw}))
    for number in (1, 2):
        with pytest.raises(StorageError, match="missing or damaged"):
            bodies.get(_id(number))


def test_the_number_of_transactions_kept_is_bounded() -> None:
    bodies = RecentBodies(GENESIS.params, _store({}))
    body = (payment(GENESIS, 0, 0),) * (recent_bodies.TRANSACTIONS_MAX // 4)
    for number in range(6):
        bodies.put(_id(number), body)
    for number in (0, 1):
        with pytest.raises(StorageError):
            bodies.get(_id(number))
    assert [bodies.get(_id(number)) for number in range(2, 6)] == [body] * 4
    huge = body * 8
    bodies.put(_id(9), huge)
    assert bodies.get(_id(9)) is huge
