"""`simulate consensus` lists its scenarios, runs one, and draws it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from chain.params import ChainParams
from chain.primitives.errors import StorageError
from cli.commands.simulate import consensus_command
from consensus.sim import scenarios
from consensus.sim.report import Result
from consensus.sim.scenarios import SCENARIOS


def test_without_a_name_it_lists_the_scenarios() -> None:
    """Every scenario with what it is about."""
    shown = CliRunner().invoke(consensus_command, []).output
    assert [line.split()[0] for line in shown.splitlines()] == list(SCENARIOS)


def test_an_unknown_scenario_is_refused_by_name() -> None:
    """The error lists the known ones."""
    outcome = CliRunner().invoke(consensus_command, ["stedy"])
    assert outcome.exit_code == 2
    assert "no scenario stedy; there are steady" in outcome.output


@pytest.mark.slow
def test_a_scenario_gives_rows_and_a_picture(tmp_path: Path) -> None:
    """JSON for scripts holds the rows of the table; the picture is an SVG; equal seeds give equal output."""
    picture = tmp_path / "steady.svg"
    words = ["steady", "--size", "300", "--seed", "7", "--json", "--picture", str(picture)]
    first, second = (CliRunner().invoke(consensus_command, words) for _ in range(2))
    assert first.exit_code == 0, first.output
    assert first.output == second.output
    document = json.loads(first.output)
    assert (document["scenario"], document["seed"], document["blocks"]) == ("steady", 7, 300)
    assert document["rows"][0]["what"] == "Mappemonde"
    assert picture.read_text().startswith("<svg")
    words[-1] = str(tmp_path / "no" / "steady.svg")
    lost = CliRunner().invoke(consensus_command, words)
    assert isinstance(lost.exception, StorageError)
    assert json.loads(lost.stdout)["rows"], "what took so long is told before the picture is tried"


def test_a_scenario_without_curves_says_that_it_draws_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The picture that was asked for was not written, without a word."""

    def run(scenario: str, _params: ChainParams, *, seed: int, size: int | None) -> Result:
        return Result(scenario, seed, size or 1, ())

    monkeypatch.setattr(scenarios, "run_scenario", run)
    shown = CliRunner().invoke(consensus_command, ["clocks", "--picture", str(tmp_path / "clocks.svg")])
    assert shown.exit_code == 0, shown.output
    assert "clocks has no curves" in shown.stderr
    assert not list(tmp_path.iterdir())
