"""Filling the map from the archive of signed records when a node starts."""

from collections.abc import Callable

from chain.primitives.errors import Malformed
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.map._linking import Reread
from net.core.map.peer_map import PeerMap
from net.core.ports import RecordArchive
from net.core.wire.record import Record


def reread_from(archive: RecordArchive, decode: Callable[[bytes], Record]) -> Reread:
    """Return what `PeerMap` reads records again with. The archive holds only records decoded before."""

    def reread(peer: PeerId) -> Record | None:
        raw = archive.get(peer)
        return decode(raw) if raw is not None else None

    return reread


def load_archive(
    peer_map: PeerMap, archive: RecordArchive, decode: Callable[[bytes], Record], now: Millis
) -> list[PeerId]:
    """Fill an empty map with the archived records and return whose it took; 0.2 ms each.

    They count as unchecked (the archive may hold some that were not yet checked when the node stopped): hand what is
    returned to `Gossip.start`. Records that have expired or cannot be read are deleted: the network has newer ones.
    """
    taken, dead = [], []
    for peer, raw in archive.items():
        try:
            record = decode(raw)
        except Malformed:
            dead.append(peer)
            continue
        if peer_map.apply(record, now, checked=False, settle_later=True).refusal is None:
            taken.append(peer)
        else:
            dead.append(peer)
    for peer in dead:
        archive.delete(peer)
    peer_map.settle()
    return taken
