"""What nodes received in a stretch of time, by purpose, and the least that could have told them the same."""

from collections.abc import Sequence
from dataclasses import dataclass

from net.core.wire.frame import FrameKind
from net.sim.node import SimNode

KEEPALIVE = frozenset({FrameKind.PING, FrameKind.PONG})

RECORDS = frozenset(
    {
        FrameKind.RECORDS,
        FrameKind.RECORDS_HAVE,
        FrameKind.RECORDS_WANT,
        FrameKind.EQUIVOCATION,
        FrameKind.RANGE_ASK,
        FrameKind.RANGE,
    }
)
"""Everything that keeps maps true, joiners' transfers included."""


_Counts = tuple[int, int, int, int, int, int]
"""Bytes of records, of keepalive, of all else; frames; records signed, and their bytes."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Received per peer and second, frame bytes without what lies below them."""

    records: float
    """Bytes that keep the map true."""
    keepalive: float
    """Bytes of pings and pongs."""
    direct: float
    """Bytes of everything else: offers, answers, clock samples, handshakes."""
    frames: float
    signed: float
    """Records signed in an hour."""
    bound: float
    """Bytes of records if each signed in this time had come to each peer once, as a delta where one can be."""

    @property
    def times_bound(self) -> float:
        """Return how often the least possible was received."""
        return self.records / self.bound if self.bound else 0.0


class Meter:
    """Counts from its making on, over the nodes given and those that come later into the same list: as many run at any
    time, and whoever `leaves` is told of, for a node forgets what it has received when it stops."""

    def __init__(self, nodes: Sequence[SimNode]) -> None:
        self._left = (0,) * 6
        self._nodes = nodes
        self._before = {node.index: _read(node) for node in nodes if node.running}
        self._began = nodes[0].world.now

    def leaves(self, node: SimNode) -> None:
        """Count what a running node has received that is about to stop."""
        self._left = self._plus(self._left, node)
        self._before.pop(node.index, None)  # should it come back, it counts from nothing

    def _plus(self, sums: _Counts, node: SimNode) -> _Counts:
        before = self._before.get(node.index, (0,) * 6)
        records, keepalive, other, frames, signed, signed_bytes = (
            total + now - then for total, now, then in zip(sums, _read(node), before, strict=True)
        )
        return (records, keepalive, other, frames, signed, signed_bytes)

    def read(self) -> Traffic:
        """Return the traffic since, per node."""
        running = [node for node in self._nodes if node.running]
        seconds = max(running[0].world.now - self._began, 1) / 1000
        sums = self._left
        for node in running:
            sums = self._plus(sums, node)
        share = len(running) * seconds
        return Traffic(
            records=sums[0] / share,
            keepalive=sums[1] / share,
            direct=sums[2] / share,
            frames=sums[3] / share,
            signed=3600 * sums[4] / share,
            bound=sums[5] / seconds,
        )


def _read(node: SimNode) -> _Counts:
    statistics = node.mesh.statistics()
    records = keepalive = other = frames = 0
    for kind, count in statistics.frames.items():
        frames += count.frames_in
        if kind in RECORDS:
            records += count.bytes_in
        elif kind in KEEPALIVE:
            keepalive += count.bytes_in
        else:
            other += count.bytes_in
    gossip = statistics.gossip
    return (records, keepalive, other, frames, gossip.signed, gossip.signed_bytes)
