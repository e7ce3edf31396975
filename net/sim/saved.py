"""Worlds on disk: a grown network is written once and continued from often.

A file holds the insides of the production classes as pickle sees them, so it is read back only by the same VERSION and
the same minor version of Python, and **only from hands you trust**: unpickling runs what the file says. A line that
names both comes first, then the hash of all that follows: one damaged byte would mostly not be noticed otherwise, and
give another run.
"""

import marshal
import os
import pickle
import sys
from hashlib import blake2b, file_digest
from importlib import import_module
from io import BufferedReader
from pathlib import Path
from types import CellType, FunctionType
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from coincurve import PrivateKey

from chain.primitives.errors import ConfigError
from net.core.effects import LinkId
from net.sim.node import SimNode
from net.sim.progress import Steps, unheard
from net.sim.world import End, Wire, World

VERSION = 15
"""Raised whenever a class whose instances a world holds changes."""

RAW_FROM = 128
"""Bytes from which strings are looked up among the world's records, of which it holds one copy each."""

_HEAD = f"mappemonde world {VERSION} python {sys.version_info[0]}.{sys.version_info[1]}\n".encode()
_KIND = b"mappemonde world "

_HASH_SIZE = 32
"""Bytes of the hash behind the head."""

_EndFields = tuple[int, LinkId, float, bool, float, int]


def save(world: World, path: Path) -> None:
    """Write a world. What its checks remember is forgotten, and its digest begun anew from the old one: the world at
    hand goes on exactly as the one that is loaded. A file of the same name is replaced once the new one is whole, and
    stays where that fails. Raises `OSError`."""
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("wb") as file:
        try:
            file.write(_HEAD + bytes(_HASH_SIZE))
            hashed = _Hashed(file)
            _write(world, hashed)
            file.seek(len(_HEAD))
            file.write(hashed.digest())
            file.flush()
            os.fsync(file.fileno())  # or the old world could be gone before the new one is on the disk
        except BaseException:
            partial.unlink()  # gigabytes of no use, perhaps on a disk that is full
            raise
    partial.replace(path)


def _write(world: World, file: "_Hashed") -> None:
    fields = world.rest()
    raws = world.pool.raws()
    numbers = {raw: number for number, raw in enumerate(raws)}
    pickle.dump(len(world.nodes), file)
    pickle.dump(raws, file)
    pickle.dump(
        [(_fields(wire.offerer), _fields(wire.answerer) if wire.answerer else None) for wire in world.wires], file
    )
    for part in (fields, *(node.__dict__ for node in world.nodes)):
        # Each part stands for itself: what it shares with others is named.
        _Writer(file, world, numbers).dump(part)


def load(path: Path, steps: Steps = unheard) -> World:
    """Read a world back. Raises `ConfigError` for one of another version, one that is damaged, and any other file."""
    with path.open("rb") as file:
        _check(file, path)
        nodes = [SimNode.__new__(SimNode) for _ in range(pickle.load(file))]  # noqa: S301 (see the module)
        raws: list[bytes] = pickle.load(file)  # noqa: S301
        wires = [
            Wire(_end(offerer, nodes), _end(answerer, nodes) if answerer else None)
            for offerer, answerer in pickle.load(file)  # noqa: S301
        ]
        world = World(0)
        world.pool.take(raws)
        fields = _Reader(file, world, nodes, wires, raws).load()
        world.wake(fields.pop("rested"), fields, nodes, wires)
        for done, node in enumerate(nodes, 1):
            node.__dict__.update(_Reader(file, world, nodes, wires, raws).load())
            steps(done, len(nodes), "reading")
    return world


