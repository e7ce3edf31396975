"""The stories' commands: how long churn lasts, who else may be told so, and runs that are interrupted."""

import json
import signal
from pathlib import Path

import pytest
from click.testing import CliRunner

from chain.primitives.errors import ConfigError, StorageError
from cli.commands.simulate import simulate_command
from cli.commands.simulate_stories import MINUTES
from net.sim.node import SimNode
from net.sim.progress import Steps
from net.sim.scenarios import churn, growth, settled
from net.sim.scenarios.outcome import Outcome
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


@pytest.mark.parametrize(("peers", "left"), [("2", 1), ("3", 2), ("6", 4)])
def test_somebody_crashes_in_the_smallest_network_too(peers: str, left: int) -> None:
    assert _told("crash", "--peers", peers)["survivors"] == left


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
    assert "frames arrived" in broken.output, "what is known so far"
    assert "a message came to" not in broken.output, "that is the end's"
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
    assert "virtual time                       62 s" in broken.output
    assert "a peer receives, in all" in broken.output, "an hour's figures are there before its end"
    monkeypatch.undo()
    refused = CliRunner().invoke(simulate_command, ["crash", "--load", saved])
    assert "in the middle of churn" in str(refused.exception)
    assert _told("churn", "--load", saved) == whole


@pytest.mark.slow
@pytest.mark.parametrize("story", ["reach", "crash"])
def test_any_interrupted_story_tells_what_is_known(story: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without `--save` Ctrl-C lost hours of figures; a story that cannot be gone on with leaves no world behind."""

    def start(node: SimNode) -> None:
        if node.index == 0:
            node.world.at(node.world.now + 1_500, signal.raise_signal, signal.SIGINT)
        started(node)

    started = SimNode.start
    monkeypatch.setattr(SimNode, "start", start)
    places = ["--save", str(tmp_path / "world"), "--pictures", str(tmp_path / "pictures")]
    broken = CliRunner().invoke(simulate_command, [story, "--peers", "12", "--json", *places])
    assert broken.exit_code == 1, "click's runner makes 1 of what `main` makes 130 of"
    told = json.loads(broken.stdout)
    assert 2 <= told["virtual_seconds"] < 3
    assert told["mean_recall"] > 0
    assert "reached" not in told
    assert "go on" not in broken.stderr
    assert not (tmp_path / "world").exists()
    assert (tmp_path / "pictures" / f"{story}.json").read_text() == broken.stdout.rstrip("\n")


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
    assert "maps true after" in result.output, "hours of simulation are not lost for it"


def test_a_folder_that_is_not_there_is_told_before_the_run(tmp_path: Path) -> None:
    words = ["growth", "--peers", "5000", "--save", str(tmp_path / "lacking" / "world")]
    result = CliRunner().invoke(simulate_command, words)
    assert result.exit_code == 2
    assert "there is no folder" in result.output


def test_pictures_that_cannot_be_written_are_told_before_the_run(tmp_path: Path) -> None:
    """They were a traceback after it."""
    (tmp_path / "file").write_text("")
    words = ["growth", "--peers", "5000", "--pictures", str(tmp_path / "file" / "pictures")]
    result = CliRunner().invoke(simulate_command, words)
    assert result.exit_code == 2
    assert "cannot make the folder" in result.output


@pytest.mark.slow
def test_a_world_is_written_though_its_pictures_are_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(_outcome: Outcome, _folder: Path) -> list[Path]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Outcome, "draw", full)
    words = ["growth", "--peers", "2", "--save", str(tmp_path / "world"), "--pictures", str(tmp_path / "pictures")]
    result = CliRunner().invoke(simulate_command, words)
    assert isinstance(result.exception, StorageError)
    assert "No space" in str(result.exception)
    assert (tmp_path / "world").is_file()


@pytest.mark.parametrize("story", ["growth", "topology", "consensus"])
def test_a_seed_is_no_negative_number(story: str) -> None:
    """It was a traceback after the run."""
    result = CliRunner().invoke(simulate_command, [story, "--seed", "-1"])
    assert result.exit_code == 2
    assert "-1 is not in the range" in result.output


@pytest.mark.slow
def test_what_does_not_fit_a_saved_world_is_refused(tmp_path: Path) -> None:
    """Other peers and another seed than the world's were passed over in silence."""
    saved = str(tmp_path / "world")
    _told("settled", "--peers", "4", "--seed", "2", "--save", saved)
    for option, value in (("--peers", "5"), ("--seed", "3")):
        result = CliRunner().invoke(simulate_command, ["churn", "--load", saved, option, value])
        assert isinstance(result.exception, ConfigError)
        assert f"{option} {value} does not fit the world in {saved}" in str(result.exception)
    assert _told("churn", "--load", saved, "--peers", "4", "--seed", "2", "--minutes", "1")["peers"] == 4


def test_churn_goes_on_as_long_as_it_was_begun_for() -> None:
    """Another length was passed over in silence."""
    world = World(1)
    growth.build(world, 1, join_every=1)
    life = churn.Life(world, Outcome("churn", 0, 1), duration=60_000, session=churn.SESSION, progress=None)
    with pytest.raises(ConfigError, match="begun to last 60 virtual s, not 120"):
        churn.run(world, duration=120_000)
    assert world.story is life


def test_growth_goes_on_at_the_pace_it_was_begun_with() -> None:
    """Another pace was passed over in silence."""
    world, outcome = World(1), Outcome("loss", 9, 1, {"join_every_ms": 100})
    growth.Joining(world, outcome, join_every=100, limit=1, progress=None)
    with pytest.raises(ConfigError, match="begun with a peer every 100 ms, not every 50"):
        growth.go_on(world, scenario="loss", join_every=50)


def test_the_help_tells_how_long_churn_is() -> None:
    assert MINUTES * 60_000 == churn.DURATION


def test_a_network_still_being_made_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Ctrl-C promised the world after this virtual second, and minutes went by."""

    def build(_world: World, _peers: int, _steps: Steps) -> list[SimNode]:
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("the signal ends it")

    monkeypatch.setattr(settled, "build", build)
    before = signal.getsignal(signal.SIGINT)
    result = CliRunner().invoke(simulate_command, ["churn", "--peers", "4", "--save", str(tmp_path / "world")])
    assert result.exit_code == 1
    assert "had not begun" in result.output
    assert signal.getsignal(signal.SIGINT) is before
    assert not list(tmp_path.iterdir())
