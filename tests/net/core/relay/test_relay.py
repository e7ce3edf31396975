"""The relay alone: pushes, announcements, pulls, verdicts, and its bounds."""

from random import Random

import pytest

from chain.primitives.errors import Malformed, Penalty
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.effects import Priority, Verdict
from net.core.relay import relay as relay_module
from net.core.relay.conduct import PATIENCE
from net.core.relay.plan import RandomPlan
from net.core.relay.relay import LATE_MAX, SEEN_FOR, Arrived, Outcome, Relay, RelayTopic
from net.core.relay.wants import PEER_WANTS_MAX, PULL_DELAY, WANTS_MAX
from net.core.wire.fault import Fault
from net.core.wire.frame import FrameKind, ToPeer
from net.core.wire.relay import (
    CHUNK_MAX,
    Announced,
    decode_announce,
    encode_announce,
    encode_chunks,
    encode_publish,
    encode_pull,
)

TOPIC = 1
PEERS = [PeerId(bytes([n]) * 32) for n in range(10)]
NOW = Millis(1_000)


def make(peers: int = 10, max_pending: int = 4) -> Relay:
    relay = Relay({TOPIC: RelayTopic(200_000, Priority.BLOCK, max_pending)}, RandomPlan(Random(1)))
    for peer in PEERS[:peers]:
        relay.linked(peer, NOW)
    return relay


def kinds(outcomes: list[Outcome]) -> list[FrameKind]:
    return sorted(one.kind for one in outcomes if isinstance(one, ToPeer))


def arrive(relay: Relay, payload: bytes, peer: PeerId = PEERS[0], now: Millis = NOW) -> Arrived:
    (arrived,) = relay.receive(peer, FrameKind.PUBLISH, encode_publish(TOPIC, payload), now)
    assert isinstance(arrived, Arrived)
    return arrived


def test_an_own_message_goes_whole_to_three_and_by_name_to_the_others() -> None:
    out = make().publish(TOPIC, b"news", NOW)
    assert kinds(out) == [FrameKind.PUBLISH] * 3 + [FrameKind.ANNOUNCE] * 7


def test_a_message_that_nobody_was_there_for_is_sent_when_it_is_published_again() -> None:
    relay = make(0)
    assert relay.publish(TOPIC, b"news", NOW) == []
    relay.linked(PEERS[0], NOW)
    assert kinds(relay.publish(TOPIC, b"news", NOW)) == [FrameKind.PUBLISH]
    assert relay.publish(TOPIC, b"news", NOW) == []


