"""The failure-domain drill: warned before, mended after, the pieces seen; the same seed gives the same byte stream."""

from dataclasses import replace

import pytest

from net.sim.scenarios.drill import Drill, run, run_bridge, run_joined
from net.sim.scenarios.growth import settings


@pytest.fixture(scope="module")
def drill() -> Drill:
    return run(1)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_network_that_grows_gives_no_alarm(drill: Drill) -> None:
    grown = drill.grown
    assert (grown.alarmed, grown.across, grown.truth.components) == (0, 0, 2)
    assert grown.seen is not None
    assert not any(grown.seen.alarms.values())
    assert grown.seen.remains["operator_7"] == 1.0


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_few_links_between_two_halves_are_warned_of_and_mended_before_they_fail(drill: Drill) -> None:
    joined = drill.joined
    assert joined.after is not None
    assert joined.after <= 60_000
    assert joined.alarmed >= 45  # the others saw it mended before their second look
    assert joined.across >= 80
    assert joined.seen is not None
    assert not any(joined.seen.alarms.values())
    bridged = drill.bridged
    assert (bridged.truth.peers, bridged.truth.components, bridged.alarmed) == (60, 1, 0)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_cap_is_passed_under_the_healing_flag_alone(drill: Drill) -> None:
    for step in (drill.grown, drill.joined, drill.bridged, drill.vanished):
        assert step.greatest_bare <= 24
        assert step.truth.greatest_degree <= 32
    assert drill.grown.truth.greatest_degree <= 24
    assert drill.grown.healing == 0


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_third_that_vanishes_is_seen_and_leaves_what_was_foretold(drill: Drill) -> None:
    before, vanished = drill.bridged.seen, drill.vanished
    assert before is not None
    assert before.domains["operator_7"] == pytest.approx(1 / 3)
    assert before.remains["operator_7"] == 1.0
    assert (vanished.truth.peers, vanished.truth.components) == (40, 1)
    assert (vanished.alarmed, vanished.after is not None) == (40, True)
    assert vanished.seen is not None
    assert (vanished.seen.reached, vanished.seen.linked) == (40, 60)
    assert vanished.seen.components >= 2
    assert vanished.seen.alarms["partition_seen"]
    assert vanished.seen.alarms["map_shrank"]


@pytest.mark.slow
def test_equal_seeds_give_equal_bytes() -> None:
    first, second = run(3, half=5, joiners=1), run(3, half=5, joiners=1)
    assert first == second
    assert run(4, half=5, joiners=1).digest != first.digest


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_hangs_together_by_one_operator_alone_is_linked_before_the_operator_vanishes() -> None:
    """Without the links that the alarm brings, 0 and 11 are across after the loss with seeds 2 and 1."""
    warned, vanished = run_bridge(2)
    assert warned.after is not None
    assert warned.after <= 60_000
    assert warned.alarmed >= 40
    assert warned.truth.greatest_degree <= 24
    assert warned.seen is not None
    assert not any(warned.seen.alarms.values())
    assert vanished.across >= 40
    assert (vanished.truth.peers, vanished.truth.components) == (48, 1)
    assert vanished.seen is not None
    assert not vanished.seen.alarms["weak_cut"]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_healing_flag_mends_where_all_nodes_are_full() -> None:
    crowded = replace(settings(), own_core=4, own_max=8, own_young=8, links=9, cap=11, cap_heal=17)
    looks = run_joined(1, half=16, joiners=2, config=crowded, times=5)
    first, last = looks[0], looks[-1]
    assert 3 * first.healing >= 2 * first.truth.peers, "the others saw it mended before their second look"
    assert looks[1].across >= 35
    assert 11 < first.truth.greatest_degree <= 17
    assert last.healing == 0
    assert last.truth.greatest_degree <= 11
    assert last.seen is not None
    assert not last.seen.alarms["weak_cut"]

    held = run_joined(1, half=16, joiners=2, config=replace(crowded, cap_heal=11), times=3)[-1]
    assert held.truth.greatest_degree <= 11
    assert held.seen is not None
    assert held.seen.alarms["weak_cut"]
    assert min(look.across for look in looks) > held.across
