"""How far a story of `simulate` is, shown where somebody looks, and the signals that break it off."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Protocol

import click

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Shown(Protocol):
    """Hears how far a command is."""

    def steps(self, done: int, total: int, what: str) -> None:
        """Hear of what is made before a story begins (`net.sim.progress.Steps`)."""

    def progress(self, done: int, total: int, doing: str) -> bool:
        """Hear of a story; answer whether to break it off (`net.sim.progress.Progress`)."""


class Unseen:
    """Shows nothing: nobody looks."""

    def __init__(self, asked: Callable[[], bool]) -> None:
        self._asked = asked

    def steps(self, done: int, total: int, what: str) -> None:
        """See `Shown.steps`."""

    def progress(self, done: int, total: int, doing: str) -> bool:
        """See `Shown.progress`."""
        return self._asked()


class Bars:
    """A bar for each thing that is made, and one for the story."""

    def __init__(self, bars: "Progress", name: str, asked: Callable[[], bool]) -> None:
        self._bars = bars
        self._name = name
        self._asked = asked
        self._rows: dict[str, TaskID] = {}

    def _row(self, name: str) -> "TaskID":
        if name not in self._rows:
            self._rows[name] = self._bars.add_task(name)
        return self._rows[name]

    def steps(self, done: int, total: int, what: str) -> None:
        """See `Shown.steps`."""
        self._bars.update(self._row(what), completed=done, total=total)

    def progress(self, done: int, total: int, doing: str) -> bool:
        """See `Shown.progress`."""
        self._bars.update(self._row(self._name), completed=done, total=total, description=f"{self._name}: {doing}")
        return self._asked()


@contextmanager
def shown(name: str, asked: Callable[[], bool]) -> Iterator[Shown]:
    """Show how far a story is on a terminal; its progress answers what `asked` does."""
    if not sys.stderr.isatty():
        yield Unseen(asked)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:<18}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True)) as bars:
        yield Bars(bars, name, asked)


@contextmanager
def broken_off(save: Path | None) -> Iterator[Callable[[], bool]]:
    """Tell whether a signal has asked to break the story off, which is then told as far as it came; `save` is where its
    world will be written, None if nowhere.

    The story begins when it asks for the first time. A signal before that ends the process as ever: of a network that
    is still being made nothing can be told. So does a second signal.
    """
    begun = asked = False

    def ask(_signal: int, _frame: FrameType | None) -> None:
        nonlocal asked
        give_back()
        if not begun:
            kept = "" if save is None else f": nothing is written to {save}"
            click.echo(f"\nthe story had not begun{kept}", err=True)
            raise KeyboardInterrupt
        asked = True
        kept = "" if save is None else f" and writing the world to {save}"
        click.echo(f"\ntelling what is known{kept} after this virtual second; Ctrl-C again ends at once", err=True)

    def give_back() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def answer() -> bool:
        nonlocal begun
        begun = True
        return asked

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield answer
    finally:
        give_back()
