"""The stories of `simulate` about the network: growth, loss, dials, reach, settled, churn, crash."""

import gc
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import wraps
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from chain.primitives.errors import StorageError

if TYPE_CHECKING:
    from net.sim.scenarios.story import Outcome, Progress
    from net.sim.world import World

LOSS = 0.05
DIAL_FAILURES = 0.2
"""What `loss` and `dials` do to the wires."""

Told = Callable[[int, int, int, "Progress | None", Path | None], "tuple[Outcome, World]"]
"""Peers, seed, ms between joins, progress, a saved world: the outcome and the world at its end."""


def _grow(
    peers: int, seed: int, every: int, progress: "Progress | None", world: Path | None
) -> "tuple[Outcome, World]":
    return _growth("growth", 0.0, 0.0)(peers, seed, every, progress, world)


def _growth(name: str, loss: float, dials: float) -> Told:
    def tell(
        peers: int, seed: int, every: int, progress: "Progress | None", world: Path | None
    ) -> "tuple[Outcome, World]":
        from net.sim.saved import load
        from net.sim.scenarios.growth import go_on, grow
        from net.sim.world import Conditions

        if world is not None:
            left = load(world)
            return go_on(left, scenario=name, progress=progress), left
        conditions = Conditions(loss=loss, dial_failures=dials)
        return grow(peers, seed, join_every=every, conditions=conditions, scenario=name, progress=progress)

    return tell


def _settled(
    peers: int, seed: int, _every: int, progress: "Progress | None", world: Path | None
) -> "tuple[Outcome, World]":
    from net.sim.scenarios.settled import run

    if world is not None:
        raise click.UsageError("settled begins with an empty world: leave --load out")
    return run(peers, seed, progress=progress)


def _begun(peers: int, seed: int, world: Path | None) -> "World":
    from net.sim.saved import load
    from net.sim.scenarios.settled import begin

    return load(world) if world is not None else begin(peers, seed)


def _churn(minutes: int) -> Told:
    def tell(
        peers: int, seed: int, _every: int, progress: "Progress | None", world: Path | None
    ) -> "tuple[Outcome, World]":
        from net.sim.scenarios.churn import run

        begun = _begun(peers, seed, world)
        return run(begun, duration=minutes * 60_000, progress=progress)[0], begun

    return tell


def _crash(
    peers: int, seed: int, _every: int, progress: "Progress | None", world: Path | None
) -> "tuple[Outcome, World]":
    from net.sim.scenarios.crash import run

    begun = _begun(peers, seed, world)
    return run(begun, progress=progress), begun


def _reach(
    peers: int, seed: int, every: int, progress: "Progress | None", world: Path | None
) -> "tuple[Outcome, World]":
    from net.sim.scenarios.reach import run

    if world is not None:
        raise click.UsageError("reach begins with an empty world: leave --load out")
    return run(peers, seed, join_every=every, progress=progress)


BREAKABLE = ("growth", "loss", "dials")
"""Stories that can be broken off and gone on with: those that take hours where peers are many."""

LOAD_HELP = f"Begin in this world; {', '.join(BREAKABLE[:-1])} and {BREAKABLE[-1]} go on in one that was broken off."
SAVE_HELP = (
    f"Write the world at the end here. {', '.join(BREAKABLE).capitalize()}: Ctrl-C writes it too, to go on from."
)

STORIES: dict[str, tuple[str, Told]] = {
    "growth": ("Let peers join one after the other until all maps are true, then publish a message.", _grow),
    "loss": (f"Growth while {LOSS:.0%} of the frames are lost once.", _growth("loss", LOSS, 0.0)),
    "dials": (f"Growth while {DIAL_FAILURES:.0%} of the dials never open.", _growth("dials", 0.0, DIAL_FAILURES)),
    "reach": ("Growth while three peers in ten meet public ones only, and as many no hard ones.", _reach),
    "settled": (
        "A network as it is after hours, made at once: ids of all ages, links where their slots want them.",
        _settled,
    ),
    "churn": ("Some time of a settled network whose peers leave after 8 h on average and are replaced.", _churn(10)),
    "crash": ("A random third of a settled network vanishes at once.", _crash),
}


def add_stories(group: click.Group) -> None:
    """Add a command for each story."""
    for name, (about, tell) in STORIES.items():
        group.add_command(_command(name, about, tell))


def _command(name: str, about: str, tell: Told) -> click.Command:
    @click.command(name, help=about)
    @click.option("--peers", type=click.IntRange(2, 5_000), default=200, show_default=True, help="Peers that join.")
    @click.option("--join-every", type=click.IntRange(1), default=100, show_default=True, help="Ms between joins.")
    @click.option("--minutes", type=click.IntRange(1), help="Virtual minutes of churn (only there; 10 unless told).")
    @click.option("--seed", type=int, default=1, show_default=True, help="Equal seeds give equal runs.")
    @click.option("--load", type=click.Path(exists=True, dir_okay=False, path_type=Path), help=LOAD_HELP)
    @click.option("--save", type=click.Path(dir_okay=False, path_type=Path), help=SAVE_HELP)
    @click.option("--pictures", type=click.Path(file_okay=False, path_type=Path), help="Write SVG and JSON here.")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    @click.option("--profile", is_flag=True, help="Also print the CPU seconds by part (the run takes twice as long).")
    @wraps(tell)
    def command(
        peers: int,
        join_every: int,
        seed: int,
        load: Path | None,
        save: Path | None,
        pictures: Path | None,
        minutes: int | None,
        *,
        as_json: bool,
        profile: bool,
    ) -> None:
        if minutes is not None and name != "churn":
            raise click.UsageError(f"{name} lasts as long as it takes: leave --minutes out")
        if save is not None and not save.absolute().parent.is_dir():  # not after hours
            raise click.UsageError(f"there is no folder {save.absolute().parent} to save the world in")
        story = tell if minutes is None else _churn(minutes)
        parts: Counter[str] = Counter()
        broken_off = _broken_off(name, save) if save is not None and name in BREAKABLE else nullcontext(_never)
        with broken_off as asked, _bar(name, asked) as progress, _uncollected(), _profiled(parts if profile else None):
            outcome, world = story(peers, seed, join_every, progress, load)
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
