"""The driver with a scripted mesh: effects in order, events back, failures raised, an end in time."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import pytest

from chain.primitives.errors import ConfigError, Penalty, StorageError
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.effects import (
    Alarm,
    ApplyAnswer,
    CallId,
    CallRendezvous,
    Close,
    CreateAnswer,
    CreateOffer,
    Effect,
    LinkDown,
    LinkId,
    LinkTransport,
    Paths,
    Persist,
    Priority,
    ProbeId,
    ProbePaths,
    ReplyRendezvous,
    RequestId,
    Role,
    Send,
    SendProbe,
    Validate,
    Verdict,
)
from net.core.health.survey import Survey
from net.core.map.view import MapView
from net.core.mesh_report import MeshStatistics, Neighbour
from net.core.overlay.trace import Why
from net.transport.driver import Driver, DriverSettings
from net.transport.ports import AppEffect
from net.transport.webrtc import Step
from tests.helpers.transport import LOOPBACK, until

ALICE = PeerId(b"a" * 32)
LISTENING = DriverSettings(LOOPBACK, rendezvous=("127.0.0.1", 0), stun=("127.0.0.1", 0))
QUIET = DriverSettings(LOOPBACK)

Event = tuple[object, ...]


class ScriptedMesh:
    """Answers each event by what `script` says, and keeps the events."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.script: Callable[[Event], list[Effect]] = lambda event: []
        self.due: Millis | None = None

    def _on(self, *event: object) -> list[Effect]:
        self.events.append(event)
        return self.script(event)

    def names(self) -> list[object]:
        return [event[0] for event in self.events]

    def start(self, now: Millis) -> list[Effect]:
        return self._on("start")

    def tick(self, now: Millis) -> list[Effect]:
        return self._on("tick", now)

    def stop(self, now: Millis) -> list[Effect]:
        return self._on("stop")

    def deadline(self) -> Millis | None:
        return self.due

    def paths_probed(self, probe: ProbeId, paths: Paths, now: Millis) -> list[Effect]:
        return self._on("probed", probe, paths)

    def probe_heard(self, probe: ProbeId, nonce: bytes) -> list[Effect]:
        return self._on("heard", probe, nonce)

    def surveyed(self, survey: Survey, now: Millis) -> list[Effect]:
        return self._on("surveyed", len(survey.shape))

    def offer_ready(self, link: LinkId, sdp: bytes, now: Millis) -> list[Effect]:
        return self._on("offer", link, sdp)

    def answer_ready(self, link: LinkId, sdp: bytes, now: Millis) -> list[Effect]:
        return self._on("answer", link, sdp)

    def link_opened(self, link: LinkId, transport: LinkTransport, now: Millis) -> list[Effect]:
        return self._on("opened", link, transport)

    def link_closed(self, link: LinkId, reason: str, now: Millis) -> list[Effect]:
        return self._on("closed", link, reason)

    def receive(self, link: LinkId, frame: bytes, now: Millis) -> list[Effect]:
        return self._on("frame", link, frame)

    def rendezvous_asked(self, call: CallId, request: bytes, address: str, now: Millis) -> list[Effect]:
        return self._on("asked", call, request, address)

    def rendezvous_answered(self, call: CallId, reply: bytes, now: Millis) -> list[Effect]:
        return self._on("answered", call, reply)

    def rendezvous_failed(self, call: CallId, reason: str, now: Millis) -> list[Effect]:
        return self._on("failed", call, reason)

    def publish(self, topic: int, payload: bytes, now: Millis) -> list[Effect]:
        return self._on("publish", topic, payload)

    def verdict(self, key: bytes, verdict: Verdict, now: Millis) -> list[Effect]:
        return self._on("verdict", key, verdict)

    def penalise(self, peer: PeerId, penalty: Penalty, reason: str, now: Millis) -> list[Effect]:
        return self._on("penalise", peer, penalty, reason)

    def request(self, peer: PeerId, topic: int, payload: bytes, now: Millis) -> tuple[RequestId, list[Effect]]:
        return RequestId(7), self._on("request", peer, topic, payload)

    def respond(self, request: RequestId, payload: bytes, now: Millis) -> list[Effect]:
        return self._on("respond", request, payload)

    def refuse(self, request: RequestId, reason: str, now: Millis) -> list[Effect]:
        return self._on("refuse", request, reason)

    def unban(self, peer: PeerId, now: Millis) -> list[Effect]:
        return self._on("unban", peer)

    def why(self, peer: PeerId, now: Millis) -> Why:
        return Why(peer, on_map=False, reachable=False, linked=None, banned=False, quarantined=False, attempts=())

    def neighbours(self) -> tuple[Neighbour, ...]:
        return ()

    def view(self) -> MapView:
        raise NotImplementedError

    def statistics(self) -> MeshStatistics:
        return cast(MeshStatistics, None)  # only handed through

    def mesh_time(self, now: Millis) -> Millis:
        return Millis(now + 5)


