"""The stories' commands: how long churn lasts, and who else may be told so."""

import json

import pytest
from click.testing import CliRunner

from cli.commands.simulate import simulate_command


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
    assert "leave --minutes out" in result.output