def test_a_large_message_is_only_announced_and_pulled_in_chunks() -> None:
    relay = make(2)
    payload = bytes(100_000)
    out = relay.publish(TOPIC, payload, NOW)
    assert kinds(out) == [FrameKind.ANNOUNCE] * 2
    assert isinstance(out[0], ToPeer)
    (entry,) = decode_announce(out[0].body)
    pulled = relay.receive(PEERS[0], FrameKind.PULL, encode_pull([entry.key]), NOW)
    assert kinds(pulled) == [FrameKind.CHUNK] * -(-len(payload) // CHUNK_MAX)
    assert relay.receive(PEERS[0], FrameKind.PULL, encode_pull([entry.key]), NOW) == []


def test_a_neighbour_whose_link_was_lost_pulls_again_what_was_on_its_way() -> None:
    relay = make(3)
    relay.publish(TOPIC, b"news", NOW)
    pull = encode_pull([key_of(b"news")])
    assert relay.receive(PEERS[0], FrameKind.PULL, pull, NOW) == []
    relay.unlinked(PEERS[0])
    relay.linked(PEERS[0], NOW)
    assert kinds(relay.receive(PEERS[0], FrameKind.PULL, pull, NOW)) == [FrameKind.PUBLISH]
    assert relay.receive(PEERS[0], FrameKind.PULL, pull, NOW) == []
    assert relay.receive(PEERS[1], FrameKind.PULL, pull, NOW) == []


def test_who_drops_its_link_over_and_over_draws_old_messages_once() -> None:
    """Nothing of them was on its way: each new link would be worth as many bytes as may be pulled at once."""
    relay, later = make(1), Millis(NOW + SEEN_FOR)
    relay.publish(TOPIC, b"old", NOW)
    relay.publish(TOPIC, b"news", later)
    relay.unlinked(PEERS[0])
    relay.linked(PEERS[0], later)
    assert relay.receive(PEERS[0], FrameKind.PULL, encode_pull([key_of(b"old")]), later) == []
    assert kinds(relay.receive(PEERS[0], FrameKind.PULL, encode_pull([key_of(b"news")]), later)) == [FrameKind.PUBLISH]


def test_whom_an_old_message_went_to_is_remembered_up_to_a_limit_however_many_ids_come_and_go() -> None:
    """Ids cost nothing here: each could leave its name behind at every message that is kept."""
    relay, later = make(2), Millis(NOW + SEEN_FOR)
    relay.publish(TOPIC, b"old", NOW)
    relay.publish(TOPIC, b"news", later)
    key, stored = key_of(b"old"), relay._store[key_of(b"old")]
    drawn = 0
    for number in range(1, 10 * LATE_MAX):
        stranger = PeerId(number.to_bytes(32, "big"))
        relay.linked(stranger, later)
        relay.receive(stranger, FrameKind.ANNOUNCE, encode_announce([Announced(TOPIC, key, 3)]), later)
        relay.unlinked(stranger)
        relay.linked(stranger, later)
        drawn += len(relay.receive(stranger, FrameKind.PULL, encode_pull([key]), later))
        relay.unlinked(stranger)
    assert len(stored.sent) <= 2 + LATE_MAX
    assert drawn == LATE_MAX


def test_who_announces_a_message_that_awaits_its_verdict_and_goes_is_forgotten() -> None:
    relay = make(2)
    arrived = arrive(relay, b"news")
    announced = encode_announce([Announced(TOPIC, arrived.key, 4)])
    for number in range(1, 100):
        stranger = PeerId(number.to_bytes(32, "big"))
        relay.linked(stranger, NOW)
        relay.receive(stranger, FrameKind.ANNOUNCE, announced, NOW)
        relay.unlinked(stranger)
    assert relay._pending[arrived.key].holders == {PEERS[0]}


def test_nothing_is_relayed_before_its_verdict() -> None:
    relay = make()
    arrived = arrive(relay, b"news")
    out = relay.verdict(arrived.key, Verdict.ACCEPT, NOW)
    assert kinds(out) == [FrameKind.PUBLISH] * 3 + [FrameKind.ANNOUNCE] * 6
    assert PEERS[0] not in {one.peer for one in out if isinstance(one, ToPeer)}
    assert relay.verdict(arrived.key, Verdict.ACCEPT, NOW) == []


def test_a_rejected_message_costs_its_sender_an_ignored_one_nothing() -> None:
    relay = make()
    assert relay.verdict(arrive(relay, b"bad").key, Verdict.REJECT, NOW) == [
        Fault(PEERS[0], Penalty.STRIKE, "an invalid message on topic 1")
    ]
    assert relay.verdict(arrive(relay, b"dull").key, Verdict.IGNORE, NOW) == []


def test_a_repeated_message_is_counted_and_dropped() -> None:
    relay = make()
    arrive(relay, b"news")
    assert relay.receive(PEERS[1], FrameKind.PUBLISH, encode_publish(TOPIC, b"news"), NOW) == []
    assert relay.statistics().duplicates == 1


def test_messages_that_await_verdicts_are_bounded_by_sender() -> None:
    relay = make(max_pending=4)
    for number in range(4):
        arrive(relay, b"%d" % number)
    assert relay.receive(PEERS[0], FrameKind.PUBLISH, encode_publish(TOPIC, b"more"), NOW) == []
    arrive(relay, b"more", PEERS[1])


def key_of(payload: bytes) -> bytes:
    return arrive(make(1), payload).key


def test_bytes_that_await_verdicts_are_bounded_by_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "PENDING_BYTES_MAX", 25_000)
    relay = make(max_pending=1_000)

    def taken(sender: PeerId, number: int) -> bytes | None:
        payload = number.to_bytes(4, "big").ljust(10_000, b"x")
        outcomes = relay.receive(sender, FrameKind.PUBLISH, encode_publish(TOPIC, payload), NOW)
        return next((one.key for one in outcomes if isinstance(one, Arrived)), None)

    keys = [taken(PEERS[0], number) for number in range(4)]
    assert [key is not None for key in keys] == [True, True, False, False]
    assert relay.statistics().overflowed == 2
    assert taken(PEERS[1], 9) is not None, "others are not kept out"
    assert keys[0] is not None
    relay.verdict(keys[0], Verdict.IGNORE, NOW)
    assert taken(PEERS[0], 5) is not None
    assert relay._pending_bytes == {PEERS[0]: 20_000, PEERS[1]: 10_000}
    for key in list(relay._pending):
        relay.verdict(key, Verdict.ACCEPT, NOW)
    assert not relay._pending_bytes
    empty = arrive(relay, b"")
    arrive_and_accept(relay, b"something")
    relay.verdict(empty.key, Verdict.ACCEPT, NOW)
    assert not relay._pending_bytes