@dataclass
class World:
    """The parts around a driver, and a clock that the test holds unless it lets it run."""

    order: list[object] = field(default_factory=list)
    react: Callable[[AppEffect], None] = lambda effect: None
    now: Millis = Millis(1_000_000)
    runs: bool = False

    def handle(self, effect: AppEffect, now: Millis) -> None:
        self.order.append(effect)
        self.react(effect)

    def put(self, name: str, blob: bytes) -> None:
        if name == "full":
            raise StorageError("the disk is full; free some space")
        self.order.append((name, blob))

    def clock(self) -> Millis:
        return Millis(int(asyncio.get_running_loop().time() * 1000)) if self.runs else self.now


def driver(mesh: ScriptedMesh, world: World, settings: DriverSettings = QUIET) -> Driver:
    return Driver(mesh, world, world, settings, world.clock)


async def test_effects_are_carried_out_in_order_and_those_of_calls_meanwhile_after_them() -> None:
    mesh, world = ScriptedMesh(), World()
    down = LinkDown(ALICE, "gone")
    validate = Validate(1, b"key", b"payload", ALICE)
    answers: dict[object, list[Effect]] = {
        "start": [Persist("seq", b"1"), validate, Persist("seq", b"2"), down],
        "verdict": [Persist("after", b"3")],
    }
    mesh.script = lambda event: answers.get(event[0], [])
    node = driver(mesh, world)
    world.react = lambda effect: node.verdict(b"key", Verdict.ACCEPT) if effect is validate else None
    await node.start()
    assert world.order == [("seq", b"1"), validate, ("seq", b"2"), down, ("after", b"3")]
    assert ("verdict", b"key", Verdict.ACCEPT) in mesh.events
    await node.close()
    assert mesh.names()[-1] == "stop"
    node.publish(1, b"too late")
    assert world.order[-1] == ("after", b"3")


async def test_application_calls_reach_the_mesh() -> None:
    mesh, world = ScriptedMesh(), World()
    node = driver(mesh, world)
    await node.start()
    node.publish(1, b"p")
    assert node.request(ALICE, 2, b"q") == 7
    node.respond(RequestId(3), b"r")
    node.refuse(RequestId(4), "no")
    node.penalise(ALICE, Penalty.STRIKE, "why")
    assert (node.neighbours(), node.mesh_time()) == ((), world.now + 5)
    assert mesh.names() == ["start", "publish", "request", "respond", "refuse", "penalise"]
    await node.close()


