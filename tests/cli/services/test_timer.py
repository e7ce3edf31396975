"""The alarm clock of the services, on a clock that is set while it waits."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from chain.primitives.units import Millis
from cli.services.timer import DeadlineTimer


@dataclass
class Waits:
    """Stands in for the event loop's `call_later`: time passes when the test says."""

    now: float = 0.0
    rings: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    def call_later(self, delay: float, ring: Callable[[], None]) -> asyncio.TimerHandle:
        self.rings.append((self.now + delay, ring))
        return asyncio.TimerHandle(0, ring, (), asyncio.get_running_loop())

    def next(self) -> None:
        """Let time pass until the next ring."""
        self.now, ring = self.rings.pop(0)
        ring()


async def test_a_clock_that_steps_forward_rings_a_second_late_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = Waits()
    monkeypatch.setattr(asyncio.get_running_loop(), "call_later", waits.call_later)
    step, deadline, rung = 0, 50_000, []

    def ring() -> None:
        nonlocal deadline
        rung.append(waits.now)
        deadline = 10**9

    def fail(error: BaseException) -> None:
        raise error

    timer = DeadlineTimer(lambda: Millis(round(waits.now * 1000) + step), lambda: Millis(deadline), ring, fail)
    timer.arm()
    while waits.now < 10:
        waits.next()
    assert not rung
    step, stepped = 58_000, waits.now
    while not rung:
        waits.next()
    assert rung[0] <= stepped + 1
    assert len(waits.rings) == 1
