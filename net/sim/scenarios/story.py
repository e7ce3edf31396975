"""What every story tells at its end, and the steps all of them take."""

from collections.abc import Sequence
from dataclasses import replace
from time import process_time

import numpy as np

from chain.primitives.errors import ConfigError
from net.sim.arrays.graph import measure, random_graph
from net.sim.measures import delays, links_matrix, reach
from net.sim.node import SimNode
from net.sim.pictures import map_svg
from net.sim.progress import Progress
from net.sim.scenarios.outcome import Numbers, Outcome
from net.sim.truth import MapQuality, quality
from net.sim.world import World

MESSAGE_TIME = 5_000
"""Virtual ms given to the message at the end of a story: several times what it takes to reach all."""

JUDGED_MAX = 40
"""Nodes whose maps are compared with the truth at every point of a curve; at the end all are."""

GOOD = 0.99
"""Precision and recall from which the maps count as true."""


class BrokenOff(Exception):
    """A story was left between two of its virtual seconds; its world, saved, knows where to go on."""

    def __init__(self, world: World, so_far: Outcome) -> None:
        """`world` is as the story left it, `so_far` what can be told of it already."""
        super().__init__(world)
        self.world = world
        self.so_far = so_far


class Teller:
    """Lets a story's time pass: with progress, and with the curve of how true the maps are.

    Written to a file with its world, it goes on where the story was broken off, if that asks it for moments.
    """

    def __init__(
        self, world: World, outcome: Outcome, *, total: int, progress: Progress | None, spent: float = 0.0
    ) -> None:
        """`total` is what the story is expected to last, in virtual ms; `spent` are CPU seconds that count with it."""
        self.outcome = outcome
        self.total = total
        self._world = world
        self._progress = progress
        self._began = world.now
        self._frames_before = world.delivered
        self._bytes_before = world.bytes_delivered
        self._spent = spent
        """CPU seconds up to `_since`."""
        self._since = process_time()
        world.story = self
        self._show("beginning")

    def __getstate__(self) -> dict[str, object]:
        """Return all but what belongs to this process."""
        return self.__dict__ | {"_progress": None, "_since": None, "_spent": self._cpu_seconds()}

    def go_on(self, progress: Progress | None) -> None:
        """Take up a story that was read back from a file."""
        self._progress = progress
        self._since = process_time()
        self._show("going on")

    def _show(self, doing: str, *, ahead: int = 0) -> bool:
        """Tell how far the story is, at least `ahead` ms before its end; return whether it shall be broken off."""
        done = self._world.now - self._began
        self.total = max(self.total, done + ahead)
        return self._progress is not None and self._progress(done, self.total, doing)

    def _cpu_seconds(self) -> float:
        return self._spent + process_time() - self._since

    def pass_time(self, duration: int, doing: str, *, watch: bool = False) -> None:
        """Let `duration` ms pass; with `watch`, judge maps once a second."""
        self.pass_until(self._world.now - self._began + duration, doing, watch=watch)

    def pass_until(self, moment: int, doing: str, *, watch: bool = False) -> None:
        """Let time pass until `moment`, in virtual ms from the story's beginning; none if that is over."""
        end = self._began + moment
        while self._world.now < end:
            self._world.run_for(min(1_000, end - self._world.now))
            if watch:
                self.judge()
            if self._show(doing, ahead=MESSAGE_TIME):
                raise BrokenOff(self._world, self._so_far())

    def _so_far(self) -> Outcome:
        """Return what can be told of a story in its middle, which stays as it is."""
        maps, links = self._judged(), degrees([node for node in self._world.nodes if node.running])
        found = {"mean_precision": maps.mean_precision, "mean_recall": maps.mean_recall}
        return replace(self.outcome, numbers=self.counts() | found | self._passed(), degrees=links)

    def counts(self) -> Numbers:
        """Return what the story has found and counted up to now."""
        return self.outcome.numbers | self.records()

    def _passed(self) -> Numbers:
        """Return what the time up to now has cost."""
        return {
            "virtual_seconds": (self._world.now - self._began) / 1000,
            "deliveries": self._world.delivered - self._frames_before,
            "cpu_seconds": round(self._cpu_seconds(), 1),
        }

    def _judged(self) -> MapQuality:
        nodes = [node for node in self._world.nodes if node.running]
        return quality(self._world.nodes, nodes[:: -(-len(nodes) // JUDGED_MAX)])

    def judge(self) -> bool:
        """Add a point to the curves; tell whether the maps are true."""
        found = self._judged()
        seconds = (self._world.now - self._began) / 1000
        for name, value in (("precision", found.mean_precision), ("recall", found.mean_recall)):
            self.outcome.curves.setdefault(name, []).append((seconds, round(value, 5)))
        return min(found.mean_precision, found.mean_recall) >= GOOD

    def until_true(self, limit: int, doing: str, *, since: int | None = None) -> int | None:
        """Let time pass until the maps are true; return how many ms that took, None past `limit`.

        It counts from `since`, in ms from the story's beginning; from now on unless told.
        """
        began = self._world.now if since is None else self._began + since
        while not self.judge():
            if self._world.now - began >= limit:
                return None
            self.pass_time(1_000, doing)
        return self._world.now - began

    def message(self, author: SimNode, topic: int) -> None:
        """Let a running node publish a message; add to the outcome how far it came and when, among all now running."""
        nodes = [node for node in self._world.nodes if node.running]
        # unlike that of any story before in the same world
        payload = f"{self.outcome.scenario} at {self._world.now}: a message to all".encode()
        self._show("message")
        author.publish(topic, payload)
        self._world.run_for(MESSAGE_TIME)  # in one go: broken off in between, it would be published again
        self.outcome.delays = delays(nodes, payload)
        self.outcome.numbers |= {"reached": reach(nodes, payload), "last_delay_ms": self.outcome.delays[-1]}

    def shape(self) -> None:
        """Add to the outcome what the graph of all links is like, beside a random one of the same degrees."""
        links, rng = links_matrix(self._world.nodes), np.random.default_rng(self._world.seed)
        found = measure(links, rng)
        twin = measure(random_graph(np.diff(links.indptr).astype(np.int64), rng), rng)
        self.outcome.numbers |= {
            "mean_degree": found.mean_degree,
            "pieces": found.components,
            "mean_path": found.mean_path,
            "path_over_random": found.mean_path / max(twin.mean_path, 1e-9),
            "diameter": found.diameter,
            "lambda2": found.lambda2,
            "lambda2_over_random": found.lambda2 / max(twin.lambda2, 1e-9),
        }

    def records(self) -> Numbers:
        """Return what the nodes that run have signed and taken since they started, and all bytes."""
        statistics = [node.mesh.statistics().gossip for node in self._world.nodes if node.running]
        return {
            "records_signed": sum(one.signed for one in statistics),
            "records_taken": sum(one.applied for one in statistics),
            "megabytes": round((self._world.bytes_delivered - self._bytes_before) / 1e6, 1),
        }

    def end(self) -> Outcome:
        """Add what all stories tell: maps at the end, CPU, frames, digest."""
        world, numbers = self._world, self.outcome.numbers
        self._show("measuring")
        passed = self._passed()
        world.story = None
        maps = quality(world.nodes)
        numbers |= {
            "mean_precision": maps.mean_precision,
            "mean_recall": maps.mean_recall,
            "worst_precision": maps.precision,
            "worst_recall": maps.recall,
            **passed,
            "digest": world.digest.hex(),
        }
        running = [node for node in world.nodes if node.running]
        self.outcome.degrees = degrees(running)
        self.outcome.map = map_svg(world.nodes, f"{self.outcome.scenario}, {len(running)} peers at the end")
        self.total = world.now - self._began
        self._show("done")
        return self.outcome


def interrupted(world: World, scenario: str) -> Teller | None:
    """Return the teller of the story that this world is in the middle of, None if it is in no story.

    Raises `ConfigError` when that is another story than `scenario`.
    """
    teller = world.story
    if not isinstance(teller, Teller):
        return None
    if teller.outcome.scenario != scenario:
        raise ConfigError(f"this world is in the middle of {teller.outcome.scenario}: go on with that first")
    return teller


def peers_of(world: World) -> int:
    """Return how many peers the story had at its beginning that this world is in the middle of; of a world in no story,
    how many run."""
    if isinstance(world.story, Teller):
        return world.story.outcome.peers
    return sum(node.running for node in world.nodes)


def degrees(running: Sequence[SimNode]) -> list[int]:
    """Return how many confirmed links each node has on its own map."""
    return [node.mesh.view().degree(node.peer) for node in running]
