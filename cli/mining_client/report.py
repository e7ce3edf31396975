"""What the operator of an external miner sees: a live line on a terminal, lines for a log, JSON lines for scripts."""

import json
from collections.abc import Callable
from typing import Protocol

from cli.mining_client.orders import Order, Verdict
from cli.mining_client.session import Find, SessionState, SessionStatistics

CLEAR = "\r\x1b[K"


class Reporter(Protocol):
    """Told by the driver of what happens."""

    def connected(self, url: str, network: str, threads: int) -> None:
        """The node has answered for the first time."""

    def order(self, order: Order | None) -> None:
        """Other work has come, or none is left."""

    def verdict(self, find: Find, verdict: Verdict) -> None:
        """The node has answered to a find."""

    def silent(self, reason: str, wait_seconds: float) -> None:
        """The node does not answer; the next attempt follows."""

    def status(self, statistics: SessionStatistics) -> None:
        """A moment has passed."""

    def stopped(self, statistics: SessionStatistics) -> None:
        """The miner has ended as asked."""


class TextReporter:
    """For people: with `live`, one line that is rewritten every second; without, a line for what happens."""

    def __init__(self, write: Callable[[str], None], *, live: bool, status_every: int) -> None:
        """`write` takes text as it is; `status_every` is how many `status` calls pass between two lines of a log."""
        self._write = write
        self._live = live
        self._every = 1 if live else status_every
        self._calls = 0
        self._trouble = ""

    def connected(self, url: str, network: str, threads: int) -> None:
        """Say where and what."""
        self._line(f"mining for the {network} node at {url} with {threads} threads")

    def order(self, order: Order | None) -> None:
        """Note that the node answers; new blocks show in a log."""
        self._trouble = ""
        if not self._live:
            self._line("the node has no work" if order is None else f"work for block {order.height}")

    def verdict(self, find: Find, verdict: Verdict) -> None:
        """Show best seals; shares are counted in the status."""
        if verdict is Verdict.BEST:
            self._line(f"block {find.order.height}: the best seal so far, {256 - find.pow.bit_length()} zero bits")

    def silent(self, reason: str, wait_seconds: float) -> None:
        """Show the trouble: once in a log, until it is over in the live line."""
        text = f"{reason}; trying again in {wait_seconds:.0f} s"
        if not self._live and not self._trouble:
            self._line(text)
        self._trouble = text

    def status(self, statistics: SessionStatistics) -> None:
        """Show the counters."""
        self._calls += 1
        if self._calls % self._every:
            return
        text = _summary(statistics)
        if self._live:
            self._write(CLEAR + (f"{text}  {self._trouble}" if self._trouble else text))
        else:
            self._write(text + "\n")

    def stopped(self, statistics: SessionStatistics) -> None:
        """Show the sums."""
        self._line(f"stopped: {statistics.hashes} hashes, {statistics.shares} shares, {statistics.best} best seals")

    def _line(self, text: str) -> None:
        self._write((CLEAR if self._live else "") + text + "\n")


class JsonReporter:
    """For scripts: one JSON object a line, its kind in `event`."""

    def __init__(self, write: Callable[[str], None], *, status_every: int) -> None:
        """See `TextReporter`."""
        self._write = write
        self._every = status_every
        self._calls = 0

    def connected(self, url: str, network: str, threads: int) -> None:
        """Tell where and what."""
        self._tell("connected", url=url, network=network, threads=threads)

    def order(self, order: Order | None) -> None:
        """Tell of work, with null for none."""
        self._tell("work", id=None if order is None else order.id.hex(), height=None if order is None else order.height)

    def verdict(self, find: Find, verdict: Verdict) -> None:
        """Tell what a find was worth."""
        self._tell("verdict", verdict=verdict.value, height=find.order.height, pow=f"{find.pow:064x}")

    def silent(self, reason: str, wait_seconds: float) -> None:
        """Tell of the node's silence."""
        self._tell("silent", reason=reason, waitSeconds=round(wait_seconds, 3))

    def status(self, statistics: SessionStatistics) -> None:
        """Tell the counters."""
        self._calls += 1
        if self._calls % self._every == 0:
            self._tell("status", **_members(statistics))

    def stopped(self, statistics: SessionStatistics) -> None:
        """Tell the sums."""
        self._tell("stopped", **_members(statistics))

    def _tell(self, event: str, **members: object) -> None:
        self._write(json.dumps({"event": event, **members}) + "\n")


def _summary(statistics: SessionStatistics) -> str:
    doing = {
        SessionState.CALLING: "no node",
        SessionState.RESTING: "no work",
        SessionState.HASHING: f"block {statistics.height}",
        SessionState.ADRIFT: f"block {statistics.height}, node silent",
    }[statistics.state]
    late = f", {statistics.stale} stale" if statistics.stale else ""
    refused = f", {statistics.refused} beaten" if statistics.refused else ""
    return (
        f"{statistics.hash_rate:8.1f} H/s  {doing}  {statistics.shares} shares, {statistics.best} best seals"
        f"{late}{refused}"
    )


def _members(statistics: SessionStatistics) -> dict[str, object]:
    return {
        "state": statistics.state.value,
        "height": statistics.height,
        "hashRate": round(statistics.hash_rate, 1),
        "hashes": statistics.hashes,
        "shares": statistics.shares,
        "best": statistics.best,
        "stale": statistics.stale,
        "refused": statistics.refused,
        "unsent": statistics.unsent,
        "lost": statistics.lost,
        "orders": statistics.orders,
        "breaks": statistics.breaks,
    }
