"""The devnet's table: columns of tickets and rewards where somebody stakes, and none where nobody does."""

from dataclasses import replace
from pathlib import Path

from rich.console import Console

from chain.genesis import load_genesis
from chain.primitives.units import Wei
from cli.devnet.lines import ticket_text
from cli.devnet.plan import plan_devnet
from cli.devnet.rows import INTERVALS, Row, shown_intervals
from cli.devnet.table import _addresses, _render
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


def shown(found: list[Row], width: int = 200) -> str:
    """Return the table as text."""
    console = Console(width=width)
    with console.capture() as capture:
        console.print(_render(found, PARAMS))
    return capture.get()


def test_six_nodes_show_tickets_and_rewards() -> None:
    text = shown(rows(6))
    for part in ("won", "MND", "18.12", "ended (4)", "6/15", "yes"):
        assert part in text
    assert ticket_text(rows(6), rows(6)[0]) == ", with a ticket; won by node 2:3 3:3 4:3"


def test_four_nodes_are_shown_as_before() -> None:
    text = shown(rows(4))
    assert "MND" not in text
    assert "ticket" in text
    assert ticket_text(rows(4), rows(4)[0]) == ""


def test_a_common_terminal_shows_all_of_it() -> None:
    """80 columns are what a terminal opens with: nothing is cut short or put on a second line."""
    found = rows(24)
    long = {**STATUS, "map": {"peers": 24, "links": 276}, "pool": {"pending": 120, "queued": 3}}
    head: dict[str, object] = {"number": hex(54_321), "hash": "0x" + "ab" * 32, "ticket": {"validatorKey": "0x02"}}
    earned = Earned(1_234, Wei(12_345 * 10**18))
    full = [
        replace(row, status={**long, "head": head}, intervals=(23.9,) * INTERVALS, earned=earned) for row in found[:-1]
    ]
    lines = shown([*full, found[-1]], 80).splitlines()
    assert not any("…" in line for line in lines)
    assert sum("23.9 23.9 23.9" in line and "12345.00" in line and "120+3" in line for line in lines) == 23
    assert sum("ended (4)" in line for line in lines) == 1


def test_the_addresses_are_whole_on_a_common_terminal() -> None:
    plans = plan_devnet(Path("/devnet"), 24, 50_000, ("0x1", "0x2"))
    console = Console(width=80)
    with console.capture() as capture:
        console.print(_addresses(plans))
    text = capture.get()
    for plan in plans:
        assert f"{plan.rpc_url} " in text
        assert f"http://127.0.0.1:{plan.metrics_port}/metrics" in text


def test_the_interval_of_the_first_block_is_not_shown() -> None:
    """It is as long as the launch is ago."""
    heads: list[dict[str, object]] = [
        {"number": "0x2", "interval": 12_345},
        {"number": "0x1", "interval": 59_693_495_500},
        {"number": "0x0", "interval": None},
    ]
    assert shown_intervals(heads) == (12.345,)
