"""What waits to be sent on one link: one bounded queue per priority, emptied in their order (DESIGN section 3.4).

All channels of an aiortc link share one send queue, so priority exists only above it: frames wait here until the link
has room. What happens when a queue is full differs by class, see `LIMITS`.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType

from net.core.effects import Priority
from net.core.wire.frame import FrameKind


class WhenFull(Enum):
    """What a full queue does with one more frame."""

    CLOSE = auto()
    """Refuse it; the caller ends the link."""
    DROP_OLDEST = auto()
    """Throw away what has waited longest: newer state supersedes it."""
    DROP_NEWEST = auto()
    """Throw the new frame away: what has begun shall end, what has not begun is asked for again elsewhere."""


@dataclass(frozen=True, slots=True)
class QueueLimit:
    """Bounds of one class on one link."""

    frames_max: int
    """Most frames that wait."""
    bytes_max: int
    """Most bytes that wait."""
    when_full: WhenFull


KIB = 1024

LIMITS: Mapping[Priority, QueueLimit] = MappingProxyType(
    {
        # A link over which 64 KiB of control have not gone is dead before its pings say so; losing one silently would
        # break the handshake.
        Priority.CONTROL: QueueLimit(256, 64 * KIB, WhenFull.CLOSE),
        # One payload of PAYLOAD_MAX (2 MiB) with its cutting, and a little of the next.
        Priority.BLOCK: QueueLimit(1024, 2560 * KIB, WhenFull.DROP_OLDEST),
        Priority.TRANSACTION: QueueLimit(1024, 256 * KIB, WhenFull.DROP_OLDEST),
        # 800 records of 300 bytes: at the gossip budget of 100 kB/s, two and a half seconds.
        Priority.RECORD: QueueLimit(512, 256 * KIB, WhenFull.DROP_OLDEST),
        # One response of PAYLOAD_MAX: a response that lost its middle is worth nothing, so the new one waits its turn.
        Priority.BULK: QueueLimit(1024, 2560 * KIB, WhenFull.DROP_NEWEST),
    }
)
"""5.9 MiB per link at most, with what is relayed; a link that keeps it all is silent and ends at DEAD (15 s)."""

RELAYED_LIMIT = QueueLimit(512, 256 * KIB, WhenFull.DROP_NEWEST)
"""Of direct messages, their receipts and proofs of equivocation, which are of the control class and go behind its other
frames. They are passed on for third peers: were a link to end when this is full, one neighbour's burst would cut the
links to all others. A message that is dropped is not acknowledged and takes another route; a proof comes over all."""

_RELAYED = frozenset({FrameKind.DIRECT, FrameKind.DIRECT_ACK, FrameKind.EQUIVOCATION})


@dataclass(slots=True)
class _Queue:
    priority: Priority
    limit: QueueLimit
    frames: deque[bytes]
    size_bytes: int = 0
    dropped: int = 0


class SendQueues:
    """The queues of one link. Only the link changes them."""

    def __init__(
        self, limits: Mapping[Priority, QueueLimit] = LIMITS, relayed_limit: QueueLimit = RELAYED_LIMIT
    ) -> None:
        self._by_priority = tuple(_Queue(priority, limits[priority], deque()) for priority in Priority)
        self._relayed = _Queue(Priority.CONTROL, relayed_limit, deque())
        control, *others = self._by_priority
        self._queues = (control, self._relayed, *others)
        """In the order in which they are emptied."""

    def push(self, frame: bytes, priority: Priority) -> bool:
        """Queue a frame. False means that the class is full and its link must end; a dropped frame is only counted."""
        relayed = priority is Priority.CONTROL and frame[0] in _RELAYED
        queue = self._relayed if relayed else self._by_priority[priority]
        limit = queue.limit
        while len(queue.frames) >= limit.frames_max or queue.size_bytes + len(frame) > limit.bytes_max:
            if limit.when_full is WhenFull.CLOSE:
                return False
            queue.dropped += 1
            if limit.when_full is WhenFull.DROP_NEWEST or not queue.frames:
                return True
            queue.size_bytes -= len(queue.frames.popleft())
        queue.frames.append(frame)
        queue.size_bytes += len(frame)
        return True

    def peek(self) -> bytes | None:
        """Return the frame that goes next, None if nothing waits."""
        for queue in self._queues:
            if queue.frames:
                return queue.frames[0]
        return None

    def pop(self) -> tuple[bytes, Priority]:
        """Take the frame that goes next. There must be one (`peek`)."""
        for queue in self._queues:
            if queue.frames:
                frame = queue.frames.popleft()
                queue.size_bytes -= len(frame)
                return frame, queue.priority
        raise AssertionError("popped from empty queues")

    def clear(self) -> None:
        """Forget all that waits: the link has ended."""
        for queue in self._queues:
            queue.frames.clear()
            queue.size_bytes = 0

    def waiting(self) -> tuple[int, ...]:
        """Return the bytes that wait, by priority."""
        return self._sums(lambda queue: queue.size_bytes)

    def dropped(self) -> tuple[int, ...]:
        """Return the frames thrown away since the link began, by priority."""
        return self._sums(lambda queue: queue.dropped)

    def _sums(self, of: Callable[[_Queue], int]) -> tuple[int, ...]:
        control, *others = self._by_priority
        return (of(control) + of(self._relayed), *(of(queue) for queue in others))
