"""Announced messages that have not arrived: whom to pull them from, and when (DESIGN section 3.5)."""

from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis

WANTS_MAX = 8192
"""Messages wanted at once; more announcements are not noted."""

PEER_WANTS_MAX = 1024
"""Of them, noted by one neighbour first: a flood of false announcements leaves room for the others'."""

HOLDERS_MAX = 8
"""Announcers remembered for one message."""

PULL_DELAY = Millis(60)
"""Time the eager copy gets before the first pull (DESIGN section 3.5), plus size / RATE."""

RATE = 1_000
"""Bytes a millisecond that a link is taken to carry: 1 MB/s, a Raspberry Pi's."""

ROUND_TRIP = Millis(400)
"""Round trip of a neighbour without a measured one."""

ROUND_TRIP_MAX = Millis(2_000)
"""Longest round trip that a pull waits for twice: a neighbour is free to answer pings late."""

UNDER_WAY = Millis(4_000)
SLOWEST = 125
"""The next pull waits for a payload that comes in chunks so long, plus its size over the SLOWEST rate, 1 Mbit/s in
bytes a millisecond: a sender is free to never send the last chunk."""


@dataclass(slots=True)
class Want:
    """One message that others have."""

    topic: int
    size: int
    first: PeerId
    """Whose announcement noted it."""
    holders: list[PeerId]
    """Announcers not asked yet, in order."""
    next_at: Millis
    """When the next pull is due."""
    under_way_until: Millis
    """Until when chunks on their way put the next pull off."""
    asked: list[tuple[PeerId, Millis]] = field(default_factory=list)
    """Who was pulled from, and when."""
    turn: int = 0
    """Number of its place in the queue: places of other numbers are void."""


_VOID = 64
"""Void places that the queue may have beside one for each want."""


class Wants:
    """The wanted messages by key. Mutable: changed by the relay alone."""

    def __init__(self) -> None:
        self._wants: dict[bytes, Want] = {}
        self._noted: dict[PeerId, int] = {}
        self._queue: list[tuple[Millis, int, bytes]] = []
        """A heap: when a want is due, its turn, its key. The next one is asked for after every frame, and false
        announcements fill the table."""
        self._turn = 0

    def __contains__(self, key: bytes) -> bool:
        """Tell whether the message is wanted."""
        return key in self._wants

    def note(self, peer: PeerId, topic: int, key: bytes, *, size: int, wait: bool, now: Millis) -> None:
        """Take an announcement; `wait` leaves an eager copy time to arrive before the first pull."""
        want = self._wants.get(key)
        if want is not None:
            if len(want.holders) + len(want.asked) < HOLDERS_MAX and peer not in want.holders:
                want.holders.append(peer)
            return
        if len(self._wants) >= WANTS_MAX or self._noted.get(peer, 0) >= PEER_WANTS_MAX:
            return
        self._noted[peer] = self._noted.get(peer, 0) + 1
        delay = PULL_DELAY + size // RATE if wait else 0
        patience = Millis(now + UNDER_WAY + size // SLOWEST)
        want = self._wants[key] = Want(topic, size, peer, [peer], Millis(now + delay), patience)
        self.put_off(key, want, want.next_at)

    def put_off(self, key: bytes, want: Want, at: Millis) -> None:
        """Let the next pull of a wanted message be due at this moment."""
        self._turn += 1
        want.next_at, want.turn = at, self._turn
        heappush(self._queue, (at, want.turn, key))
        if len(self._queue) > 2 * len(self._wants) + _VOID:
            self._queue = [(one.next_at, one.turn, name) for name, one in self._wants.items()]
            heapify(self._queue)

    def arrived(self, key: bytes) -> set[PeerId]:
        """Stop wanting a message; return who was known to have it."""
        want = self._wants.pop(key, None)
        if want is None:
            return set()
        left = self._noted[want.first] - 1
        if left:
            self._noted[want.first] = left
        else:
            del self._noted[want.first]
        return {*want.holders, *(peer for peer, _ in want.asked)}

    def due(self, now: Millis) -> list[tuple[bytes, Want]]:
        """Take out the messages whose next pull is due: each is to be put off, or `arrived`."""
        found: list[tuple[bytes, Want]] = []
        while (at := self.deadline()) is not None and at <= now:
            key = heappop(self._queue)[2]
            found.append((key, self._wants[key]))
        return found

    def deadline(self) -> Millis | None:
        """Return when the next pull is due."""
        while self._queue:
            at, turn, key = self._queue[0]
            want = self._wants.get(key)
            if want is not None and want.turn == turn:
                return at
            heappop(self._queue)
        return None

    def forget_peer(self, peer: PeerId) -> None:
        """Drop a neighbour that is gone from all lists."""
        for want in self._wants.values():
            if peer in want.holders:
                want.holders.remove(peer)
            want.asked = [(other, at) for other, at in want.asked if other != peer]
