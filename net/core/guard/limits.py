"""Token buckets and byte budgets per link and frame kind (DESIGN section 3.8)."""

from collections.abc import Mapping
from dataclasses import dataclass

from chain.primitives.units import Millis
from net.core.wire.frame import FRAME_MAX, FrameKind


class Bucket:
    """A token bucket in whole thousandths of a token. Its owner alone changes it."""

    __slots__ = ("_at", "_burst", "_level", "_rate")

    def __init__(self, rate: int, burst: int, now: Millis) -> None:
        """`rate` tokens a second, at most `burst` at once; full at first."""
        self._rate = rate
        self._burst = burst * 1000
        self._level = self._burst
        self._at = now

    def _refill(self, now: Millis) -> None:
        """Add what has come since the last time; time that goes backwards adds nothing."""
        if now > self._at:
            self._level = min(self._burst, self._level + (now - self._at) * self._rate)
            self._at = now

    def take(self, amount: int, now: Millis) -> bool:
        """Take tokens if enough are there and tell whether they were."""
        self._refill(now)
        if self._level < amount * 1000:
            return False
        self._level -= amount * 1000
        return True

    def charge(self, amount: int, now: Millis) -> bool:
        """Take tokens that were spent already, into debt of at most one burst; tell whether there is no debt."""
        self._refill(now)
        self._level = max(self._level - amount * 1000, -self._burst)
        return self._level >= 0

    def wait(self, amount: int, now: Millis) -> Millis:
        """Return in how many ms `take(amount)` would succeed, 0 if it would now; `amount` is at most the burst."""
        level = min(self._burst, self._level + max(now - self._at, 0) * self._rate)
        return Millis(max(0, -(-(amount * 1000 - level) // self._rate)))


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one link may send of one frame kind."""

    frames: int
    """Frames a second."""
    frame_burst: int
    """Frames at once."""
    bytes_second: int
    """Body bytes a second."""
    byte_burst: int
    """Body bytes at once."""


_CONTROL = Allowance(frames=4, frame_burst=16, bytes_second=8_192, byte_burst=4 * FRAME_MAX)
_BULK = Allowance(frames=400, frame_burst=1_000, bytes_second=4_000_000, byte_burst=8_000_000)

ALLOWANCES: Mapping[FrameKind, Allowance] = {
    FrameKind.HELLO: Allowance(frames=1, frame_burst=2, bytes_second=1_024, byte_burst=4_096),
    FrameKind.AUTH: Allowance(frames=1, frame_burst=2, bytes_second=1_024, byte_burst=4_096),
    FrameKind.BYE: _CONTROL,
    FrameKind.PING: _CONTROL,
    FrameKind.TRY: _CONTROL,
    FrameKind.PONG: _CONTROL,
    FrameKind.URLS: _CONTROL,
    FrameKind.LISTING: _CONTROL,
    FrameKind.RECORDS: Allowance(frames=100, frame_burst=2_000, bytes_second=200_000, byte_burst=8_000_000),
    FrameKind.RANGE_ASK: Allowance(frames=4, frame_burst=256, bytes_second=65_536, byte_burst=1_000_000),
    FrameKind.RANGE: Allowance(frames=100, frame_burst=2_000, bytes_second=200_000, byte_burst=8_000_000),
    FrameKind.EQUIVOCATION: Allowance(frames=1, frame_burst=64, bytes_second=2_048, byte_burst=128_000),
    FrameKind.RECORDS_HAVE: Allowance(frames=20, frame_burst=200, bytes_second=50_000, byte_burst=1_000_000),
    FrameKind.RECORDS_WANT: Allowance(frames=20, frame_burst=200, bytes_second=50_000, byte_burst=1_000_000),
    FrameKind.DIRECT: Allowance(frames=50, frame_burst=200, bytes_second=200_000, byte_burst=1_000_000),
    FrameKind.DIRECT_ACK: Allowance(frames=200, frame_burst=1_000, bytes_second=16_384, byte_burst=65_536),
    FrameKind.PUBLISH: Allowance(frames=500, frame_burst=2_000, bytes_second=1_000_000, byte_burst=4_000_000),
    FrameKind.ANNOUNCE: Allowance(frames=200, frame_burst=1_000, bytes_second=500_000, byte_burst=2_000_000),
    FrameKind.PULL: Allowance(frames=200, frame_burst=1_000, bytes_second=200_000, byte_burst=1_000_000),
    FrameKind.CHUNK: _BULK,
    FrameKind.REQUEST: _BULK,
    FrameKind.RESPONSE: _BULK,
    FrameKind.REFUSE: Allowance(frames=50, frame_burst=200, bytes_second=8_192, byte_burst=65_536),
}
"""What an honest neighbour needs at the worst, times four: RECORDS and RANGE are twice GOSSIP_BUDGET (DESIGN section
3.0) with a burst for a joiner's map; PING every 5 s and one per clock sample; chunks of blocks and application answers
at what the link itself can carry (4 MB/s, DESIGN section 2)."""


class _Meter:
    """What one link has left of one frame kind: a bucket of frames and one of bytes, which are filled together."""

    __slots__ = ("_allowance", "_at", "_bytes", "_frames")

    def __init__(self, allowance: Allowance, now: Millis) -> None:
        self._allowance = allowance
        self._frames = allowance.frame_burst * 1000
        self._bytes = allowance.byte_burst * 1000
        self._at = now

    def charge(self, size: int, now: Millis) -> bool:
        """Take what a frame of `size` bytes costs, as `Bucket.charge` does; tell whether there is no debt."""
        allowance, passed = self._allowance, max(now - self._at, 0)
        frames, most = self._frames + passed * allowance.frames, allowance.frame_burst * 1000
        self._frames = frames = max((frames if frames < most else most) - 1000, -most)
        amount, most = self._bytes + passed * allowance.bytes_second, allowance.byte_burst * 1000
        self._bytes = amount = max((amount if amount < most else most) - size * 1000, -most)
        self._at = Millis(self._at + passed)
        return frames >= 0 and amount >= 0


class LinkLimits:
    """What one link has left, by frame kind. The guard holds one per neighbour."""

    __slots__ = ("_allowances", "_meters")

    def __init__(self, allowances: Mapping[FrameKind, Allowance] = ALLOWANCES) -> None:
        self._allowances = allowances
        self._meters: dict[FrameKind, _Meter] = {}

    def admit(self, kind: FrameKind, size: int, now: Millis) -> bool:
        """Count a frame of `size` bytes and tell whether the link may send it. Meters begin full, at first use."""
        meter = self._meters.get(kind)
        if meter is None:
            meter = self._meters[kind] = _Meter(self._allowances[kind], now)
        return meter.charge(size, now)
