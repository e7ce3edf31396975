"""Why there is no link: the step at which attempts ended, kept in a bounded table."""

from random import Random

import pytest

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.app.topics import TopicSpec
from net.core.config import MeshConfig
from net.core.effects import LinkId, LinkKind, Priority
from net.core.overlay.link import Link, Signalled, Stage
from net.core.overlay.trace import ATTEMPTS_MAX, PEERS_MAX, REASON_MAX, Trace, TraceStep
from net.sim.node import SimNode
from net.sim.world import Conditions, World

PEER = PeerId(b"p" * 32)
NOW = Millis(1_000)


def link(stage: Stage, peer: PeerId = PEER) -> Link:
    return Link(
        number=LinkId(1),
        kind=LinkKind.LISTED,
        outbound=True,
        peer=peer,
        signalled=Signalled.RELAYED,
        stage=stage,
        started=Millis(NOW - 10),
        deadline=NOW,
    )


@pytest.mark.parametrize(
    ("stage", "reason", "step"),
    [
        (Stage.OFFERING, "no sockets", TraceStep.OFFER),
        (Stage.WAITING, "refused: full", TraceStep.ANSWER),
        (Stage.CONNECTING, "set-up failed at ice: no pair", TraceStep.ICE),
        (Stage.CONNECTING, "timed out", TraceStep.ICE),
        (Stage.CONNECTING, "set-up failed at dtls: alert", TraceStep.DTLS),
        (Stage.SHAKING, "handshake: no common version", TraceStep.HANDSHAKE),
    ],
)
def test_a_failed_attempt_says_which_step_failed(stage: Stage, reason: str, step: TraceStep) -> None:
    trace = Trace()
    trace.failed(link(stage), reason, NOW)
    (attempt,) = trace.of(PEER)
    assert (attempt.step, attempt.reason, attempt.started, attempt.ended) == (step, reason, NOW - 10, NOW)


def test_peers_attempts_and_reasons_are_bounded() -> None:
    trace, rng = Trace(), Random(1)
    for _ in range(3 * PEERS_MAX):
        peer = PeerId(rng.randbytes(32))
        for _ in range(2 * ATTEMPTS_MAX):
            trace.failed(link(Stage.WAITING, peer), "x" * 1_000, NOW)
    assert len(trace._attempts) == PEERS_MAX
    assert {len(attempts) for attempts in trace._attempts.values()} == {ATTEMPTS_MAX}
    assert len(trace.of(peer)[0].reason) == REASON_MAX


def test_a_missing_way_is_noted_once_in_a_row() -> None:
    trace = Trace()
    for at in range(5):
        trace.unroutable(PEER, LinkKind.LISTED, Millis(at))
    assert [(one.step, one.ended) for one in trace.of(PEER)] == [(TraceStep.ROUTE, 4)]


def test_the_mesh_tells_why_a_peer_is_no_neighbour() -> None:
    world = World(1, Conditions(dial_failures=1.0))
    config = MeshConfig(bytes(32), 1, rendezvous_url="filled in", trust_own_clock=True)
    topic = TopicSpec(7, "test", 1_000, Priority.BLOCK)
    host = SimNode(world, config, [topic])
    host.start()
    joiner = SimNode(world, MeshConfig(bytes(32), 1, bootstraps=(host.url,), trust_own_clock=True), [topic])
    joiner.start()
    world.run_for(20_000)
    why = host.mesh.why(joiner.peer, world.now)
    assert not why.on_map
    assert not why.reachable
    assert why.linked is None
    assert {attempt.step for attempt in why.attempts} == {TraceStep.ICE}
