"""What a devnet says where there is no live table: a line an event, for people or, in JSON, for programs."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import click

from cli.devnet.earnings import Earnings
from cli.devnet.plan import NodePlan
from cli.devnet.rows import REFRESH_SECONDS, Row, ask_all, field_of, head_of, height_of, object_of
from cli.devnet.supervisor import Supervisor


@dataclass(frozen=True, slots=True)
class Ended:
    """A node's process has ended by itself."""

    row: Row


@dataclass(frozen=True, slots=True)
class Block:
    """Some node has a higher head than any had before."""

    best: Row
    rows: Sequence[Row]

    @property
    def agree(self) -> bool:
        """Whether all nodes that answer have the same head."""
        return len({head_of(row) for row in self.rows if row.status}) == 1


Say = Callable[[Ended | Block], None]


def watch_lines(supervisor: Supervisor, earnings: Earnings, stopping: threading.Event, say: Say) -> None:
    """Ask the nodes until told to stop, and say what is new."""
    seen = -1
    told: set[int] = set()
    while not stopping.is_set():
        for event in _news(ask_all(supervisor, earnings), seen, told):
            say(event)
            if isinstance(event, Block):
                seen = height_of(event.best)
            else:
                told.add(event.row.plan.index)
        stopping.wait(REFRESH_SECONDS)


def _news(rows: Sequence[Row], seen: int, told: set[int]) -> Iterator[Ended | Block]:
    for row in rows:
        if row.exit_code is not None and row.plan.index not in told:
            yield Ended(row)
    best = max(rows, key=height_of)
    if height_of(best) > seen:
        yield Block(best, rows)


def say_text(event: Ended | Block) -> None:
    """Print the line that people read."""
    match event:
        case Ended(row):
            click.echo(f"node {row.plan.index} has ended (exit code {row.exit_code}); see {row.plan.log_file}")
        case Block(best, rows):
            interval = f" after {best.intervals[0]:.1f} s" if best.intervals else ""
            peers = "/".join(str(field_of(row, "peers")) for row in rows)
            state = "all agree" if event.agree else "catching up"
            click.echo(f"block {height_of(best)}{interval}, peers {peers}, {state}{ticket_text(rows, best)}")


def ticket_text(rows: Sequence[Row], best: Row) -> str:
    """Return what the line of a block says of tickets: nothing while nobody stakes."""
    stakers = [row for row in rows if row.earned is not None]
    if not stakers:
        return ""
    won = " ".join(f"{row.plan.index}:{row.earned.won}" for row in stakers if row.earned is not None)
    return f", {'with' if object_of(best, 'head').get('ticket') else 'without'} a ticket; won by node {won}"


def say_addresses(plans: Sequence[NodePlan]) -> None:
    """Print where the nodes are found."""
    for plan in plans:
        click.echo(
            f"node {plan.index}: {plan.rpc_url} (WebSocket {plan.websocket_url}), "
            f"metrics {plan.metrics_url}, log {plan.log_file}",
        )


def say_json(event: Ended | Block) -> None:
    """Print a JSON object on a line of its own; `event` in it names its kind."""
    match event:
        case Ended(row):
            said: dict[str, object] = {"event": "ended", "node": row.plan.index, "exitCode": row.exit_code}
        case Block(best, rows):
            said = {
                "event": "block",
                "number": height_of(best),
                "hash": head_of(best),
                "interval": best.intervals[0] if best.intervals else None,
                "ticket": bool(object_of(best, "head").get("ticket")),
                "agree": event.agree,
                "peers": [row.status["peers"] if row.status else None for row in rows],
            }
    click.echo(json.dumps(said))


def say_ready(plans: Sequence[NodePlan], *, chain_id: int, mnemonic: str, accounts: Sequence[str]) -> None:
    """Print the first JSON line: all that a program needs to use the network, which answers by now."""
    nodes = [
        {
            "rpc": plan.rpc_url,
            "ws": plan.websocket_url,
            "metrics": plan.metrics_url,
            "datadir": str(plan.datadir),
            "log": str(plan.log_file),
            "mines": bool(plan.reward_address),
            "stakes": plan.stake is not None,
        }
        for plan in plans
    ]
    said = {"event": "ready", "chainId": chain_id, "mnemonic": mnemonic, "accounts": list(accounts), "nodes": nodes}
    click.echo(json.dumps(said))
