"""The stories' commands: how long churn lasts, who else may be told so, and runs that are interrupted."""

import json
import signal
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.commands.simulate import simulate_command
from net.sim.node import SimNode
from net.sim.scenarios import churn, growth
from net.sim.scenarios.story import Teller, interrupted
from net.sim.world import World

ONCE = {"cpu_seconds", "digest"}
"""What differs between a run in one go and one that was broken off."""


@pytest.mark.slow
def test_churn_lasts_as_long_as_it_is_told() -> None:
    words = ["churn", "--peers", "4", "--minutes", "2", "--json"]
    result = CliRunner().invoke(simulate_command, words)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["scenario"] == "churn"
    assert 120 <= told["virtual_seconds"] <= 130


def test_no_other_story_has_a_length() -> None:
    result = CliRunner().invoke(simulate_command, ["crash", "--minutes", "2"])
    assert result.exit_code == 2
    assert "No such option" in result.output


def _told(*words: str) -> dict[str, object]:
    result = CliRunner().invoke(simulate_command, [*words, "--json"])
    assert result.exit_code == 0, result.output
    told: dict[str, object] = json.loads(result.stdout)
    return {name: value for name, value in told.items() if name not in ONCE}


@pytest.mark.slow
@pytest.mark.parametrize("second", [1, 5])
def test_an_interrupted_growth_is_gone_on_with(second: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In the middle of the joining and after it."""
    words, saved = ("growth", "--peers", "12", "--join-every", "300"), str(tmp_path / "world")
    whole = _told(*words)

    def build(world: World, peers: int, *, join_every: int) -> list[SimNode]:
        world.at(world.now + second * 1_000 - 500, signal.raise_signal, signal.SIGINT)
        return built(world, peers, join_every=join_every)

    built = growth.build
    monkeypatch.setattr(growth, "build", build)
    before = signal.getsignal(signal.SIGINT)
    broken = CliRunner().invoke(simulate_command, [*words, "--save", saved])
    assert broken.exit_code == 1, "click's runner makes 1 of what `main` makes 130 of"
    assert f"--load {saved}" in broken.output
    assert "deliveries" not in broken.output
    assert signal.getsignal(signal.SIGINT) is before
    assert _told("growth", "--load", saved) == whole
    assert [path.name for path in tmp_path.iterdir()] == ["world"]


@pytest.mark.slow
def test_an_interrupted_churn_is_gone_on_with(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first, saved = str(tmp_path / "settled"), str(tmp_path / "world")
    _told("settled", "--peers", "12", "--save", first)
    words = ("churn", "--minutes", "3", "--load", first)
    whole = _told(*words)

    def signalled(world: World, scenario: str) -> Teller | None:
        world.at(world.now + 61_500, signal.raise_signal, signal.SIGINT)
        return interrupted(world, scenario)

    monkeypatch.setattr(churn, "interrupted", signalled)
    broken = CliRunner().invoke(simulate_command, [*words, "--save", saved])
    assert f"--load {saved}" in broken.output
    monkeypatch.undo()
    refused = CliRunner().invoke(simulate_command, ["crash", "--load", saved])
    assert "in the middle of churn" in str(refused.exception)
    assert _told("churn", "--load", saved) == whole


@pytest.mark.slow
def test_a_growth_at_its_end_is_not_gone_on_with(tmp_path: Path) -> None:
    saved = str(tmp_path / "world")
    _told("growth", "--peers", "4", "--save", saved)
    for story in ("growth", "loss"):
        result = CliRunner().invoke(simulate_command, [story, "--load", saved])
        assert "not in the middle of" in str(result.exception)


@pytest.mark.slow
def test_a_world_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "world.partial").mkdir()
    result = CliRunner().invoke(simulate_command, ["growth", "--peers", "4", "--save", str(tmp_path / "world")])
    assert "cannot write" in str(result.exception)
    assert "maps true after ms" in result.output, "hours of simulation are not lost for it"


def test_a_folder_that_is_not_there_is_told_before_the_run(tmp_path: Path) -> None:
    words = ["growth", "--peers", "5000", "--save", str(tmp_path / "lacking" / "world")]
    result = CliRunner().invoke(simulate_command, words)
    assert result.exit_code == 2
    assert "there is no folder" in result.output
