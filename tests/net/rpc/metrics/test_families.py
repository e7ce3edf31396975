"""The table of metrics against the records it reads."""

import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from types import UnionType
from typing import ClassVar, Union, get_args, get_origin, get_type_hints

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from chain.exchange.statistics import ExchangeStatistics
from chain.importer import ImporterStatistics
from chain.mempool.statistics import MempoolStatistics
from chain.primitives.units import Millis
from consensus.miner import MinerStatistics
from consensus.statistics import ConsensusStatistics
from consensus.ticket_relay import TicketStatistics
from net.core.health.monitor import HealthStatistics
from net.core.mesh_report import MeshStatistics
from net.rpc.metrics import families
from net.rpc.metrics.chain_metrics import ChainFacts
from net.rpc.metrics.exposition import Family, Group, Kind, Source, counter, samples
from net.rpc.metrics.server import MetricsServer
from net.rpc.server import RpcStatistics
from net.transport.driver import DriverStatistics
from tests.helpers.rpc_world import World

RECORDS: dict[str, tuple[Group, type[object], frozenset[str]]] = {
    "chain": (families.CHAIN, ChainFacts, frozenset()),
    "importer": (families.IMPORTER, ImporterStatistics, frozenset()),
    "mempool": (families.MEMPOOL, MempoolStatistics, frozenset()),
    "exchange": (families.EXCHANGE, ExchangeStatistics, frozenset()),
    "consensus": (families.CONSENSUS, ConsensusStatistics, frozenset({"alarms"})),
    "miner": (families.MINER, MinerStatistics, frozenset({"state", "best_time"})),
    "ticket": (families.TICKETS, TicketStatistics, frozenset()),
    "rpc": (families.RPC, RpcStatistics, frozenset()),
    "link": (families.LINKS, DriverStatistics, frozenset({"mesh"})),
    "mesh": (families.MESH, MeshStatistics, frozenset()),
    "health": (families.HEALTH, HealthStatistics, frozenset()),
}
"""By group: the table, the record, and the fields that are no metric (texts, or told by another group)."""


def _is_union(kind: object) -> bool:
    return isinstance(kind, UnionType) or get_origin(kind) is Union


def leaves(record: type[object], prefix: str = "") -> dict[str, object]:
    """Return the types of a record's fields by path, those of records inside it too."""
    found: dict[str, object] = {}
    hints = get_type_hints(record)
    for field in fields(record):  # type: ignore[arg-type]
        kind = hints[field.name]
        parts = [part for part in get_args(kind) if part is not type(None)] if _is_union(kind) else [kind]
        if len(parts) == 1 and isinstance(parts[0], type) and is_dataclass(parts[0]):
            found |= leaves(parts[0], f"{prefix}{field.name}.")
        else:
            found[f"{prefix}{field.name}"] = parts[0]
    return found


@pytest.mark.parametrize("name", RECORDS)
def test_every_field_of_every_record_is_told(name: str) -> None:
    group, record, silent = RECORDS[name]
    known = {path for path in leaves(record) if path.partition(".")[0] not in silent}
    assert {family.path for family in group.families} == known


def made(kind: object) -> object:
    """Return a value of a type."""
    kind = getattr(kind, "__supertype__", kind)
    origin, args = get_origin(kind), get_args(kind)
    if _is_union(kind):
        return made(args[0])
    if origin is tuple:
        return (made(args[0]),) * 5 if args[-1] is Ellipsis else tuple(made(part) for part in args)
    if origin in (dict, Mapping) or (isinstance(origin, type) and issubclass(origin, Mapping)):
        return {made(args[0]): made(args[1])}
    if isinstance(kind, type) and is_dataclass(kind):
        return kind(**{field.name: made(get_type_hints(kind)[field.name]) for field in fields(kind)})
    if isinstance(kind, type) and issubclass(kind, Enum):
        return next(iter(kind))
    simple: dict[object, object] = {int: 3, float: 1.5, bool: True, str: "a"}
    return simple[kind]


def page() -> str:
    world = World()
    sources = [Source(group, maker(record)) for group, record, _ in RECORDS.values() if group is not families.CHAIN]
    server = MetricsServer("127.0.0.1", 0, sources, chain=world.view, node=world.node, events=world.events)
    for _ in range(3):
        world.mine()
    return server.page().decode()


