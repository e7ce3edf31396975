"""The map as bytes and back: columns one after the other, 0.1 s for 100,000 peers where the archive takes seven.

A node writes it when it stops; records that came after the snapshot are in the archive or come again by reconciliation.
"""

import numpy as np
import numpy.typing as npt

from chain.primitives.canonical import pack, unpack
from chain.primitives.errors import Malformed
from chain.primitives.hashing import blake2b_128
from chain.primitives.peer import PeerId, peer_id
from chain.primitives.units import Millis
from net.core.map._edges import Edges
from net.core.map._rows import Rows

_MAGIC = b"mappemonde/map/1"
_HEAD_MAX = 1 << 20
_EXPELLED_MAX = 1 << 16
_COLUMNS = (
    ("ids", 32), ("epoch", 1), ("flags", 1), ("meta", 1), ("count", 1), ("confirmed", 1), ("seq_low", 2),
    ("born_low", 2), ("tags", 6), ("seq_high", 4), ("born_high", 4), ("nonce", 4), ("offset", 4), ("first_seen", 4),
)  # fmt: skip
"""Name and bytes a row of each column, in the order of the file."""


def dump(rows: Rows, edges: Edges, fingerprint: int, expelled: dict[PeerId, Millis]) -> bytes:
    """Return the snapshot; compacts the pool."""
    edges.compact()
    twins = sorted(rows.twins.items())
    head = pack([rows.used, edges.used, fingerprint.to_bytes(16, "big"), sorted(expelled.items()), twins])
    parts = [_MAGIC, len(head).to_bytes(4, "big"), head]
    for column, (_, width) in zip(_columns(rows), _COLUMNS, strict=True):
        parts.append(column[: rows.used * width].tobytes())
    parts.append(edges.cells[: edges.used].tobytes())
    body = b"".join(parts)
    return body + blake2b_128(body)


def load(raw: bytes, rows: Rows, edges: Edges) -> tuple[int, dict[PeerId, Millis]]:
    """Fill blank rows and edges and return fingerprint and expulsions. Raises `Malformed` on damage of any kind.

    The checksum stands for all that is not checked: the file is this node's own.
    """
    start = len(_MAGIC) + 4
    if raw[: len(_MAGIC)] != _MAGIC or blake2b_128(raw[:-16]) != raw[-16:]:
        raise Malformed("not a snapshot of the map, or a damaged one")
    end = start + int.from_bytes(raw[len(_MAGIC) : start], "big")
    match unpack(raw[start:end], max_bytes=_HEAD_MAX, max_items=_EXPELLED_MAX):
        case [int(used), int(cells), bytes(fingerprint), list(expelled), list(twins)]:
            pass
        case _:
            raise Malformed("not a snapshot's head")
    if len(raw) != end + used * sum(width for _, width in _COLUMNS) + 4 * cells + 16:
        raise Malformed("a snapshot of a wrong length")
    rows.resize(used)
    at = end
    for column, (_, width) in zip(_columns(rows), _COLUMNS, strict=True):
        size = used * width
        column[:size] = np.frombuffer(raw, dtype=np.uint8, count=size, offset=at)
        at += size
    edges.fill(np.frombuffer(raw, dtype=np.uint8, count=4 * cells, offset=at).view(np.uint32))
    for peer, row in _pairs(twins):
        rows.twins[peer] = row
    rows.free = np.flatnonzero(rows.flags[:used] == 0).tolist()
    rows.reindex()
    return int.from_bytes(fingerprint, "big"), {peer: Millis(until) for peer, until in _pairs(expelled)}


def _columns(rows: Rows) -> list[npt.NDArray[np.uint8]]:
    """Return all columns as bytes, in the order of `_COLUMNS`; writing to them writes the map."""
    return [
        rows.ids, rows.epoch, rows.flags, rows.meta, rows.count, rows.confirmed,
        *(column.view(np.uint8) for column in (rows.seq_low, rows.born_low, rows.tags)),
        *(column.view(np.uint8) for column in (rows.seq_high, rows.born_high, rows.nonce)),
        *(column.view(np.uint8) for column in (rows.offset, rows.first_seen)),
    ]  # fmt: skip


def _pairs(items: list[object]) -> list[tuple[PeerId, int]]:
    pairs = []
    for item in items:
        match item:
            case [bytes(peer), int(number)]:
                pairs.append((peer_id(peer), number))
            case _:
                raise Malformed("not a snapshot's pair")
    return pairs
