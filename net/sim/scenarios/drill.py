"""Failure-domain drills (DESIGN section 3.6). In one, two halves that grew apart are joined by a few newcomers, these
fail, and then a third of all peers, one operator's, vanishes at once; in the other the halves hang together by one
operator's peers alone.
"""

from dataclasses import dataclass, replace

from net.core.config import MeshConfig
from net.core.health.monitor import HealthStatistics
from net.core.wire.record import Flags
from net.sim.arrays.graph import Shape
from net.sim.measures import shape, true_links
from net.sim.node import SimNode
from net.sim.scenarios.growth import TOPIC, settings
from net.sim.world import World

OPERATOR = 7
"""Tag of every third peer."""

BRIDGE = 8
"""Tag of the peers that join the halves in the other drill."""


@dataclass(frozen=True, slots=True)
class Step:
    """What held at the end of one step."""

    alarmed: int
    """Running nodes that raised the step's alarm."""
    after: int | None
    """Virtual ms from the step's beginning until half of the running nodes had raised it; None: never in time."""
    across: int
    """Links between the halves, the newcomers counted with the first."""
    truth: Shape
    """Of the running nodes and the links between them."""
    healing: int
    """Running nodes whose record carries the healing flag."""
    greatest_bare: int
    """Most links of a running node whose record does not: never over CAP."""
    seen: HealthStatistics | None
    """What the first node's last survey shows."""


@dataclass(frozen=True, slots=True)
class Drill:
    """What the story gave."""

    grown: Step
    """Each half for itself: nobody has any reason to warn."""
    joined: Step
    """The newcomers joined both: `weak_cut`, and its mending."""
    bridged: Step
    """The newcomers failed: the links across that the nodes opened keep the halves together."""
    vanished: Step
    """A third vanished: `partition_seen`, since nobody can tell whether those peers live on among themselves."""
    digest: str
    """Hash of all frames: equal for equal seeds."""


class _Story:
    def __init__(self, seed: int, half: int, joiners: int, config: MeshConfig) -> None:
        self.world = World(seed)
        self._config = config
        first, second = self._half(half), self._half(half)
        hosts = (first[0].url, second[0].url)
        # who has no clock to trust asks two first contacts, and so meets both halves
        config = replace(config, bootstraps=hosts, trust_own_clock=False)
        self.members = [*first, *second]
        self.second = frozenset(node.peer for node in second)
        self.joiners = [SimNode(self.world, config, [TOPIC]) for _ in range(joiners)]

    def _half(self, count: int) -> list[SimNode]:
        world, nodes = self.world, list[SimNode]()
        for number in range(count):
            tags = (OPERATOR if number % 3 == 2 else 0, 0, 1)
            bootstraps = (nodes[0].url,) if nodes else ()
            nodes.append(SimNode(world, replace(self._config, tags=tags, bootstraps=bootstraps), [TOPIC]))
            world.at(world.now + 100 * number, nodes[-1].start)
        return nodes

    def raised(self, kind: str, since: int) -> int:
        """Return how many running nodes raised an alarm since a moment."""
        return sum(
            any(at >= since and text.startswith(f"{kind}: ") for at, text in node.log)
            for node in self.world.nodes
            if node.running
        )

    def step(self, kind: str, duration: int) -> Step:
        """Let `duration` pass, and more until half of the nodes have raised the alarm if it is not there yet."""
        world, begun = self.world, self.world.now
        running = sum(node.running for node in world.nodes)
        loud = world.run_until(lambda: 2 * self.raised(kind, begun) >= running, limit=duration)
        after = world.now - begun if loud else None
        world.run_for(max(0, begun + duration - world.now))
        alive = [node for node in world.nodes if node.running]
        links = true_links(alive)
        return Step(
            alarmed=self.raised(kind, begun),
            after=after,
            across=sum((left in self.second) != (right in self.second) for left, right in links),
            truth=shape(alive),
            healing=sum(_healing(node) for node in alive),
            greatest_bare=max((len(node.mesh.neighbours()) for node in alive if not _healing(node)), default=0),
            seen=alive[0].mesh.health(),
        )


def _healing(node: SimNode) -> bool:
    facts = node.mesh.view().facts(node.peer)
    return facts is not None and bool(facts.flags & Flags.HEALING)


def run_joined(seed: int, *, half: int, joiners: int, config: MeshConfig, times: int) -> list[Step]:
    """Play the drill up to the mending, with other settings, and look at it `times` times, 30 s apart."""
    story = _Story(seed, half, joiners, config)
    story.step("weak_cut", 75_000)
    for node in story.joiners:
        node.start()
    return [story.step("weak_cut", 30_000) for _ in range(times)]


def run_bridge(seed: int, *, half: int = 24, bridge: int = 14) -> tuple[Step, Step]:
    """Join the halves by `bridge` peers of one operator, enough for a strong cut, and then let that operator vanish.

    Return what held before it vanished and a minute after.
    """
    story = _Story(seed, half, 0, settings())
    world = story.world
    story.step("domain_fragile", 75_000)
    hosts = (story.members[0].url, story.members[half].url)
    config = replace(settings(), bootstraps=hosts, trust_own_clock=False, tags=(BRIDGE, 0, 0))
    operators = [SimNode(world, config, [TOPIC]) for _ in range(bridge)]
    for number, node in enumerate(operators):
        world.at(world.now + 100 * number, node.start)
    warned = story.step("domain_fragile", 120_000)
    for node in operators:
        node.crash()
    return warned, story.step("partition_seen", 60_000)


def run(seed: int, *, half: int = 30, joiners: int = 2) -> Drill:
    """Play the drill with two halves of `half` peers."""
    story = _Story(seed, half, joiners, settings())
    world = story.world
    grown = story.step("weak_cut", 75_000)
    for node in story.joiners:
        node.start()
    joined = story.step("weak_cut", 180_000)  # a third of the nodes look again only after two minutes
    for node in story.joiners:
        node.crash()
    bridged = story.step("partition_seen", 60_000)
    for node in story.members:
        if node.config.tags[0] == OPERATOR:
            node.crash()
    vanished = story.step("partition_seen", 90_000)
    return Drill(grown, joined, bridged, vanished, world.digest.hex())
