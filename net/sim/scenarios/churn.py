"""Steady churn: peers leave after exponential sessions, half of them without a word, and others come in their place."""

from dataclasses import replace
from random import Random

from chain.primitives.errors import ConfigError
from net.sim.node import SimNode
from net.sim.progress import Progress
from net.sim.scenarios.growth import TOPIC, settings, surveys_map
from net.sim.scenarios.outcome import Numbers, Outcome
from net.sim.scenarios.story import MESSAGE_TIME, Teller, interrupted
from net.sim.traffic import Meter
from net.sim.world import World

SESSION = 8 * 3600 * 1000
"""Mean session in ms (issue 4's table)."""

DURATION = 600_000
"""Virtual ms of churn unless told."""

BOOTSTRAPS = 3

POINTS = 30
"""Of the curve of how true the maps are."""


class Population:
    """Keeps the number of running peers: each that leaves is replaced by a new one. The last one made for a world does,
    not those of stories before."""

    def __init__(self, world: World, *, session: int, meter: Meter | None = None) -> None:
        """`session` is the mean one in ms; `meter` hears of whoever leaves."""
        self.meter = meter
        self._world = world
        self._session = session
        self._rng = Random(f"churn/{world.seed}")
        self.left = self.joined = 0
        world.population = self
        for node in world.nodes:
            if node.running:
                self._plan(node)

    def _plan(self, node: SimNode) -> None:
        length = self._rng.expovariate(1 / self._session)
        self._world.at(self._world.now + length, self._leave, node)

    def _leave(self, node: SimNode) -> None:
        if not node.running or self._world.population is not self:
            return
        self.left += 1
        if self.meter is not None:
            self.meter.leaves(node)
        if self._rng.random() < 0.5:
            node.stop()
        else:
            node.crash()
        running = [one for one in self._world.nodes if one.running]
        contacts = tuple(one.url for one in self._rng.sample(running, min(BOOTSTRAPS, len(running))))
        self.joined += 1
        surveys = surveys_map(len(running), self.joined)
        fresh = SimNode(self._world, replace(settings(), bootstraps=contacts, surveys=surveys), [TOPIC])
        fresh.start()
        self._plan(fresh)


class Life(Teller):
    """The teller of churn, with what it counts."""

    def __init__(
        self, world: World, outcome: Outcome, *, duration: int, session: int, progress: Progress | None
    ) -> None:
        super().__init__(world, outcome, total=duration + MESSAGE_TIME, progress=progress)
        self.duration = duration
        self.meter = Meter(world.nodes)
        self.population = Population(world, session=session, meter=self.meter)

    def counts(self) -> Numbers:
        """Return the numbers of the population and of its traffic up to now."""
        return self.outcome.numbers | self.received()

    def received(self) -> Numbers:
        """Return the numbers of the population and of its traffic."""
        traffic = self.meter.read()
        return {
            "left": self.population.left,
            "joined": self.population.joined,
            "records_per_hour": traffic.signed,
            "records_bytes_s": traffic.records,
            "least_bytes_s": traffic.bound,
            "times_least": traffic.times_bound,
            "keepalive_bytes_s": traffic.keepalive,
            "other_bytes_s": traffic.direct,
            "frames_s": traffic.frames,
        }


def run(
    world: World, *, duration: int | None = None, session: int = SESSION, progress: Progress | None = None
) -> tuple[Outcome, Population]:
    """Let a whole world live for `duration` virtual ms and measure what its peers receive, or go on with that where it
    was broken off. Raises `ConfigError` for a world that is in the middle of another story, or of churn that lasts
    longer or shorter. Churn lasts DURATION unless told."""
    life = interrupted(world, "churn")
    if isinstance(life, Life):
        if duration not in (None, life.duration):
            raise ConfigError(f"this churn was begun to last {life.duration // 1000} virtual s, not {duration // 1000}")
        life.go_on(progress)
    else:
        running = sum(node.running for node in world.nodes)
        outcome = Outcome("churn", running, world.seed)
        life = Life(world, outcome, duration=duration or DURATION, session=session, progress=progress)
    return _tell(world, life), life.population


def _tell(world: World, life: Life) -> Outcome:
    """Tell what of the story is still to come."""
    for point in range(len(life.outcome.curves.get("recall", ())), POINTS):
        life.pass_until(life.duration * (point + 1) // POINTS, "churn")
        life.judge()
    life.outcome.numbers |= life.received()
    life.shape()
    life.message(_longest_lived(world), TOPIC.number)
    return life.end()


def _longest_lived(world: World) -> SimNode:
    """Return the first node that still runs: surely linked, so that the delays show the network and not a joiner."""
    return next(node for node in world.nodes if node.running)
