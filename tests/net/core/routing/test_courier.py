"""Direct messages between couriers over a small graph: two routes, acknowledgements, re-routes, lies."""

from dataclasses import replace
from random import Random

import pytest

from chain.primitives.errors import Malformed
from chain.primitives.keys import schnorr_sign
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.identity.identity import Identity, Proof, identity_of
from net.core.map.view import MapView
from net.core.routing import courier as courier_module
from net.core.routing import seal as seal_module
from net.core.routing.courier import Courier, Delivered, Outcome, Unheard
from net.core.routing.outbox import TRIES_MAX
from net.core.routing.seal import Seal
from net.core.wire.direct import NO_RECEIPTS, decode_direct, direct_digest, encode_direct
from net.core.wire.frame import FrameKind, ToPeer

LIFE = Millis(40_000)


class Graph:
    """A map of confirmed links, all that the courier asks of a `MapView`."""

    def __init__(self, links: list[tuple[int, int]], ids: list[PeerId]) -> None:
        self._around: dict[PeerId, list[PeerId]] = {}
        for left, right in links:
            self._around.setdefault(ids[left], []).append(ids[right])
            self._around.setdefault(ids[right], []).append(ids[left])

    def confirmed_neighbours(self, peer: PeerId) -> list[PeerId]:
        return sorted(self._around.get(peer, []))


class Net:
    """Couriers joined by the links of a graph; `cut` links are on the map but carry nothing, `deaf` peers drop all."""

    def __init__(self, links: list[tuple[int, int]], *, cut: set[tuple[int, int]] = frozenset()) -> None:  # type: ignore[assignment]
        size = max(max(link) for link in links) + 1
        self.identities: list[Identity] = [identity_of(bytes([7, n]) * 16, Proof(0, 0)) for n in range(size)]
        self.ids = [identity.peer for identity in self.identities]
        view: MapView = Graph(links, self.ids)  # type: ignore[assignment]
        self.couriers = [
            Courier(identity, view, rng=Random(n), entropy=Random(f"e{n}").randbytes, life=LIFE)
            for n, identity in enumerate(self.identities)
        ]
        for left, right in links:
            if (left, right) not in cut:
                self.couriers[left].linked(self.ids[right])
                self.couriers[right].linked(self.ids[left])
        self.deaf: set[int] = set()
        self.delivered: list[tuple[int, Delivered]] = []
        self.unheard: list[tuple[int, PeerId]] = []
        self.frames: list[tuple[int, int, FrameKind, bytes]] = []

    def carry(self, sender: int, outcomes: list[Outcome], now: Millis) -> None:
        waiting = [(sender, outcome) for outcome in outcomes]
        while waiting:
            at, outcome = waiting.pop(0)
            if isinstance(outcome, Delivered):
                self.delivered.append((at, outcome))
                continue
            if isinstance(outcome, Unheard):
                self.unheard.append((at, outcome.target))
                continue
            to = self.ids.index(outcome.peer)
            self.frames.append((at, to, outcome.kind, outcome.body))
            if to in self.deaf:
                continue
            courier = self.couriers[to]
            take = courier.receive if outcome.kind is FrameKind.DIRECT else courier.receive_ack
            waiting += [(to, more) for more in take(self.ids[at], outcome.body, now)]

    def send(self, sender: int, target: int, plain: bytes, now: Millis, back: tuple[PeerId, ...] = ()) -> None:
        self.carry(sender, self.couriers[sender].send(self.ids[target], plain, now, back=back), now)


NOW = Millis(1_750_000_000_000)
DIAMOND = [(0, 1), (1, 3), (0, 2), (2, 3)]


def test_two_disjoint_routes_deliver_once_and_confirm() -> None:
    net = Net(DIAMOND)
    net.send(0, 3, bytes(1024), NOW)
    assert [(at, one.sender, one.plain) for at, one in net.delivered] == [(3, net.ids[0], bytes(1024))]
    relays = {to for _, to, kind, _ in net.frames if kind is FrameKind.DIRECT}
    assert relays == {1, 2, 3}
    assert net.couriers[0].statistics().confirmed == 1
    assert net.couriers[0].deadline() is None


def test_one_silent_relay_does_not_stop_a_message() -> None:
    net = Net(DIAMOND)
    net.deaf = {1}
    net.send(0, 3, bytes(1024), NOW)
    assert len(net.delivered) == 1


