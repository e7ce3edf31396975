"""The stories of `simulate` about the network: growth, loss, dials, reach, settled, churn, crash."""

import gc
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from chain.primitives.errors import StorageError

if TYPE_CHECKING:
    from net.sim.scenarios.story import Outcome, Progress
    from net.sim.world import World

LOSS = 0.05
DIAL_FAILURES = 0.2
"""What `loss` and `dials` do to the wires."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a command was asked for."""

    peers: int
    seed: int
    load: Path | None = None
    """A saved world."""
    join_every: int = 100
    """Virtual ms between joins."""
    minutes: int = 10
    """Virtual minutes of churn."""


Told = Callable[[Asked, "Progress | None"], "tuple[Outcome, World]"]
"""Returns the outcome and the world at its end."""


def _growth(name: str, loss: float = 0.0, dials: float = 0.0) -> Told:
    def tell(asked: Asked, progress: "Progress | None") -> "tuple[Outcome, World]":
        from net.sim.saved import load
        from net.sim.scenarios.growth import go_on, grow
        from net.sim.world import Conditions

        if asked.load is not None:
            world = load(asked.load)
            return go_on(world, scenario=name, progress=progress), world
        conditions, every = Conditions(loss=loss, dial_failures=dials), asked.join_every
        return grow(asked.peers, asked.seed, join_every=every, conditions=conditions, scenario=name, progress=progress)

    return tell


def _reach(asked: Asked, progress: "Progress | None") -> "tuple[Outcome, World]":
    from net.sim.scenarios.reach import run

    return run(asked.peers, asked.seed, join_every=asked.join_every, progress=progress)


def _settled(asked: Asked, progress: "Progress | None") -> "tuple[Outcome, World]":
    from net.sim.scenarios.settled import run

    return run(asked.peers, asked.seed, progress=progress)


def _begun(asked: Asked) -> "World":
    from net.sim.saved import load
    from net.sim.scenarios.settled import begin

    return load(asked.load) if asked.load is not None else begin(asked.peers, asked.seed)


def _churn(asked: Asked, progress: "Progress | None") -> "tuple[Outcome, World]":
    from net.sim.scenarios.churn import run

    world = _begun(asked)
    return run(world, duration=asked.minutes * 60_000, progress=progress)[0], world


def _crash(asked: Asked, progress: "Progress | None") -> "tuple[Outcome, World]":
    from net.sim.scenarios.crash import run

    world = _begun(asked)
    return run(world, progress=progress), world


GROWTHS = ("growth", "loss", "dials", "reach")
"""Stories in which peers join one after the other."""

EMPTY = ("reach", "settled")
"""Stories that begin in no saved world."""

BREAKABLE = ("growth", "loss", "dials", "churn")
"""Stories that can be broken off and gone on with: those that take hours where peers are many."""

STORIES: dict[str, tuple[str, Told]] = {
    "growth": ("Let peers join until all maps are true. Then one publishes a message.", _growth("growth")),
    "loss": (f"Growth while {LOSS:.0%} of the frames are lost once.", _growth("loss", loss=LOSS)),
    "dials": (f"Growth while {DIAL_FAILURES:.0%} of the dials never open.", _growth("dials", dials=DIAL_FAILURES)),
    "reach": ("Growth while three peers in ten meet only public ones. As many do not meet those three.", _reach),
    "settled": ("Make a network as it is after hours. Ids are of all ages, links where slots want them.", _settled),
    "churn": ("Let peers leave after 8 h on average, and others come. It begins settled or in a saved world.", _churn),
    "crash": ("Let a random third vanish at once. It begins settled or in a saved world.", _crash),
}


def add_stories(group: click.Group) -> None:
    """Add a command for each story."""
    for name, (about, tell) in STORIES.items():
        group.add_command(_command(name, about, tell))


