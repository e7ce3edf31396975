"""The stories of `simulate` about the network: growth, loss, dials, reach, settled, churn, crash."""

import gc
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Any

import click

from chain.primitives.errors import ConfigError, StorageError
from cli.commands.progress_line import clear_line, show_line
from cli.commands.story_progress import Shown, broken_off, shown

if TYPE_CHECKING:
    from net.sim.scenarios.outcome import Outcome
    from net.sim.world import World

LOSS = 0.05
DIAL_FAILURES = 0.2
"""What `loss` and `dials` do to the wires."""


PEERS, SEED, JOIN_EVERY, MINUTES = 200, 1, 100, 10
"""What a story has that is not told otherwise."""


PARTS_SHOWN = 20
"""Of a profile: all others are next to nothing."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a command was asked for; None where it was not."""

    peers: int | None = None
    seed: int | None = None
    load: Path | None = None
    """A saved world."""
    join_every: int | None = None
    """Virtual ms between joins."""
    minutes: int | None = None
    """Virtual minutes of churn."""

    @property
    def size(self) -> int:
        """How many peers a new world has."""
        return PEERS if self.peers is None else self.peers

    @property
    def drawn_by(self) -> int:
        """The seed of a new world."""
        return SEED if self.seed is None else self.seed


Told = Callable[[Asked, Shown], "tuple[Outcome, World]"]
"""Returns the outcome and the world at its end."""


def _growth(name: str, loss: float = 0.0, dials: float = 0.0) -> Told:
    def tell(asked: Asked, shown: Shown) -> "tuple[Outcome, World]":
        from net.sim.scenarios.growth import go_on, grow
        from net.sim.world import Conditions

        if asked.load is not None:
            world = _loaded(asked.load, asked, shown)
            return go_on(world, scenario=name, join_every=asked.join_every, progress=shown.progress), world
        return grow(
            asked.size,
            asked.drawn_by,
            join_every=asked.join_every or JOIN_EVERY,
            conditions=Conditions(loss=loss, dial_failures=dials),
            scenario=name,
            progress=shown.progress,
        )

    return tell


def _reach(asked: Asked, shown: Shown) -> "tuple[Outcome, World]":
    from net.sim.scenarios.reach import run

    return run(asked.size, asked.drawn_by, join_every=asked.join_every or JOIN_EVERY, progress=shown.progress)


def _settled(asked: Asked, shown: Shown) -> "tuple[Outcome, World]":
    from net.sim.scenarios.settled import run

    return run(asked.size, asked.drawn_by, progress=shown.progress, steps=shown.steps)


def _begun(asked: Asked, shown: Shown) -> "World":
    from net.sim.scenarios.settled import begin

    if asked.load is not None:
        return _loaded(asked.load, asked, shown)
    return begin(asked.size, asked.drawn_by, shown.steps)


def _loaded(path: Path, asked: Asked, shown: Shown) -> "World":
    """Read a saved world; it is as it is, whatever else the command was asked for."""
    from net.sim.saved import load
    from net.sim.scenarios.story import peers_of

    try:
        world = load(path, shown.steps)
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from None
    for option, wanted, there in (("--peers", asked.peers, peers_of(world)), ("--seed", asked.seed, world.seed)):
        if wanted not in (None, there):
            raise ConfigError(f"{option} {wanted} does not fit the world in {path}, which has {there}: leave it out")
    return world


def _churn(asked: Asked, shown: Shown) -> "tuple[Outcome, World]":
    from net.sim.scenarios.churn import run

    world = _begun(asked, shown)
    duration = None if asked.minutes is None else asked.minutes * 60_000
    return run(world, duration=duration, progress=shown.progress)[0], world


def _crash(asked: Asked, shown: Shown) -> "tuple[Outcome, World]":
    from net.sim.scenarios.crash import run

    world = _begun(asked, shown)
    return run(world, progress=shown.progress), world


GROWTHS = ("growth", "loss", "dials", "reach")
"""Stories in which peers join one after the other."""

EMPTY = ("reach", "settled")
"""Stories that begin in no saved world."""

