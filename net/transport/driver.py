"""The driver: holds the mesh, the clock and the sockets, and is the only place of the network that waits."""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import assert_never

from chain.primitives.errors import Penalty
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
    LinkUp,
    MapEvent,
    Paths,
    Persist,
    ProbeId,
    ProbePaths,
    ReplyRendezvous,
    Requested,
    RequestFailed,
    RequestId,
    Responded,
    Send,
    SendProbe,
    SurveyMap,
    Validate,
    Verdict,
)
from net.core.health.survey import survey
from net.core.map.view import MapView
from net.core.mesh_report import MeshStatistics, Neighbour
from net.core.overlay.trace import Why
from net.core.shape import Shape
from net.transport.ice import IceSettings
from net.transport.links import Links, LinkStatistics
from net.transport.names import Names
from net.transport.ports import Application, BlobStore, MeshMachine
from net.transport.probes import Probes
from net.transport.rendezvous import (
    CALLS_MAX,
    LIFE_SECONDS,
    CallFailed,
    RendezvousServer,
    RendezvousStatistics,
    call_rendezvous,
    open_rendezvous,
)
from net.transport.stun import StunServer, StunStatistics, open_stun
from net.transport.tasks import OwnedTasks

log = logging.getLogger(__name__)

ALARM_LOG_INTERVAL = Millis(60_000)
"""An alarm of one kind is logged at most this often; every one is counted and handed to the application."""

STOP_SECONDS = 1.25
"""For the links' farewells, then once more for the tasks that had to be cancelled: a stop takes at most 3 s."""

TICK_SECONDS_MIN = 0.001
"""Shortest wait for the next tick: a deadline that does not move must not take the loop for itself."""


@dataclass(frozen=True, slots=True)
class DriverSettings:
    """Where the network of this node listens."""

    ice: IceSettings
    rendezvous: tuple[str, int] | None = None
    """Address and TCP port of the rendezvous, None for none; port 0 takes any."""
    stun: tuple[str, int] | None = None
    """Address and UDP port of our STUN server, None for none; port 0 takes any."""


@dataclass(frozen=True, slots=True)
class DriverStatistics:
    """What the driver counts, and what the mesh does."""

    mesh: MeshStatistics
    links: LinkStatistics
    rendezvous: RendezvousStatistics | None
    """None while the listener is closed."""
    stun: StunStatistics | None
    """None while the listener is closed."""
    calls: int
    """Rendezvous calls of our own in progress."""
    calls_failed: int
    ticks: int
    alarms: tuple[tuple[str, int], ...]
    """Alarms since the start, by kind, sorted."""


