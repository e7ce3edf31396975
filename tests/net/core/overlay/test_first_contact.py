"""First contact while dials fail: set-ups that never open hold no door shut, and a joiner that is alone tries again."""

from dataclasses import replace
from random import Random

import pytest

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.app.topics import TopicSpec
from net.core.config import MeshConfig
from net.core.effects import CallId, CreateAnswer, CreateOffer, LinkKind, Priority
from net.core.overlay.anchors import Anchors
from net.core.overlay.link import Stage
from net.core.overlay.walk import BACKOFF_ANSWERED, BACKOFF_FIRST, BACKOFF_LONGEST, Walk
from net.core.overlay.words import Speak
from net.core.routing.courier import Unheard
from net.core.wire.frame import FrameKind
from net.core.wire.rendezvous import Request, encode_request
from net.core.wire.signal import Offer, Refusal, Refused, Signal, TimeAsk, encode_signal
from net.sim.node import SimNode
from net.sim.scenarios.growth import grow
from net.sim.world import Conditions, End, World

TOPIC = TopicSpec(7, "test", 1_000, Priority.BLOCK)
CONFIG = MeshConfig(network_id=bytes(32), id_difficulty=1, rendezvous_url="filled in", trust_own_clock=True)


def add(world: World, host: SimNode | None = None, config: MeshConfig = CONFIG) -> SimNode:
    """Start a node, at the rendezvous of `host` if given."""
    node = SimNode(world, config if host is None else replace(config, bootstraps=(host.url,)), [TOPIC])
    node.start()
    return node


def linked(node: SimNode) -> bool:
    return bool(node.mesh.neighbours())


def pauses(walk: Walk, calls: int, *, answered: bool) -> list[int]:
    """Call the one bootstrap as often as the walk allows, and return how long it waited before each call."""
    now, found = Millis(0), []
    for _ in range(calls):
        assert walk.next_place(now) is not None
        if answered:
            walk.answered(now)
        assert walk.next_place(now) is None
        found.append(walk.deadline() - now)
        now = walk.deadline()
    return found


def walk() -> Walk:
    return Walk(("ws://127.0.0.1:1",), None, Anchors(8, b""), Random(1))


def test_a_silent_rendezvous_is_called_ever_more_rarely_one_that_answers_is_not_given_up() -> None:
    silent, answering = pauses(walk(), 12, answered=False), pauses(walk(), 12, answered=True)
    assert silent[0] < 2 * BACKOFF_FIRST
    assert all(BACKOFF_LONGEST <= pause < 2 * BACKOFF_LONGEST for pause in silent[6:])
    assert all(pause < 2 * BACKOFF_ANSWERED for pause in answering)
    assert all(pause >= BACKOFF_ANSWERED for pause in answering[3:])


def test_a_joiner_whose_first_dial_never_opens_is_in_within_seconds() -> None:
    world = World(5, Conditions(dial_failures=1.0))
    host = add(world)
    joiner = add(world, host)
    world.run_for(1_000)
    world.conditions = Conditions()
    assert not linked(joiner)
    assert world.run_until(lambda: linked(joiner), limit=6_000)


def test_a_joiner_that_nothing_answers_keeps_few_calls_under_way() -> None:
    world = World(6, Conditions(dial_failures=1.0))
    host = add(world)
    joiner = add(world, host)
    for _ in range(60):
        world.run_for(500)
        assert len(joiner.mesh._parts.overlay.links.setups()) <= 3
        assert len(host.mesh._parts.overlay.links.setups()) <= CONFIG.setups
    assert joiner.mesh.statistics().setup.called >= 5


def test_dials_that_never_open_do_not_keep_the_next_caller_out() -> None:
    world = World(7, Conditions(dial_failures=1.0))
    host = add(world)
    for _ in range(CONFIG.setups):
        add(world, host)
    world.run_for(1_000)
    setups = host.mesh._parts.overlay.links.setups()
    assert len(setups) == CONFIG.setups_guests
    assert {(link.kind, link.stage, link.outbound) for link in setups} == {(LinkKind.GUEST, Stage.CONNECTING, False)}
    world.conditions = Conditions()
    late = add(world, host)
    assert world.run_until(lambda: linked(late), limit=8_000)
    assert host.mesh.statistics().setup.displaced > 0


