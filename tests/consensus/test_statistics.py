from dataclasses import replace
from random import Random

import pytest

from chain.block import ChainedHeader
from chain.primitives.units import LogTarget, Millis
from consensus.sim.blocks import BlockMaker
from consensus.sim.law import calibrated_rate
from consensus.sim.solo import SoloChain
from consensus.statistics import (
    DEEP_HOLDS_FOR,
    LEAST_HISTORY,
    LONG_WINDOW,
    SHORT_WINDOW,
    ConsensusMonitor,
    expected_interval,
    expected_wait,
)
from tests.consensus.networks import MAINNET, place


def block(height: int, *, bits: float, interval: int = 120_000) -> ChainedHeader:
    base = place(MAINNET, height)
    target = LogTarget(220 << 16)
    return replace(
        base,
        sealed=replace(base.sealed, pow=int(2 ** (220 + bits))),
        log_target=target,
        time=Millis(base.header.parent_time + interval),
    )


def test_a_fall_of_the_hash_rate_by_more_than_four_alarms_once_and_ends() -> None:
    monitor = ConsensusMonitor(MAINNET)
    for height in range(LONG_WINDOW):
        assert monitor.applied(block(height, bits=0)) == []
    alarms = [
        alarm for height in range(SHORT_WINDOW) for alarm in monitor.applied(block(LONG_WINDOW + height, bits=2.5))
    ]
    assert [alarm.kind for alarm in alarms] == ["hash_rate_fell"]
    assert monitor.statistics().alarms == ("hash_rate_fell",)
    for height in range(SHORT_WINDOW):
        monitor.applied(block(LONG_WINDOW + SHORT_WINDOW + height, bits=0))
    assert monitor.statistics().alarms == ()


def test_a_fall_by_less_than_four_or_without_history_is_silent() -> None:
    monitor = ConsensusMonitor(MAINNET)
    for height in range(LEAST_HISTORY - SHORT_WINDOW - 1):
        monitor.applied(block(height, bits=0))
    assert all(monitor.applied(block(200 + height, bits=9)) == [] for height in range(SHORT_WINDOW))
    calm = ConsensusMonitor(MAINNET)
    for height in range(LONG_WINDOW):
        calm.applied(block(height, bits=0))
    assert all(calm.applied(block(LONG_WINDOW + height, bits=1.9)) == [] for height in range(2 * SHORT_WINDOW))


def test_deep_reorganisations_and_clock_errors_alarm() -> None:
    monitor = ConsensusMonitor(MAINNET)
    for height in range(60):
        monitor.applied(block(height, bits=0))
    assert monitor.undone(20, 40) == []
    assert [alarm.kind for alarm in monitor.undone(21, 19)] == ["deep_reorganisation"]
    assert monitor.clock_error(Millis(1_000)) == []
    assert [alarm.kind for alarm in monitor.clock_error(Millis(-1_001))] == ["clock_error"]
    assert monitor.clock_error(Millis(-1_002)) == []
    assert monitor.clock_error(Millis(0)) == []
    assert monitor.statistics().alarms == ("deep_reorganisation",)
    (deep,) = monitor.alarms()
    assert "21 blocks were undone, down to height 19" in deep.text
    for height in range(19, 19 + 21 + DEEP_HOLDS_FOR):
        monitor.applied(block(height, bits=0))
        assert monitor.alarms() == (deep,)
    monitor.applied(block(19 + 21 + DEEP_HOLDS_FOR, bits=0))
    assert monitor.alarms() == ()
    assert dict(monitor.statistics().alarms_begun) == {"clock_error": 1, "deep_reorganisation": 1, "hash_rate_fell": 0}


@pytest.mark.slow
def test_the_hash_rate_is_found_from_the_seals_within_a_hundredth() -> None:
    maker, rng = BlockMaker(MAINNET), Random(5)
    chain = SoloChain(MAINNET, rng, maker, maker.genesis(0))
    rate, rates = calibrated_rate(MAINNET, MAINNET.genesis_log_target), []
    for window in range(30):
        monitor = ConsensusMonitor(MAINNET)
        for _ in range(LONG_WINDOW):
            monitor.applied(chain.extend(rate=rate, handicap=Millis(0)))
        if window >= 3:  # the schedule has come to rest
            rates.append(monitor.statistics().network_hash_rate / (1_000 * rate))
    assert sum(rates) / len(rates) == pytest.approx(1.0, abs=0.02)  # three standard errors


def test_expected_wait_is_the_share_of_the_hash_rate() -> None:
    assert expected_wait(25.0, 100.0, 120_000.0) == 480_000
    assert expected_wait(0.0, 100.0, 120_000.0) is None


def test_the_expected_interval_is_the_blocks_when_the_rate_fits_the_target() -> None:
    # LT_GENESIS belongs to 2^(256 - lt - 0.83) hashes in T_BLOCK
    hashes = 2 ** (256 - MAINNET.genesis_log_target / 65536 - 0.83)
    got = expected_interval(MAINNET, hashes / 120, place(MAINNET, 5))
    assert got == pytest.approx(120_000, rel=0.03)


def test_the_wait_for_the_launch_is_no_interval() -> None:
    """Block 1 follows the genesis time after months; without this a young chain's mean and hash rate were absurd."""
    monitor = ConsensusMonitor(MAINNET)
    monitor.applied(block(1, bits=0, interval=59_693_495_500))
    assert monitor.statistics().mean_interval == 0.0
    assert monitor.statistics().network_hash_rate == 0.0
    young = ConsensusMonitor(MAINNET)
    for height in range(2, 12):
        for watcher in (monitor, young):
            watcher.applied(block(height, bits=0))
    assert monitor.statistics() == young.statistics()
    assert monitor.statistics().mean_interval == 120_000
