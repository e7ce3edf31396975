"""The live table of a devnet: asks every node over RPC and shows what they say."""

import sys
import threading
from dataclasses import dataclass

import click
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from chain.params import ChainParams
from cli.devnet.plan import NodePlan
from cli.devnet.supervisor import Supervisor
from cli.rpc_client import RpcClient, RpcRefused, RpcUnreachable

REFRESH_SECONDS = 1.0
INTERVALS = 5
"""Last intervals shown."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one node says of itself."""

    plan: NodePlan
    status: dict[str, object] | None
    """The result of `mappemonde_status`, None while the node does not answer."""
    intervals: tuple[float, ...]
    """Seconds between its last blocks, newest first."""
    exit_code: int | None
    """Set when the process has ended."""


def watch(supervisor: Supervisor, params: ChainParams, stopping: threading.Event) -> None:
    """Show the devnet until told to stop: a live table on a terminal, a line per block otherwise."""
    console = Console()
    if not sys.stdout.isatty():
        _watch_lines(supervisor, stopping)
        return
    console.print(_addresses(supervisor.plans))
    with Live(console=console, refresh_per_second=4, transient=False) as live:
        while not stopping.is_set():
            live.update(_render(_ask_all(supervisor), params))
            stopping.wait(REFRESH_SECONDS)


def _watch_lines(supervisor: Supervisor, stopping: threading.Event) -> None:
    seen = -1
    told: set[int] = set()
    for plan in supervisor.plans:
        click.echo(
            f"node {plan.index}: {plan.rpc_url} (WebSocket ws://127.0.0.1:{plan.rpc_port}/ws), "
            f"metrics http://127.0.0.1:{plan.metrics_port}/metrics, log {plan.log_file}",
        )
    while not stopping.is_set():
        rows = _ask_all(supervisor)
        for row in rows:
            if row.exit_code is not None and row.plan.index not in told:
                told.add(row.plan.index)
                click.echo(f"node {row.plan.index} has ended (exit code {row.exit_code}); see {row.plan.log_file}")
        height = max((_height(row) for row in rows), default=-1)
        if height > seen:
            seen = height
            best = max(rows, key=_height)
            interval = f" after {best.intervals[0]:.1f} s" if best.intervals else ""
            agree = len({_head(row) for row in rows if row.status}) == 1
            peers = "/".join(str(_field(row, "peers")) for row in rows)
            click.echo(f"block {height}{interval}, peers {peers}, {'all agree' if agree else 'catching up'}")
        stopping.wait(REFRESH_SECONDS)


def _ask_all(supervisor: Supervisor) -> list[Row]:
    ended = supervisor.ended()
    return [_ask(plan, ended.get(plan.index)) for plan in supervisor.plans]


def _ask(plan: NodePlan, exit_code: int | None) -> Row:
    client = RpcClient(plan.rpc_url, timeout_seconds=3.0)
    try:
        status = client.call("mappemonde_status") if exit_code is None else None
        heads = client.call("mappemonde_heads", INTERVALS) if isinstance(status, dict) else []
    except (RpcUnreachable, RpcRefused):
        status, heads = None, []
    assert isinstance(heads, list), "the method returns an array"
    intervals = tuple(head["interval"] / 1000 for head in heads if head["interval"] is not None)
    return Row(plan, status if isinstance(status, dict) else None, intervals, exit_code)


def _render(rows: list[Row], params: ChainParams) -> Group:
    window = f"{params.min_interval / 1000:.0f} to {2 * params.block_time / 1000:.0f} s"
    table = Table(title=f"devnet: blocks every {params.block_time / 1000:.0f} s, always within {window}")
    for name in ("node", "height", "head", f"last {INTERVALS} intervals, s", "links", "map", "H/s", "pool", "ticket"):
        table.add_column(name, justify="left" if name in ("head", f"last {INTERVALS} intervals, s") else "right")
    for row in rows:
        if row.status is None:
            state = "starting" if row.exit_code is None else f"ended ({row.exit_code})"
            table.add_row(str(row.plan.index), "", Text(state, style="red"), "", "", "", "", "", "")
            continue
        plan_map, pool = _object(row, "map"), _object(row, "pool")
        rate = row.status.get("hashRate")
        table.add_row(
            str(row.plan.index),
            str(_height(row)),
            _head(row)[2:12],
            _intervals(row, params),
            str(_field(row, "peers")),
            f"{plan_map['peers']} peers, {plan_map['links']} links",
            f"{rate:.1f}" if isinstance(rate, int | float) and rate else "",
            f"{pool['pending']}+{pool['queued']}",
            "yes" if _object(row, "head").get("ticket") else "",
        )
    return Group(table, Text("Ctrl-C stops all nodes", style="dim"))


def _intervals(row: Row, params: ChainParams) -> Text:
    text = Text()
    for interval in row.intervals:
        inside = params.min_interval <= interval * 1000 <= 2 * params.block_time
        text.append(f"{interval:5.1f} ", style="green" if inside else "red")
    return text


def _addresses(plans: tuple[NodePlan, ...]) -> Table:
    table = Table(title="addresses")
    for name in ("node", "JSON-RPC", "WebSocket", "metrics", "log"):
        table.add_column(name)
    for plan in plans:
        table.add_row(
            str(plan.index),
            plan.rpc_url,
            f"ws://127.0.0.1:{plan.rpc_port}/ws",
            f"http://127.0.0.1:{plan.metrics_port}/metrics",
            str(plan.log_file),
        )
    return table


def _field(row: Row, name: str) -> object:
    return "-" if row.status is None else row.status[name]


def _object(row: Row, name: str) -> dict[str, object]:
    value = _field(row, name)
    return value if isinstance(value, dict) else {}


def _height(row: Row) -> int:
    number = _object(row, "head").get("number")
    return -1 if number is None else int(str(number), 16)


def _head(row: Row) -> str:
    return str(_object(row, "head").get("hash", ""))
