"""What a node can tell from the seals it sees: hash rate, expected interval, and the alarms of DESIGN section 5.

Floats live here: nothing in this file decides anything that two nodes must agree on.
"""

import math
from collections import deque
from dataclasses import dataclass
from itertools import islice

from chain.block import ChainedHeader
from chain.params import ChainParams
from chain.primitives.units import Millis
from consensus.ripening import seal_bits

SHORT_WINDOW = 10
"""Blocks whose mean seal is compared."""

LONG_WINDOW = 1_000
"""Blocks it is compared with: a day and a half."""

LEAST_HISTORY = 100
"""Blocks needed before the comparison means anything."""

FALL_BITS = 2 << 16
"""Q16: the seals are weaker by this much: the hash rate seen fell by four."""

DEEP_REORGANISATION = 20
"""Blocks undone at once; more than `finalized` leaves to an attacker with a fair share of the work."""

CLOCK_ERROR_MAX = Millis(1_000)
"""A clock that is off by more sees blocks ripen too early or too late."""

DEEP_HOLDS_FOR = 100
"""Blocks for which a deep reorganisation stays an alarm: three hours, long enough to be seen."""

_KINDS = ("clock_error", "deep_reorganisation", "hash_rate_fell")

_TAIL = 64
"""Blocks remembered past the long window, so that undone blocks give way to those before them."""


@dataclass(frozen=True, slots=True)
class ConsensusAlarm:
    """Something the operator should know; the caller logs it, counts it and shows it in RPC."""

    kind: str
    """`hash_rate_fell`, `deep_reorganisation`, `clock_error`: part of a metric's label."""
    text: str


@dataclass(frozen=True, slots=True)
class ConsensusStatistics:
    """What the last blocks say."""

    network_hash_rate: float
    """Hashes per second; 0 without blocks."""
    mean_interval: float
    """Milliseconds, over the long window; 0 without blocks."""
    mean_handicap: float
    """Milliseconds, over the long window."""
    tickets: int
    """Blocks of the long window that carried a ticket."""
    seal_bits_short: float
    """Mean of log2(pow + 1) - lt over the last ten blocks, bits."""
    seal_bits_long: float
    """The same over the last thousand."""
    alarms: tuple[str, ...]
    """Kinds of the alarms that hold now."""
    alarms_begun: tuple[tuple[str, int], ...]
    """How often each kind of alarm began since the start, sorted by kind."""


@dataclass(frozen=True, slots=True)
class _Seen:
    height: int
    bits: int
    interval: Millis
    handicap: Millis
    ticket: bool
    exposure: float
    """The integral of hashing time over hash space up to the winning hash, ms: see `_exposure`."""


