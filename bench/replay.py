"""CPU of one real node while the records of a large network arrive at its door (figures_network.md).

`python -m bench.replay [--peers N] [--rate R] [--seconds S]` starts one mesh with real checks (every record decoded,
every signature verified), links it with twelve others, loads all maps with N peers, and lets R records a second enter
the network at the others' doors, so that they come to the one as gossip brings them: whole over eager links, by name
over lazy ones. Only the CPU spent inside the one mesh counts: no sockets, DTLS or SCTP. Seeds are fixed.
"""

import argparse
import time
from dataclasses import replace
from random import Random

from chain.primitives.units import Hash32, Millis
from net.core.effects import LinkKind
from net.core.identity.identity import Identity, create_identity
from net.core.identity.records import sign_record
from net.core.mesh import Mesh
from net.core.wire.frame import FrameKind, encode_frame
from net.core.wire.gossip import encode_records
from net.core.wire.record import Direction, Flags, Link, Record, encode_record
from net.sim.node import SimNode
from net.sim.scenarios.growth import settings
from net.sim.world import World

LINKS = 12

DEGREE = 13

WARM_UP = 60_000
"""Virtual ms before measuring: links rise, the loaded records are checked in the background."""


class MeteredNode(SimNode):
    """A node with real checks that counts the CPU its mesh takes."""

    cpu = 0.0

    def _make(self) -> Mesh:
        return Mesh(
            self.config,
            self.identity,
            self.topics,
            rng=self.rng,
            entropy=self.rng.randbytes,
            archive=self.archive,
            blobs=self.blobs,
        )

    def receive(self, link: int, frame: bytes) -> None:
        """Count a frame's cost, effects on the simulated wires included."""
        begun = time.process_time()
        super().receive(link, frame)  # type: ignore[arg-type]
        self.cpu += time.process_time() - begun

    def _wake(self, moment: Millis) -> None:
        begun = time.process_time()
        super()._wake(moment)
        self.cpu += time.process_time() - begun


class Crowd:
    """Peers that exist as records only."""

    def __init__(self, peers: int, now: Millis) -> None:
        self._rng = rng = Random("crowd")
        who = [create_identity(rng.randbytes, now, 1) for _ in range(peers)]
        self._who: dict[bytes, Identity] = {one.peer: one for one in who}
        links: dict[bytes, dict[bytes, Direction]] = {one.peer: {} for one in who}
        names = sorted(links)
        for name in names:
            for other in rng.sample(names, DEGREE // 2 + 1):
                if other != name and other not in links[name] and len(links[other]) < 24 and len(links[name]) < 24:
                    links[name][other] = Direction.OUT
                    links[other][name] = Direction.IN
        self.records = {name: self._sign(name, links[name], Millis(now - 60_000)) for name in names}
        self._links = links

    def _sign(self, name: bytes, links: dict[bytes, Direction], seq: Millis) -> Record:
        who = self._who[name]
        entries = tuple(Link(other[:12], direction, 9) for other, direction in sorted(links.items()))
        unsigned = Record(
            network=Hash32(bytes(32)),
            peer=who.peer,
            born=Millis(seq) if not hasattr(self, "records") else self.records[name].born,
            seq=seq,
            nonce=who.proof.nonce,
            epoch=who.proof.epoch,
            flags=Flags.PUBLIC | Flags.LEAVING,  # on the map, and nobody dials them
            uplink=5,
            tags=(0, 0, 0),
            links=entries,
            signature=bytes(64),
        )
        return sign_record(who, unsigned, bytes(32))

    def change(self, now: Millis) -> bytes:
        """Return the newer record of some peer: one link less, or back again."""
        name = self._rng.choice(sorted(self._who))
        links = dict(self._links[name])
        links.pop(self._rng.choice(sorted(links)))
        self.records[name] = record = self._sign(name, links, now)
        return encode_record(record)


def main() -> None:
    """Run and print the share of a core."""
    parser = argparse.ArgumentParser(description="CPU of one node at the door of a large network.")
    parser.add_argument("--peers", type=int, default=2_500)
    parser.add_argument("--rate", type=float, default=4.0, help="records a second in the whole network")
    parser.add_argument("--seconds", type=int, default=120)
    options = parser.parse_args()
    world = World(1)
    crowd = Crowd(options.peers, world.now)
    others = [SimNode(world, settings(), [])]
    config = replace(settings(), bootstraps=(others[0].url,))
    others += [SimNode(world, config, []) for _ in range(LINKS - 1)]
    one = MeteredNode(world, config, [])
    for node in (*others, one):
        for record in crowd.records.values():
            node.archive.put(record.peer, encode_record(record))
        world.at(world.now + 100 * node.index, node.start)
    world.run_for(WARM_UP)
    linked = [two for two in one.mesh.neighbours() if two.kind is LinkKind.LISTED]
    rng, began, cpu = Random("doors"), one.mesh.statistics(), one.cpu
    for _ in range(int(options.seconds * options.rate)):
        door = rng.choice(others)
        outside = [link for link, (_, far) in door.wires.items() if far.node is not one]
        if outside:
            door.receive(outside[0], encode_frame(FrameKind.RECORDS, encode_records([crowd.change(world.now)])))
        world.run_for(int(1000 / options.rate))
    ended, spent = one.mesh.statistics(), one.cpu - cpu
    frames = {kind.name: count.frames_in - getattr(began.frames.get(kind), "frames_in", 0)
              for kind, count in ended.frames.items()}  # fmt: skip
    seconds = options.seconds
    print(f"{len(linked)} links, {len(one.mesh.view())} peers on the map")
    print(f"  {options.rate:g} records/s, {seconds} virtual s")
    print(f"  records taken              {ended.gossip.applied - began.gossip.applied:8d}")
    print(f"  signatures verified        {ended.gossip.signatures - began.gossip.signatures:8d}")
    print(f"  frames received            {sum(frames.values()):8d}  {frames}")
    print(f"  CPU                        {spent * 1000 / seconds:8.2f} ms per second: {spent / seconds:.2%} of a core")


if __name__ == "__main__":
    main()