def test_an_unanswered_message_is_tried_again_and_the_silent_relay_avoided() -> None:
    net = Net([*DIAMOND, (0, 4), (4, 5), (5, 3)])
    net.deaf = {1, 2}
    net.send(0, 3, bytes(1024), NOW)
    assert not net.delivered
    deadline = net.couriers[0].deadline()
    assert deadline is not None
    net.carry(0, net.couriers[0].tick(deadline), deadline)
    assert [at for at, _ in net.delivered] == [3]
    assert net.couriers[0].statistics().retried == 1


def test_a_relay_without_the_next_link_takes_another_way_once() -> None:
    net = Net([(0, 1), (1, 2), (1, 3), (3, 2)], cut={(1, 2)})
    net.send(0, 2, bytes(1024), NOW)
    assert [at for at, _ in net.delivered] == [2]
    assert net.couriers[1].statistics().rerouted == 1
    assert net.couriers[0].statistics().confirmed == 1


def test_an_answer_finds_a_sender_that_is_on_no_map() -> None:
    net = Net([(0, 1), (1, 2)])
    guest = identity_of(b"g" * 32, Proof(0, 0))
    net.identities.append(guest)
    net.ids.append(guest.peer)
    courier = Courier(guest, net.couriers[0]._view, rng=Random(9), entropy=Random("g").randbytes, life=LIFE)
    net.couriers.append(courier)
    courier.linked(net.ids[0])
    net.couriers[0].linked(guest.peer)
    net.send(3, 2, bytes(1024), NOW)
    ((at, question),) = net.delivered
    assert at == 2
    assert question.back == (net.ids[1], net.ids[0], guest.peer)
    net.send(2, 3, bytes(2048), NOW, back=question.back)
    assert net.delivered[-1][0] == 3


def first_frame(net: Net) -> bytes:
    (frame, *_) = net.couriers[0].send(net.ids[3], bytes(1024), NOW)
    assert isinstance(frame, ToPeer)
    return frame.body


def test_a_repeated_message_goes_no_further() -> None:
    net = Net([(0, 1), (1, 3), (2, 3)])
    body = first_frame(net)
    assert len(net.couriers[1].receive(net.ids[0], body, NOW)) == 2
    assert net.couriers[1].receive(net.ids[0], body, NOW) == []


def test_an_expired_or_far_dated_message_goes_no_further() -> None:
    net = Net([(0, 1), (1, 3), (2, 3)])
    body = first_frame(net)
    assert net.couriers[1].receive(net.ids[0], body, Millis(NOW + LIFE)) == []
    assert net.couriers[1].receive(net.ids[0], body, Millis(NOW - 61_000)) == []


@pytest.mark.parametrize("lie", ["sender", "expiry", "body", "route", "hop", "neighbour"])
def test_a_forged_message_costs_its_bringer(lie: str) -> None:
    net = Net([(0, 1), (1, 3), (2, 3), (1, 2)])
    message = decode_direct(first_frame(net))
    assert message.route[0] == net.ids[1]
    neighbour = net.ids[0]
    match lie:
        case "sender":
            message, neighbour = replace(message, sender=net.ids[2]), net.ids[2]
        case "expiry":
            message = replace(message, expiry=Millis(message.expiry - 1))
        case "body":
            message = replace(message, body=message.body[:-1] + b"!")
        case "route":
            message = replace(message, route=(net.ids[1], net.ids[2], net.ids[3]))
        case "hop":
            message = replace(message, hop=1)
        case "neighbour":
            neighbour = net.ids[2]
    with pytest.raises(Malformed):
        net.couriers[1].receive(neighbour, encode_direct(message), NOW)


def test_a_body_that_does_not_open_is_dropped_without_blame() -> None:
    net = Net([(0, 1)])
    (frame,) = net.couriers[0].send(net.ids[1], bytes(1024), NOW)
    assert isinstance(frame, ToPeer)
    message = decode_direct(frame.body)
    wrong = replace(message, body=bytes(len(message.body)))
    signature = schnorr_sign(net.identities[0].key, direct_digest(wrong), bytes(32))
    outcomes = net.couriers[1].receive(net.ids[0], encode_direct(replace(wrong, signature=signature)), NOW)
    assert not [one for one in outcomes if isinstance(one, Delivered)]