class Driver:
    """Runs one mesh on one event loop. Owns every task, timer and socket of the network; all calls come from its loop.

    Life: `run`, or `start`, `wait`, `close`. What fails in any task or callback is raised by `wait`.
    """

    def __init__(
        self,
        mesh: MeshMachine,
        application: Application,
        blobs: BlobStore,
        settings: DriverSettings,
        clock: Callable[[], Millis],
    ) -> None:
        """Take the parts. `clock` gives ms since the epoch and never steps: wall time read once, then monotonic."""
        self._mesh = mesh
        self._application = application
        self._blobs = blobs
        self._settings = settings
        self._clock = clock
        self._tasks = OwnedTasks()
        self._links = Links(settings.ice, self, self._tasks)
        self._names = Names()
        self._probes = Probes(settings.ice.listening, self)
        self._running = False
        self._stop_asked = asyncio.Event()
        self._effects: deque[Effect] = deque()
        self._carrying_out = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_for: Millis | None = None
        self._rendezvous: RendezvousServer | None = None
        self._stun: StunServer | None = None
        self._taken = count(1)
        self._asked: dict[CallId, asyncio.Future[bytes | None]] = {}
        self._calls = 0
        self._calls_failed = 0
        self._ticks = 0
        self._alarms: Counter[str] = Counter()
        self._alarm_logged: dict[str, Millis] = {}

    async def run(self) -> None:
        """Start, serve until `stop` or a failure, and close. Raises `ConfigError` when a port cannot be had, and
        whatever failed."""
        try:
            await self.start()
            await self.wait()
        finally:
            await self.close()

    async def start(self) -> None:
        """Open the listeners and start the mesh. Raises `ConfigError` when a port cannot be had."""
        if self._settings.rendezvous is not None:
            self._rendezvous = await open_rendezvous(*self._settings.rendezvous, self._answer)
        if self._settings.stun is not None:
            self._stun = await open_stun(*self._settings.stun, self._clock)
        self._running = True
        self._feed(self._mesh.start)

    async def wait(self) -> None:
        """Return when `stop` was called; raise what failed, if anything does."""
        asked = asyncio.ensure_future(self._stop_asked.wait())
        failure = asyncio.ensure_future(self._tasks.failure())
        try:
            done, _ = await asyncio.wait((asked, failure), return_when=asyncio.FIRST_COMPLETED)
            if failure in done:
                failure.result()
        finally:
            for task in (asked, failure):
                task.cancel()
            await asyncio.wait((asked, failure))

    def stop(self) -> None:
        """Ask `wait` to return."""
        self._stop_asked.set()

    async def close(self) -> None:
        """Say farewell, close every link and listener, and end every task: within 3 s."""
        if self._running:
            self._feed(self._mesh.stop)
        self._running = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for future in self._asked.values():
            if not future.done():
                future.set_result(None)
        self._links.close_all()
        await asyncio.gather(self._tasks.close(STOP_SECONDS), self.close_listeners())

    async def close_listeners(self) -> None:
        """Stop the rendezvous and the STUN server, for good; links and the mesh go on."""
        rendezvous, self._rendezvous = self._rendezvous, None
        stun, self._stun = self._stun, None
        if rendezvous is not None:
            await rendezvous.close()
        if stun is not None:
            await stun.close()

    # What applications call: the mesh's own methods, with the clock and the effects taken care of.

    def publish(self, topic: int, payload: bytes) -> None:
        """Publish a message to all (see `Mesh.publish`)."""
        self._perform(self._mesh.publish(topic, payload, self._clock()))

    def verdict(self, key: bytes, verdict: Verdict) -> None:
        """Answer a `Validate`."""
        self._perform(self._mesh.verdict(key, verdict, self._clock()))

    def request(self, peer: PeerId, topic: int, payload: bytes) -> RequestId:
        """Ask a peer: `Responded` or `RequestFailed` of the number returned comes to the application later."""
        number, effects = self._mesh.request(peer, topic, payload, self._clock())
        self._perform(effects)
        return number

    def respond(self, request: RequestId, payload: bytes) -> None:
        """Answer a `Requested`."""
        self._perform(self._mesh.respond(request, payload, self._clock()))

    def refuse(self, request: RequestId, reason: str) -> None:
        """Refuse a `Requested`."""
        self._perform(self._mesh.refuse(request, reason, self._clock()))

    def penalise(self, peer: PeerId, penalty: Penalty, reason: str) -> None:
        """Punish a peer for what an application found in its message."""
        self._perform(self._mesh.penalise(peer, penalty, reason, self._clock()))

    def unban(self, peer: PeerId) -> bool:
        """Lift a ban, on disk too; False if there was none."""
        effects = self._mesh.unban(peer, self._clock())
        self._perform(effects)
        return bool(effects)

    def why(self, peer: PeerId) -> Why:
        """Return how this node stands with a peer."""
        return self._mesh.why(peer, self._clock())

    def neighbours(self) -> tuple[Neighbour, ...]:
        """Return the links that are up."""
        return self._mesh.neighbours()

    def view(self) -> MapView:
        """Return the map as it is now."""
        return self._mesh.view()

    def link_traffic(self, link: LinkId) -> tuple[int, int]:
        """Return the bytes received and sent on a link so far; zeros when it is not open."""
        return self._links.traffic(link)

    def mesh_time(self) -> Millis:
        """Return the time by the mesh clock."""
        return self._mesh.mesh_time(self._clock())

    def statistics(self) -> DriverStatistics:
        """Return the counters of driver and mesh; O(links)."""
        return DriverStatistics(
            mesh=self._mesh.statistics(),
            links=self._links.statistics(),
            rendezvous=self._rendezvous.statistics() if self._rendezvous else None,
            stun=self._stun.statistics() if self._stun else None,
            calls=self._calls,
            calls_failed=self._calls_failed,
            ticks=self._ticks,
            alarms=tuple(sorted(self._alarms.items())),
        )

    @property
    def rendezvous_port(self) -> int | None:
        """TCP port of the rendezvous, None while it is closed."""
        return self._rendezvous.port if self._rendezvous else None

    @property
    def stun_port(self) -> int | None:
        """UDP port of the STUN server, None while it is closed."""
        return self._stun.port if self._stun else None

    # What links tell (net.transport.links.LinkEvents).

    def offer_made(self, link: LinkId, sdp: bytes) -> None:
        """Hand an offer to the mesh."""
        self._feed(lambda now: self._mesh.offer_ready(link, sdp, now))

    def answer_made(self, link: LinkId, sdp: bytes) -> None:
        """Hand an answer to the mesh."""
        self._feed(lambda now: self._mesh.answer_ready(link, sdp, now))

    def opened(self, link: LinkId, transport: LinkTransport) -> None:
        """Tell the mesh that a link carries frames."""
        self._feed(lambda now: self._mesh.link_opened(link, transport, now))

    def closed(self, link: LinkId, reason: str) -> None:
        """Tell the mesh that a link is gone."""
        log.debug("link %d: %s", link, reason)
        self._feed(lambda now: self._mesh.link_closed(link, reason, now))

    def frame(self, link: LinkId, frame: bytes) -> None:
        """Hand a frame to the mesh."""
        self._feed(lambda now: self._mesh.receive(link, frame, now))

    # What probes tell (net.transport.probes.ProbeEvents).

    def paths_probed(self, probe: ProbeId, paths: Paths) -> None:
        """Tell the mesh how this node is seen."""
        self._feed(lambda now: self._mesh.paths_probed(probe, paths, now))

    def probe_heard(self, probe: ProbeId, nonce: bytes) -> None:
        """Tell the mesh what came to a quiet port."""
        self._feed(lambda _: self._mesh.probe_heard(probe, nonce))

    # Inner workings.

    def _feed(self, happened: Callable[[Millis], list[Effect]]) -> None:
        """Let the mesh take what happened. Its errors are ours, and stop the node instead of ending in a library."""
        if not self._running or self._tasks.error is not None:
            return
        try:
            effects = happened(self._clock())
        except Exception as error:  # noqa: BLE001  # whatever it is, `wait` raises it
            self._tasks.fail(error)
            return
        self._perform(effects)

    def _perform(self, effects: list[Effect]) -> None:
        """Carry out effects in order. Those that come meanwhile, by an application's call, wait for their turn; those
        that come before the start, after the end or after a failure are for nobody."""
        if not self._running or self._tasks.error is not None:
            return
        self._effects.extend(effects)
        if self._carrying_out:
            return
        self._carrying_out = True
        try:
            while self._effects:
                self._carry_out(self._effects.popleft())
            self._arm()
        except Exception as error:  # noqa: BLE001  # whatever it is, `wait` raises it
            self._effects.clear()
            self._tasks.fail(error)
        finally:
            self._carrying_out = False

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Send(link, frame, priority):
                self._links.send(link, frame, priority)
            case CreateOffer(link):
                self._links.create_offer(link)
            case CreateAnswer(link, offer):
                self._links.create_answer(link, offer)
            case ApplyAnswer(link, answer):
                self._links.apply_answer(link, answer)
            case Close(link, reason):
                log.debug("link %d: closed by us: %s", link, reason)
                self._links.close(link)
            case CallRendezvous(call, url, request):
                self._tasks.spawn(self._call(call, url, request), f"rendezvous call {call}")
            case ReplyRendezvous(call, reply):
                self._reply(call, reply)
            case Persist(name, blob):
                self._blobs.put(name, blob)
            case Alarm():
                self._alarm(effect)
            case SurveyMap(shape):
                self._tasks.spawn(self._survey(shape), "survey of the map")
            case ProbePaths(probe, servers):
                self._tasks.spawn(self._probes.probe(probe, servers), f"probe {probe} of the own reachability")
            case SendProbe(address, port, nonce):
                self._tasks.spawn(self._probes.send(address, port, nonce), "try of a neighbour's port")
            case Validate() | Requested() | Responded() | RequestFailed() | LinkUp() | LinkDown() | MapEvent():
                self._application.handle(effect, self._clock())
            case _:
                assert_never(effect)

    def _alarm(self, alarm: Alarm) -> None:
        now = self._clock()
        self._alarms[alarm.kind] += 1
        last = self._alarm_logged.get(alarm.kind)
        if last is None or now - last >= ALARM_LOG_INTERVAL:
            self._alarm_logged[alarm.kind] = now
            log.warning("%s: %s", alarm.kind, alarm.text)
        self._application.handle(alarm, now)

    def _arm(self) -> None:
        deadline = self._mesh.deadline() if self._running else None
        if deadline == self._timer_for and self._timer is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_for = deadline
        if deadline is not None:
            seconds = max((deadline - self._clock()) / 1000, TICK_SECONDS_MIN)
            self._timer = asyncio.get_running_loop().call_later(seconds, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._ticks += 1
        self._feed(self._mesh.tick)

    async def _survey(self, shape: Shape) -> None:
        found = await asyncio.to_thread(survey, shape)
        self._feed(lambda now: self._mesh.surveyed(found, now))

    async def _call(self, call: CallId, url: str, request: bytes) -> None:
        self._calls += 1
        try:
            if self._calls > CALLS_MAX:
                raise CallFailed(f"{CALLS_MAX} calls are under way")
            reply = await call_rendezvous(url, request, self._names)
        except CallFailed as failure:
            reason = str(failure)
            self._calls_failed += 1
            log.info("the rendezvous %s did not help: %.200s", url, reason, extra={"repeats": True})
            self._feed(lambda now: self._mesh.rendezvous_failed(call, reason, now))
        else:
            self._feed(lambda now: self._mesh.rendezvous_answered(call, reply, now))
        finally:
            self._calls -= 1

    async def _answer(self, request: bytes, address: str) -> bytes | None:
        call = CallId(-next(self._taken))
        future: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self._asked[call] = future
        self._feed(lambda now: self._mesh.rendezvous_asked(call, request, address, now))
        try:
            return await asyncio.wait_for(future, LIFE_SECONDS)
        except TimeoutError:
            return None
        finally:
            del self._asked[call]

    def _reply(self, call: CallId, reply: bytes) -> None:
        future = self._asked.get(call)
        if future is not None and not future.done():  # else the caller hung up, or its ten seconds are over
            future.set_result(reply)
