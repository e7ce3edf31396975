"""What direct messages carry, decrypted: offers, answers, refusals, questions for the time (DESIGN section 3.4).

Plain text: four bytes length, four random bytes, the canonical array, zeros up to a multiple of 1 KiB, so that its
length tells a relay nothing about the number of addresses in an SDP blob, nor an answer from a refusal. Questions for
the time and their answers, which want no receipts and so show what they are, fill 64 bytes.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

from chain.primitives.canonical import pack, unpack
from chain.primitives.errors import Malformed
from chain.primitives.peer import PEER_ID_BYTES, PeerId
from chain.primitives.units import Millis
from net.core.effects import LinkKind
from net.core.wire.fields import MOMENT_MAX, bytes_field, int_field

PAD_BYTES = 1024
TIME_BYTES = 64
"""Length of a padded question for the time, and of its answer: nodes ask all the time, and over several hops."""

PLAIN_MAX = 4 * 1024
"""Largest padded plain text."""

ATTEMPT_BYTES = 16
"""Random name of one question, echoed in its answer."""

SDP_MAX = PLAIN_MAX - 128
"""Largest SDP blob."""


class Refusal(IntEnum):
    """Why an offer is not answered; the metrics count refusals by cause."""

    FULL = 1
    """No room under the cap, and nobody may be evicted yet."""
    BUSY = 2
    """Too many set-ups at once: ask later."""
    LINKED = 3
    """A link to the asker is up."""
    UNWANTED = 4
    """Banned, in quarantine, or over a quota."""
    FAILED = 5
    """The offer could not be answered."""


@dataclass(frozen=True, slots=True)
class Offer:
    """Let us open a link."""

    attempt: bytes
    kind: LinkKind
    joiner: PeerId | None
    """For whom the sender asks: a full rendezvous host for its caller. None: for itself."""
    sdp: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """The link's answer blob."""

    attempt: bytes
    sdp: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """No link."""

    attempt: bytes
    reason: Refusal


@dataclass(frozen=True, slots=True)
class TimeAsk:
    """What time is it?"""

    attempt: bytes


@dataclass(frozen=True, slots=True)
class TimeReply:
    """The two middle time stamps of a clock sample."""

    attempt: bytes
    received: Millis
    sent: Millis


Signal: TypeAlias = Offer | Answer | Refused | TimeAsk | TimeReply

_TIMES = (TimeAsk, TimeReply)

_KINDS = (LinkKind.LISTED, LinkKind.UNLISTED, LinkKind.GUEST)


def encode_signal(signal: Signal, *, salt: bytes) -> bytes:
    """Return the padded plain text; `salt` is four random bytes that make repeated questions differ."""
    match signal:
        case Offer(attempt, kind, joiner, sdp):
            fields: list[object] = [1, attempt, _KINDS.index(kind), joiner, sdp]
        case Answer(attempt, sdp):
            fields = [2, attempt, sdp]
        case Refused(attempt, reason):
            fields = [3, attempt, int(reason)]
        case TimeAsk(attempt):
            fields = [4, attempt]
        case TimeReply(attempt, received, sent):
            fields = [5, attempt, received, sent]
    packed = pack(fields)
    plain = len(packed).to_bytes(4, "big") + salt + packed
    return plain + bytes(-len(plain) % (TIME_BYTES if isinstance(signal, _TIMES) else PAD_BYTES))


def decode_signal(plain: bytes) -> Signal:
    """Return the signal of a decrypted body. Raises `Malformed`, also on padding that is not zero."""
    if len(plain) != TIME_BYTES and (len(plain) % PAD_BYTES or not 8 <= len(plain) <= PLAIN_MAX):
        raise Malformed(f"a plain text of {len(plain)} bytes")
    length = int.from_bytes(plain[:4], "big")
    if length > len(plain) - 8 or any(plain[8 + length :]) or len(plain) - 8 - length >= PAD_BYTES:
        raise Malformed("a plain text with wrong padding")
    signal = _signal(unpack(plain[8 : 8 + length], max_bytes=PLAIN_MAX, max_items=5))
    if isinstance(signal, _TIMES) != (len(plain) == TIME_BYTES):
        raise Malformed("a plain text with wrong padding")
    return signal


def _signal(value: object) -> Signal:
    if not isinstance(value, list) or len(value) < 2:
        raise Malformed("a signal is an array")
    attempt = bytes_field(value[1], ATTEMPT_BYTES, ATTEMPT_BYTES, "attempt")
    match int_field(value[0], 1, 5, "signal"), len(value):
        case 1, 5:
            return Offer(
                attempt,
                _KINDS[int_field(value[2], 0, len(_KINDS) - 1, "link kind")],
                None if value[3] is None else PeerId(bytes_field(value[3], PEER_ID_BYTES, PEER_ID_BYTES, "joiner")),
                bytes_field(value[4], 1, SDP_MAX, "offer"),
            )
        case 2, 3:
            return Answer(attempt, bytes_field(value[2], 1, SDP_MAX, "answer"))
        case 3, 3:
            return Refused(attempt, Refusal(int_field(value[2], 1, len(Refusal), "refusal")))
        case 4, 2:
            return TimeAsk(attempt)
        case 5, 4:
            received = int_field(value[2], 0, MOMENT_MAX, "received")
            return TimeReply(attempt, Millis(received), Millis(int_field(value[3], received, MOMENT_MAX, "sent")))
        case _:
            raise Malformed("an unknown signal")
