"""Each decoder at its limits: the largest body it takes, and one byte or item more."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from chain.primitives.canonical import pack
from chain.primitives.errors import Malformed
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.effects import LinkKind
from net.core.wire import control, direct, handshake, reconcile, rendezvous, signal
from net.core.wire.fields import MOMENT_MAX

PEER, OTHER = PeerId(bytes([1]) * 32), PeerId(bytes([2]) * 32)
URL = "ws://" + "h" * (control.URL_MAX - 5)
ROUTE = tuple(PeerId(bytes([10 + hop]) * 32) for hop in range(direct.ROUTE_HOPS))
MESSAGE = direct.Direct(
    message_id=bytes(16),
    sender=PEER,
    target=ROUTE[-1],
    expiry=Millis(MOMENT_MAX),
    flags=direct.ENABLE_REROUTE | direct.NO_RECEIPTS,
    route=ROUTE,
    body=bytes(direct.BODY_MAX),
    signature=bytes(64),
    hop=direct.ROUTE_HOPS - 1,
    reroute=direct.Reroute(0, ROUTE[1:], bytes(64)),
)
SUMMARY = reconcile.Summary(reconcile.Range(0, reconcile.HEAD_MAX), (1 << 32) - 1, reconcile.SUM_MAX)
ITEMS = tuple(reconcile.Item(number.to_bytes(12, "big"), Millis(number)) for number in range(reconcile.ITEMS_MAX))
SALT = bytes(16)


def listed(*parts: tuple[reconcile.Item, ...]) -> bytes:
    whole = reconcile.Range(0, reconcile.HEAD_MAX)
    items = tuple(reconcile.Items(whole, part) for part in parts)
    return reconcile.encode_range_answer(reconcile.Differences(1, (), items))


def plain(bytes_more: int) -> bytes:
    sdp = bytes(signal.SDP_MAX + bytes_more)
    return signal.encode_signal(signal.Offer(bytes(16), LinkKind.GUEST, OTHER, sdp), salt=bytes(4))


def padded(packed: bytes) -> bytes:
    return (len(packed).to_bytes(4, "big") + bytes(4) + packed).ljust(signal.PAD_BYTES, b"\0")


def hello(features: int) -> bytes:
    return pack([PEER, 1, 0xFFFF, features, 2, MOMENT_MAX, bytes(32)])


TAKEN: list[tuple[Callable[[bytes], object], bytes]] = [
    (control.decode_bye, control.encode_bye("x" * control.REASON_MAX)),
    (control.decode_urls, control.encode_urls((URL,) * control.URLS_MAX)),
    (direct.decode_direct, direct.encode_direct(MESSAGE)),
    (signal.decode_signal, plain(0)),
    (handshake.decode_hello, hello((1 << 64) - 1)),
    (rendezvous.decode_request, rendezvous.encode_request(rendezvous.Request(bytes(32), PEER, bytes(signal.SDP_MAX)))),
    (
        rendezvous.decode_reply,
        rendezvous.encode_reply(rendezvous.Reply(PEER, OTHER, bytes(signal.SDP_MAX), None, bytes(64))),
    ),
    (
        reconcile.decode_range_ask,
        reconcile.encode_range_ask(reconcile.Compare((1 << 32) - 1, SALT, (SUMMARY,) * reconcile.COMPARE_MAX)),
    ),
    (reconcile.decode_range_answer, listed(ITEMS, ITEMS)),
]
REFUSED: list[tuple[Callable[[bytes], object], bytes]] = [
    (control.decode_bye, pack("x" * (control.REASON_MAX + 1))),
    (control.decode_urls, pack([URL] * (control.URLS_MAX + 1))),
    (control.decode_urls, pack([URL + "h"])),
    (direct.decode_direct, direct.encode_direct(replace(MESSAGE, body=bytes(direct.BODY_MAX + 1)))),
    (direct.decode_direct, direct.encode_direct(replace(MESSAGE, expiry=Millis(MOMENT_MAX + 1)))),
    (direct.decode_direct, direct.encode_direct(replace(MESSAGE, flags=256))),
    (direct.decode_direct, bytes(direct.DIRECT_MAX + 1)),
    (signal.decode_signal, plain(1)),
    (signal.decode_signal, bytes(signal.PLAIN_MAX + signal.PAD_BYTES)),
    (handshake.decode_hello, hello((1 << 64) - 1) + bytes(handshake.HELLO_MAX)),
    (rendezvous.decode_request, pack([1, bytes(32), PEER, bytes(signal.SDP_MAX + 1)])),
    (rendezvous.decode_request, bytes(rendezvous.REQUEST_MAX + 1)),
    (
        reconcile.decode_range_ask,
        reconcile.encode_range_ask(reconcile.Compare(1, SALT, (SUMMARY,) * (reconcile.COMPARE_MAX + 1))),
    ),
    (reconcile.decode_range_answer, listed(ITEMS, ITEMS, ITEMS[:1])),
    (reconcile.decode_range_answer, bytes(reconcile.BODY_MAX + 1)),
]


TRUTHS: list[tuple[Callable[[bytes], object], bytes]] = [
    (reconcile.decode_range_ask, pack([False, 1, 0, 1])),
    (reconcile.decode_range_ask, pack([True, 1, SALT, [[0, 1, 0, bytes(16)]]])),
    (reconcile.decode_range_answer, pack([False, 1, True, None, []])),
    (reconcile.decode_range_answer, pack([True, 1, 1_000])),
    (signal.decode_signal, padded(pack([True, bytes(16), 0, None, b"an offer"]))),
]
"""Messages that say a truth value where their kind stands: equal to 0 and 1 for Python, other bytes on the wire."""


@pytest.mark.parametrize(("decode", "body"), TRUTHS)
def test_a_truth_value_is_no_kind(decode: Callable[[bytes], object], body: bytes) -> None:
    with pytest.raises(Malformed):
        decode(body)


@pytest.mark.parametrize(("decode", "body"), TAKEN)
def test_the_largest_body_is_taken(decode: Callable[[bytes], object], body: bytes) -> None:
    decode(body)


@pytest.mark.parametrize(("decode", "body"), REFUSED)
def test_one_more_is_malformed(decode: Callable[[bytes], object], body: bytes) -> None:
    with pytest.raises(Malformed):
        decode(body)
