"""The live table of a devnet."""

import threading

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from chain.params import ChainParams
from chain.primitives.units import COIN
from cli.devnet.earnings import Earnings
from cli.devnet.plan import NodePlan
from cli.devnet.rows import REFRESH_SECONDS, Row, ask_all, field_of, head_of, height_of, object_of
from cli.devnet.supervisor import Supervisor

LEGEND = "\nmap: peers/confirmed links; pool: ready+waiting for a nonce; ticket: in the head"
STAKING_LEGEND = "\nwon: tickets in blocks, and the MND that they minted"
STOP = "\nCtrl-C stops all nodes"

PADDING = (0, 1, 0, 0)
"""Between columns there is a space; lines would not fit."""


def watch_table(supervisor: Supervisor, earnings: Earnings, params: ChainParams, stopping: threading.Event) -> None:
    """Show the devnet on a terminal until told to stop."""
    console = Console()
    console.print(_addresses(supervisor.plans))
    console.print(f"logs: {supervisor.plans[0].log_file}, one for each node\n", soft_wrap=True, highlight=False)
    with Live(console=console, refresh_per_second=4, transient=False) as live:
        while not stopping.is_set():
            live.update(_render(ask_all(supervisor, earnings), params))
            stopping.wait(REFRESH_SECONDS)


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
        plan_map, pool = object_of(row, "map"), object_of(row, "pool")
        rate = row.status.get("hashRate")
        table.add_row(
            str(row.plan.index),
            str(height_of(row)),
            head_of(row)[2:8],
            _intervals(row, params),
            str(field_of(row, "peers")),
            f"{plan_map['peers']}/{plan_map['links']}",
            f"{rate:.1f}" if isinstance(rate, int | float) and rate else "",
            f"{pool['pending']}+{pool['queued']}",
            "yes" if object_of(row, "head").get("ticket") else "",
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
        table.add_row(str(plan.index), plan.rpc_url, plan.metrics_url)
    return table
