"""One suite for all stores behind `storage.kv.KeyValueStore`."""

from threading import Thread

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chain.primitives.errors import StorageError
from storage.kv import KeyValueStore
from storage.memory import MemoryStore


def test_a_written_pair_is_read_and_a_deleted_one_is_not(store: KeyValueStore) -> None:
    store.write({b"a": b"1", b"b": b""}, durable=True)
    assert (store.get(b"a"), store.get(b"b"), store.get(b"c")) == (b"1", b"", None)
    store.write({}, [b"a", b"c"], durable=False)
    assert store.get(b"a") is None


def test_a_key_both_deleted_and_put_is_put(store: KeyValueStore) -> None:
    store.write({b"a": b"old"}, durable=False)
    store.write({b"a": b"new"}, [b"a"], durable=False)
    assert store.get(b"a") == b"new"


def test_iteration_is_ordered_bounded_by_its_prefix_and_stands_still(store: KeyValueStore) -> None:
    store.write({b"p\xff": b"3", b"p": b"0", b"p\x01": b"1", b"o\xff": b"x", b"q": b"x"}, durable=False)
    pairs = store.iterate(b"p")
    store.write({b"p\x02": b"2"}, [b"p\xff"], durable=False)
    assert list(pairs) == [(b"p", b"0"), (b"p\x01", b"1"), (b"p\xff", b"3")]
    assert [key for key, _ in store.iterate(b"p")] == [b"p", b"p\x01", b"p\x02"]
    assert len(list(store.iterate(b""))) == 5


def test_a_closed_store_says_so(store: KeyValueStore) -> None:
    store.close()
    store.close()
    for use in (
        lambda: store.get(b"a"),
        lambda: store.write({b"a": b"1"}, durable=True),
        lambda: list(store.iterate(b"")),
    ):
        with pytest.raises(StorageError, match="closed"):
            use()


def test_threads_see_a_batch_whole_or_not_at_all(store: KeyValueStore) -> None:
    torn: list[tuple[bytes, ...]] = []

    def read() -> None:
        for _ in range(300):
            values = tuple(value for _, value in store.iterate(b"k"))
            if len(set(values)) > 1:
                torn.append(values)

    readers = [Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for turn in range(300):
        value = turn.to_bytes(2, "big")
        store.write({b"k1": value, b"k2": value, b"k3": value}, durable=False)
    for reader in readers:
        reader.join()
    assert torn == []


Batch = tuple[dict[bytes, bytes], list[bytes]]
_keys = st.binary(min_size=1, max_size=3)
_batches: st.SearchStrategy[list[Batch]] = st.lists(
    st.tuples(st.dictionaries(_keys, st.binary(max_size=5), max_size=6), st.lists(_keys, max_size=4)), max_size=6
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=_batches, prefix=st.binary(max_size=2))
def test_any_batches_leave_what_a_dict_would_hold(store: KeyValueStore, batches: list[Batch], prefix: bytes) -> None:
    store.write({}, [key for key, _ in store.iterate(b"")], durable=False)
    model: dict[bytes, bytes] = {}
    for puts, deletes in batches:
        store.write(puts, deletes, durable=False)
        for key in deletes:
            model.pop(key, None)
        model.update(puts)
    assert list(store.iterate(prefix)) == sorted(item for item in model.items() if item[0].startswith(prefix))


def test_a_store_in_memory_can_stand_for_a_restart() -> None:
    first = MemoryStore()
    first.write({b"a": b"1"}, durable=False)
    first.close()
    second = first.reopen()
    second.write({b"b": b"2"}, durable=False)
    assert (second.get(b"a"), second.get(b"b")) == (b"1", b"2")