def test_an_ack_with_a_wrong_mac_confirms_nothing() -> None:
    net = Net([(0, 1)])
    (frame,) = net.couriers[0].send(net.ids[1], bytes(1024), NOW)
    assert isinstance(frame, ToPeer)
    prefix = decode_direct(frame.body).message_id[:8]
    assert net.couriers[0].receive_ack(net.ids[1], prefix + bytes(16), NOW) == []
    assert net.couriers[0].statistics().confirmed == 0


def test_a_relay_returns_as_many_acks_as_a_route_has_hops_and_no_more() -> None:
    net = Net([(0, 1), (1, 3), (2, 3)])
    body = first_frame(net)
    net.couriers[1].receive(net.ids[0], body, NOW)
    ack = decode_direct(body).message_id[:8] + bytes(16)
    passed = [net.couriers[1].receive_ack(net.ids[3], ack, NOW) for _ in range(20)]
    assert sum(bool(one) for one in passed) == 8


def test_a_target_that_nobody_leads_to_gets_nothing() -> None:
    net = Net([(0, 1), (2, 3)])
    assert net.couriers[0].send(net.ids[3], bytes(1024), NOW) == []
    assert not net.couriers[0].reachable(net.ids[3], NOW)


def test_without_receipts_a_message_takes_one_route_and_nobody_acknowledges_it() -> None:
    net = Net(DIAMOND)
    net.carry(0, net.couriers[0].send(net.ids[3], bytes(1024), NOW, receipts=False), NOW)
    ((at, question),) = net.delivered
    assert (at, question.receipts) == (3, False)
    assert [kind for _, _, kind, _ in net.frames] == [FrameKind.DIRECT] * 2
    assert net.couriers[0].deadline() is None
    net.carry(
        3, net.couriers[3].send(net.ids[0], bytes(2048), NOW, back=question.back, receipts=question.receipts), NOW
    )
    assert net.delivered[-1][0] == 0
    assert [to for _, to, _, _ in net.frames[2:]] == [net.frames[0][1], 0], "the answer takes the way of the question"
    assert not any(courier._passed for courier in net.couriers)


def test_silence_without_receipts_accuses_nobody_and_sends_nothing_again() -> None:
    net = Net(DIAMOND)
    net.deaf = {1, 2}
    for _ in range(10):
        net.carry(0, net.couriers[0].send(net.ids[3], bytes(1024), NOW, receipts=False), NOW)
    assert net.couriers[0].deadline() is None
    assert net.couriers[0].tick(Millis(NOW + LIFE)) == []
    assert net.couriers[0]._suspects.worst(NOW) == set()
    assert {to for _, to, _, _ in net.frames} == {1, 2}, "each time the route is drawn anew"


def test_without_receipts_suspects_are_avoided_all_the_same() -> None:
    net = Net([*DIAMOND, (0, 4), (4, 3)])
    net.deaf = {1, 2}
    for suspect in (1, 2, 1, 2):
        net.couriers[0]._suspects.strike(net.ids[suspect], NOW)
    before = len(net.frames)
    for _ in range(10):
        net.carry(0, net.couriers[0].send(net.ids[3], bytes(1024), NOW, receipts=False), NOW)
    assert {to for at, to, _, _ in net.frames[before:] if at == 0} == {4}


def test_no_relay_can_take_the_receipts_from_a_message_of_another() -> None:
    net = Net([(0, 1), (1, 3), (2, 3)])
    message = decode_direct(first_frame(net))
    hushed = encode_direct(replace(message, hop=1, flags=message.flags | NO_RECEIPTS))
    with pytest.raises(Malformed):
        net.couriers[3].receive(net.ids[1], hushed, NOW)


def test_a_repeated_message_without_receipts_goes_no_further_and_wakes_no_answer() -> None:
    net = Net([(0, 1)])
    (frame,) = net.couriers[0].send(net.ids[1], bytes(1024), NOW, receipts=False)
    assert isinstance(frame, ToPeer)
    assert len(net.couriers[1].receive(net.ids[0], frame.body, NOW)) == 1
    assert net.couriers[1].receive(net.ids[0], frame.body, NOW) == []


