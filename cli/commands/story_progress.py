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

    from net.sim.world import World

Write = Callable[["World", Path], None]


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


def never() -> bool:
    """Break nothing off."""
    return False


@contextmanager
def broken_off(name: str, save: Path, write: Write) -> Iterator[Callable[[], bool]]:
    """Tell whether a signal has asked to break the story off; where it then is, write its world.

    The story begins when it asks for the first time. A signal before that ends the process as ever: a network that is
    still being made is nothing to go on from.
    """
    from net.sim.scenarios.story import BrokenOff

    begun = asked = False

    def ask(_signal: int, _frame: FrameType | None) -> None:
        nonlocal asked
        give_back()  # the second signal ends the process
        if not begun:
            click.echo(f"\nthe story had not begun: nothing is written to {save}", err=True)
            raise KeyboardInterrupt
        asked = True
        click.echo(f"\nwriting the world to {save} after this virtual second", err=True)

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
    except BrokenOff as broken:
        click.echo(f"so far:\n{broken.so_far.table()}", err=True)
        write(broken.world, save)
        click.echo(f"go on with: mappemonde simulate {name} --load {save} --save {save}", err=True)
        raise KeyboardInterrupt from None
    finally:
        give_back()
