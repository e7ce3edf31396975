"""Filters that clients poll: what happened since they asked last."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum

from chain.primitives.units import Millis
from net.rpc.errors import failed, limited
from net.rpc.fairness import who_yields
from net.rpc.logs import LogCriteria
from net.rpc.policy import RpcLimits
from net.rpc.registry import Caller

ITEM_BYTES = 48
"""What an item costs besides its text: the head of a bytes object and its place in a list."""


class FilterKind(Enum):
    """What a filter collects."""

    BLOCKS = "blocks"
    PENDING = "pending"
    LOGS = "logs"


@dataclass(slots=True)
class Filter:
    """One filter; `FilterTable` alone changes it."""

    kind: FilterKind
    owner: str
    client: str
    """Whose share of the table it takes: an owner may be one of many WebSockets of a client."""
    criteria: LogCriteria | None
    asked: Millis
    """When the client last asked for it."""
    collected: list[bytes] = field(default_factory=list)
    """JSON texts."""
    size_bytes: int = 0
    """What they cost."""


class FilterTable:
    """The filters of all clients, bounded in number, age and backlog. Used from the event loop's thread.

    A filter that had to go answers `filter not found`, on which libraries make another one.
    """

    def __init__(self, limits: RpcLimits, *, entropy: Callable[[int], bytes]) -> None:
        self._limits = limits
        self._entropy = entropy
        self._filters: dict[str, Filter] = {}
        self._owned: Counter[str] = Counter()
        """Filters by owner."""
        self._held: Counter[str] = Counter()
        """Filters by client."""
        self._kept_bytes: Counter[str] = Counter()
        """Bytes collected by client."""
        self.size_bytes = 0
        """What all filters have collected."""
        self.expired = 0
        """Filters forgotten because nobody asked, because they collected too much, or for those of others."""

    def __len__(self) -> int:
        return len(self._filters)

    def add(self, kind: FilterKind, caller: Caller, now: Millis, criteria: LogCriteria | None = None) -> str:
        """Make a filter and return its id, which nobody can guess. Raises `RpcError` at the limits."""
        self.expire(now)
        owner, client = caller.owner, caller.client
        if self._owned[owner] >= self._limits.filters_per_owner:
            raise limited(f"more than {self._limits.filters_per_owner} filters, uninstall some")
        if criteria is not None and criteria.parts + self._kept_criteria(owner) > self._limits.kept_criteria:
            raise limited(f"more than {self._limits.kept_criteria} addresses and topics in filters, uninstall some")
        if len(self._filters) >= self._limits.filters:
            self._make_place(client)
        # a quantity: some clients parse ids as numbers
        name = hex(int.from_bytes(b"\x01" + self._entropy(15), "big"))
        self._filters[name] = Filter(kind, owner, client, criteria, now)
        self._owned[owner] += 1
        self._held[client] += 1
        return name

    def _make_place(self, client: str) -> None:
        crowding = who_yields(self._held, client)
        if crowding is None:
            raise limited("too many filters on this node, try again later")
        # the order of the table is the order of asking
        self._forget(next(name for name, found in self._filters.items() if found.client == crowding))

    def _kept_criteria(self, owner: str) -> int:
        return sum(
            found.criteria.parts
            for found in self._filters.values()
            if found.owner == owner and found.criteria is not None
        )

    def take(self, name: str, now: Millis) -> list[bytes]:
        """Return what a filter collected since it was last asked, as JSON texts. Raises `RpcError` when it is unknown
        or expired."""
        found = self.get(name, now)
        collected, found.collected = found.collected, []
        self._count(found, -found.size_bytes)
        return collected

    def get(self, name: str, now: Millis) -> Filter:
        """Return a filter that has just been asked for. Raises `RpcError` when it is unknown or expired."""
        self.expire(now)
        found = self._filters.pop(name, None)
        if found is None:
            raise failed("filter not found")
        found.asked = now
        self._filters[name] = found  # at the end: the order of the table is the order of asking
        return found

    def remove(self, name: str) -> bool:
        """Forget a filter; False if there is none of this id."""
        found = self._filters.pop(name, None)
        if found is None:
            return False
        self._count(found, -found.size_bytes)
        _less(self._owned, found.owner, 1)
        _less(self._held, found.client, 1)
        return True

    def _forget(self, name: str) -> None:
        self.remove(name)
        self.expired += 1

    def _count(self, found: Filter, size_bytes: int) -> None:
        found.size_bytes += size_bytes
        self.size_bytes += size_bytes
        _less(self._kept_bytes, found.client, -size_bytes)

    def disown(self, owner: str) -> None:
        """Forget all filters of an owner that is gone."""
        if owner in self._owned:
            for name in [name for name, found in self._filters.items() if found.owner == owner]:
                self.remove(name)

    def expire(self, now: Millis) -> None:
        """Forget the filters that nobody has asked for lately."""
        while self._filters:
            name, oldest = next(iter(self._filters.items()))
            if now - oldest.asked <= self._limits.filter_idle:
                return
            self._forget(name)

    def collect(self, kind: FilterKind, items: Iterable[bytes]) -> None:
        """Add JSON texts to all filters of a kind; one that collected too much is forgotten."""
        added = list(items)
        for name, found in list(self.of_kind(kind)):
            self.append(name, found, added)

    def append(self, name: str, found: Filter, added: list[bytes]) -> None:
        """Add JSON texts to one filter, unless it is gone meanwhile."""
        if self._filters.get(name) is not found:
            return
        size_bytes = sum(len(text) + ITEM_BYTES for text in added)
        if (
            len(found.collected) + len(added) > self._limits.filter_backlog
            or found.size_bytes + size_bytes > self._limits.filter_bytes
        ):
            self._forget(name)
            return
        found.collected.extend(added)
        self._count(found, size_bytes)
        while self.size_bytes > self._limits.filter_bytes_in_all:
            self._forget(self._largest())

    def _largest(self) -> str:
        """Return the filter that collected most, of the client whose filters did."""
        client = max(self._kept_bytes, key=lambda name: self._kept_bytes[name])
        return max(
            (name for name, found in self._filters.items() if found.client == client),
            key=lambda name: self._filters[name].size_bytes,
        )

    def of_kind(self, kind: FilterKind) -> Iterator[tuple[str, Filter]]:
        """Yield the filters of a kind."""
        return ((name, found) for name, found in self._filters.items() if found.kind is kind)

    def drop_kind(self, kind: FilterKind) -> None:
        """Forget all filters of a kind: what they should have collected has been lost."""
        for name, _ in list(self.of_kind(kind)):
            self._forget(name)


def _less(counts: Counter[str], name: str, number: int) -> None:
    """Take a number from a count, and the count from the table when nothing is left of it."""
    counts[name] -= number
    if not counts[name]:
        del counts[name]
