"""The map of a small device: what it keeps, drops and asks for, and that nobody compares it with a whole one."""

from itertools import pairwise

import pytest

from chain.primitives.units import Millis
from net.core.map import horizon as horizon_file
from net.core.map.gossip import Gossip
from net.core.map.horizon import NO_FINGERPRINT, Horizon
from net.core.map.loading import reread_from
from net.core.map.peer_map import PeerMap
from net.core.map.reconcile import Reconciler
from net.core.wire.frame import FrameKind
from net.core.wire.reconcile import WHOLE, Busy, Fetch, decode_range_answer, encode_range_ask
from tests.helpers.map_world import NETWORK, START, Node, World, identity

SMALL = 0


def shrink(node: Node, world: World, hops: int) -> None:
    """Give a node that was just made the machines of a small device."""
    horizon = Horizon(node.peer, hops, bytes(16))
    node.map = PeerMap(bytes(8), reread_from(node.archive, world.checks.decode), keeps=horizon.keeps)
    node.gossip = Gossip(
        NETWORK,
        identity(SMALL),
        node.map,
        node.archive,
        world.checks,
        rng=world.rng,
        entropy=world.rng.randbytes,
        horizon=horizon,
    )
    node.reconciler = Reconciler(node.gossip, rng=world.rng, entropy=world.rng.randbytes, joining=True)
    node.gossip.start(world.now)
    node.gossip.allow_signing(world.now)


def chain_of(peers: int, hops: int) -> tuple[World, list[Node]]:
    """Return a line of peers; the first is a small device."""
    world = World(3)
    nodes = [world.add(number) for number in range(peers)]
    shrink(nodes[SMALL], world, hops)
    for left, right in pairwise(nodes):
        world.link(left, right)
    return world, nodes


@pytest.mark.slow
def test_a_small_device_keeps_who_is_near_and_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(horizon_file, "SAMPLE", 4)
    world, nodes = chain_of(16, hops=3)
    world.run(60_000)
    small = nodes[SMALL]
    assert all(node.peer in small.map for node in nodes[:4])
    assert [small.map.degree(node.peer) for node in nodes[:3]] == [1, 2, 2]
    assert len(small.map) == len(small.archive.records) == 4 + 4
    assert len(nodes[8].map) == 16, "the others hold the whole map"


@pytest.mark.slow
def test_what_is_missing_nearby_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(horizon_file, "SAMPLE", 0)
    world, nodes = chain_of(12, hops=2)
    world.run(40_000)
    small = nodes[SMALL]
    world.unlink(nodes[1], nodes[2])
    world.link(nodes[1], nodes[9])
    world.link(nodes[2], nodes[9])
    world.run(60_000)
    assert nodes[9].peer in small.map
    assert small.map.linked(nodes[1].peer, nodes[9].peer)
    assert nodes[6].peer not in small.map


def test_a_partial_map_is_neither_compared_nor_served() -> None:
    _, nodes = chain_of(2, hops=2)
    small, other = nodes
    assert small.gossip.fingerprint(START) == NO_FINGERPRINT
    later = Millis(START + 600_000)
    for at in (START, later):
        assert not other.reconciler.heard_fingerprint(small.peer, NO_FINGERPRINT, at)
        assert not small.reconciler.heard_fingerprint(other.peer, bytes([7]) * 16, at)
    assert not small.reconciler.compare(other.peer, later)
    body = encode_range_ask(Fetch(5, WHOLE))
    (answer,) = small.reconciler.receive(other.peer, FrameKind.RANGE_ASK, body, START)
    assert isinstance(decode_range_answer(answer.body), Busy)  # type: ignore[union-attr]


def test_newcomers_between_two_surveys_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(horizon_file, "FRESH_MAX", 3)
    world, nodes = chain_of(1, hops=1)
    small = nodes[SMALL]
    small.gossip.tick(START)
    known = [identity(number).peer for number in range(50, 60)]
    assert all(small.map.admits(peer[:12]) for peer in known)
    world.run(1_000)
    others = [world.add(number) for number in range(1, 6)]
    for other in others:
        world.link(small, other)
    world.run(5_000)
    assert len(small.map) <= 1 + 3
    world.run(30_000)
    assert all(other.peer in small.map for other in others), "neighbours are near, whatever else there is"