RESUMABLE = ("growth", "loss", "dials", "churn")
"""Stories that can be gone on with where they were broken off: those that take hours where peers are many."""

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
    go_on = "Go on in this world, where it was broken off."
    load = go_on if name in GROWTHS else "Begin in this world" + (", or go on." if name == "churn" else ".")
    save = "Write the world at the end here" + (", on Ctrl-C too, to go on from." if name in RESUMABLE else ".")
    there, file = (click.Path(exists=exists, dir_okay=False, path_type=Path) for exists in (True, False))
    folder, count = click.Path(file_okay=False, path_type=Path), click.IntRange(1)
    own = {
        "join_every": click.Option(["--join-every"], type=count, help=f"Virtual ms, {JOIN_EVERY} unless told."),
        "minutes": click.Option(["--minutes"], type=count, help=f"Virtual minutes, {MINUTES} unless told."),
        "load": click.Option(["--load"], type=there, help=load),
    }
    lacking = set() if name in GROWTHS else {"join_every"}
    lacking |= {"minutes"} if name != "churn" else set()
    lacking |= {"load"} if name in EMPTY else set()
    return [
        click.Option(["--peers"], type=click.IntRange(2, 5_000), help=f"How many, {PEERS} unless told."),
        click.Option(["--seed"], type=click.IntRange(0), help=f"Equal seeds give equal runs; {SEED} unless told."),
        *(option for field, option in own.items() if field not in lacking),
        click.Option(["--save"], type=file, help=save),
        click.Option(["--pictures"], type=folder, help="Write SVG and JSON here."),
        click.Option(["--json", "as_json"], is_flag=True, help="Print JSON."),
        click.Option(["--profile"], is_flag=True, help="Also print the CPU seconds by part (takes twice as long)."),
    ]


def _command(name: str, about: str, tell: Told) -> click.Command:
    @click.command(name, help=about, params=_options(name))
    def command(save: Path | None, pictures: Path | None, *, as_json: bool, profile: bool, **asked: Any) -> None:
        from net.sim.scenarios.story import BrokenOff

        _check_places(save, pictures)
        parts: dict[str, float] = {}
        whole, kept = True, save if name in RESUMABLE else None
        with broken_off(kept) as ask, shown(name, ask) as seen, _uncollected(), _profiled(parts if profile else None):
            try:
                outcome, world = tell(Asked(**asked), seen)
            except BrokenOff as broken:
                whole, outcome, world, save = False, broken.so_far, broken.world, kept
        try:
            click.echo(outcome.to_json() if as_json else outcome.table())
            for part, seconds in sorted(parts.items(), key=lambda one: -one[1])[:PARTS_SHOWN]:
                click.echo(f"{part:<34} {seconds:.2f} s", err=as_json)
            if pictures is not None:
                _draw(outcome, pictures)
        finally:  # whatever becomes of the others: a world may be hours of work
            if save is not None:
                _write(world, save)
        if not whole:
            if save is not None:
                click.echo(f"go on with: mappemonde simulate {name} --load {save} --save {save}", err=True)
            raise KeyboardInterrupt

    return command


def _check_places(save: Path | None, pictures: Path | None) -> None:
    """Raise `UsageError` where nothing can be written: not after hours."""
    if save is not None:
        folder = save.absolute().parent
        if not folder.is_dir():
            raise click.UsageError(f"there is no folder {folder} to save the world in")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise click.UsageError(f"the folder {folder} to save the world in cannot be written to")
    if pictures is not None:
        try:
            pictures.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise click.UsageError(f"cannot make the folder {pictures} for pictures: {error.strerror}") from None
        if not os.access(pictures, os.W_OK | os.X_OK):
            raise click.UsageError(f"the folder {pictures} for pictures cannot be written to")


def _draw(outcome: "Outcome", folder: Path) -> None:
    try:
        for path in outcome.draw(folder):
            click.echo(f"wrote {path}", err=True)
    except OSError as error:
        raise StorageError(f"cannot write the pictures into {folder}: {error.strerror}") from None


def _write(world: "World", path: Path) -> None:
    from net.sim import saved

    show_line(f"writing {path}")  # gigabytes take a minute
    try:
        saved.save(world, path)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}") from None
    finally:
        clear_line()
    click.echo(f"wrote {path}", err=True)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Look for no cycles of garbage: a world's millions of objects live as long as it, and searching them is 5 %."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def _profiled(parts: dict[str, float] | None) -> Iterator[None]:
    """Add up the CPU seconds spent in each folder of the sources.

    The profiler's own clock runs on while other processes do, and one that does not costs twice as much as all else: so
    the shares are the profiler's, and their sum is what this process used.
    """
    if parts is None:
        yield
        return
    import cProfile
    import pstats

    begun, profile = process_time(), cProfile.Profile()
    with profile:
        yield
    used = process_time() - begun
    root = Path(__file__).parents[2]
    spent: dict[str, float] = defaultdict(float)
    for (file, _, called), row in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        path = Path(file)
        if path.is_relative_to(root) and ".venv" not in path.parts:
            within = path.relative_to(root)
            part = str(within.parent if len(within.parts) > 3 else within.with_suffix(""))
        else:
            part = "signatures" if "secp256k1" in called else "libraries and the interpreter"
        spent[part] += row[2]
    total = sum(spent.values())
    parts.update({part: seconds * used / total for part, seconds in spent.items()})
