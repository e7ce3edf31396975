from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.primitives.units import Address, Millis
from net.rpc.errors import RpcError
from net.rpc.filters import ITEM_BYTES, FilterKind, FilterTable
from net.rpc.logs import LogCriteria
from net.rpc.methods.logs import EVERYTHING
from net.rpc.policy import RpcLimits
from net.rpc.registry import Caller


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
    name = filters.add(FilterKind.BLOCKS, Caller("me"), NOW)
    filters.collect(FilterKind.BLOCKS, [b"0x1", b"0x2"])
    filters.collect(FilterKind.PENDING, [b"0x3"])
    assert filters.take(name, NOW) == [b"0x1", b"0x2"]
    assert filters.take(name, NOW) == []


def test_unknown_filters_are_made_anew_by_viem() -> None:
    with pytest.raises(RpcError) as raised:
        table().take("0x1", NOW)
    assert (raised.value.code, raised.value.message) == (-32000, "filter not found")


def test_a_filter_that_nobody_asks_for_expires() -> None:
    filters = table(filter_idle=100)
    old, asked = filters.add(FilterKind.BLOCKS, Caller("me"), NOW), filters.add(FilterKind.BLOCKS, Caller("me"), NOW)
    filters.take(asked, Millis(NOW + 90))
    filters.expire(Millis(NOW + 101))
    assert len(filters) == filters.expired == 1
    filters.take(asked, Millis(NOW + 150))
    with pytest.raises(RpcError, match="filter not found"):
        filters.take(old, Millis(NOW + 150))


def test_filters_are_bounded_per_owner_and_in_all() -> None:
    filters = table(filters=3, filters_per_owner=2)
    first = filters.add(FilterKind.BLOCKS, Caller("a"), NOW)
    filters.add(FilterKind.BLOCKS, Caller("a"), NOW)
    with pytest.raises(RpcError, match="more than 2 filters"):
        filters.add(FilterKind.BLOCKS, Caller("a"), NOW)
    filters.add(FilterKind.BLOCKS, Caller("b"), NOW)
    assert filters.remove(first)
    assert not filters.remove(first)
    filters.add(FilterKind.BLOCKS, Caller("c"), NOW)
    with pytest.raises(RpcError, match="too many filters"):
        filters.add(FilterKind.BLOCKS, Caller("c"), NOW)
    filters.disown("a")
    assert len(filters) == 2


def test_a_client_with_many_sockets_cannot_keep_the_others_from_having_filters() -> None:
    filters = table(filters=8, filters_per_owner=4)
    greedy = [filters.add(FilterKind.BLOCKS, Caller(f"socket {number}", address="greedy"), NOW) for number in range(8)]
    with pytest.raises(RpcError, match="too many filters"):
        filters.add(FilterKind.BLOCKS, Caller("socket 9", address="greedy"), NOW)
    filters.take(greedy[0], NOW)
    modest = [filters.add(FilterKind.BLOCKS, Caller("modest"), NOW) for _ in range(4)]
    with pytest.raises(RpcError):
        filters.add(FilterKind.BLOCKS, Caller("modest"), NOW)
    assert [name in filters._filters for name in greedy] == [True] + [False] * 4 + [True] * 3
    assert all(name in filters._filters for name in modest)
    assert filters.expired == 4


def test_addresses_and_topics_that_are_kept_are_bounded_per_owner() -> None:
    filters = table()
    large = LogCriteria(None, None, None, frozenset(Address(b"%20d" % number) for number in range(1_000)), ())
    names = [filters.add(FilterKind.LOGS, Caller("me"), NOW, large) for _ in range(5)]
    with pytest.raises(RpcError, match="more than 5000 addresses and topics"):
        filters.add(FilterKind.LOGS, Caller("me"), NOW, large)
    filters.add(FilterKind.LOGS, Caller("me"), NOW, replace(large, addresses=frozenset()))
    filters.add(FilterKind.BLOCKS, Caller("me"), NOW)
    filters.add(FilterKind.LOGS, Caller("you"), NOW, large)
    assert filters.remove(names[0])
    filters.add(FilterKind.LOGS, Caller("me"), NOW, large)


def test_a_full_backlog_ends_the_filter() -> None:
    filters = table(filter_backlog=2)
    name = filters.add(FilterKind.PENDING, Caller("me"), NOW)
    filters.collect(FilterKind.PENDING, [b"0x1", b"0x2"])
    filters.collect(FilterKind.PENDING, [b"0x3"])
    with pytest.raises(RpcError, match="filter not found"):
        filters.take(name, NOW)


def test_what_a_filter_collects_is_bounded_in_bytes() -> None:
    filters = table(filter_bytes=1_000_000)
    name = filters.add(FilterKind.LOGS, Caller("me"), NOW, EVERYTHING)
    found = filters.get(name, NOW)
    for _ in range(9):
        filters.append(name, found, [bytes(100_000)])
    assert len(filters.take(name, NOW)) == 9
    assert filters.size_bytes == 0
    for _ in range(10):
        filters.append(name, found, [bytes(100_000)])
    assert filters.size_bytes == 0
    with pytest.raises(RpcError, match="filter not found"):
        filters.take(name, NOW)
    filters.append(name, found, [b"late"])
    assert filters.size_bytes == 0, "the feed may still hold a filter that is gone"


def test_when_all_collected_too_much_the_client_with_most_loses_its_largest() -> None:
    filters = table(filter_bytes=1_000_000, filter_bytes_in_all=2_000_000)
    greedy = [
        filters.add(FilterKind.LOGS, Caller(f"socket {number}", address="greedy"), NOW, EVERYTHING)
        for number in range(5)
    ]
    modest = filters.add(FilterKind.LOGS, Caller("modest"), NOW, EVERYTHING)
    filters.append(modest, filters.get(modest, NOW), [bytes(600_000)])
    for number, name in enumerate(greedy):
        filters.append(name, filters.get(name, NOW), [bytes(300_000 + number)])
    assert [name in filters._filters for name in greedy] == [True] * 4 + [False]
    assert len(filters.take(modest, NOW)) == 1


STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "take", "remove", "disown", "wait", "collect"]), st.integers(0, 5)), max_size=40
)


@given(STEPS)
def test_the_table_keeps_its_books(steps: list[tuple[str, int]]) -> None:
    filters = table(
        filters=8, filters_per_owner=4, filter_idle=10, filter_backlog=6, filter_bytes=300, filter_bytes_in_all=500
    )
    names: list[str] = []
    now = NOW
    for step, number in steps:
        name = names[number % len(names)] if names else "0x0"
        try:
            if step == "add":
                names.append(
                    filters.add(list(FilterKind)[number % 2], Caller(str(number), address=str(number % 3)), now)
                )
            elif step == "take":
                filters.take(name, now)
            elif step == "remove":
                filters.remove(name)
            elif step == "disown":
                filters.disown(str(number))
            elif step == "collect":
                filters.collect(FilterKind.BLOCKS, [b"0x1" * number] * number)
            else:
                now = Millis(now + number)
        except RpcError:
            pass
        assert len(filters) <= 8
        assert sum(filters._owned.values()) == sum(filters._held.values()) == len(filters)
        assert all(0 < held <= 4 for held in filters._owned.values())
        kept = [sum(len(text) + ITEM_BYTES for text in found.collected) for found in filters._filters.values()]
        assert kept == [found.size_bytes for found in filters._filters.values()]
        assert sum(kept) == filters.size_bytes == sum(filters._kept_bytes.values()) <= 500
        assert 0 not in (*filters._held.values(), *filters._kept_bytes.values())
