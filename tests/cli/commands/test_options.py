"""Options that commands share."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from chain.primitives.errors import StorageError
from cli.main import cli


@pytest.mark.parametrize("words", ["db stats", "db verify", "export out.bin"])
def test_the_environment_names_the_directory_as_it_does_for_the_node(tmp_path: Path, words: str) -> None:
    """Else `run` and `db` of one shell spoke of two nodes."""
    place = tmp_path / "somewhere"
    result = CliRunner().invoke(cli, words.split(), env={"MAPPEMONDE_DATADIR": str(place)})
    assert isinstance(result.exception, StorageError)
    assert str(place) in str(result.exception)


def test_the_environment_names_the_network_and_a_flag_wins() -> None:
    runner = CliRunner()
    result = runner.invoke(cli, ["db", "stats"], env={"MAPPEMONDE_NETWORK": "nowhere"})
    assert result.exit_code == 2
    assert "MAPPEMONDE_NETWORK" in result.output or "nowhere" in result.output
    flagged = runner.invoke(
        cli, ["db", "stats", "--network", "testnet", "--datadir", "/nowhere"], env={"MAPPEMONDE_NETWORK": "devnet"}
    )
    assert isinstance(flagged.exception, StorageError)
    assert "/nowhere" in str(flagged.exception)
