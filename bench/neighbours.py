"""False replacements of honest slow neighbours, and how long one that keeps back records stays (figures_network.md).

`python -m bench.neighbours [--nodes N] [--slow S] [--stallers T] [--minutes M] [--seed X]` lets the production mesh
live in virtual time. The frames of a slow node leave up to LAG late, as those of a busy Raspberry Pi do. A staller
names each record at once, so that others turn to it, and sends none but its own. Every 3 s one peer signs a new record
and every 30 s one publishes a message.
"""

import argparse
from dataclasses import dataclass, replace
from random import Random

from chain.primitives.peer import PREFIX_BYTES
from net.core.app.topics import TopicSpec
from net.core.config import MeshConfig
from net.core.effects import Priority
from net.core.wire.delta import decode_delta, is_delta
from net.core.wire.frame import FrameKind, encode_frame
from net.core.wire.gossip import RecordName, decode_records, encode_have, name_prefix, record_name
from net.core.wire.record import decode_record
from net.sim.node import SimNode
from net.sim.scenarios.growth import settings
from net.sim.world import End, World

TOPIC = TopicSpec(7, "bench", 100_000, Priority.BLOCK)

LAG = 8_000
"""Most that a slow node holds a frame, ms; drawn anew every PHASE. The mesh gives a silent link up after 15 s."""

PHASE = 10_000

SIGN_EVERY = 3_000
"""One peer of all signs a record this often, ms."""

PUBLISH_EVERY = 30_000


def entry_name(entry: bytes) -> RecordName:
    """Return the name of the record that an entry of a RECORDS frame tells, whole or as a delta."""
    if is_delta(entry):
        delta = decode_delta(entry)
        return record_name(delta.prefix, delta.seq)
    record = decode_record(entry)
    return record_name(record.peer[:PREFIX_BYTES], record.seq)


class Loaded(World):
    """A world in which some nodes are slow and others keep records back."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.slow: set[int] = set()
        self.stallers: set[int] = set()
        self._lags: dict[tuple[int, int], int] = {}
        self._leaves: dict[int, float] = {}

    def send(self, near: End, far: End, frame: bytes) -> None:
        """Send a frame late, or a name instead of a record."""
        index = near.node.index
        if frame[0] == FrameKind.RECORDS and far.node.index in self.stallers:
            self._name(far, frame)
        if frame[0] == FrameKind.RECORDS and index in self.stallers:
            named = [name_prefix(entry_name(entry)) for entry in decode_records(frame[1:])]
            if near.node.peer[:PREFIX_BYTES] not in named:
                return
        if index not in self.slow:
            super().send(near, far, frame)
            return
        phase = (index, self.now // PHASE)
        if phase not in self._lags:
            self._lags[phase] = Random(f"{self.seed}/{phase}").randrange(LAG)
        self._leaves[index] = max(self._leaves.get(index, 0.0), self.now + self._lags[phase])
        self.at(self._leaves[index], self._late, near, far, frame)

    def _late(self, near: End, far: End, frame: bytes) -> None:
        if not near.closed:
            super().send(near, far, frame)

    def _name(self, staller: End, frame: bytes) -> None:
        names = [entry_name(entry) for entry in decode_records(frame[1:])]
        body = encode_frame(FrameKind.RECORDS_HAVE, encode_have(names))
        for near, far in list(staller.node.wires.values()):
            super().send(near, far, body)


@dataclass(frozen=True, slots=True)
class Found:
    """What a run showed."""

    node_days: float
    """Days of honest slow nodes, one for each neighbour they had at the beginning."""
    false: int
    """Links to honest nodes, slow or not, that an honest one ended as annoying or banned."""
    stallers: list[float]
    """How long each link to a staller has lasted or did, minutes, of those it had at the beginning and later ones."""
    kept_back: int
    """Records asked of slow neighbours and counted as kept back."""


def grown(seed: int, nodes: int, config: MeshConfig) -> Loaded:
    """Return a world of linked nodes."""
    world = Loaded(seed)
    for _ in range(nodes):
        bootstraps = (world.nodes[0].url,) if world.nodes else ()
        SimNode(world, replace(config, bootstraps=bootstraps), [TOPIC]).start()
        world.run_for(500)
    world.run_for(60_000)
    return world


def run(world: Loaded, *, slow: int, stallers: int, minutes: int, sign_every: int = SIGN_EVERY) -> Found:
    """Make some nodes slow and others stallers, and let time pass."""
    nodes = world.nodes
    chosen = Random(world.seed).sample(range(1, len(nodes)), slow + stallers)
    world.slow, world.stallers = set(chosen[:slow]), set(chosen[slow:])
    began, logged = world.now, {node.index: len(node.log) for node in nodes}
    honest = [node for node in nodes if node.index not in world.stallers]
    names = {node.peer.hex()[:8]: node for node in nodes}
    up = {(node.index, one.peer.hex()[:8]): began for node in honest for one in node.mesh.neighbours()}
    for step in range(minutes * 60_000 // sign_every):
        node = honest[step % len(honest)]
        parts = node.mesh.parts
        flags = parts.peer_map.facts(node.peer)
        assert flags is not None, "it has signed"
        parts.gossip.own_facts_changed(flags.flags, step % 15, parts.config.tags, node.mesh.mesh_time(world.now))
        if step * sign_every % PUBLISH_EVERY == 0:
            node.publish(TOPIC.number, b"%d" % step + bytes(2_000))
        world.run_for(sign_every)
    false, lasted = 0, []
    for node in honest:
        for at, line in node.log[logged[node.index] :]:
            word, name, *reason = line.split(" ", 2)
            if word == "up":
                up[node.index, name] = at
            if word != "down":
                continue
            since = up.pop((node.index, name), began)
            if names[name].index in world.stallers:
                lasted.append((at - since) / 60_000)
            else:
                false += reason in (["annoying"], ["banned"])
    lasted += [(world.now - at) / 60_000 for (_, name), at in up.items() if names[name].index in world.stallers]
    kept_back = sum(
        node.mesh.parts.gossip.pulls.conduct(nodes[index].peer).kept_back for node in honest for index in world.slow
    )
    return Found(minutes / 1440 * len(honest), false, sorted(lasted), kept_back)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--nodes", type=int, default=20)
    parser.add_argument("--slow", type=int, default=6)
    parser.add_argument("--stallers", type=int, default=2)
    parser.add_argument("--minutes", type=int, default=120)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    world = grown(asked.seed, asked.nodes, settings())
    found = run(world, slow=asked.slow, stallers=asked.stallers, minutes=asked.minutes)
    print(f"{asked.nodes} nodes, {asked.slow} of them slow by up to {LAG / 1000:.0f} s, {asked.minutes} minutes")
    rate = found.false / found.node_days
    each = f"{rate:.2f} per honest node and day ({found.node_days:.2f} node days)"
    print(f"links to honest neighbours ended as annoying or banned: {found.false}, {each}")
    print(f"records of slow ones counted as kept back: {found.kept_back}")
    if found.stallers:
        long = sum(one > 10 for one in found.stallers)
        middle = found.stallers[len(found.stallers) // 2]
        lasted = f"half of them {middle:.1f} minutes or less, {long} over 10"
        print(f"{len(found.stallers)} links to stallers lasted, or have so far, {lasted}")


if __name__ == "__main__":
    main()
