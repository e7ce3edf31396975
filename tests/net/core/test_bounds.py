"""Tables that a peer can fill, filled: those whose own tests do not do it. Large bounds are lowered for the test."""

from random import Random

import pytest

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.app.requests import ASKED_MAX, Requests
from net.core.app.topics import TopicSpec
from net.core.effects import CallId, Priority, RequestFailed, Verdict
from net.core.overlay.confirm import QUARANTINE_MAX, ConfirmWatch
from net.core.overlay.domains import KNOWN_MAX, Domains
from net.core.overlay.hosting import RELAYED_MAX, Hosting
from net.core.relay import relay as relay_module
from net.core.relay.plan import RandomPlan
from net.core.relay.relay import Arrived, Relay, RelayTopic
from net.core.relay.wants import HOLDERS_MAX, Wants
from net.core.routing.outbox import OUTBOX_MAX, Outbox, Parcel
from net.core.routing.suspects import SUSPECTS_MAX, Suspects
from net.core.wire.assembly import PARTIAL_BYTES_MAX, PARTIAL_MAX, Assembly
from net.core.wire.frame import FrameKind
from net.core.wire.relay import encode_publish
from net.core.wire.rendezvous import Request

NOW = Millis(1_000_000)


def peer(number: int) -> PeerId:
    return PeerId(number.to_bytes(32, "big"))


def test_quarantine_forgets_the_one_entered_longest_ago() -> None:
    watch = ConfirmWatch(timeout=Millis(0), quarantine=Millis(600_000))
    watch.timed_out([(peer(n), NOW) for n in range(QUARANTINE_MAX + 10)], NOW)
    assert len(watch._quarantine) == QUARANTINE_MAX
    assert not watch.quarantined(peer(9), NOW)
    assert watch.quarantined(peer(10), NOW)
    watch.avoid(peer(9), NOW)
    assert watch.quarantined(peer(9), NOW)
    assert len(watch._quarantine) == QUARANTINE_MAX


def test_seen_addresses_are_bounded_and_their_counts_too() -> None:
    domains = Domains()
    for n in range(KNOWN_MAX + 100):
        domains.saw(peer(n), f"10.{n >> 8 & 255}.{n & 255}.1")
    assert len(domains._prefix) == KNOWN_MAX
    assert sum(domains._count.values()) == KNOWN_MAX
    assert len(domains._count) == KNOWN_MAX


def test_calls_passed_on_are_bounded_and_freed_in_time() -> None:
    hosting = Hosting(Random(1))
    request = Request(bytes(32), peer(1), b"offer")
    spoken = [
        hosting.pass_on(CallId(-n), b"", request, n.to_bytes(16, "big"), neighbours=[peer(2)], now=NOW)
        for n in range(RELAYED_MAX + 10)
    ]
    assert sum(map(bool, spoken)) == RELAYED_MAX
    assert hosting.take((1).to_bytes(16, "big"), peer(3)) is None
    assert len(hosting.overdue(Millis(NOW + 60_000))) == RELAYED_MAX


def test_suspects_and_parcels_are_bounded() -> None:
    suspects = Suspects()
    for n in range(SUSPECTS_MAX + 10):
        suspects.strike(peer(n), NOW)
    assert len(suspects._strikes) == SUSPECTS_MAX
    outbox = Outbox(suspects)
    for n in range(OUTBOX_MAX + 10):
        parcel = Parcel(peer(n), b"", Millis(NOW + 40_000))
        parcel.message_id = n.to_bytes(16, "little")
        outbox.put(parcel, NOW)
    assert len(outbox._parcels) == OUTBOX_MAX


def test_answers_to_strangers_push_no_own_question_out() -> None:
    """Questions come as fast as a link carries them, and whoever asks need not acknowledge the answer."""
    outbox = Outbox(Suspects())
    for n in range(3 * OUTBOX_MAX):
        parcel = Parcel(peer(n), b"", Millis(NOW + 40_000), answers=n >= 20)
        parcel.message_id = n.to_bytes(16, "little")
        outbox.put(parcel, NOW)
    assert len(outbox._parcels) == OUTBOX_MAX
    assert [outbox.find(n.to_bytes(8, "little")) is not None for n in range(20)] == [True] * 20
    assert outbox.find((3 * OUTBOX_MAX - 1).to_bytes(8, "little")) is not None


def test_own_requests_are_bounded() -> None:
    requests = Requests({1: TopicSpec(1, "test", 100, Priority.BULK)}, timeout=Millis(10_000))
    requests.linked(peer(1))
    failed = 0
    for _ in range(ASKED_MAX + 10):
        failed += any(isinstance(one, RequestFailed) for one in requests.request(peer(1), 1, b"", NOW)[1])
    assert failed == 10
    assert len(requests.tick(Millis(NOW + 10_000))) == ASKED_MAX
    assert requests.conduct(peer(1)) == (0, ASKED_MAX)


def test_announcers_of_one_message_are_bounded() -> None:
    wants = Wants()
    for n in range(3 * HOLDERS_MAX):
        wants.note(peer(n), 1, b"key", size=1, wait=False, now=NOW)
    assert len(wants.arrived(b"key")) == HOLDERS_MAX


def test_unfinished_payloads_of_one_neighbour_are_bounded() -> None:
    assembly: Assembly[int] = Assembly()
    for n in range(3 * PARTIAL_MAX):
        assembly.add(peer(1), n, offset=0, total=100, data=b"x", now=NOW)
    assert len(assembly._partials) == PARTIAL_MAX
    assembly.add(peer(2), 0, offset=0, total=1 << 30, data=b"x", now=NOW)
    assert not assembly.holds(peer(2), 0)
    half = PARTIAL_BYTES_MAX // 2
    for n in range(3):
        assembly.add(peer(3), n, offset=0, total=half, data=b"x", now=NOW)
    assert [assembly.holds(peer(3), n) for n in range(3)] == [True, True, False]
    assert assembly.add(peer(3), 2, offset=1, total=half, data=b"x", now=NOW) is None, "the rest is passed over"
    assembly.drop(peer(3), 0)
    assembly.add(peer(3), 4, offset=0, total=half, data=b"x", now=NOW)
    assert assembly.holds(peer(3), 4)


def test_messages_remembered_and_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "SEEN_MAX", 64)
    monkeypatch.setattr(relay_module, "STORE_BYTES_MAX", 10_000)
    relay = Relay({1: RelayTopic(1_000, Priority.BLOCK, 4)}, RandomPlan(Random(1)))
    relay.linked(peer(1), NOW)
    for n in range(200):
        payload = n.to_bytes(8, "big") + bytes(992)
        for outcome in relay.receive(peer(1), FrameKind.PUBLISH, encode_publish(1, payload), NOW):
            assert isinstance(outcome, Arrived)
            relay.verdict(outcome.key, Verdict.ACCEPT, NOW)
    assert len(relay._seen) == 64
    assert relay._stored_bytes == sum(len(one.payload) for one in relay._store.values()) <= 10_000
    relay.unlinked(peer(1))
    assert not relay.conduct._neighbours
