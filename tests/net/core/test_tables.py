"""Every table that strangers can make grow is known here with its limit: a new one fails the test until it has one."""

from array import array
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import replace
from random import Random

import pytest

from net.core.clock import mesh_clock
from net.core.guard import reputation
from net.core.health import monitor
from net.core.mesh import Mesh
from net.core.overlay import confirm, domains, doorstep, slots, trace, tries
from net.core.relay import relay
from net.core.routing import courier, seal, suspects
from net.core.wire.frame import FrameKind
from net.sim.node import SimNode
from tests.net.core.test_mesh_fuzz import TOPIC, Tap, tapped

LIMITS: Mapping[str, int] = {
    "Anchors._by_url": 64,
    "ConfirmWatch._quarantine": confirm.QUARANTINE_MAX,
    "Courier._heard": courier.DELIVERED_MAX,
    "Courier._passed": courier.SEEN_MAX,
    "Courier._seen": courier.SEEN_MAX,
    "Domains._count": domains.KNOWN_MAX,
    "Domains._prefix": domains.KNOWN_MAX,
    "Doorstep._buckets": doorstep.PREFIXES_MAX,
    "HealthMonitor._reached": monitor.REACH_MAX,
    "MeshClock._samples": mesh_clock.SOURCES_MAX,
    "Relay._seen": relay.SEEN_MAX,
    "Relay._store": relay.SEEN_MAX,
    "Reputation._bans": reputation.BANS_MAX,
    "Reputation._struck": reputation.STRUCK_MAX,
    "Seal._secrets": seal.SECRETS_MAX,
    "Slots._avoided": slots.AVOIDED_MAX,
    "Suspects._strikes": suspects.SUSPECTS_MAX,
    "Trace._attempts": trace.PEERS_MAX,
    "Tries._asked": tries.ASKED_MAX,
}
"""Tables that keep what strangers were here for, until it is old or room is needed. That each keeps to its limit, tests
beside this one show; what else grows with every stranger has none."""


def containers(mesh: Mesh) -> Iterator[tuple[str, int]]:
    """Yield the size of every container within a mesh, by the class and attribute that hold it."""
    seen: set[int] = set()
    waiting: list[tuple[str, object]] = [("Mesh", mesh)]
    while waiting:
        name, thing = waiting.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, dict | set | frozenset | list | tuple | deque | bytearray | array):
            yield name, len(thing)
            if isinstance(thing, bytearray | array):
                continue
            inner = [*thing, *thing.values()] if isinstance(thing, dict) else list(thing)
            waiting += [(f"{name}[]", one) for one in inner]
        elif type(thing).__module__.startswith("net.core"):
            names = [*getattr(thing, "__dict__", ()), *getattr(type(thing), "__slots__", ())]
            waiting += [(f"{type(thing).__name__}.{one}", getattr(thing, one, None)) for one in names]


def sizes(mesh: Mesh) -> dict[str, int]:
    """Return the largest container of each name."""
    found: dict[str, int] = {}
    for name, size in containers(mesh):
        found[name] = max(found.get(name, 0), size)
    return found


def visit(world: Tap, victim: SimNode, rng: Random) -> None:
    """Have a stranger call, send some of all kinds of frames that others have sent, until it is banned, and vanish."""
    config = replace(victim.config, bootstraps=(victim.url,), rendezvous_url="filled in")
    stranger = SimNode(world, config, [TOPIC])
    stranger.start()
    links = victim.mesh._parts.overlay.links
    assert world.run_until(lambda: links.up(stranger.peer) is not None, limit=20_000)
    up = links.up(stranger.peer)
    assert up is not None
    frames = rng.sample(world.frames, len(world.frames))
    kinds = sorted({frame[0] for frame in frames} - {FrameKind.BYE, FrameKind.HELLO, FrameKind.AUTH})
    for kind in rng.sample(kinds, len(kinds)):
        for frame in [one for one in frames if one[0] == kind][:3]:
            victim._do(victim.mesh.receive(up.number, frame, world.now))
    stranger.crash()
    victim.link_closed(up.number, "gone")


@pytest.mark.slow
def test_what_strangers_leave_behind_has_a_limit() -> None:
    world, nodes = tapped(5)
    world.run_for(20_000)
    rng, victim = Random(5), nodes[0]
    looks = []
    for _ in range(3):
        for _ in range(8):
            visit(world, victim, rng)
        world.run_for(60_000)
        looks.append(sizes(victim.mesh))
    grown = {name for name, size in looks[-1].items() if looks[0].get(name, 0) < looks[1].get(name, 0) < size}
    assert grown <= set(LIMITS), sorted(grown - set(LIMITS))
    assert all(looks[-1].get(name, 0) <= limit for name, limit in LIMITS.items())
