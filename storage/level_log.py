"""What is wrong in the logs of a LevelDB directory: a write that a loss of power cut short, or damage.

LevelDB is opened so that it refuses a log with anything wrong in it: left to itself it would skip what it cannot read
and go on behind it, and what had been acknowledged would be gone without a word. But the last write before a loss of
power may stand in the log in part, and nobody was told that it is there: it may go. It is known by two signs:

- no whole record follows the first fault (a durable write waits until all before it is on the disk);
- some of it never came to the disk, which reads as zeros from there to the end of a sector.

The format: blocks of 32 KiB; in them fragments of a checksum (4 bytes, CRC-32C, masked), a length (2), a kind (1) and
the data. A record is one FULL fragment, or a FIRST one, any number of MIDDLE ones and a LAST one.
"""

import os
import struct
from collections.abc import Iterator
from pathlib import Path

BLOCK_BYTES = 32_768
"""Fragments do not cross the border between blocks: behind a fault, reading goes on at the next one."""

SECTOR_BYTES = 512
"""Least that a disk writes."""

_HEADER = struct.Struct("<IHB")
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_CRC_MASK = 0xA282_EAD8
_CRC_POLYNOMIAL = 0x82F6_3B78


def logs_are_only_torn(directory: Path) -> bool:
    """Tell whether a log of this directory is torn at its end, and none is damaged elsewhere. A second for 8 MB."""
    faults = [fault for log in directory.glob("*.log") if (fault := _fault(log.read_bytes())) is not None]
    return bool(faults) and all(faults)


def hides_damage(directory: Path) -> bool:
    """Tell whether a log seems to end inside a record of which all is there: its length is what is wrong.

    LevelDB cannot tell that from a write that was cut short, and passes it over with all behind it.
    """
    return any(_hides_damage(log) for log in directory.glob("*.log"))


def _hides_damage(log: Path) -> bool:
    with log.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(size - size % BLOCK_BYTES)
        raw = stream.read()
    at = 0
    while len(raw) - at >= _HEADER.size:
        checksum, length, _ = _HEADER.unpack_from(raw, at)
        at += _HEADER.size
        if at + length > len(raw):
            return checksum in map(_masked, _crcs_of_beginnings(raw[at - 1 :]))
        at += length
    return False


def blank_damage(directory: Path) -> None:
    """Overwrite what is damaged in the logs with zeros, from each fault to the end of its block, which is skipped.

    LevelDB's repair compares no checksums in logs: it would keep damaged values and give them true ones.
    """
    for log in directory.glob("*.log"):
        raw = log.read_bytes()
        with log.open("r+b") as stream:
            for begin, end in _damage(raw):
                stream.seek(begin)
                stream.write(bytes(end - begin))


def _damage(raw: bytes) -> Iterator[tuple[int, int]]:
    """Yield where the fragments of each block cease to be whole, and the end of that block."""
    for block in range(0, len(raw), BLOCK_BYTES):
        at, limit = block, min(block + BLOCK_BYTES, len(raw))
        while limit - at >= _HEADER.size and (found := _fragment(raw, at))[0] != 0:
            at = found[1]
        if at < limit:
            yield at, limit


def _fault(raw: bytes) -> bool | None:
    """Return whether the first fault of a log is a torn end; None if there is no fault."""
    at = 0
    inside = False  # a record has begun and not ended
    begun = 0
    while at < len(raw):
        left = BLOCK_BYTES - at % BLOCK_BYTES
        if left < _HEADER.size:  # filled up with zeros
            at += left
            continue
        kind, end = _fragment(raw, at)
        if kind in ((_FULL, _FIRST) if not inside else (_MIDDLE, _LAST)):
            begun = begun if inside else at
            inside = kind in (_FIRST, _MIDDLE)
            at = end
            continue
        if _ends_inside(raw, at):
            return None  # the file ends too early: LevelDB passes that over as well
        return _has_gap(raw, begun if inside else at) and not _has_record(raw, at + left)
    return None


def _fragment(raw: bytes, at: int) -> tuple[int, int]:
    """Return kind and end of the fragment at a place; kind 0 if there is none that is whole."""
    if at + _HEADER.size > len(raw):
        return 0, at
    checksum, length, kind = _HEADER.unpack_from(raw, at)
    start = at + _HEADER.size
    end = start + length
    if end > min(len(raw), at + BLOCK_BYTES - at % BLOCK_BYTES) or _masked(_crc32c(raw[start - 1 : end])) != checksum:
        return 0, at
    return kind, end


def _has_gap(raw: bytes, start: int) -> bool:
    """Tell whether from a place on, or from the border of a later sector on, a sector is empty to its end."""
    for begin in (start, *range(start - start % SECTOR_BYTES + SECTOR_BYTES, len(raw), SECTOR_BYTES)):
        rest = raw[begin : begin - begin % SECTOR_BYTES + SECTOR_BYTES]
        if not rest.strip(b"\x00"):
            return True
    return False


def _ends_inside(raw: bytes, at: int) -> bool:
    """Tell whether the fragment at a place would go on behind the end of the file."""
    start = at + _HEADER.size
    return start > len(raw) or start + int(_HEADER.unpack_from(raw, at)[1]) > len(raw)


def _has_record(raw: bytes, at: int) -> bool:
    """Tell whether any whole record begins in the blocks from a place on."""
    for block in range(at, len(raw), BLOCK_BYTES):
        place, inside = block, False
        while (kind := (found := _fragment(raw, place))[0]) != 0:
            place = found[1]
            if kind == _FULL or (kind == _LAST and inside):
                return True
            inside = kind == _FIRST or (inside and kind == _MIDDLE)
            if BLOCK_BYTES - place % BLOCK_BYTES < _HEADER.size:
                place += BLOCK_BYTES - place % BLOCK_BYTES
    return False


def _masked(crc: int) -> int:
    return ((crc >> 15 | crc << 17) + _CRC_MASK) & 0xFFFF_FFFF


def _crc32c(data: bytes) -> int:
    crc = 0xFFFF_FFFF
    for byte in data:
        crc = _CRC_TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFF_FFFF


def _crcs_of_beginnings(data: bytes) -> Iterator[int]:
    crc = 0xFFFF_FFFF
    for byte in data:
        crc = _CRC_TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
        yield crc ^ 0xFFFF_FFFF


def _crc_row(number: int) -> int:
    for _ in range(8):
        number = number >> 1 ^ (_CRC_POLYNOMIAL if number & 1 else 0)
    return number


_CRC_TABLE = tuple(_crc_row(number) for number in range(256))