def maker(record: type[object]) -> Callable[[], object]:
    value = made(record)
    return lambda: value


def test_the_page_is_what_prometheus_reads() -> None:
    read = {family.name: family for family in text_string_to_metric_families(page())}
    for name, (group, _, _) in RECORDS.items():
        for family in group.families:
            metric = read[f"mappemonde_{name}_{family.name}"]
            assert metric.type == family.kind.value
            assert metric.documentation == family.help
            assert metric.samples, f"{metric.name} has no sample"
    assert {"process_resident_memory_bytes", "python_info", "python_gc_objects_collected"} <= read.keys()
    intervals = {sample.name: sample.value for sample in read["mappemonde_chain_interval_seconds"].samples}
    assert intervals["mappemonde_chain_interval_seconds_count"] == 2, "block 1 waited for the launch"
    assert 0 < intervals["mappemonde_chain_interval_seconds_sum"] < 3600
    height = read["mappemonde_chain_height_blocks"].samples[0]
    assert height.value == 3


def test_names_keep_to_the_conventions() -> None:
    for name, (group, _, _) in RECORDS.items():
        assert group.name == name
        names = [family.name for family in group.families]
        assert len(set(names)) == len(names)
        for family in group.families:
            assert not family.name.endswith(("_total", "_count", "_sum", "_ms", "_millis"))
            assert family.help.endswith(".")
            assert family.kind in Kind


def test_labels_come_from_enums_pairs_and_numbered_places() -> None:
    class Colour(Enum):
        RED = 1

    class Record:
        table: ClassVar[dict[object, int]] = {Colour.RED: 2, 404: 3}
        pairs = (("a", 1), ("b", 2))
        places = (5, 6)
        nothing = None
        time = Millis(1500)

    record = Record()
    assert dict(samples(counter("table", "x", ".", label="l"), record)) == {("red",): 2, ("404",): 3}
    assert dict(samples(counter("pairs", "x", ".", label="l"), record)) == {("a",): 1, ("b",): 2}
    assert dict(samples(counter("places", "x", ".", label="l", keys=("p", "q")), record)) == {("p",): 5, ("q",): 6}
    assert not list(samples(counter("nothing.deeper", "x", "."), record))
    assert dict(samples(Family("time", "x", Kind.GAUGE, ".", scale=0.001), record)) == {(): 1.5}


def test_names_that_differ_in_case_are_two_samples() -> None:
    """Workers choose their names: a page with one sample twice is refused by Prometheus, as a whole."""

    class Record:
        workers = (("Barn", 1), ("barn", 2))
        calls: ClassVar[dict[str, int]] = {"eth_blockNumber": 3}

    assert list(samples(counter("workers", "x", ".", label="worker"), Record())) == [(("Barn",), 1), (("barn",), 2)]
    assert dict(samples(counter("calls", "x", ".", label="method"), Record())) == {("eth_blockNumber",): 3}


@pytest.mark.e2e
def test_promtool_has_nothing_to_say() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    command = [promtool, "check", "metrics"]
    done = subprocess.run(command, input=page().encode(), capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


async def test_the_page_is_served() -> None:
    world = World()
    server = MetricsServer("127.0.0.1", 0, [], chain=world.view, node=world.node, events=world.events)
    port = await server.open()

    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{port}/metrics") as response:
            assert response.status == 200
            assert response.headers["Content-Type"].startswith("text/plain; version=")
            assert b"# HELP mappemonde_chain_height_blocks" in await response.read()
        async with session.get(f"http://127.0.0.1:{port}/") as response:
            assert response.status == 404
    await server.close()


async def test_the_page_is_served_by_name_only_to_the_names_that_are_set() -> None:
    world = World()
    server = MetricsServer(
        "127.0.0.1", 0, [], chain=world.view, node=world.node, events=world.events, allowed_hosts=("Node.lan",)
    )
    port = await server.open()
    answers = {"localhost": 200, "192.168.1.2": 200, "[::1]": 200, "node.lan": 200, "rebound.example": 403, "": 403}
    async with aiohttp.ClientSession() as session:
        for name, status in answers.items():
            headers = {"Host": f"{name}:{port}"}
            async with session.get(f"http://127.0.0.1:{port}/metrics", headers=headers) as response:
                assert (name, response.status) == (name, status)
                if status == 403:
                    assert "metrics_hosts" in await response.text()
    await server.close()