def test_what_one_neighbour_pulls_at_once_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "SERVED_BURST", 35_000)
    relay = make(2)
    payloads = [number.to_bytes(4, "big").ljust(10_000, b"x") for number in range(8)]
    for payload in payloads:
        arrive_and_accept(relay, payload)
    relay.linked(PEERS[7], NOW)
    pull = encode_pull([key_of(payload) for payload in payloads])
    assert len(relay.receive(PEERS[7], FrameKind.PULL, pull, NOW)) == 3
    assert len(relay.receive(PEERS[7], FrameKind.PULL, pull, Millis(NOW + 10_000 // relay_module.SERVED_PER_MS))) == 1


def arrive_and_accept(relay: Relay, payload: bytes) -> None:
    relay.verdict(arrive(relay, payload).key, Verdict.ACCEPT, NOW)


def test_an_announced_message_is_pulled_after_a_pause_then_from_another_then_given_up() -> None:
    relay = make(3)
    key = key_of(b"news")
    entry = encode_announce([Announced(TOPIC, key, 4)])
    assert relay.receive(PEERS[0], FrameKind.ANNOUNCE, entry, NOW) == []
    assert relay.receive(PEERS[1], FrameKind.ANNOUNCE, entry, NOW) == []
    asked = []
    for _ in range(2):
        deadline = relay.deadline()
        assert deadline is not None
        (pull,) = relay.tick(deadline)
        assert isinstance(pull, ToPeer)
        asked.append(pull.peer)
    assert asked == PEERS[:2]
    deadline = relay.deadline()
    assert deadline is not None
    assert relay.tick(deadline) == []
    faults: list[Outcome] = []
    while (deadline := relay.deadline()) is not None:
        assert deadline <= NOW + PATIENCE + 2_000
        faults += relay.tick(deadline)
    assert faults == [Fault(peer, Penalty.STRIKE, "announced and not sent") for peer in PEERS[:2]]


def test_what_was_announced_and_came_is_no_longer_wanted() -> None:
    relay = make(2)
    relay.receive(PEERS[0], FrameKind.ANNOUNCE, encode_announce([Announced(TOPIC, key_of(b"news"), 4)]), NOW)
    arrive(relay, b"news", PEERS[1])
    assert relay.deadline() is None


def test_false_announcements_are_bounded_by_neighbour_and_in_all() -> None:
    relay = make(10)
    for peer in PEERS:
        for block in range(20):
            entries = [
                Announced(TOPIC, peer[:8] + n.to_bytes(8, "big"), 9) for n in range(block * 100, block * 100 + 100)
            ]
            relay.receive(peer, FrameKind.ANNOUNCE, encode_announce(entries), NOW)
    assert len(relay._wants._wants) <= WANTS_MAX
    assert max(relay._wants._noted.values()) <= PEER_WANTS_MAX


def test_who_is_no_neighbour_of_the_relay_announces_nothing() -> None:
    """A guest's id costs nothing, and nobody counts what it keeps back."""
    relay = make(1)
    entry = encode_announce([Announced(TOPIC, bytes(16), 10)])
    assert relay.receive(PEERS[5], FrameKind.ANNOUNCE, entry, NOW) == []
    assert relay.deadline() is None
    relay.receive(PEERS[0], FrameKind.ANNOUNCE, entry, NOW)
    assert relay.deadline() == NOW + PULL_DELAY


def test_chunks_make_a_message_and_lies_about_its_key_are_noticed() -> None:
    payload = bytes(100_000)
    announce = make(1).publish(TOPIC, payload, NOW)[0]
    assert isinstance(announce, ToPeer)
    (entry,) = decode_announce(announce.body)
    relay = make(2)
    bodies = encode_chunks(TOPIC, entry.key, payload)
    outcomes = [relay.receive(PEERS[0], FrameKind.CHUNK, body, NOW) for body in bodies]
    assert outcomes[:-1] == [[]] * (len(bodies) - 1)
    assert outcomes[-1] == [Arrived(TOPIC, entry.key, payload, PEERS[0])]
    relay = make(2)
    *first, last = encode_chunks(TOPIC, bytes(16), payload)
    for body in first:
        relay.receive(PEERS[0], FrameKind.CHUNK, body, NOW)
    with pytest.raises(Malformed):
        relay.receive(PEERS[0], FrameKind.CHUNK, last, NOW)


def test_a_payload_that_stops_half_way_costs_a_strike_and_is_dropped() -> None:
    relay = make(2)
    relay.receive(PEERS[0], FrameKind.CHUNK, encode_chunks(TOPIC, bytes(16), bytes(50_000))[0], NOW)
    deadline = relay.deadline()
    assert deadline is not None
    assert [type(one) for one in relay.tick(deadline)] == [Fault]
    assert relay.deadline() is None


def second_pull(relay: Relay, payload: bytes, *, crumbs: bool) -> int:
    """Return after how long a message of two announcers is asked of the second; the first may send it in `crumbs`."""
    key = b"k" * 16
    for peer in PEERS[:2]:
        relay.receive(peer, FrameKind.ANNOUNCE, encode_announce([Announced(TOPIC, key, len(payload))]), NOW)
    bodies = iter(encode_chunks(TOPIC, key, payload))
    for now in range(NOW, NOW + 120_000, 50):
        if crumbs and (now - NOW) % 9_000 == 0:
            relay.receive(PEERS[0], FrameKind.CHUNK, next(bodies), Millis(now))
        if PEERS[1] in [one.peer for one in relay.tick(Millis(now)) if isinstance(one, ToPeer)]:
            return now - NOW
    return 120_000


def test_a_payload_that_comes_in_crumbs_is_pulled_from_another() -> None:
    assert second_pull(make(2), bytes(190_000), crumbs=True) < 7_000


def test_a_neighbour_that_answers_pings_late_is_not_waited_for_as_long() -> None:
    relay = make(2)
    relay.measured(PEERS[0], Millis(600_000))
    assert second_pull(relay, bytes(100_000), crumbs=False) < 5_000


def test_a_link_that_is_not_listed_does_not_become_one_of_the_relays_by_a_pull() -> None:
    relay = make(3)
    published = relay.publish(TOPIC, b"news", NOW)
    assert kinds(published) == [FrameKind.PUBLISH] * 3
    assert relay.receive(PEERS[9], FrameKind.PULL, encode_pull([key_of(b"news")]), NOW) == []
    out = relay.publish(TOPIC, b"more", Millis(NOW + 60_000))
    assert {one.peer for one in out if isinstance(one, ToPeer)} == set(PEERS[:3])


def test_unfinished_payloads_are_bounded() -> None:
    relay = make(1)
    for number in range(1, 100):
        first = encode_chunks(TOPIC, number.to_bytes(16, "big"), bytes(200_000))[0]
        relay.receive(PEERS[0], FrameKind.CHUNK, first, NOW)
    assert len(relay._assembly._partials) <= 4


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (FrameKind.PUBLISH, encode_publish(9, b"unknown topic")),
        (FrameKind.ANNOUNCE, encode_announce([Announced(9, bytes(16), 1)])),
        (FrameKind.ANNOUNCE, encode_announce([Announced(TOPIC, bytes(16), 200_001)])),
        (FrameKind.CHUNK, encode_chunks(TOPIC, bytes(16), bytes(300_000))[0]),
    ],
)
def test_unknown_topics_and_oversized_payloads_are_malformed(kind: FrameKind, body: bytes) -> None:
    with pytest.raises(Malformed):
        make().receive(PEERS[0], kind, body, NOW)
