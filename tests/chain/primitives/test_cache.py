"""The bounded read cache."""

from hypothesis import given
from hypothesis import strategies as st

from chain.primitives.cache import Cache


def test_the_most_recent_entries_stay_and_reading_keeps_an_entry() -> None:
    cache: Cache[int, str] = Cache(2)
    for key in range(3):
        cache.put(key, str(key))
    assert [cache.get(key) for key in range(3)] == ["0", "1", "2"]
    for key in range(3, 9):
        cache.put(key, str(key))
        assert cache.get(0) == "0"
    assert cache.get(1) is None
    assert cache.get(99) is None


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 30)), max_size=200), st.integers(1, 8))
def test_it_holds_at_most_twice_its_size_and_never_a_wrong_value(steps: list[tuple[bool, int]], size: int) -> None:
    cache: Cache[int, int] = Cache(size)
    for is_put, key in steps:
        if is_put:
            cache.put(key, key * 2)
            assert cache.get(key) == key * 2
        else:
            assert cache.get(key) in (None, key * 2)
        assert len(cache) <= 2 * size + 1
