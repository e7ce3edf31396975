"""`simulate consensus` lists its scenarios, runs one, and draws it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from chain.primitives.errors import StorageError
from cli.commands.simulate import consensus_command
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
