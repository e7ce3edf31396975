"""From a record of counters to Prometheus families: what is named how, and how it is read.

Names follow Prometheus' conventions: base units, `_total` for counters, a HELP for each. A table (`families`) says
which field of a part's `statistics()` record becomes which family, so that no part knows of metrics.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

PREFIX = "mappemonde"


class Kind(Enum):
    """What a number does over time."""

    COUNTER = "counter"
    """Only rises while the process lives; its name ends in `_total`."""
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True)
class Family:
    """One family of samples, read from one field."""

    path: str
    """Where the number stands in the record: attribute names with dots; nothing is told while one of them is None."""
    name: str
    """Name after `mappemonde_` and the group's; with its unit, without `_total`."""
    kind: Kind
    help: str
    label: str = ""
    """Name of the label when the field holds several numbers: a mapping, pairs, or a sequence named by `keys`."""
    keys: tuple[str, ...] = ()
    """Label values of a plain sequence, in its order."""
    scale: float = 1.0
    """Factor to the base unit: 0.001 for milliseconds."""
    member: str = ""
    """Attribute of the values, when a table holds records."""


@dataclass(frozen=True, slots=True)
class Group:
    """The families of one kind of record."""

    name: str
    families: tuple[Family, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """A part's counters."""

    group: Group
    read: Callable[[], object]
    """Returns the part's record; called from the event loop at each scrape, O(1). None while there is no such part."""


def counter(
    path: str, name: str, text: str, *, label: str = "", keys: tuple[str, ...] = (), member: str = ""
) -> Family:
    """Return the family of a number that only rises."""
    return Family(path, name, Kind.COUNTER, text, label, keys, member=member)


def gauge(
    path: str, name: str, text: str, *, label: str = "", keys: tuple[str, ...] = (), scale: float = 1.0
) -> Family:
    """Return the family of a number that goes up and down."""
    return Family(path, name, Kind.GAUGE, text, label, keys, scale)


def value_at(record: object, path: str) -> object:
    """Return what stands at a path of a record, None if a part of it is None."""
    value = record
    for name in path.split("."):
        if value is None:
            return None
        value = getattr(value, name)
    return value


def _name_of(key: object) -> str:
    if isinstance(key, Enum):
        return key.name.lower()
    return str(key)


def samples(family: Family, record: object) -> Iterator[tuple[tuple[str, ...], float]]:
    """Yield label values and number of each sample."""
    value = value_at(record, family.path)
    if value is None:
        return
    if isinstance(value, int | float):
        yield (), value * family.scale
        return
    for key, item in _items(family, value):
        number = getattr(item, family.member) if family.member else item
        assert isinstance(number, int | float), f"{family.name}: {key} has no number"
        yield (_name_of(key),), number * family.scale


def _items(family: Family, value: object) -> Iterable[tuple[object, object]]:
    if isinstance(value, Mapping):
        return value.items()
    assert isinstance(value, tuple), f"{family.name} is neither a number nor a table"
    return zip(family.keys, value, strict=True) if family.keys else value


class RecordCollector(Collector):
    """Reads all sources at a scrape."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self._sources = tuple(sources)

    def collect(self) -> Iterable[Metric]:
        """Yield the families with what their sources say now."""
        for source in self._sources:
            record = source.read()
            for family in source.group.families:
                yield self._metric(source.group, family, record)

    def _metric(self, group: Group, family: Family, record: object) -> Metric:
        name = f"{PREFIX}_{group.name}_{family.name}"
        labels = [family.label] if family.label else None
        metric: CounterMetricFamily | GaugeMetricFamily
        if family.kind is Kind.COUNTER:
            metric = CounterMetricFamily(name, family.help, labels=labels)
        else:
            metric = GaugeMetricFamily(name, family.help, labels=labels)
        if record is not None:
            for values, number in samples(family, record):
                metric.add_metric(values, number)
        return metric
