"""Entries of batches as whole records: deltas are applied to the records that are held (`net.core.wire.delta`)."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from chain.primitives.units import Millis
from net.core.map.checks import Checks
from net.core.map.peer_map import PeerMap
from net.core.ports import RecordArchive
from net.core.wire.delta import Delta, is_delta
from net.core.wire.gossip import RecordName, record_name

_SIGNATURE_BYTES = 64


@dataclass(slots=True)
class Arrived:
    """What a batch amounts to."""

    whole: list[bytes] = field(default_factory=list)
    """Records to be taken, as if they had come whole."""
    held: list[RecordName] = field(default_factory=list)
    """Deltas to records that are here already."""
    stale: list[Millis] = field(default_factory=list)
    """When the records held were signed that are newer than what a delta would lead to."""
    baseless: list[RecordName] = field(default_factory=list)
    """Deltas that follow a record that is not here: names of what they would lead to."""
    doubtful: list[RecordName] = field(default_factory=list)
    """Deltas to another record than the one held that was signed at the same moment: seen whole, it convicts."""


class Deltas:
    """Reads the map and the archive; counts."""

    def __init__(self, peer_map: PeerMap, archive: RecordArchive, checks: Checks) -> None:
        self._map = peer_map
        self._archive = archive
        self._checks = checks
        self.applied = 0
        self.baseless = 0

    def open(self, entries: Iterable[bytes]) -> Arrived:
        """Return what a batch brings. Raises `Malformed` on a delta that no origin's record could give."""
        arrived = Arrived()
        for entry in entries:
            if is_delta(entry):
                self._open(self._checks.delta(entry), arrived)
            else:
                arrived.whole.append(entry)
        return arrived

    def _open(self, delta: Delta, arrived: Arrived) -> None:
        name = record_name(delta.prefix, delta.seq)
        origin = self._map.by_prefix(delta.prefix)
        base = None if origin is None else self._archive.get(origin)
        seq = None if origin is None else self._map.seq(origin)
        if base is None or seq is None:
            raw = None
        elif delta.seq == seq:
            (arrived.held if base[-_SIGNATURE_BYTES:] == delta.signature else arrived.doubtful).append(name)
            return
        elif delta.seq < seq:
            arrived.stale.append(seq)
            return
        else:
            raw = self._checks.follow(base, delta)
        if raw is None:
            self.baseless += 1
            arrived.baseless.append(name)
        else:
            self.applied += 1
            arrived.whole.append(raw)
