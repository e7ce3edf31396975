"""How many of Python's instructions the simulator spends on a network: a count that other work beside it leaves alone.

`python -m bench.operations [--peers N] [--seed S] [--session MINUTES]` counts for twenty virtual seconds of a settled
network, a minute after it began; with `--session 0`, the default, nobody comes or goes. What runs in C is not counted.
"""

import argparse
import gc
import sys
from types import FrameType
from typing import TYPE_CHECKING

from net.sim.scenarios import settled
from net.sim.scenarios.churn import Population

if TYPE_CHECKING:
    from _typeshed import TraceFunction

WARM_UP = 60_000
MEASURED = 20_000
"""Virtual ms."""


class Counter:
    """Counts instructions between `begin` and `end`."""

    def __init__(self) -> None:
        self.count = 0

    def begin(self) -> None:
        """Count from now on."""
        sys.settrace(self._called)

    def end(self) -> None:
        """Count no more."""
        sys.settrace(None)

    def _called(self, frame: FrameType, event: str, _: object) -> "TraceFunction":
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return self._inside

    def _inside(self, frame: FrameType, event: str, _: object) -> "TraceFunction":
        self.count += event == "opcode"
        return self._inside


def main() -> int:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--peers", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--session", type=int, default=0, help="mean session, minutes; 0: nobody leaves")
    options = parser.parse_args()
    gc.disable()
    world = settled.begin(options.peers, options.seed)
    if options.session:
        Population(world, session=options.session * 60_000)
    world.run_for(WARM_UP)
    counter = Counter()
    counter.begin()
    world.run_for(MEASURED)
    counter.end()
    each = counter.count * 1000 / MEASURED / options.peers
    print(f"{options.peers} peers, seed {options.seed}, sessions of {options.session} minutes (0: no end):")
    print(f"  {each:.0f} instructions per peer and second; digest {world.digest.hex()[:16]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
