"""Token buckets and allowances."""

from hypothesis import given, settings
from hypothesis import strategies as st

from chain.primitives.units import Millis
from net.core.guard.limits import ALLOWANCES, Bucket, LinkLimits
from net.core.wire.frame import FRAME_MAX, FrameKind

START = Millis(1_000_000)


@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 20)), max_size=60))
@settings(max_examples=60)
def test_a_bucket_never_gives_more_than_rate_and_burst(steps: list[tuple[int, int]]) -> None:
    bucket, now, given_out = Bucket(10, 20, START), START, 0
    for wait, amount in steps:
        now = Millis(now + wait)
        expected = bucket.wait(amount, now)
        if bucket.take(amount, now):
            assert expected == 0
            given_out += amount
        else:
            assert expected > 0
            assert not Bucket(10, 20, START).take(21, START)
        assert given_out <= 20 + (now - START) * 10 / 1000


def test_waiting_as_long_as_told_is_enough() -> None:
    bucket = Bucket(3, 5, START)
    assert bucket.take(5, START)
    wait = bucket.wait(2, START)
    assert not bucket.take(2, Millis(START + wait - 1))
    assert bucket.take(2, Millis(START + wait))


def test_time_that_goes_back_adds_nothing() -> None:
    bucket = Bucket(1000, 1, START)
    assert bucket.take(1, START)
    assert not bucket.take(1, Millis(START - 10_000))


def test_debt_is_bounded() -> None:
    bucket = Bucket(10, 20, START)
    for _ in range(100):
        bucket.charge(20, START)
    assert bucket.take(1, Millis(START + 2_100))


def test_every_kind_has_an_allowance_that_fits_a_frame() -> None:
    assert set(ALLOWANCES) == set(FrameKind)
    for kind, allowance in ALLOWANCES.items():
        assert allowance.byte_burst >= (4096 if kind in (FrameKind.HELLO, FrameKind.AUTH) else FRAME_MAX)


def test_kinds_do_not_share_their_allowance() -> None:
    limits = LinkLimits()
    burst = ALLOWANCES[FrameKind.PING].frame_burst
    passed = [limits.admit(FrameKind.PING, 10, START) for _ in range(burst + 1)]
    assert passed == [True] * burst + [False]
    assert limits.admit(FrameKind.PONG, 10, START)


def test_bytes_are_limited_too() -> None:
    limits = LinkLimits()
    passed = 0
    while limits.admit(FrameKind.RECORDS, FRAME_MAX, START):
        passed += 1
    assert passed == ALLOWANCES[FrameKind.RECORDS].byte_burst // FRAME_MAX


@given(st.lists(st.tuples(st.integers(-200, 3_000), st.integers(0, FRAME_MAX)), max_size=80))
@settings(max_examples=60)
def test_a_frame_is_charged_as_two_buckets_would_be(frames: list[tuple[int, int]]) -> None:
    limits, now = LinkLimits(), START
    allowance = ALLOWANCES[FrameKind.PING]
    count = Bucket(allowance.frames, allowance.frame_burst, START)
    amount = Bucket(allowance.bytes_second, allowance.byte_burst, START)
    for wait, size in frames:
        now = Millis(now + wait)
        expected = count.charge(1, now) & amount.charge(size, now)
        assert limits.admit(FrameKind.PING, size, now) is expected
