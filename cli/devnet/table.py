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
from chain.primitives.units import COIN
from cli.devnet.earnings import Earnings
from cli.devnet.plan import NodePlan
from cli.devnet.supervisor import Supervisor
from cli.rpc_client import RpcClient, RpcRefused, RpcUnreachable
from cli.staking.tally import Earned

REFRESH_SECONDS = 1.0
INTERVALS = 3
"""Last intervals shown: with them the table of a devnet that stakes has its place on 80 columns."""

LEGEND = "\nmap: peers/confirmed links; pool: ready+waiting for a nonce; ticket: in the head"
STAKING_LEGEND = "\nwon: tickets in blocks, and the MND that they minted"
STOP = "\nCtrl-C stops all nodes"

PADDING = (0, 1, 0, 0)
"""Between columns there is a space; lines would not fit."""


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
    earned: Earned | None
    """What its tickets won; None for a node that does not stake."""


def watch(supervisor: Supervisor, params: ChainParams, stopping: threading.Event) -> None:
    """Show the devnet until told to stop: a live table on a terminal, a line per block otherwise."""
    console = Console()
    earnings = Earnings(supervisor.plans, params)
    if not sys.stdout.isatty():
        _watch_lines(supervisor, earnings, stopping)
        return
    console.print(_addresses(supervisor.plans))
    console.print(f"logs: {supervisor.plans[0].log_file}, one for each node\n", soft_wrap=True, highlight=False)
    with Live(console=console, refresh_per_second=4, transient=False) as live:
        while not stopping.is_set():
            live.update(_render(_ask_all(supervisor, earnings), params))
            stopping.wait(REFRESH_SECONDS)


def _watch_lines(supervisor: Supervisor, earnings: Earnings, stopping: threading.Event) -> None:
    seen = -1
    told: set[int] = set()
    for plan in supervisor.plans:
        click.echo(
            f"node {plan.index}: {plan.rpc_url} (WebSocket ws://127.0.0.1:{plan.rpc_port}/ws), "
            f"metrics http://127.0.0.1:{plan.metrics_port}/metrics, log {plan.log_file}",
        )
    while not stopping.is_set():
        rows = _ask_all(supervisor, earnings)
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
            state = "all agree" if agree else "catching up"
            click.echo(f"block {height}{interval}, peers {peers}, {state}{_ticket_text(rows, best)}")
        stopping.wait(REFRESH_SECONDS)


def _ticket_text(rows: list[Row], best: Row) -> str:
    """Return what the line of a block says of tickets: nothing while nobody stakes."""
    stakers = [row for row in rows if row.earned is not None]
    if not stakers:
        return ""
    won = " ".join(f"{row.plan.index}:{row.earned.won}" for row in stakers if row.earned is not None)
    return f", {'with' if _object(best, 'head').get('ticket') else 'without'} a ticket; won by node {won}"


def _ask_all(supervisor: Supervisor, earnings: Earnings) -> list[Row]:
    ended = supervisor.ended()
    earnings.follow()
    return [_ask(plan, ended.get(plan.index), earnings.of(plan)) for plan in supervisor.plans]


def _ask(plan: NodePlan, exit_code: int | None, earned: Earned | None) -> Row:
    client = RpcClient(plan.rpc_url, timeout_seconds=3.0)
    try:
        status = client.call("mappemonde_status") if exit_code is None else None
        heads = client.call("mappemonde_heads", INTERVALS) if isinstance(status, dict) else []
    except (RpcUnreachable, RpcRefused):
        status, heads = None, []
    assert isinstance(heads, list), "the method returns an array"
    intervals = shown_intervals(heads)
    return Row(plan, status if isinstance(status, dict) else None, intervals, exit_code, earned)


def shown_intervals(heads: list[dict[str, object]]) -> tuple[float, ...]:
    """Return the seconds between blocks; block 1 waited for the launch, so its interval says nothing."""
    late = (head for head in heads if int(str(head["number"]), 16) > 1)
    return tuple(int(str(head["interval"])) / 1000 for head in late)


def _render(rows: list[Row], params: ChainParams) -> Group:
    window = f"{params.min_interval / 1000:.0f} to {2 * params.block_time / 1000:.0f} s"
    title = f"devnet: blocks every {params.block_time / 1000:.0f} s, always within {window}"
    table = Table(title=title, title_justify="left", box=None, padding=PADDING, pad_edge=False)
    columns = ("node", "height", "head", "intervals, s", "links", "map", "H/s", "pool", "ticket")
    staking = any(row.earned is not None for row in rows)
    for name in columns + (("won", "MND") if staking else ()):
        table.add_column(name, justify="left" if name in ("head", "intervals, s") else "right", no_wrap=True)
    for row in rows:
        if row.status is None:
            state = "starting" if row.exit_code is None else f"ended ({row.exit_code})"
            table.add_row(
                str(row.plan.index), "", "", Text(state, style="red"), "", "", "", "", ""
            )  # the rest stays blank
            continue
        plan_map, pool = _object(row, "map"), _object(row, "pool")
        rate = row.status.get("hashRate")
        table.add_row(
            str(row.plan.index),
            str(_height(row)),
            _head(row)[2:8],
            _intervals(row, params),
            str(_field(row, "peers")),
            f"{plan_map['peers']}/{plan_map['links']}",
            f"{rate:.1f}" if isinstance(rate, int | float) and rate else "",
            f"{pool['pending']}+{pool['queued']}",
            "yes" if _object(row, "head").get("ticket") else "",
            *((_won(row), _rewards(row)) if staking else ()),
        )
    return Group(table, Text(LEGEND + (STAKING_LEGEND if staking else "") + STOP, style="dim"))


def _won(row: Row) -> str:
    return "" if row.earned is None else str(row.earned.won)


def _rewards(row: Row) -> str:
    """Return what the tickets minted, to a hundredth of a coin."""
    if row.earned is None:
        return ""
    cents = row.earned.minted * 100 // COIN
    return f"{cents // 100}.{cents % 100:02d}"


def _intervals(row: Row, params: ChainParams) -> Text:
    text = Text()
    for interval in row.intervals:
        inside = params.min_interval <= interval * 1000 <= 2 * params.block_time
        text.append(" " if text else "").append(f"{interval:.1f}", style="green" if inside else "red")
    return text


def _addresses(plans: tuple[NodePlan, ...]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("node", "JSON-RPC, WebSocket at /ws", "metrics"):
        table.add_column(name, no_wrap=True)
    for plan in plans:
        table.add_row(str(plan.index), plan.rpc_url, f"http://127.0.0.1:{plan.metrics_port}/metrics")
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