def _options(name: str) -> list[click.Parameter]:
    """Return the options of a story."""
    load = "Begin in this world" + (", or go on where it was broken off." if name in BREAKABLE else ".")
    save = "Write the world at the end here" + (", on Ctrl-C too, to go on from." if name in BREAKABLE else ".")
    there, file = (click.Path(exists=exists, dir_okay=False, path_type=Path) for exists in (True, False))
    folder, count = click.Path(file_okay=False, path_type=Path), click.IntRange(1)
    own = {
        "join_every": click.Option(["--join-every"], type=count, default=100, show_default=True, help="Virtual ms."),
        "minutes": click.Option(["--minutes"], type=count, default=10, show_default=True, help="Virtual minutes."),
        "load": click.Option(["--load"], type=there, help=load),
    }
    lacking = set() if name in GROWTHS else {"join_every"}
    lacking |= {"minutes"} if name != "churn" else set()
    lacking |= {"load"} if name in EMPTY else set()
    return [
        click.Option(["--peers"], type=click.IntRange(2, 5_000), default=200, show_default=True, help="How many."),
        click.Option(["--seed"], type=int, default=1, show_default=True, help="Equal seeds give equal runs."),
        *(option for field, option in own.items() if field not in lacking),
        click.Option(["--save"], type=file, help=save),
        click.Option(["--pictures"], type=folder, help="Write SVG and JSON here."),
        click.Option(["--json", "as_json"], is_flag=True, help="Print JSON."),
        click.Option(["--profile"], is_flag=True, help="Also print the CPU seconds by part (takes twice as long)."),
    ]


def _command(name: str, about: str, tell: Told) -> click.Command:
    @click.command(name, help=about, params=_options(name))
    def command(save: Path | None, pictures: Path | None, *, as_json: bool, profile: bool, **asked: Any) -> None:
        if save is not None and not save.absolute().parent.is_dir():  # not after hours
            raise click.UsageError(f"there is no folder {save.absolute().parent} to save the world in")
        parts: Counter[str] = Counter()
        broken_off = _broken_off(name, save) if save is not None and name in BREAKABLE else nullcontext(_never)
        with broken_off as ask, _bar(name, ask) as progress, _uncollected(), _profiled(parts if profile else None):
            outcome, world = tell(Asked(**asked), progress)
        click.echo(outcome.to_json() if as_json else outcome.table())
        for part, seconds in parts.most_common(20):
            click.echo(f"{part:<34} {seconds:.2f} s", err=as_json)
        if pictures is not None:
            for path in outcome.draw(pictures):
                click.echo(f"wrote {path}", err=True)
        if save is not None:
            _write(world, save)

    return command


def _write(world: "World", path: Path) -> None:
    from net.sim import saved

    try:
        saved.save(world, path)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}") from None
    click.echo(f"wrote {path}", err=True)


def _never() -> bool:
    return False


@contextmanager
def _broken_off(name: str, save: Path) -> Iterator[Callable[[], bool]]:
    """Tell whether a signal has asked to break the story off; where it then is, write its world."""
    from net.sim.scenarios.story import BrokenOff

    asked = False

    def ask(_signal: int, _frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        give_back()  # the second signal ends the process
        click.echo(f"\nwriting the world to {save} after this virtual second", err=True)

    def give_back() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    except BrokenOff as broken:
        _write(broken.world, save)
        click.echo(f"go on with: mappemonde simulate {name} --load {save} --save {save}", err=True)
        raise KeyboardInterrupt from None
    finally:
        give_back()


@contextmanager
def _bar(name: str, asked: Callable[[], bool]) -> "Iterator[Progress]":
    """Show how far a story is, where somebody looks; its progress answers what `asked` does."""
    if not sys.stderr.isatty():
        yield lambda _done, _total, _doing: asked()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:<10}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(name)

        def show(done: int, total: int, doing: str) -> bool:
            bar.update(task, completed=done, total=total, description=doing)
            return asked()

        yield show


@contextmanager
def _uncollected() -> Iterator[None]:
    """Look for no cycles of garbage: a world's millions of objects live as long as it, and searching them is 5 %."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def _profiled(parts: Counter[str] | None) -> Iterator[None]:
    """Add up the time spent in each folder of the sources."""
    if parts is None:
        yield
        return
    import cProfile
    import pstats

    profile = cProfile.Profile()
    with profile:
        yield
    root = Path(__file__).parents[2]
    for (file, _, called), row in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        path = Path(file)
        if path.is_relative_to(root) and ".venv" not in path.parts:
            within = path.relative_to(root)
            part = str(within.parent if len(within.parts) > 3 else within.with_suffix(""))
        else:
            part = "signatures" if "secp256k1" in called else "libraries and the interpreter"
        parts[part] += row[2]