class ConsensusMonitor:
    """Watches the canonical chain; mutable, owned by the node's event loop."""

    def __init__(self, params: ChainParams) -> None:
        self._params = params
        self._blocks: deque[_Seen] = deque(maxlen=LONG_WINDOW + _TAIL)
        self._holding: dict[str, str] = {}
        self._begun = dict.fromkeys(_KINDS, 0)
        self._deep_until = 0

    def applied(self, block: ChainedHeader) -> list[ConsensusAlarm]:
        """Take the next canonical block; returns the alarms that begin with it."""
        while self._blocks and self._blocks[-1].height >= block.height:
            self._blocks.pop()
        if block.height <= 1:
            return []  # its interval is the wait for the launch
        interval = Millis(block.time - block.header.parent_time)
        self._blocks.append(
            _Seen(
                height=block.height,
                bits=seal_bits(block.sealed.pow, block.log_target),
                interval=interval,
                handicap=block.header.handicap,
                ticket=block.sealed.ticket is not None,
                exposure=_exposure(self._params, block, interval),
            )
        )
        if block.height >= self._deep_until:
            self._holding.pop("deep_reorganisation", None)
        return self._check_seals()

    def undone(self, blocks: int, from_height: int) -> list[ConsensusAlarm]:
        """Take a reorganisation that undid this many blocks down to and with `from_height`."""
        while self._blocks and self._blocks[-1].height >= from_height:
            self._blocks.pop()
        if blocks <= DEEP_REORGANISATION:
            return []
        self._deep_until = from_height + blocks + DEEP_HOLDS_FOR
        self._holding.pop("deep_reorganisation", None)  # each one is told, also while the last is remembered
        text = f"{blocks} blocks were undone, down to height {from_height}"
        return self._hold("deep_reorganisation", text, holds=True)

    def clock_error(self, error: Millis) -> list[ConsensusAlarm]:
        """Take the mesh clock's estimate of the local clock's error, signed."""
        text = f"the clock is off by {error} ms: blocks ripen at the wrong moment for this node"
        return self._hold("clock_error", text, holds=abs(error) > CLOCK_ERROR_MAX)

    def statistics(self) -> ConsensusStatistics:
        """Return the state of now; O(window), 0.3 ms."""
        recent = list(islice(reversed(self._blocks), LONG_WINDOW))
        count = len(recent)
        short = recent[:SHORT_WINDOW]
        return ConsensusStatistics(
            network_hash_rate=_rate(recent),
            mean_interval=sum(seen.interval for seen in recent) / count if count else 0.0,
            mean_handicap=sum(seen.handicap for seen in recent) / count if count else 0.0,
            tickets=sum(seen.ticket for seen in recent),
            seal_bits_short=sum(seen.bits for seen in short) / (65536 * len(short)) if short else 0.0,
            seal_bits_long=sum(seen.bits for seen in recent) / (65536 * count) if count else 0.0,
            alarms=tuple(self._holding),
            alarms_begun=tuple(sorted(self._begun.items())),
        )

    def alarms(self) -> tuple[ConsensusAlarm, ...]:
        """Return the alarms that hold now."""
        return tuple(ConsensusAlarm(kind, text) for kind, text in self._holding.items())

    def _check_seals(self) -> list[ConsensusAlarm]:
        recent = [seen.bits for seen in islice(reversed(self._blocks), LONG_WINDOW)]
        if len(recent) < LEAST_HISTORY:
            return []
        short = sum(recent[:SHORT_WINDOW]) // SHORT_WINDOW
        fell = short - sum(recent) // len(recent)
        text = f"the seals of the last {SHORT_WINDOW} blocks are {fell / 65536:.1f} bits weaker: eclipse or partition?"
        return self._hold("hash_rate_fell", text, holds=fell > FALL_BITS)

    def _hold(self, kind: str, text: str, *, holds: bool) -> list[ConsensusAlarm]:
        if not holds:
            self._holding.pop(kind, None)
            return []
        begins = kind not in self._holding
        self._holding[kind] = text
        self._begun[kind] += begins
        return [ConsensusAlarm(kind, text)] if begins else []


def expected_wait(own_rate: float, network_rate: float, mean_interval: float) -> float | None:
    """Return the expected time to an own block, ms: a share of the hash rate wins that share of the blocks."""
    if own_rate <= 0 or network_rate <= 0:
        return None
    return mean_interval * max(network_rate / own_rate, 1.0)


def expected_interval(params: ChainParams, network_rate: float, block: ChainedHeader) -> float:
    """Return the median interval, ms, of a block with this one's target and handicap at a hash rate."""
    # The best of n hashes has the median 2^256 ln 2 / n; n = rate * interval, so iterate from T_BLOCK.
    interval = float(params.block_time)
    for _ in range(8):
        hashes = max(network_rate * interval / 1000, 1.0)
        bits = 256 - math.log2(hashes) + math.log2(math.log(2)) - block.log_target / 65536
        interval = max(params.min_interval, params.block_time + params.tau * bits + block.header.handicap)
    return interval


def _exposure(params: ChainParams, block: ChainedHeader, interval: Millis) -> float:
    """Return the hashing time, ms, that a hash space of one would have had up to the winner.

    Until the first block is ripe at t, a share F(t) = 2^((t - c) / TAU) of all hashes was looked for, for t each, and
    F t times the hash rate is Exp(1): the mean over n blocks gives the hash rate within 1 / sqrt(n), whatever the
    schedule did. The winner p with its interval tells F t unless it was found after its own moment, as one in 1 + 1 / a
    is, a = TAU / (t ln 2); p / F is then uniform, and p times the interval F t (1/2 - a / 4) on average.
    """
    share = (block.sealed.pow + 1) / 2.0**256
    if block.header.mined_at:
        return share * interval
    a = params.tau / (max(interval, params.min_interval) * math.log(2))
    return share * interval / (1 - a / (1 + a) * (0.5 + a / 4))


def _rate(blocks: list[_Seen]) -> float:
    total = sum(seen.exposure for seen in blocks)
    return 1000 * len(blocks) / total if total > 0 else 0.0
