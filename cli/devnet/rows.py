"""What the nodes of a devnet say of themselves, asked over RPC."""

from dataclasses import dataclass

from cli.devnet.earnings import Earnings
from cli.devnet.plan import NodePlan
from cli.devnet.supervisor import Supervisor
from cli.rpc_client import RpcClient, RpcRefused, RpcUnreachable
from cli.staking.tally import Earned

REFRESH_SECONDS = 1.0
"""How often all are asked."""

INTERVALS = 3
"""Last intervals asked for: with them the table of a devnet that stakes has its place on 80 columns."""


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


def ask_all(supervisor: Supervisor, earnings: Earnings) -> list[Row]:
    """Ask every node; one that does not answer has no status."""
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


def field_of(row: Row, name: str) -> object:
    """Return a field of a node's status, "-" while it has none."""
    return "-" if row.status is None else row.status[name]


def object_of(row: Row, name: str) -> dict[str, object]:
    """Return an object of a node's status, an empty one while it has none."""
    value = field_of(row, name)
    return value if isinstance(value, dict) else {}


def height_of(row: Row) -> int:
    """Return the height of a node's head, -1 while it tells none."""
    number = object_of(row, "head").get("number")
    return -1 if number is None else int(str(number), 16)


def head_of(row: Row) -> str:
    """Return the id of a node's head, "" while it tells none."""
    return str(object_of(row, "head").get("hash", ""))
