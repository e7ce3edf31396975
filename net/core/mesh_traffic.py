"""Counts frames and bytes by kind."""

from net.core.mesh_report import FrameCount
from net.core.wire.frame import FrameKind

_KINDS = {int(kind): kind for kind in FrameKind}


class Traffic:
    """Counters by frame kind. Mutable: changed by its own methods alone."""

    def __init__(self) -> None:
        self._counts = {kind: [0, 0, 0, 0] for kind in FrameKind}

    def received(self, kind: FrameKind, size: int) -> None:
        """Count a frame that came."""
        count = self._counts[kind]
        count[0] += 1
        count[1] += size

    def sent(self, frame: bytes) -> None:
        """Count a frame that goes."""
        count = self._counts[_KINDS[frame[0]]]
        count[2] += 1
        count[3] += len(frame)

    def statistics(self) -> dict[FrameKind, FrameCount]:
        """Return the counters of the kinds seen."""
        return {kind: FrameCount(*count) for kind, count in self._counts.items() if any(count)}
