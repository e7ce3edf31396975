"""The devnet's table: columns of tickets and rewards where somebody stakes, and none where nobody does."""

from pathlib import Path

from rich.console import Console

from chain.genesis import load_genesis
from chain.primitives.units import Wei
from cli.devnet.plan import plan_devnet
from cli.devnet.table import Row, _render, _ticket_text, shown_intervals
from cli.staking.tally import Earned

PARAMS = load_genesis("devnet").params
STATUS: dict[str, object] = {
    "head": {"number": "0x15", "hash": "0x" + "ab" * 32, "ticket": {"validatorKey": "0x02"}},
    "map": {"peers": 6, "links": 15},
    "pool": {"pending": 0, "queued": 0},
    "peers": 5,
    "hashRate": 10.0,
}


def rows(nodes: int) -> list[Row]:
    """Return what the nodes of a devnet say; the stakers have won."""
    plans = plan_devnet(Path("/devnet"), nodes, 0, ("0x1", "0x2"))
    earned = Earned(3, Wei(18_129_999_999_999_999_999))
    return [Row(plan, STATUS, (12.0, 30.0), None, earned if plan.stake else None) for plan in plans[:-1]] + [
        Row(plans[-1], None, (), 4, None)
    ]


def shown(found: list[Row]) -> str:
    """Return the table as text."""
    console = Console(width=200)
    with console.capture() as capture:
        console.print(_render(found, PARAMS))
    return capture.get()


def test_six_nodes_show_tickets_and_rewards() -> None:
    text = shown(rows(6))
    for part in ("won", "rewards, MND", "18.12", "ended (4)", "6 peers, 15 links", "yes"):
        assert part in text
    assert _ticket_text(rows(6), rows(6)[0]) == ", with a ticket; won by node 2:3 3:3 4:3"


def test_four_nodes_are_shown_as_before() -> None:
    text = shown(rows(4))
    assert "rewards" not in text
    assert "ticket" in text
    assert _ticket_text(rows(4), rows(4)[0]) == ""


def test_the_interval_of_the_first_block_is_not_shown() -> None:
    """It is as long as the launch is ago."""
    heads: list[dict[str, object]] = [
        {"number": "0x2", "interval": 12_345},
        {"number": "0x1", "interval": 59_693_495_500},
        {"number": "0x0", "interval": None},
    ]
    assert shown_intervals(heads) == (12.345,)
