"""A devnet's lines: what is new and nothing twice, for people and for programs."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from cli.devnet import lines
from cli.devnet.earnings import Earnings
from cli.devnet.lines import Block, Ended, say_addresses, say_json, say_ready, say_text, watch_lines
from cli.devnet.plan import plan_devnet
from cli.devnet.rows import Row
from cli.devnet.supervisor import Supervisor

PLANS = plan_devnet(Path("/devnet"), 3, 100, ("0x1", "0x2"))


def row(index: int, height: int | None, *, exit_code: int | None = None) -> Row:
    """Return what a node at a height says, or one that has ended."""
    if height is None:
        return Row(PLANS[index], None, (), exit_code, None)
    head = {"number": hex(height), "hash": f"0x{height:064x}", "ticket": None}
    return Row(PLANS[index], {"head": head, "peers": 2}, (12.5,) if height > 1 else (), None, None)


def test_only_what_is_new_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    stopping = threading.Event()
    ended = row(2, None, exit_code=4)
    rounds = [
        [row(0, None), row(1, None), row(2, None)],
        [row(0, 0), row(1, None), row(2, 0)],
        [row(0, 0), row(1, 0), row(2, 0)],
        [row(0, 2), row(1, 1), ended],
        [row(0, 2), row(1, 2), ended],
    ]

    def answers() -> Iterator[list[Row]]:
        yield from rounds[:-1]
        stopping.set()
        yield rounds[-1]

    asked = answers()
    monkeypatch.setattr(lines, "ask_all", lambda _supervisor, _earnings: next(asked))
    monkeypatch.setattr(lines, "REFRESH_SECONDS", 0.0)
    said: list[Ended | Block] = []
    watch_lines(cast("Supervisor", None), cast("Earnings", None), stopping, said.append)
    blocks = [(event.best, event.agree) for event in said if isinstance(event, Block)]
    assert blocks == [(row(0, 0), True), (row(0, 2), False)]
    assert [event for event in said if isinstance(event, Ended)] == [Ended(ended)]


def test_lines_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [row(0, 2), row(1, 2), row(2, None)]
    say_addresses(PLANS[:1])
    say_text(Block(rows[0], rows))
    say_text(Ended(row(2, None, exit_code=4)))
    assert capsys.readouterr().out.splitlines() == [
        "node 0: http://127.0.0.1:8645 (WebSocket ws://127.0.0.1:8645/ws), metrics http://127.0.0.1:9569/metrics, "
        "log /devnet/node-0/node.log",
        "block 2 after 12.5 s, peers 2/2/-, all agree",
        "node 2 has ended (exit code 4); see /devnet/node-2/node.log",
    ]


def test_lines_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [row(0, 2), row(1, 1), row(2, None)]
    first = replace(rows[1], status={**(rows[1].status or {}), "peers": 1})
    say_ready(PLANS, chain_id=156_900, mnemonic="test junk", accounts=["0xa", "0xb"])
    say_json(Block(rows[0], [rows[0], first, rows[2]]))
    say_json(Ended(row(2, None, exit_code=4)))
    ready, block, ended = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (ready["event"], ready["chainId"], ready["accounts"]) == ("ready", 156_900, ["0xa", "0xb"])
    assert ready["nodes"][1] == {
        "rpc": "http://127.0.0.1:8655",
        "ws": "ws://127.0.0.1:8655/ws",
        "metrics": "http://127.0.0.1:9579/metrics",
        "datadir": "/devnet/node-1",
        "log": "/devnet/node-1/node.log",
        "mines": True,
        "stakes": False,
    }
    assert [node["mines"] for node in ready["nodes"]] == [True, True, False]
    assert block == {
        "event": "block",
        "number": 2,
        "hash": f"0x{2:064x}",
        "interval": 12.5,
        "ticket": False,
        "agree": False,
        "peers": [2, 1, None],
    }
    assert ended == {"event": "ended", "node": 2, "exitCode": 4}
