"""What a command shows of its progress: on a terminal alone, over itself, gone at the end."""

from threading import Event

import pytest

from cli.commands import progress_line
from cli.commands.progress_line import elapsing


def test_what_cannot_tell_how_far_it_is_tells_for_how_long(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    twice = Event()

    def show(text: str) -> None:
        shown.append(text)
        if len(shown) == 2:
            twice.set()

    monkeypatch.setattr(progress_line, "show_line", show)
    monkeypatch.setattr(progress_line, "SHOWN_EVERY", 0.001)
    with elapsing("steady"):
        assert twice.wait(60)
    assert shown[0] == "steady, 0 s"
    assert shown[-1] == "", "and takes it away"
    with pytest.raises(KeyboardInterrupt), elapsing("steady"):
        raise KeyboardInterrupt
    assert shown[-1] == ""


def test_nothing_is_shown_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    progress_line.show_line("half")
    progress_line.clear_line()
    assert capsys.readouterr().err == ""
