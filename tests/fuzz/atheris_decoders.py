"""Coverage-guided fuzzing of every wire decoder, beside the hypothesis tests and not in CI.

`python -m tests.fuzz.atheris_decoders [NAME ...] [-- OPTIONS]` fuzzes the named decoders (all by default) until
stopped: the first byte picks the decoder, the rest is its input. Anything but a message or `Malformed` is a crash, and
the input is written down. atheris is no dependency: `pip install atheris`. With `--replay FILE ...` inputs are run
once, without atheris, to see a crash again. `tests.fuzz.seeds` writes inputs to begin with; how both are run stands in
docs/protocol/network.md, section 10.
"""

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import net.core.wire
from chain.primitives.errors import Malformed

Decoder = Callable[[bytes], object]


def decoders() -> dict[str, Decoder]:
    """Return every `decode_*` of `net.core.wire` that takes one bytes, as module.name."""
    found: dict[str, Decoder] = {}
    for module in iter_modules(net.core.wire.__path__):
        loaded = import_module(f"net.core.wire.{module.name}")
        for name, value in inspect.getmembers(loaded, inspect.isfunction):
            required = [
                one for one in inspect.signature(value).parameters.values() if one.default is inspect.Parameter.empty
            ]
            if name.startswith("decode_") and value.__module__ == loaded.__name__ and len(required) == 1:
                found[f"{module.name}.{name}"] = value
    return found


def try_one(targets: Sequence[Decoder], data: bytes) -> None:
    """Give the input to the decoder its first byte picks. Raises whatever is not `Malformed`."""
    if not data:
        return
    with suppress(Malformed):
        targets[data[0] % len(targets)](data[1:])


def chosen(names: Sequence[str], known: Mapping[str, Decoder]) -> list[Decoder]:
    """Return the decoders asked for. Raises `SystemExit` with what there is when a name is unknown."""
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise SystemExit(f"no decoder {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in names or known]


def main(arguments: Sequence[str]) -> None:
    """Fuzz, or replay files."""
    known = decoders()
    if arguments[:1] == ["--replay"]:
        for file in arguments[1:]:
            try_one(chosen((), known), Path(file).read_bytes())
        return
    options = list(arguments)
    at = options.index("--") if "--" in options else len(options)
    targets = chosen(options[:at], known)
    try:
        atheris = import_module("atheris")
    except ModuleNotFoundError:
        raise SystemExit("atheris is not installed; it is no dependency: pip install atheris") from None
    atheris.instrument_all()
    atheris.Setup([sys.argv[0], *options[at + 1 :]], lambda data: try_one(targets, data))
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