def _check(file: BufferedReader, path: Path) -> None:
    """Go past head and hash of a world; raise `ConfigError` where they are not those of one that can be read."""
    head = file.readline(len(_HEAD) + 64)
    if head != _HEAD:
        ours = _HEAD.decode().strip()
        what = head.decode("ascii", "replace").strip() if head.startswith(_KIND) else "something else"
        raise ConfigError(f"{path} is no world of this version: it is {what}, not {ours}")
    said = file.read(_HASH_SIZE)
    if file_digest(file, _new_hash).digest() != said:
        raise ConfigError(f"{path} is damaged or was cut short: its content is not what was written")
    file.seek(len(_HEAD) + _HASH_SIZE)


def _new_hash() -> blake2b:
    return blake2b(digest_size=_HASH_SIZE)


class _Hashed:
    """Hashes what is written to a file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = _new_hash()

    def write(self, content: bytes | pickle.PickleBuffer) -> int:
        self._hash.update(content)
        return self._file.write(content)

    def digest(self) -> bytes:
        return self._hash.digest()


def _fields(end: End) -> _EndFields:
    return (end.node.index, end.link, end.last_arrival, end.closed, end.trip, end.wire)


def _end(fields: _EndFields, nodes: list[SimNode]) -> End:
    index, link, last_arrival, closed, trip, wire = fields
    return End(nodes[index], link, last_arrival, closed, trip, wire)


class _Writer(pickle.Pickler):
    """Names what the parts of a world share, and knows the types that pickle does not."""

    def __init__(self, file: _Hashed, world: World, numbers: dict[bytes, int]) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self._world = world
        self._numbers = numbers

    def persistent_id(self, thing: object) -> tuple[object, ...] | None:
        kind = type(thing)
        if kind is bytes:
            number = self._numbers.get(thing) if len(thing) >= RAW_FROM else None  # type: ignore[arg-type, call-overload]
            return None if number is None else ("raw", number)
        if isinstance(thing, SimNode):
            return ("node", thing.index)
        if isinstance(thing, End):
            return ("end", thing.wire, thing.node is not self._world.wires[thing.wire].offerer.node)
        for name, shared in self._world.shared().items():
            if thing is shared:
                return ("shared", name)
        return None

    def reducer_override(self, thing: object) -> tuple[object, ...]:  # type: ignore[override]  # six values are known
        if isinstance(thing, memoryview):
            return _memory, (np.asarray(thing.obj),)
        if isinstance(thing, PrivateKey):
            return PrivateKey, (thing.secret,)
        if isinstance(thing, FunctionType) and "<" in thing.__qualname__:
            code = marshal.dumps(thing.__code__)
            cells = [cell.cell_contents for cell in thing.__closure__ or ()]
            made = (thing.__module__, code, thing.__name__, thing.__defaults__, len(cells))
            return _function, made, cells, None, None, _fill
        return NotImplemented  # type: ignore[no-any-return]


class _Reader(pickle.Unpickler):
    def __init__(
        self, file: BinaryIO, world: World, nodes: list[SimNode], wires: list[Wire], raws: list[bytes]
    ) -> None:
        super().__init__(file)
        self._world = world
        self._nodes = nodes
        self._wires = wires
        self._raws = raws

    def persistent_load(self, name: object) -> object:
        match name:
            case ("raw", int(number)):
                return self._raws[number]
            case ("node", int(number)):
                return self._nodes[number]
            case ("end", int(number), bool(answers)):
                return self._wires[number].answerer if answers else self._wires[number].offerer
            case ("shared", str(part)):
                return self._world.shared()[part]
            case _:
                raise pickle.UnpicklingError(f"no part of a world: {name!r}")


def _memory(array: npt.NDArray[np.generic]) -> memoryview:
    return array.data


def _function(module: str, code: bytes, name: str, defaults: tuple[object, ...] | None, cells: int) -> FunctionType:
    empty = tuple(CellType() for _ in range(cells))
    return FunctionType(marshal.loads(code), vars(import_module(module)), name, defaults, empty)


def _fill(function: FunctionType, contents: list[object]) -> None:
    for cell, content in zip(function.__closure__ or (), contents, strict=True):
        cell.cell_contents = content