async def test_the_timer_follows_the_deadline_and_does_not_poll() -> None:
    mesh, world = ScriptedMesh(), World(runs=True)
    ticked = asyncio.Event()

    def script(event: Event) -> list[Effect]:
        if event[0] == "start":
            mesh.due = Millis(world.clock() + 20)
        if event[0] == "tick":
            mesh.due = None
            ticked.set()
        return []

    mesh.script = script
    node = driver(mesh, world)
    await node.start()
    due = mesh.due
    await asyncio.wait_for(ticked.wait(), 5)
    assert due is not None
    when = mesh.events[-1][1]
    assert isinstance(when, int)
    assert when >= due
    assert node._timer is None, "no deadline, no timer"
    assert node.statistics().ticks == mesh.names().count("tick")
    await node.close()


async def test_what_fails_is_raised_and_stops_the_node() -> None:
    mesh, world = ScriptedMesh(), World()
    mesh.script = lambda event: [Persist("full", b""), Persist("never", b"")] if event[0] == "start" else []
    with pytest.raises(StorageError, match="free some space"):
        await driver(mesh, world).run()
    assert world.order == []

    def broken(event: Event) -> list[Effect]:
        raise ZeroDivisionError

    mesh.script = broken
    with pytest.raises(ZeroDivisionError):
        await driver(mesh, world).run()


async def test_a_port_in_use_is_a_config_error() -> None:
    mesh, world = ScriptedMesh(), World()
    first = driver(mesh, world, LISTENING)
    await first.start()
    for settings in (
        DriverSettings(LOOPBACK, rendezvous=("127.0.0.1", first.rendezvous_port or 0)),
        DriverSettings(LOOPBACK, rendezvous=("127.0.0.1", 0), stun=("127.0.0.1", first.stun_port or 0)),
    ):
        with pytest.raises(ConfigError, match="choose another port"):
            await driver(ScriptedMesh(), world, settings).run()
    await first.close()


async def test_alarms_are_logged_once_a_minute_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    mesh, world = ScriptedMesh(), World()
    mesh.script = lambda event: [Alarm("clock", "wrong")] if event[0] == "publish" else []
    node = driver(mesh, world)
    await node.start()
    with caplog.at_level(logging.WARNING, "net.transport.driver"):
        for later in (0, 1, 59_999, 60_000):
            world.now = Millis(1_000_000 + later)
            node.publish(1, b"")
    assert [record.message for record in caplog.records] == ["clock: wrong"] * 2
    assert node.statistics().alarms == (("clock", 4),)
    assert len(world.order) == 4
    await node.close()


