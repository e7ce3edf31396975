"""Annoying neighbours are replaced within ten minutes, slow honest ones stay."""

from dataclasses import replace

import pytest

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.app.topics import TopicSpec
from net.core.config import MeshConfig
from net.core.effects import Priority
from net.core.overlay.annoyance import JUDGE_EVERY, LEVEL_MAX, Annoyance, Deeds
from net.core.wire.frame import FrameKind
from net.sim.node import SimNode
from net.sim.world import End, World
from tests.helpers.grown import join

PEERS = [PeerId(bytes([n]) * 32) for n in range(1, 9)]
TOPIC = TopicSpec(7, "test", 500_000, Priority.TRANSACTION)
CONFIG = MeshConfig(network_id=bytes(32), id_difficulty=1, rendezvous_url="filled in", trust_own_clock=True)
SPARSE = replace(CONFIG, own_core=3, own_max=4, own_young=4, links=6)
"""Few links, so that messages take several hops in a small world."""


def named(minutes: list[Deeds]) -> list[bool]:
    """Return after which minutes a neighbour that does this much in each is named."""
    annoyance, done, out = Annoyance(), Deeds(), []
    for minute, more in enumerate(minutes):
        done = Deeds(
            done.useful + more.useful,
            done.repeated + more.repeated,
            done.outdated + more.outdated,
            done.given + more.given,
            done.echoed + more.echoed,
            done.stalled + more.stalled,
            done.handed + more.handed,
            done.kept_back + more.kept_back,
        )
        out.append(annoyance.judge({PEERS[0]: done}, Millis(minute * JUDGE_EVERY)) is not None)
    return out


@pytest.mark.parametrize(
    "deeds",
    [
        Deeds(useful=10, outdated=11),
        Deeds(useful=4, stalled=2),
        Deeds(useful=11, repeated=3),
        Deeds(given=12, echoed=10),
        Deeds(outdated=200),
    ],
)
def test_three_bad_minutes_name_a_neighbour(deeds: Deeds) -> None:
    assert named([deeds] * 4) == [False, False, True, True]


@pytest.mark.parametrize(
    "deeds",
    [
        Deeds(),
        Deeds(useful=1),
        Deeds(useful=10, outdated=10),
        Deeds(useful=8, stalled=2),
        Deeds(useful=12, repeated=3),
        Deeds(given=12, echoed=9),
        Deeds(given=40, echoed=12, useful=1),
    ],
)
def test_an_honest_or_silent_neighbour_is_never_named(deeds: Deeds) -> None:
    assert not any(named([deeds] * 50))


def test_who_keeps_back_most_of_what_it_names_is_named_though_it_is_of_use() -> None:
    assert named([Deeds(useful=100, stalled=2, handed=1, kept_back=2)] * 3)[-1]
    assert not any(named([Deeds(useful=100, stalled=2, handed=2, kept_back=2)] * 50))


def test_good_minutes_make_up_for_bad_ones() -> None:
    bad, good = Deeds(outdated=9), Deeds(useful=9)
    assert not any(named([bad, bad, good] + [bad, good] * 20))


def test_few_deeds_add_up_until_they_suffice() -> None:
    assert named([Deeds(stalled=1)] * 6) == [False] * 5 + [True]


def test_a_new_link_of_the_same_peer_begins_anew() -> None:
    annoyance = Annoyance()
    for minute in range(LEVEL_MAX - 1):
        annoyance.judge({PEERS[0]: Deeds(outdated=20 * (minute + 1))}, Millis(minute))
    assert annoyance.judge({PEERS[0]: Deeds(outdated=8)}, Millis(9)) is None
    assert annoyance.judge({PEERS[0]: Deeds(outdated=16)}, Millis(10)) is None


def test_one_is_named_at_a_time_and_the_gone_are_forgotten() -> None:
    annoyance = Annoyance()
    for minute in range(1, 4):
        worst = annoyance.judge({peer: Deeds(outdated=minute * 10 * peer[0]) for peer in PEERS}, Millis(0))
    assert worst == PEERS[-1]
    annoyance.judge({}, Millis(0))
    assert not annoyance._judged


# --- in a network ----------------------------------------------------------------------------------------------------


class Spoilt(World):
    """A world in which the frames of some nodes do not leave as they should."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.stallers: set[int] = set()
        """Announce at once whatever they hear of, and send none of it."""
        self.parrots: set[int] = set()
        """Push each message a second time."""

    def send(self, near: End, far: End, frame: bytes) -> None:
        content = frame[0] in (FrameKind.PUBLISH, FrameKind.CHUNK)
        if frame[0] == FrameKind.ANNOUNCE and far.node.index in self.stallers and near.node.index not in self.stallers:
            for one, other in list(far.node.wires.values()):
                if other.node is not near.node:
                    super().send(one, other, frame)
        if content and near.node.index in self.stallers:
            return
        super().send(near, far, frame)
        if frame[0] == FrameKind.PUBLISH and near.node.index in self.parrots:
            super().send(near, far, frame)


def lines(node: SimNode, other: SimNode, text: str) -> list[Millis]:
    return [at for at, line in node.log if line == f"down {other.peer.hex()[:8]} {text}"]


@pytest.mark.slow
def test_annoying_neighbours_are_replaced_within_ten_minutes_and_slow_ones_stay() -> None:
    world = Spoilt(5)
    nodes: list[SimNode] = []
    join(world, nodes, 14, SPARSE, [TOPIC], apart=500)
    staller, parrot, slow = nodes[5], nodes[6], nodes[7]
    world.run_for(30_000)
    world.stallers, world.parrots = {staller.index}, {parrot.index}
    slow.uplink = 40  # bytes a millisecond: 320 kbit/s, 1.7 s for one large message
    honest = [node for node in nodes if node not in (staller, parrot)]

    def neighbours_of(villain: SimNode) -> list[SimNode]:
        return [node for node in honest if any(one.peer == villain.peer for one in node.mesh.neighbours())]

    before = [(node, villain) for villain in (staller, parrot) for node in neighbours_of(villain)]
    assert len(before) >= 8
    for number in range(200):
        honest[number % len(honest)].publish(TOPIC.number, b"%d" % number + bytes(65_600 if number % 2 else 300))
        world.run_for(3_000)
    kept = [pair for pair in before if not any(lines(*pair, why) for why in ("annoying", "banned"))]
    assert len(kept) <= len(before) // 10, f"{len(kept)} of {len(before)}"
    counted = sum(node.mesh.statistics().links_annoying for node in honest)  # one villain may replace the other
    assert counted == sum(len(lines(node, villain, "annoying")) for node in honest for villain in (staller, parrot))
    assert counted
    assert not any(lines(node, slow, "banned") for node in honest)
