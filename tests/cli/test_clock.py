"""The node's clock beside the machine's."""

import time

import pytest

from cli.clock import SteadyClock

HOUR = 3_600_000


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="this system has no clock that counts sleep")
def test_the_sleep_of_a_machine_counts_and_a_step_of_its_clock_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    awake, asleep, stepped = 1_000, 0, 0

    def read(clock: int) -> int:
        return {
            time.CLOCK_REALTIME: 10**12 + awake + asleep + stepped,
            time.CLOCK_MONOTONIC: awake,
            time.CLOCK_BOOTTIME: awake + asleep,
        }[clock] * 1_000_000

    monkeypatch.setattr(time, "clock_gettime_ns", read)
    monkeypatch.setattr(time, "monotonic_ns", lambda: read(time.CLOCK_MONOTONIC))
    monkeypatch.setattr(time, "time_ns", lambda: read(time.CLOCK_REALTIME))
    clock = SteadyClock()
    start = clock()
    assert start == 10**12 + awake
    awake += 500
    assert clock() == start + 500
    stepped = -HOUR
    assert clock() == start + 500
    asleep = HOUR
    assert clock() == start + 500 + HOUR
