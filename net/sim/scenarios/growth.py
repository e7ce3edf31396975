"""Growth: peers join one after the other through one bootstrap, all link up, and a message reaches all."""

from dataclasses import dataclass, replace

from chain.primitives.errors import ConfigError
from net.core.app.topics import TopicSpec
from net.core.config import MeshConfig
from net.core.effects import Priority
from net.sim.arrays.graph import Shape
from net.sim.measures import reach, shape
from net.sim.node import SimNode
from net.sim.progress import Progress
from net.sim.scenarios.outcome import Outcome
from net.sim.scenarios.story import MESSAGE_TIME, Teller, interrupted
from net.sim.truth import MapQuality, quality
from net.sim.world import EPOCH, Conditions, World

SETTLED = 30_000
"""Virtual ms after the last join in which the maps must become true (issue 4's table): so long the curve goes on."""

ALL_SURVEY = 500
"""Networks up to this size in which every peer surveys its map."""

SURVEYORS = 25
"""In larger ones, one peer in this many does: a survey takes 30 ms at 2,500 peers and no two maps are quite equal, so
that surveys would cost more than all else. They lead to alarms and mending, which these stories do not tell of."""

TOPIC = TopicSpec(1, "growth", 64 * 1024, Priority.BLOCK)


@dataclass(frozen=True, slots=True)
class Growth:
    """What the story gave."""

    linked_after: int | None
    """Virtual ms after the last join until every node had `enough` listed links; None: never in time."""
    shape: Shape
    maps: MapQuality
    reached: float
    """Share of nodes the message came to."""
    rendezvous_links: int
    """Links that joiners opened by rendezvous; each joiner needs one."""
    relayed_links: int
    """Links opened by offers over the mesh."""
    digest: str
    """Hash of all frames: equal for equal seeds."""


def settings() -> MeshConfig:
    """Return the settings of every node but its bootstraps."""
    return MeshConfig(network_id=bytes(32), id_difficulty=1, rendezvous_url="filled in", trust_own_clock=True)


def surveys_map(peers: int, number: int) -> bool:
    """Tell whether the peer of this number surveys its map in a network of so many."""
    return peers <= ALL_SURVEY or number % SURVEYORS == 0


def build(world: World, peers: int, *, join_every: int) -> list[SimNode]:
    """Return the nodes; the first is the bootstrap of all others, which join `join_every` ms apart."""
    nodes = [SimNode(world, settings(), [TOPIC])]
    nodes[0].start()
    for number in range(1, peers):
        surveys = surveys_map(peers, number)
        config = replace(settings(), bootstraps=(nodes[0].url,), surveys=surveys)
        node = SimNode(world, config, [TOPIC])
        nodes.append(node)
        world.at(world.now + number * join_every, node.start)
    return nodes


def run(
    peers: int,
    seed: int,
    *,
    join_every: int = 100,
    enough: int = 6,
    limit: int = 120_000,
    conditions: Conditions | None = None,
) -> Growth:
    """Let `peers` nodes join and link up to at least `enough` links each, then publish one message.

    `limit` bounds the virtual ms after the last join.
    """
    world = World(seed, conditions)
    nodes = build(world, peers, join_every=join_every)
    enough = min(enough, peers - 1)

    def linked() -> bool:
        degrees = [node.mesh.view().degree(node.peer) if node.running else 0 for node in nodes]
        return all(degree >= enough for degree in degrees)

    joined = EPOCH + peers * join_every
    ready = world.run_until(linked, limit=peers * join_every + limit, step=1_000)
    linked_at = world.now
    world.run_for(15_000)
    payload = b"a message to all"
    nodes[-1].publish(TOPIC.number, payload)
    world.run_until(lambda: reach(nodes, payload) == 1.0, limit=10_000, step=100)
    statistics = [node.mesh.statistics() for node in nodes]
    return Growth(
        linked_after=max(0, linked_at - joined) if ready else None,
        shape=shape(nodes),
        maps=quality(nodes),
        reached=reach(nodes, payload),
        rendezvous_links=sum(one.links_rendezvous_own for one in statistics),
        relayed_links=sum(one.links_relayed for one in statistics) // 2,
        digest=world.digest.hex(),
    )


class Joining(Teller):
    """The teller of growth, with what it waits for."""

    def __init__(
        self, world: World, outcome: Outcome, *, join_every: int, limit: int, progress: Progress | None
    ) -> None:
        self.joined = outcome.peers * join_every
        """Virtual ms from the beginning until all have joined."""
        self.limit = limit
        """Virtual ms that the maps have after that."""
        total = self.joined + min(SETTLED, limit) + MESSAGE_TIME
        super().__init__(world, outcome, total=total, progress=progress)


def grow(
    peers: int,
    seed: int,
    *,
    join_every: int = 100,
    limit: int = 60_000,
    conditions: Conditions | None = None,
    scenario: str = "growth",
    progress: Progress | None = None,
) -> tuple[Outcome, World]:
    """Let peers join, measure when the maps of the last moment are true, then publish one message.

    Nothing waits for links: the clock runs from the last join on, at most `limit` ms.
    """
    world = World(seed, conditions)
    since = f"the first peer started; the last joined at {peers * join_every / 1000:g}"
    outcome = Outcome(scenario, peers, seed, {"join_every_ms": join_every}, since)
    teller = Joining(world, outcome, join_every=join_every, limit=limit, progress=progress)
    build(world, peers, join_every=join_every)
    return _tell(world, teller), world


def go_on(world: World, *, scenario: str, join_every: int | None = None, progress: Progress | None = None) -> Outcome:
    """Go on with a growth that was broken off, in the world read back. Raises `ConfigError` for any other world, and
    where peers are to join at another pace than so far."""
    teller = interrupted(world, scenario)
    if not isinstance(teller, Joining):
        raise ConfigError(f"this world is not in the middle of {scenario}: leave --load out to begin with an empty one")
    pace = teller.outcome.numbers["join_every_ms"]
    if join_every not in (None, pace):
        raise ConfigError(f"this {scenario} was begun with a peer every {pace} ms, not every {join_every}")
    teller.go_on(progress)
    return _tell(world, teller)


def _tell(world: World, teller: Joining) -> Outcome:
    """Tell what of the story is still to come."""
    outcome, nodes, joined, limit = teller.outcome, world.nodes, teller.joined, teller.limit
    teller.pass_until(joined, "joining")
    if "maps_true_after_ms" not in outcome.numbers:
        outcome.numbers["maps_true_after_ms"] = teller.until_true(limit, "settling", since=joined)
    teller.pass_until(joined + min(SETTLED, limit), "settling", watch=True)
    teller.message(nodes[-1], TOPIC.number)
    teller.shape()
    outcome.numbers |= teller.records()
    return teller.end()
