from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.primitives.units import Address, Millis
from net.rpc.errors import RpcError
from net.rpc.filters import FilterKind, FilterTable
from net.rpc.logs import LogCriteria
from net.rpc.policy import RpcLimits


class Counter:
    """Entropy that a test can repeat."""

    def __init__(self) -> None:
        self.number = 0

    def __call__(self, size: int) -> bytes:
        self.number += 1
        return self.number.to_bytes(size, "big")


def table(**limits: int) -> FilterTable:
    return FilterTable(RpcLimits(**limits), entropy=Counter())  # type: ignore[arg-type]


NOW = Millis(1_000)


def test_a_filter_tells_each_thing_once() -> None:
    filters = table()
    name = filters.add(FilterKind.BLOCKS, "me", NOW)
    filters.collect(FilterKind.BLOCKS, ["0x1", "0x2"])
    filters.collect(FilterKind.PENDING, ["0x3"])
    assert filters.take(name, NOW) == ["0x1", "0x2"]
    assert filters.take(name, NOW) == []


def test_unknown_filters_are_made_anew_by_viem() -> None:
    with pytest.raises(RpcError) as raised:
        table().take("0x1", NOW)
    assert (raised.value.code, raised.value.message) == (-32000, "filter not found")


def test_a_filter_that_nobody_asks_for_expires() -> None:
    filters = table(filter_idle=100)
    old, asked = filters.add(FilterKind.BLOCKS, "me", NOW), filters.add(FilterKind.BLOCKS, "me", NOW)
    filters.take(asked, Millis(NOW + 90))
    filters.expire(Millis(NOW + 101))
    assert len(filters) == filters.expired == 1
    filters.take(asked, Millis(NOW + 150))
    with pytest.raises(RpcError, match="filter not found"):
        filters.take(old, Millis(NOW + 150))


def test_filters_are_bounded_per_owner_and_in_all() -> None:
    filters = table(filters=3, filters_per_owner=2)
    first = filters.add(FilterKind.BLOCKS, "a", NOW)
    filters.add(FilterKind.BLOCKS, "a", NOW)
    with pytest.raises(RpcError, match="more than 2 filters"):
        filters.add(FilterKind.BLOCKS, "a", NOW)
    filters.add(FilterKind.BLOCKS, "b", NOW)
    with pytest.raises(RpcError, match="too many filters"):
        filters.add(FilterKind.BLOCKS, "c", NOW)
    assert filters.remove(first)
    assert not filters.remove(first)
    filters.add(FilterKind.BLOCKS, "c", NOW)
    filters.disown("a")
    assert len(filters) == 2


def test_addresses_and_topics_that_are_kept_are_bounded_per_owner() -> None:
    filters = table()
    large = LogCriteria(None, None, None, frozenset(Address(b"%20d" % number) for number in range(1_000)), ())
    names = [filters.add(FilterKind.LOGS, "me", NOW, large) for _ in range(5)]
    with pytest.raises(RpcError, match="more than 5000 addresses and topics"):
        filters.add(FilterKind.LOGS, "me", NOW, large)
    filters.add(FilterKind.LOGS, "me", NOW, replace(large, addresses=frozenset()))
    filters.add(FilterKind.BLOCKS, "me", NOW)
    filters.add(FilterKind.LOGS, "you", NOW, large)
    assert filters.remove(names[0])
    filters.add(FilterKind.LOGS, "me", NOW, large)


def test_a_full_backlog_ends_the_filter() -> None:
    filters = table(filter_backlog=2)
    name = filters.add(FilterKind.PENDING, "me", NOW)
    filters.collect(FilterKind.PENDING, ["0x1", "0x2"])
    filters.collect(FilterKind.PENDING, ["0x3"])
    with pytest.raises(RpcError, match="filter not found"):
        filters.take(name, NOW)


STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "take", "remove", "disown", "wait", "collect"]), st.integers(0, 5)), max_size=40
)


@given(STEPS)
def test_the_table_keeps_its_books(steps: list[tuple[str, int]]) -> None:
    filters = table(filters=8, filters_per_owner=4, filter_idle=10, filter_backlog=6)
    names: list[str] = []
    now = NOW
    for step, number in steps:
        name = names[number % len(names)] if names else "0x0"
        try:
            if step == "add":
                names.append(filters.add(list(FilterKind)[number % 2], str(number), now))
            elif step == "take":
                filters.take(name, now)
            elif step == "remove":
                filters.remove(name)
            elif step == "disown":
                filters.disown(str(number))
            elif step == "collect":
                filters.collect(FilterKind.BLOCKS, ["0x1"] * number)
            else:
                now = Millis(now + number)
        except RpcError:
            pass
        assert len(filters) <= 8
        assert sum(filters._owned.values()) == len(filters)
        assert all(0 < held <= 4 for held in filters._owned.values())