async def test_a_rendezvous_call_travels_from_mesh_to_mesh(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    asked, asking, world = ScriptedMesh(), ScriptedMesh(), World()
    asked.script = lambda event: (
        [ReplyRendezvous(CallId(int(str(event[1]))), b"re: " + bytes(str(event[3]), "ascii"))]
        if event[0] == "asked"
        else []
    )
    server, client = driver(asked, world, LISTENING), driver(asking, world)
    await server.start()
    url = f"ws://127.0.0.1:{server.rendezvous_port}"
    asking.script = lambda event: [CallRendezvous(CallId(1), url, b"hello")] if event[0] == "publish" else []
    await client.start()
    client.publish(0, b"")
    await until(lambda: "answered" in asking.names())
    assert asking.events[-1] == ("answered", 1, b"re: 127.0.0.1")
    assert ("asked", -1, b"hello", "127.0.0.1") in asked.events
    await server.close_listeners()
    assert server.rendezvous_port is None
    assert server.stun_port is None
    client.publish(0, b"")
    await until(lambda: "failed" in asking.names())
    assert client.statistics().calls_failed == 1
    told = [record for record in caplog.records if url in record.getMessage()]
    assert len(told) == 1, "an operator sees which bootstrap is down or mistyped"
    assert getattr(told[0], "repeats", False), "and not every second"
    await client.close()
    await server.close()


class Signalling:
    """Two drivers whose meshes carry offers and answers to each other by hand."""

    def __init__(self) -> None:
        self.meshes = (ScriptedMesh(), ScriptedMesh())
        self.world = World()
        self.drivers = tuple(driver(mesh, self.world) for mesh in self.meshes)
        self.on_frame: Callable[[int, Event], list[Effect]] = lambda side, event: []
        for side in (0, 1):
            self.meshes[side].script = lambda event, side=side: self._script(side, event)  # type: ignore[misc]

    def _script(self, side: int, event: Event) -> list[Effect]:
        other = self.drivers[1 - side]
        match event:
            case ("publish", _, b"link"):
                return [CreateOffer(LinkId(1))]
            case ("offer", _, bytes(sdp)):
                other._perform([CreateAnswer(LinkId(2), sdp)])
            case ("answer", _, bytes(sdp)):
                other._perform([ApplyAnswer(LinkId(1), sdp), ApplyAnswer(LinkId(1), sdp)])
            case ("frame", *_):
                return self.on_frame(side, event)
        return []

    async def open(self) -> None:
        for node in self.drivers:
            await node.start()
        self.drivers[0].publish(0, b"link")
        await until(lambda: all("opened" in mesh.names() for mesh in self.meshes))

    async def close(self) -> None:
        for node in self.drivers:
            await node.close()


async def test_a_link_opens_carries_frames_and_closes() -> None:
    pair = Signalling()
    await pair.open()
    one, other = (next(e for e in mesh.events if e[0] == "opened") for mesh in pair.meshes)
    assert (one[1], other[1]) == (1, 2)
    assert isinstance(one[2], LinkTransport)
    assert isinstance(other[2], LinkTransport)
    assert one[2].role is Role.OFFERER
    assert one[2].local_fingerprint == other[2].remote_fingerprint
    pair.drivers[0]._perform([Send(LinkId(1), b"hello", Priority.CONTROL), Send(LinkId(9), b"lost", Priority.BULK)])
    await until(lambda: ("frame", 2, b"hello") in pair.meshes[1].events)
    links = pair.drivers[0].statistics().links
    assert (links.open, links.setups, links.opened) == (1, 0, 1)
    assert links.frames_out == (1, 0, 0, 0, 0)
    assert pair.drivers[0].link_traffic(LinkId(1)) == (0, 5)
    assert pair.drivers[1].link_traffic(LinkId(2)) == (5, 0)
    assert pair.drivers[1].link_traffic(LinkId(3)) == (0, 0)
    # a farewell queued before `Close` arrives, `closed` comes to the other side only
    pair.drivers[0]._perform([Send(LinkId(1), b"bye", Priority.CONTROL), Close(LinkId(1), "enough")])
    await until(lambda: "closed" in pair.meshes[1].names())
    assert ("frame", 2, b"bye") in pair.meshes[1].events
    assert "closed" not in pair.meshes[0].names()
    await until(lambda: len(pair.drivers[0]._tasks) == 0)
    assert pair.drivers[0].statistics().links.frames_out == (2, 0, 0, 0, 0)
    await pair.close()


async def test_frames_of_a_link_the_mesh_has_closed_are_not_handed_on() -> None:
    pair = Signalling()
    await pair.open()
    pair.on_frame = lambda side, event: [Close(LinkId(2), "had enough")] if side == 1 else []
    pair.drivers[0]._perform([Send(LinkId(1), bytes((n,)), Priority.BULK) for n in range(50)])
    await until(lambda: "closed" in pair.meshes[0].names())
    assert pair.meshes[1].names().count("frame") == 1
    await pair.close()


async def test_a_link_that_cannot_take_its_control_frames_ends() -> None:
    pair = Signalling()
    await pair.open()
    pair.drivers[0]._perform([Send(LinkId(1), bytes(1000), Priority.CONTROL)] * 300)
    await until(lambda: "closed" in pair.meshes[0].names())
    assert pair.meshes[0].events[-1] == ("closed", 1, "stalled: the control queue is full")
    await pair.close()


async def test_an_error_in_the_mesh_while_a_frame_comes_stops_the_node() -> None:
    pair = Signalling()
    await pair.open()

    def broken(side: int, event: Event) -> list[Effect]:
        raise ZeroDivisionError

    pair.on_frame = broken
    pair.drivers[0]._perform([Send(LinkId(1), b"x", Priority.CONTROL)])
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(pair.drivers[1].wait(), 5)
    await pair.close()


async def test_a_bad_offer_and_one_too_many_fail_their_links_only() -> None:
    mesh, world = ScriptedMesh(), World()
    node = driver(mesh, world)
    await node.start()
    node._perform([CreateAnswer(LinkId(1), b"not sdp"), CreateOffer(LinkId(2))])
    await until(lambda: {"closed", "offer"} <= set(mesh.names()))
    node._perform([ApplyAnswer(LinkId(2), b"not sdp either")])
    await until(lambda: mesh.names().count("closed") == 2)
    reasons = [str(event[2]) for event in mesh.events if event[0] == "closed"]
    assert all(reason.startswith("set-up failed at description") for reason in reasons)
    assert dict(node.statistics().links.failed)[Step.DESCRIPTION] == 2
    # 8 set-ups hold a slot until their answer comes, 16 wait, the next one is refused
    node._perform([CreateOffer(LinkId(number)) for number in range(10, 35)])
    await until(lambda: mesh.names().count("offer") == 1 + 8 and mesh.names().count("closed") == 3)
    assert mesh.events[-1][0] in ("offer", "closed")
    assert ("closed", 34, "set-up failed at slot: 16 set-ups wait already") in mesh.events
    assert node.statistics().links.setups == 24
    node._perform([Close(LinkId(number), "given up") for number in range(10, 18)])
    await until(lambda: mesh.names().count("offer") == 1 + 16)
    await node.close()
    assert mesh.names().count("closed") == 3, "what we end ourselves is not told"


async def test_a_clean_stop_takes_under_three_seconds_and_leaves_no_task() -> None:
    before = asyncio.all_tasks()
    pair = Signalling()
    await pair.open()
    pair.drivers[1]._perform([CreateOffer(LinkId(5))])
    pair.drivers[1]._perform([CallRendezvous(CallId(1), "ws://127.0.0.1:9", b"x")])
    loop = asyncio.get_running_loop()
    began = loop.time()
    pair.drivers[0].stop()
    await asyncio.wait_for(pair.drivers[0].wait(), 1)
    await pair.close()
    assert loop.time() - began < 3.0
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_probes_ask_a_server_and_hear_what_comes_to_the_quiet_port() -> None:
    mesh = ScriptedMesh()
    node = driver(mesh, World(), LISTENING)
    await node.start()
    port = node.stun_port
    assert port is not None
    node._perform([ProbePaths(ProbeId(4), (("127.0.0.1", port),))])
    await until(lambda: "probed" in mesh.names())
    paths = next(event[2] for event in mesh.events if event[0] == "probed")
    assert isinstance(paths, Paths)
    assert paths.quiet_port is not None
    assert paths.seen[0] is not None
    assert paths.seen[0][0] == "127.0.0.1"
    assert paths.seen[0][1] != paths.quiet_port
    node._perform([SendProbe("127.0.0.1", paths.quiet_port, b"n" * 16)])
    await until(lambda: "heard" in mesh.names())
    assert ("heard", ProbeId(4), b"n" * 16) in mesh.events
    await node.close()


async def test_probes_where_nothing_answers_or_no_address_fits_say_so() -> None:
    mesh = ScriptedMesh()
    node = driver(mesh, World(), LISTENING)
    await node.start()
    node._perform([ProbePaths(ProbeId(5), (("2001:db8::1", 9),)), SendProbe("2001:db8::1", 9, b"n" * 16)])
    await until(lambda: "probed" in mesh.names())
    assert ("probed", ProbeId(5), Paths(None, ())) in mesh.events
    await node.close()
