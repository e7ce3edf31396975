"""Real frames with bytes changed, on a link that is up: nothing raises, whatever the kind."""

from random import Random

import pytest

from net.core.app.topics import TopicSpec
from net.core.config import MeshConfig
from net.core.effects import LinkId, Priority
from net.core.wire.frame import FrameKind, encode_frame
from net.sim.node import SimNode
from net.sim.world import End, World

TOPIC = TopicSpec(7, "test", 500_000, Priority.BLOCK)


class Tap(World):
    """A world that keeps every frame on its wires."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.frames: list[bytes] = []

    def send(self, near: End, far: End, frame: bytes) -> None:
        self.frames.append(frame)
        super().send(near, far, frame)


def changed(frame: bytes, rng: Random) -> bytes:
    """Return the frame with its kind kept and something else of it changed, cut or doubled."""
    raw = bytearray(frame)
    for _ in range(rng.randint(0, 3)):
        if len(raw) > 1:
            raw[rng.randrange(1, len(raw))] = rng.randrange(256)
    match rng.randrange(4):
        case 0:
            del raw[rng.randrange(1, len(raw) + 1) :]
        case 1:
            raw += raw[1 : rng.randrange(1, 40)]
    return bytes(raw)


def tapped(seed: int) -> tuple[Tap, list[SimNode]]:
    """Return a small network after some traffic of every usual kind."""
    world = Tap(seed)
    nodes: list[SimNode] = []
    for _ in range(4):
        bootstraps = (nodes[0].url,) if nodes else ()
        node = SimNode(
            world,
            MeshConfig(bytes(32), 1, rendezvous_url="filled in", bootstraps=bootstraps, trust_own_clock=True),
            [TOPIC],
        )
        nodes.append(node)
        node.start()
    world.run_for(8_000)
    nodes[1].publish(TOPIC.number, bytes(100_000))
    nodes[2].request(nodes[0].peer, TOPIC.number, bytes(40_000))
    world.run_for(4_000)
    return world, nodes


def feed(world: Tap, victim: SimNode, frame: bytes, rng: Random) -> None:
    """Hand a frame to a random link of the victim and lift the bans that follow."""
    links = [one.link for one in victim.mesh.neighbours()] or [LinkId(1)]
    victim._do(victim.mesh.receive(rng.choice(links), frame, world.now))
    for ban in victim.mesh.bans(world.now):
        victim._do(victim.mesh.unban(ban.peer, world.now))
    world.run_for(rng.randrange(40))
    if not victim.mesh.neighbours():
        world.run_for(5_000)


@pytest.mark.slow
def test_changed_frames_never_raise() -> None:
    seed = 1
    world, nodes = tapped(seed)
    kinds = {frame[0] for frame in world.frames}
    assert len(kinds) >= 15
    rng = Random(seed)
    by_kind = [[frame for frame in world.frames if frame[0] == kind] for kind in sorted(kinds)]
    for _ in range(250):
        feed(world, nodes[0], changed(rng.choice(rng.choice(by_kind)), rng), rng)
    world.run_for(10_000)


@pytest.mark.slow
def test_true_frames_out_of_place_and_random_bodies_never_raise() -> None:
    seed = 2
    world, nodes = tapped(seed)
    frames, rng = list(world.frames), Random(seed)
    for turn in range(300):
        frame = rng.choice(frames)
        match turn % 3:
            case 1:
                frame = frame[:1] + rng.choice(frames)[1:]
            case 2:
                frame = encode_frame(rng.choice(list(FrameKind)), rng.randbytes(rng.choice((0, 1, 20, 300, 9_000))))
        feed(world, nodes[0], frame, rng)
    world.run_for(10_000)
