import json

from cli.mining_client.orders import Order, Verdict
from cli.mining_client.report import CLEAR, JsonReporter, Reporter, TextReporter
from cli.mining_client.session import Find, SessionState, SessionStatistics

STATISTICS = SessionStatistics(SessionState.HASHING, 7, 512.04, 9_000, 3, 2, 1, 0, 0, 0, 4, 0)
ORDER = Order(b"\x01" * 32, b"", 7, b"\x02" * 32, 0, 0)  # type: ignore[arg-type]
FIND = Find(ORDER, bytes(8), 1 << 240)


def tell(reporter: Reporter) -> None:
    reporter.connected("http://a:1", "devnet", 2)
    reporter.order(ORDER)
    reporter.verdict(FIND, Verdict.BEST)
    reporter.verdict(FIND, Verdict.SHARE)
    reporter.silent("no node answers", 2.0)
    reporter.silent("no node answers", 4.0)
    reporter.status(STATISTICS)
    reporter.status(STATISTICS)
    reporter.order(None)
    reporter.stopped(STATISTICS)


def test_lines_for_a_log_tell_trouble_once() -> None:
    written: list[str] = []
    tell(TextReporter(written.append, live=False, status_every=2))
    assert written == [
        "mining for the devnet node at http://a:1 with 2 threads\n",
        "work for block 7\n",
        "block 7: the best seal so far, 15 zero bits\n",
        "no node answers; trying again in 2 s\n",
        "   512.0 H/s  block 7  3 shares, 2 best seals, 1 stale\n",
        "the node has no work\n",
        "stopped: 9000 hashes, 3 shares, 2 best seals\n",
    ]


def test_a_live_line_is_rewritten() -> None:
    written: list[str] = []
    tell(TextReporter(written.append, live=True, status_every=2))
    lines = [text for text in written if "H/s" in text]
    assert len(lines) == 2
    assert all(line.startswith(CLEAR) and not line.endswith("\n") for line in lines)
    assert "trying again in 4 s" in lines[0]


def test_json_lines() -> None:
    written: list[str] = []
    tell(JsonReporter(written.append, status_every=1))
    events = [json.loads(text) for text in written]
    assert all(text.endswith("\n") for text in written)
    kinds = ["connected", "work", "verdict", "verdict", "silent", "silent", "status", "status", "work", "stopped"]
    assert [event["event"] for event in events] == kinds
    assert events[2] == {"event": "verdict", "verdict": "best", "height": 7, "pow": "0" * 3 + "1" + "0" * 60}
    assert (events[6]["hashRate"], events[6]["shares"], events[8]["id"]) == (512.0, 3, None)
