"""Frames that close gaps in the map: ranges of the id space fetched whole, and compared by fingerprints.

Ranges are bounded by the first 8 bytes of ids as numbers, both ends included. The side that answers keeps no state.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from chain.primitives.canonical import pack, unpack
from chain.primitives.errors import Malformed
from chain.primitives.peer import PREFIX_BYTES
from chain.primitives.units import Millis
from net.core.wire.frame import FRAME_MAX
from net.core.wire.record import RECORD_MAX, TIME_LIMIT

HEAD_MAX = (1 << 64) - 1
"""The last number a range can end with."""

COMPARE_MAX = 128
"""Most ranges compared in one frame."""

ITEMS_MAX = 256
"""Most items told in one frame; ranges are split until they hold fewer."""

BODY_MAX = FRAME_MAX - 1
"""Longest body of a frame."""

SALT_BYTES = 16
"""Length of what keys the sums of one session."""

_ITEM_BYTES = PREFIX_BYTES + 6
_SUM_BYTES = 8

SUM_MAX = (1 << 8 * _SUM_BYTES) - 1
"""Greatest sum of a range: they are added modulo one more."""


@dataclass(frozen=True, slots=True)
class Range:
    """A part of the id space: ids whose first 8 bytes, as a big-endian number, lie from `low` to `last`."""

    low: int
    last: int
    """At least `low`, at most HEAD_MAX."""


WHOLE = Range(0, HEAD_MAX)
"""The whole id space."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a peer holds in a range."""

    range: Range
    count: int
    """Records held in it."""
    fingerprint: int
    """Sum modulo 2^64 of the SipHash-1-3 of all (id, seq) in it, keyed by the session's salt."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """Ask: send me the records of this range, in ascending order of ids, as many as you will at once."""

    session: int
    """The asker's number, below 2^32, repeated in the answers."""
    range: Range


@dataclass(frozen=True, slots=True)
class Compare:
    """Ask: tell me where you differ from this."""

    session: int
    salt: bytes
    """SALT_BYTES, new for each session: who does not know it cannot make records that cancel out in a sum."""
    summaries: tuple[Summary, ...]


RangeAsk: TypeAlias = Fetch | Compare


@dataclass(frozen=True, slots=True)
class Records:
    """Answer to `Fetch`: some records, in one or more frames; what is left then begins at `rest`."""

    session: int
    final: bool
    """Whether this is the answer's last frame; ranges are free to hold nothing."""
    rest: int | None
    """Where the asker goes on after the last frame, None when the range is done and in the frames before."""
    records: tuple[bytes, ...]
    """Encoded records, each still to be decoded."""


@dataclass(frozen=True, slots=True)
class Busy:
    """Answer to `Fetch` or `Compare`: ask again later, or somebody else."""

    session: int
    wait: Millis
    """At least this long, at most an hour."""


@dataclass(frozen=True, slots=True)
class Item:
    """One record by name."""

    prefix: bytes
    """First 12 bytes of the origin's id."""
    seq: Millis


@dataclass(frozen=True, slots=True)
class Items:
    """Everything a peer holds in a range, by name."""

    range: Range
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Differences:
    """Answer to `Compare`: ranges equal on both sides are left out; large ones come split, small ones listed."""

    session: int
    split: tuple[Summary, ...]
    listed: tuple[Items, ...]


RangeAnswer: TypeAlias = Records | Busy | Differences

_FETCH, _COMPARE = 0, 1
_RECORDS, _BUSY, _DIFFERENCES = 0, 1, 2
_MAX_WAIT = 3_600_000


def encode_range_ask(ask: RangeAsk) -> bytes:
    """Return the body of a RANGE_ASK frame."""
    if isinstance(ask, Fetch):
        return pack([_FETCH, ask.session, ask.range.low, ask.range.last])
    return pack([_COMPARE, ask.session, ask.salt, [_summary_fields(summary) for summary in ask.summaries]])


def decode_range_ask(body: bytes) -> RangeAsk:
    """Return the question. Raises `Malformed`."""
    match _kinded(unpack(body, max_bytes=BODY_MAX, max_items=COMPARE_MAX)):
        case [0, int(session), int(low), int(last)]:
            return Fetch(_session(session), _range(low, last))
        case [1, int(session), bytes(salt), [_, *_] as summaries] if len(salt) == SALT_BYTES:
            return Compare(_session(session), salt, tuple(_summary(item) for item in summaries))
        case _:
            raise Malformed("not a question about ranges")


