"""Filters that clients poll: what happened since they asked last."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum

from chain.primitives.units import Millis
from net.rpc.encoding import Json
from net.rpc.errors import failed, limited
from net.rpc.logs import LogCriteria
from net.rpc.policy import RpcLimits


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
    criteria: LogCriteria | None
    asked: Millis
    """When the client last asked for it."""
    collected: list[Json] = field(default_factory=list)


class FilterTable:
    """The filters of all clients, bounded in number, age and backlog. Used from the event loop's thread."""

    def __init__(self, limits: RpcLimits, *, entropy: Callable[[int], bytes]) -> None:
        self._limits = limits
        self._entropy = entropy
        self._filters: dict[str, Filter] = {}
        self._owned: dict[str, int] = {}
        self.expired = 0
        """Filters forgotten because nobody asked, or because their backlog was full."""

    def __len__(self) -> int:
        return len(self._filters)

    def add(self, kind: FilterKind, owner: str, now: Millis, criteria: LogCriteria | None = None) -> str:
        """Make a filter and return its id, which nobody can guess. Raises `RpcError` at the limits."""
        self.expire(now)
        if len(self._filters) >= self._limits.filters:
            raise limited("too many filters on this node, try again later")
        if self._owned.get(owner, 0) >= self._limits.filters_per_owner:
            raise limited(f"more than {self._limits.filters_per_owner} filters, uninstall some")
        if criteria is not None and criteria.parts + self._kept_criteria(owner) > self._limits.kept_criteria:
            raise limited(f"more than {self._limits.kept_criteria} addresses and topics in filters, uninstall some")
        # a quantity: some clients parse ids as numbers
        name = hex(int.from_bytes(b"\x01" + self._entropy(15), "big"))
        self._filters[name] = Filter(kind, owner, criteria, now)
        self._owned[owner] = self._owned.get(owner, 0) + 1
        return name

    def _kept_criteria(self, owner: str) -> int:
        return sum(
            found.criteria.parts
            for found in self._filters.values()
            if found.owner == owner and found.criteria is not None
        )

    def take(self, name: str, now: Millis) -> list[Json]:
        """Return what a filter collected since it was last asked. Raises `RpcError` when it is unknown or expired."""
        found = self.get(name, now)
        collected, found.collected = found.collected, []
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
        left = self._owned[found.owner] - 1
        if left:
            self._owned[found.owner] = left
        else:
            del self._owned[found.owner]
        return True

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
            self.remove(name)
            self.expired += 1

    def collect(self, kind: FilterKind, items: Iterable[Json]) -> None:
        """Add to all filters of a kind; one whose backlog is full is forgotten."""
        added = list(items)
        for name, found in list(self.of_kind(kind)):
            self.append(name, found, added)

    def append(self, name: str, found: Filter, added: list[Json]) -> None:
        """Add to one filter."""
        if len(found.collected) + len(added) > self._limits.filter_backlog:
            self.remove(name)
            self.expired += 1
        else:
            found.collected.extend(added)

    def of_kind(self, kind: FilterKind) -> Iterator[tuple[str, Filter]]:
        """Yield the filters of a kind."""
        return ((name, found) for name, found in self._filters.items() if found.kind is kind)

    def drop_kind(self, kind: FilterKind) -> None:
        """Forget all filters of a kind: what they should have collected has been lost."""
        for name, _ in list(self.of_kind(kind)):
            self.remove(name)
            self.expired += 1