def test_a_rerouted_message_without_receipts_arrives() -> None:
    net = Net([(0, 1), (1, 2), (1, 3), (3, 2)], cut={(1, 2)})
    net.carry(0, net.couriers[0].send(net.ids[2], bytes(1024), NOW, receipts=False), NOW)
    assert [at for at, _ in net.delivered] == [2]
    assert not [kind for _, _, kind, _ in net.frames if kind is FrameKind.DIRECT_ACK]


# --- what a peer can fill --------------------------------------------------------------------------------------------


def flood(net: Net, count: int, *, receipts: bool = True) -> list[bytes]:
    """Let peer 0 send this many messages to peer 3, which peer 1 passes on; return the bodies of their frames."""
    bodies = []
    for number in range(count):
        plain = number.to_bytes(8, "big") + bytes(1016)
        (frame,) = net.couriers[0].send(net.ids[3], plain, NOW, receipts=receipts)
        assert isinstance(frame, ToPeer)
        bodies.append(frame.body)
    return bodies


def test_messages_passed_on_are_remembered_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier_module, "SEEN_MAX", 16)
    net = Net([(0, 1), (1, 3), (2, 3)])
    relay = net.couriers[1]
    bodies = flood(net, 50)
    for body in bodies:
        assert len(relay.receive(net.ids[0], body, NOW)) == 2
        assert len(relay._seen) <= 16
        assert len(relay._passed) <= 16
    assert relay.receive(net.ids[0], bodies[-1], NOW) == []
    forgotten, kept = (decode_direct(bodies[at]).message_id[:8] + bytes(16) for at in (33, 34))
    assert relay.receive_ack(net.ids[3], forgotten, NOW) == [], "its way back is forgotten, the ack goes nowhere"
    assert len(relay.receive_ack(net.ids[3], kept, NOW)) == 1
    assert len(relay.receive(net.ids[0], bodies[0], NOW)) == 2, "forgotten, it is passed on once more until it expires"
    assert relay.receive(net.ids[0], bodies[0], Millis(NOW + LIFE)) == []


def test_messages_without_receipts_fill_no_ways_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier_module, "SEEN_MAX", 16)
    net = Net([(0, 1), (1, 3), (2, 3)])
    for body in flood(net, 50, receipts=False):
        net.couriers[1].receive(net.ids[0], body, NOW)
    assert len(net.couriers[1]._seen) == 16
    assert not net.couriers[1]._passed


def test_plain_texts_are_remembered_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier_module, "DELIVERED_MAX", 8)
    net = Net([(0, 1)])

    def heard(number: int) -> bool:
        before = len(net.delivered)
        net.send(0, 1, number.to_bytes(8, "big") + bytes(1016), NOW)
        assert len(net.couriers[1]._heard) <= 8
        return len(net.delivered) > before

    assert all(heard(number) for number in range(30))
    assert not any(heard(number) for number in range(22, 30)), (
        "a question repeated under another message id is heard once"
    )
    assert heard(21), "one out of the memory is heard again: its answer is the asker's to ignore"


def test_shared_secrets_are_remembered_up_to_a_limit_and_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seal_module, "SECRETS_MAX", 4)
    others = [identity_of(bytes([8, number]) * 16, Proof(0, 0)) for number in range(12)]
    me = identity_of(b"m" * 32, Proof(0, 0))
    seal = Seal(me)
    macs = []
    for other in others:
        seal.relay_mac(others[0].peer, bytes(16), 0)
        macs.append(seal.relay_mac(other.peer, bytes(16), 0))
        assert len(seal._secrets) <= 4
    assert others[0].peer in seal._secrets, "the one used longest ago went first"
    assert [seal.relay_mac(other.peer, bytes(16), 0) for other in others] == macs
    assert macs == [Seal(other).own_mac(me.peer, bytes(16), 0) for other in others]


def test_a_message_nobody_acknowledges_is_sent_three_times_and_given_up() -> None:
    net = Net([(0, 1), (1, 3), (2, 3)])
    net.deaf = {1}
    net.send(0, 3, bytes(1024), NOW)
    while (deadline := net.couriers[0].deadline()) is not None:
        assert net.unheard == []
        net.carry(0, net.couriers[0].tick(deadline), deadline)
    assert net.unheard == [(0, net.ids[3])]
    assert len(net.frames) == TRIES_MAX
    assert net.couriers[0].statistics().retried == TRIES_MAX - 1
