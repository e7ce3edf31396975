"""Run every benchmark of this folder, one after the other: `python -m bench [NAME ...]`."""

import subprocess
import sys
from pathlib import Path

LONG = {"soak"}
"""Benchmarks that take an hour: only when named."""


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all, and return how many failed."""
    known = sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))
    failed = 0
    for name in names or [name for name in known if name not in LONG]:
        if name not in known:
            print(f"no benchmark {name}; there are {', '.join(known)}")
            return 2
        print(f"== {name}", flush=True)
        failed += subprocess.run([sys.executable, "-m", f"bench.{name}"], check=False).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
