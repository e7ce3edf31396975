"""The eclipse alarm: raised when unlisted links know what no listed neighbour tells, and only then."""

from dataclasses import replace
from itertools import cycle
from typing import cast

import numpy as np
import pytest

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.app.topics import TopicSpec
from net.core.config import MeshConfig
from net.core.effects import LinkKind, Priority
from net.core.map.view import MapView
from net.core.overlay.eclipse import EVERY, EVERY_PER_PEER, LAG, EclipseWatch
from net.core.wire.frame import FrameKind
from net.sim.node import SimNode
from net.sim.world import End, World
from tests.helpers.grown import join

NOW = Millis(1_750_000_000_000)
PEERS = [PeerId(n.to_bytes(2, "big") * 16) for n in range(1, 101)]
TOPIC = TopicSpec(7, "test", 1_000, Priority.BLOCK)


class Sketch:
    """A map of which only the number of records and their times count."""

    def __init__(self, seqs: list[int]) -> None:
        self.seq = np.array(seqs, dtype=np.int64)

    def __len__(self) -> int:
        return len(self.seq)

    def table(self) -> "Sketch":
        return self


def rounds(shown: list[int], *, age: int = LAG + 1, signed: int = 0) -> list[bool]:
    """Return after which rounds the alarm is raised when so many records come by unlisted links alone.

    `signed` records come by listed ones in each.
    """
    seqs = [NOW + 1 + at * EVERY for at in range(1, len(shown) + 1) for _ in range(signed)]
    watch = EclipseWatch(cast("MapView", Sketch(seqs)))
    out = []
    watch.round(PEERS[:1], NOW)
    for at, count in enumerate(shown):
        now = Millis(NOW + (at + 1) * (EVERY + len(seqs) * EVERY_PER_PEER))
        for _ in range(count):
            watch.told(Millis(now - age), now)
        out.append(watch.round(PEERS[:1], now)[1] is not None)
    return out


def test_two_rounds_in_a_row_raise_the_alarm_once() -> None:
    assert rounds([5, 5, 5, 5]) == [False, True, False, False]


def test_one_round_alone_raises_nothing_while_others_tell_enough() -> None:
    assert not any(rounds([20, 0, 20, 0, 20, 0], signed=12))


def test_a_little_beside_much_that_is_told_raises_nothing() -> None:
    assert not any(rounds([5] * 9, signed=60))


def test_records_on_their_way_are_no_sign() -> None:
    assert not any(rounds([50] * 9, age=LAG - 1))


def test_a_quiet_network_gathers_evidence_until_it_suffices() -> None:
    assert rounds([2, 2, 2, 2, 2, 2]) == [False, False, False, True, False, False]


def test_unlisted_neighbours_take_turns() -> None:
    watch = EclipseWatch(cast("MapView", Sketch([])))
    asked = [watch.round(PEERS[:2], Millis(NOW + at))[0] for at in range(0, 10 * EVERY, 1_000)]
    named = [peer for peer in asked if peer is not None]
    assert len(named) >= 8
    assert named[::2] == [PEERS[0]] * len(named[::2])
    assert named[1::2] == [PEERS[1]] * len(named[1::2])
    assert watch.round([], Millis(NOW + 11 * EVERY))[0] is None


# --- in a network ----------------------------------------------------------------------------------------------------


class Hidden(World):
    """A world in which one node's listed neighbours keep all records from it."""

    victim: SimNode | None = None

    def send(self, near: End, far: End, frame: bytes) -> None:
        if far.node is self.victim and frame[0] in (FrameKind.RECORDS, FrameKind.RECORDS_HAVE, FrameKind.RANGE):
            link = far.node.mesh._parts.overlay.links.get(far.link)
            if link is not None and link.kind is not LinkKind.UNLISTED:
                return
        super().send(near, far, frame)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_eclipsed_node_raises_the_alarm_and_no_other(seed: int) -> None:
    world = Hidden(seed)
    config = replace(
        MeshConfig(network_id=bytes(32), id_difficulty=1, rendezvous_url="filled in", trust_own_clock=True),
        own_core=3,
        own_max=4,
        own_young=4,
        links=6,
        unlisted_from=8,
    )
    nodes: list[SimNode] = []
    join(world, nodes, 12, config, [TOPIC], apart=500)
    world.run_for(60_000)
    victim = next(
        node
        for node in nodes[5:]
        if any(one.kind is LinkKind.UNLISTED and one.outbound for one in node.mesh.neighbours())
    )

    others = cycle(node for node in nodes[1:] if node is not victim)

    def churn(minutes: int) -> None:
        for _ in range(minutes * 2):
            one = next(others)
            one.stop()
            world.run_for(10_000)
            one.start()
            world.run_for(20_000)

    churn(4)
    assert not [line for node in nodes for _, line in node.log if line.startswith("eclipse")]
    world.victim = victim
    for _ in range(10):
        churn(1)
        if victim.mesh._parts.overlay.eclipse.alarmed:
            break
    assert victim.mesh._parts.overlay.eclipse.alarmed
    assert [line for _, line in victim.log if line.startswith("eclipse")]
    assert not [line for node in nodes if node is not victim for _, line in node.log if line.startswith("eclipse")]