def encode_range_answer(answer: RangeAnswer) -> bytes:
    """Return the body of a RANGE frame; the answer fits one."""
    match answer:
        case Records():
            return pack([_RECORDS, answer.session, answer.final, answer.rest, list(answer.records)])
        case Busy():
            return pack([_BUSY, answer.session, answer.wait])
        case Differences():
            split = [_summary_fields(summary) for summary in answer.split]
            listed = [[part.range.low, part.range.last, _pack_items(part.items)] for part in answer.listed]
            return pack([_DIFFERENCES, answer.session, split, listed])


def decode_range_answer(body: bytes) -> RangeAnswer:
    """Return the answer. Raises `Malformed`."""
    match _kinded(unpack(body, max_bytes=BODY_MAX, max_items=COMPARE_MAX)):
        case [0, int(session), bool(final), None, list(records)]:
            return Records(_session(session), final=final, rest=None, records=_records(records))
        case [0, int(session), True, int(rest), list(records)]:
            return Records(_session(session), final=True, rest=_range(rest, HEAD_MAX).low, records=_records(records))
        case [1, int(session), int(wait)] if 0 <= wait <= _MAX_WAIT and not isinstance(wait, bool):
            return Busy(_session(session), Millis(wait))
        case [2, int(session), list(split), list(listed)]:
            answer = Differences(
                _session(session), tuple(_summary(item) for item in split), tuple(_items(item) for item in listed)
            )
            if sum(len(part.items) for part in answer.listed) > 2 * ITEMS_MAX:
                raise Malformed("too many items")
            return answer
        case _:
            raise Malformed("not an answer about ranges")


def _kinded(value: object) -> object:
    if isinstance(value, list) and value and isinstance(value[0], bool):
        raise Malformed("a truth value where a kind stands")  # it would match the kinds 0 and 1
    return value


def _session(number: int) -> int:
    if isinstance(number, bool) or not 0 <= number < 1 << 32:
        raise Malformed("a session's number is out of range")
    return number


def _range(low: int, last: int) -> Range:
    if isinstance(low, bool) or isinstance(last, bool) or not 0 <= low <= last <= HEAD_MAX:
        raise Malformed("not a range of ids")
    return Range(low, last)


def _summary_fields(summary: Summary) -> list[object]:
    fingerprint = summary.fingerprint.to_bytes(_SUM_BYTES, "big")
    return [summary.range.low, summary.range.last, summary.count, fingerprint]


def _summary(item: object) -> Summary:
    match item:
        case [int(low), int(last), int(count), bytes(fingerprint)] if (
            len(fingerprint) == _SUM_BYTES and 0 <= count < 1 << 32 and not isinstance(count, bool)
        ):
            return Summary(_range(low, last), count, int.from_bytes(fingerprint, "big"))
        case _:
            raise Malformed("not a range's summary")


def _pack_items(items: Sequence[Item]) -> bytes:
    return b"".join([item.prefix + item.seq.to_bytes(6, "big") for item in items])


def _items(entry: object) -> Items:
    match entry:
        case [int(low), int(last), bytes(raw)] if len(raw) % _ITEM_BYTES == 0:
            pass
        case _:
            raise Malformed("not a list of items")
    cuts = range(0, len(raw), _ITEM_BYTES)
    items = tuple(
        Item(raw[at : at + PREFIX_BYTES], Millis(int.from_bytes(raw[at + PREFIX_BYTES : at + _ITEM_BYTES], "big")))
        for at in cuts
    )
    part = Items(_range(low, last), items)
    heads = [int.from_bytes(item.prefix[:8], "big") for item in items]
    if any(not low <= head <= last for head in heads) or any(item.seq >= TIME_LIMIT for item in items):
        raise Malformed("items outside their range")
    if any(left.prefix > right.prefix for left, right in pairwise(items)):
        raise Malformed("items out of order")
    return part


def _records(items: Sequence[object]) -> tuple[bytes, ...]:
    records = tuple(item for item in items if isinstance(item, bytes) and 0 < len(item) <= RECORD_MAX)
    if len(records) != len(items):
        raise Malformed("not a record's bytes")
    return records
