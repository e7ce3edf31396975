"""The stories of `mappemonde simulate`, small: maps become true, survive churn and a crash."""

from pathlib import Path

import pytest

from net.sim.pictures import curves_svg
from net.sim.saved import load, save
from net.sim.scenarios import churn, crash, settled
from net.sim.scenarios.growth import grow
from net.sim.scenarios.outcome import Outcome

PICTURES = {"map", "convergence", "degrees", "delays"}


def _drawn(outcome: Outcome, folder: Path) -> set[str]:
    return {path.stem.split("-")[1] for path in outcome.draw(folder) if path.suffix == ".svg"}


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_growth_churn_and_crash(tmp_path: Path) -> None:
    grown, world = grow(24, 2)
    assert grown.numbers["maps_true_after_ms"] is not None
    assert int(grown.numbers["maps_true_after_ms"]) <= 30_000
    assert grown.numbers["reached"] == 1.0
    assert grown.numbers["mean_precision"] == grown.numbers["mean_recall"] == 1.0
    assert _drawn(grown, tmp_path) == PICTURES
    save(world, tmp_path / "world")

    lively, population = churn.run(world, duration=60_000, session=300_000)
    assert population.left == population.joined > 0
    assert float(lively.numbers["mean_recall"] or 0) >= 0.9
    assert 0 < float(lively.numbers["times_least"] or 0) <= 3
    assert float(lively.numbers["frames_s"] or 99) <= 30
    assert float(lively.numbers["reached"] or 0) >= 0.9
    assert _drawn(lively, tmp_path) == PICTURES

    third = crash.run(load(tmp_path / "world"), duration=70_000)
    assert third.numbers["survivors"] == 16
    assert third.numbers["one_piece_of_100_draws"] == 100
    assert float(third.numbers["half_gone_worst_giant"] or 0) > 0.9
    assert float(third.numbers["half_gone_worst_giant_of_random"] or 0) > 0.9
    assert third.numbers["pieces_after_60_s"] == 1
    assert float(third.numbers["mean_precision"] or 0) >= 0.99
    assert third.numbers["reached"] == 1.0
    assert int(third.numbers["last_delay_ms"] or 0) < 5_000, "of the last story's message, not of one before it"
    assert _drawn(third, tmp_path) == PICTURES


@pytest.mark.slow
def test_after_a_crash_slots_lose_no_time_with_the_dead() -> None:
    """Slots preferred the dead, whose hashes were the smallest, and waited 20 s for each: the links that came at
    last were news for the maps, whose recall fell to 0.81 in the 35th second and was back at 0.99 in the 47th."""
    world = settled.begin(60, 3)
    world.run_for(10_000)
    outcome = crash.run(world, duration=61_000)
    assert outcome.numbers["pieces_after_60_s"] == 1
    assert outcome.numbers["maps_true_after_ms"] is not None
    late = [recall for second, recall in outcome.curves["recall"] if second > 36]
    assert min(late) > 0.98, "all is mended by then"


def test_a_curve_close_to_one_is_drawn_from_where_it_differs() -> None:
    near = curves_svg({"recall": [(0.0, 0.98), (1.0, 1.0)]}, "near", "s", "share")
    far = curves_svg({"recall": [(0.0, 0.2), (1.0, 1.0)], "precision": [(0.0, 1.0)]}, "far", "s", "share")
    assert ">0.96</text>" in near
    assert ">0</text>" in far
    assert near.count("stroke-dasharray") == 0
    assert far.count("stroke-dasharray") == 1
