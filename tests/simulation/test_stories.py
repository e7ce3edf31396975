"""The stories of `mappemonde simulate`, small: maps become true, survive churn and a crash."""

from pathlib import Path

import pytest

from net.sim.saved import load, save
from net.sim.scenarios import churn, crash
from net.sim.scenarios.growth import grow


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_growth_churn_and_crash(tmp_path: Path) -> None:
    grown, world = grow(24, 2)
    assert grown.numbers["maps_true_after_ms"] is not None
    assert int(grown.numbers["maps_true_after_ms"]) <= 30_000
    assert grown.numbers["reached"] == 1.0
    assert grown.numbers["mean_precision"] == grown.numbers["mean_recall"] == 1.0
    assert {path.suffix for path in grown.draw(tmp_path)} == {".svg", ".json"}
    save(world, tmp_path / "world")

    lively, population = churn.run(world, duration=60_000, session=300_000)
    assert population.left == population.joined > 0
    assert float(lively.numbers["mean_recall"] or 0) >= 0.9
    assert 0 < float(lively.numbers["times_least"] or 0) <= 3
    assert float(lively.numbers["frames_s"] or 99) <= 30

    third = crash.run(load(tmp_path / "world"), duration=70_000)
    assert third.numbers["left"] == 16
    assert third.numbers["pieces_after_60_s"] == 1
    assert float(third.numbers["mean_precision"] or 0) >= 0.99
