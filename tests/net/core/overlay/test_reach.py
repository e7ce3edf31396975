"""Finding out how a node is reached: findings, hysteresis, the limits of tries, and a simulated network."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.primitives.errors import Malformed
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.app.topics import TopicSpec
from net.core.config import MeshConfig, Reachability
from net.core.effects import LinkId, LinkKind, LinkTransport, Paths, Priority, ProbeId, Role, SendProbe
from net.core.overlay.link import Link, Signalled, Stage
from net.core.overlay.reach import AGAIN, DOUBT_AFTER, RETRY_AFTER, WAIT, Helper, Reach, outside
from net.core.overlay.tries import ASKED_MAX, TRIES_BURST, TRY_EVERY, Tries
from net.core.wire.control import Try, decode_try, encode_try
from net.core.wire.record import Flags
from net.sim.node import SimNode
from net.sim.world import Conditions, World
from tests.helpers.grown import join

PUBLIC, PUNCHABLE, HARD = Reachability.PUBLIC, Reachability.PUNCHABLE, Reachability.HARD
SAME = (("198.51.100.1", 5), ("198.51.100.1", 5))
OTHER = (("198.51.100.1", 5), ("198.51.100.1", 6))


def helper(number: int, *, contact: int | None = None) -> Helper:
    peer = PeerId(bytes((number,)) * 32)
    met = peer if contact is None else PeerId(bytes((contact,)) * 32)
    return Helper(peer, met, (f"203.0.113.{number}", 6369))


HELPERS = [helper(1), helper(2), helper(3)]


def reach(configured: Reachability | None = None) -> Reach:
    return Reach(configured, Random(1), Random(2).randbytes)


def measure(
    state: Reach, now: int, seen: tuple[tuple[str, int] | None, ...], *, heard: int = 0, quiet: int | None = 4711
) -> tuple[bool, int]:
    """Let one measurement find something; return whether the record changes, and the moment after it."""
    assert state.due(Millis(now))
    probe = state.begin(HELPERS, Millis(now))
    assert probe is not None
    assert len({host for host, _ in probe.servers}) == 2
    assert not state.due(Millis(now))
    asked = state.probed(probe.probe, Paths(quiet, seen))
    assert state.probed(probe.probe, Paths(quiet, seen)) == []
    assert [port for _, _, port in asked] == ([] if quiet is None else [quiet] * 2)
    for _, nonce, _ in asked[:heard]:
        state.heard(probe.probe, nonce)
        state.heard(probe.probe, nonce)
    assert not state.advance(Millis(now + WAIT - 1))
    return state.advance(Millis(now + WAIT)), now + WAIT


@pytest.mark.parametrize(
    ("seen", "heard", "found"),
    [
        (SAME, 2, PUBLIC),
        (SAME, 1, PUNCHABLE),
        (SAME, 0, PUNCHABLE),
        (OTHER, 0, HARD),
        (OTHER, 1, HARD),
        ((None, None), 2, PUBLIC),
    ],
)
def test_what_two_neighbours_see_says_who_can_meet_this_node(
    seen: tuple[tuple[str, int] | None, ...], heard: int, found: Reachability
) -> None:
    state = reach()
    changed, _ = measure(state, 0, seen, heard=heard)
    assert state.current is found
    assert changed is (found is not PUNCHABLE)


def test_silent_servers_show_nothing() -> None:
    state = reach()
    changed, now = measure(state, 0, ((None), ("198.51.100.1", 5)))
    assert (changed, state.current, state.measured) == (False, PUNCHABLE, 0)
    assert not state.due(Millis(now + RETRY_AFTER - 1))
    assert measure(state, now + RETRY_AFTER, (), quiet=None)[0] is False


def test_one_finding_that_differs_changes_nothing_two_do() -> None:
    state = reach()
    assert measure(state, 0, SAME)[0] is False
    changed, now = measure(state, WAIT + DOUBT_AFTER, SAME, heard=2)
    assert changed, "a try may have been lost: the first findings do not doubt each other"
    assert measure(state, now + DOUBT_AFTER, SAME, heard=2)[0] is False
    start = 2 * AGAIN
    changed, now = measure(state, start, OTHER)
    assert (changed, state.current) == (False, PUBLIC)
    changed, now = measure(state, now + DOUBT_AFTER, SAME, heard=2)
    assert (changed, state.current) == (False, PUBLIC)
    assert not state.due(Millis(now + AGAIN // 2))
    _, now = measure(state, 4 * AGAIN, OTHER)
    changed, _ = measure(state, now + DOUBT_AFTER, OTHER)
    assert (changed, state.current) == (True, HARD)


def test_what_is_configured_stands() -> None:
    state = reach(HARD)
    assert state.current is HARD
    assert not state.due(Millis(10**12))


def test_two_neighbours_of_one_contact_are_one_witness() -> None:
    state = reach()
    assert state.begin([helper(1), helper(2, contact=1)], Millis(0)) is None
    assert state.begin([], Millis(20_000)) is None
    assert not state.due(Millis(20_001))
    state.again()
    assert state.due(Millis(20_001))


def test_foreign_numbers_and_nonces_change_nothing() -> None:
    state = reach()
    probe = state.begin(HELPERS, Millis(0))
    assert probe is not None
    assert state.probed(ProbeId(99), Paths(1, SAME)) == []
    asked = state.probed(probe.probe, Paths(4711, SAME))
    for _, nonce, _ in asked:
        state.heard(ProbeId(99), nonce)
        state.heard(probe.probe, nonce[::-1])
    state.advance(WAIT)
    assert state.current is PUNCHABLE


def test_local_addresses_are_not_outside() -> None:
    assert [outside(one) for one in ("8.8.8.8", "2606:4700::1", "10.0.0.1", "127.0.0.1", "fe80::1", "nowhere")] == [
        True,
        True,
        False,
        False,
        False,
        False,
    ]


# --- trying a neighbour's port ---------------------------------------------------------------------------------------


def link(number: int) -> Link:
    made = Link(
        number=LinkId(number),
        kind=LinkKind.LISTED,
        outbound=True,
        peer=PeerId(number.to_bytes(32)),
        signalled=Signalled.RELAYED,
        stage=Stage.UP,
        started=Millis(0),
        deadline=Millis(0),
    )
    made.transport = LinkTransport(Role.OFFERER, bytes(32), bytes(32), f"203.0.113.{number % 250}")
    return made


def test_a_try_goes_to_the_address_of_the_link_alone_and_seldom() -> None:
    tries, wish = Tries(), Try(4711, b"n" * 16)
    assert tries.wanted(link(7), wish, Millis(0)) == SendProbe("203.0.113.7", 4711, b"n" * 16)
    assert tries.wanted(link(7), wish, Millis(TRY_EVERY - 1)) is None
    assert tries.wanted(link(7), wish, TRY_EVERY) is not None
    assert tries.wanted(link(8), Try(53, b"n" * 16), TRY_EVERY) is None


def test_all_tries_together_are_few_and_the_memory_of_them_small() -> None:
    tries, wish = Tries(), Try(4711, b"n" * 16)
    assert sum(tries.wanted(link(number), wish, Millis(0)) is not None for number in range(1, 50)) == TRIES_BURST
    for number in range(1, 2 * ASKED_MAX):
        tries.wanted(link(number), wish, Millis(number * 1_000))
    assert len(tries._asked) <= ASKED_MAX


@given(st.binary(max_size=24))
def test_any_bytes_are_a_try_or_malformed(body: bytes) -> None:
    try:
        wish = decode_try(body)
    except Malformed:
        return
    assert 0 < wish.port < 65536
    assert encode_try(wish) == body


# --- in a network ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_nodes_of_a_network_find_out_how_they_are_reached_and_say_so() -> None:
    world = World(3, Conditions(hard=0.3, punchable=0.3))
    config = MeshConfig(
        network_id=bytes(32), id_difficulty=1, rendezvous_url="filled in", trust_own_clock=True, reachability=None
    )
    topic = TopicSpec(7, "test", 1_000, Priority.BLOCK)
    nodes: list[SimNode] = []
    join(world, nodes, 20, config, [topic], apart=200)
    world.run_for(150_000)
    kinds = {
        PUBLIC: Flags.PUBLIC,
        PUNCHABLE: Flags.PUNCHABLE,
        HARD: Flags(0),
    }
    assert {node.reach for node in nodes} == set(kinds)
    for node in nodes:
        facts = nodes[0].mesh.view().facts(node.peer)
        assert facts is not None
        assert facts.flags & (Flags.PUBLIC | Flags.PUNCHABLE) == kinds[node.reach], node.index
        assert len(node.mesh.neighbours()) >= 6