def test_a_joiner_that_strangers_call_is_in_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four calls a second, by one address, whose dials never open: they filled all places, and no link came up."""
    world = World(21)
    host = add(world)
    for _ in range(5):
        add(world, host)
    world.run_for(20_000)
    joiner = add(world, host)
    answered = world.reply  # the strangers' own answers are for nobody
    monkeypatch.setattr(world, "reply", lambda call, reply: call < -100_000 or answered(call, reply))
    for number in range(40):
        stranger = PeerId(Random(number).randbytes(32))
        request = encode_request(Request(bytes(32), stranger, b"offer"))
        for effect in joiner.mesh.rendezvous_asked(CallId(-100_001 - number), request, "203.0.113.7", world.now):
            if isinstance(effect, CreateAnswer):
                joiner.mesh.answer_ready(effect.link, b"answer", world.now)
        world.run_for(250)
        setups = joiner.mesh._parts.overlay.links.setups()
        assert len(setups) <= CONFIG.setups
        assert sum(not link.outbound for link in setups) <= CONFIG.setups_inbound
    assert len(joiner.mesh._parts.overlay.links.listed()) >= 3


def test_a_busy_host_passes_its_caller_on_and_asks_another_neighbour_after_a_refusal() -> None:
    world = World(8)
    host = add(world)
    nodes = [add(world, host, replace(CONFIG, guests=0)) for _ in range(2)]
    nodes.append(add(world, host))
    assert world.run_until(lambda: len(host.mesh.neighbours()) == 3, limit=15_000)
    world.run_for(5_000)
    overlay = host.mesh._parts.overlay
    overlay._admission._config = replace(CONFIG, setups=0)
    joiner = add(world, host)
    assert world.run_until(lambda: linked(joiner), limit=6_000)
    first = next(line for _, line in joiner.log if line.startswith("up"))
    assert nodes[-1].peer.hex()[:8] in first


def test_a_caller_whom_nobody_takes_hears_so() -> None:
    world = World(9)
    host = add(world)
    for _ in range(2):
        add(world, host, replace(CONFIG, guests=0))
    assert world.run_until(lambda: len(host.mesh.neighbours()) == 2, limit=15_000)
    world.run_for(5_000)
    host.mesh._parts.overlay._admission._config = replace(CONFIG, guests=0)
    joiner = add(world, host)
    world.run_for(1_500)
    assert not linked(joiner)
    assert joiner.mesh.statistics().setup.failed == 1
    assert joiner.mesh.statistics().refusals[Refusal.FULL] == 0  # that counts answers to its offers over the mesh


@pytest.mark.slow
def test_a_joiners_own_dials_leave_places_for_those_that_dial_it() -> None:
    world = World(10, Conditions(dial_failures=0.3))
    host = add(world)
    nodes = [host, *[add(world, host) for _ in range(15)]]
    for _ in range(80):
        world.run_for(250)
        for node in nodes:
            setups = node.mesh._parts.overlay.links.setups()
            listed = [link for link in setups if link.outbound and link.kind is LinkKind.LISTED]
            assert len(setups) <= CONFIG.setups
            assert len(listed) <= CONFIG.setups - CONFIG.inbound_pending


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_with_a_fifth_of_the_dials_failing_the_network_is_whole_within_seconds() -> None:
    outcome, _ = grow(40, 1, conditions=Conditions(dial_failures=0.2), limit=40_000)
    assert outcome.numbers["maps_true_after_ms"] is not None
    assert outcome.numbers["reached"] == 1.0
    assert outcome.numbers["pieces"] == 1


class Listless(World):
    """A world in which no end ever answers the wish to list a link."""

    def send(self, near: End, far: End, frame: bytes) -> None:
        if frame[0] != FrameKind.LISTING:
            super().send(near, far, frame)


def test_a_host_that_does_not_answer_the_wish_to_be_listed_holds_no_slot() -> None:
    world = Listless(1)
    joiner = add(world, add(world))
    for _ in range(10):
        world.run_for(10_000)
        guests = [link for link in joiner.mesh._parts.overlay.links.all_up() if link.kind is LinkKind.GUEST]
        # a wish made at the end of a guest's life is waited for
        assert all(world.now - link.since < CONFIG.guest_life + CONFIG.setup_timeout for link in guests)


def test_a_caller_under_anothers_name_does_not_keep_the_other_out() -> None:
    world = World(12)
    overlay, peer = add(world).mesh._parts.overlay, PeerId(b"x" * 32)
    call = encode_request(Request(CONFIG.network_id, peer, b"the caller's offer"))
    asked = overlay.asked(CallId(1), call, "203.0.113.9", world.now)
    assert [type(word) for word in asked] == [CreateAnswer]
    offered = overlay.offered(peer, Offer(bytes(16), LinkKind.LISTED, None, b"an offer"), (peer,), world.now)
    assert [type(word) for word in offered] == [CreateAnswer]
    assert overlay.offered(peer, Offer(bytes(16), LinkKind.LISTED, None, b"another"), (peer,), world.now) == []


def test_a_dial_fails_when_its_own_offer_is_not_acknowledged_and_for_no_other_message() -> None:
    """Whoever drops a question for the time to a peer could else end the dial to it, whose offer has long arrived."""
    world = World(13)
    node, peer = add(world), PeerId(b"x" * 32)
    overlay = node.mesh._parts.overlay
    (create,) = overlay.setup.dial(peer, LinkKind.LISTED, 0, world.now)
    assert isinstance(create, CreateOffer)
    (speak,) = overlay.offer_ready(create.link, b"an offer", world.now)
    assert isinstance(speak, Speak)
    assert isinstance(speak.signal, Offer)
    others: list[Signal] = [TimeAsk(bytes(16)), Refused(speak.signal.attempt, Refusal.FULL)]
    others.append(replace(speak.signal, attempt=bytes(16)))
    for target, signal in [*[(peer, signal) for signal in others], (node.peer, speak.signal), (peer, speak.signal)]:
        assert overlay.links.setup_with(peer) is not None
        unheard = Unheard(target, encode_signal(signal, salt=bytes(4)))
        node.mesh._interpreter.carry_out([unheard], world.now)
    assert overlay.links.setup_with(peer) is None
