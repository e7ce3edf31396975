"""The house style that a machine can check: file sizes, package docstrings, no forbidden names."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("chain", "consensus", "net", "storage", "cli", "genesis")
SOURCES = sorted(
    path for package in (*PACKAGES, "tests", "bench") for path in (ROOT / package).rglob("*.py") if path.is_file()
)
MAX_LINES = 500
FORBIDDEN_NAMES = {"utils.py", "util.py", "common.py", "misc.py", "helpers.py"}
CLOCK_CALLS = {
    ("time", "time"),
    ("time", "monotonic"),
    ("datetime", "now"),
    ("os", "urandom"),
    ("random", "random"),
}
PURE = ("chain", "consensus", "net/core")


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_a_file_holds_one_idea(path: Path) -> None:
    """No source passes the size at which a reader has to scroll for the idea; no file is a drawer."""
    assert len(path.read_text().splitlines()) <= MAX_LINES
    assert path.name not in FORBIDDEN_NAMES


@pytest.mark.parametrize("path", [path for path in SOURCES if path.name == "__init__.py"], ids=_name)
def test_an_init_file_is_a_docstring(path: Path) -> None:
    """Packages say what they do and re-export nothing: each name has one import path."""
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), "the package does not say what it does"
    assert len(tree.body) == 1, "an __init__.py is a docstring and nothing else"


@pytest.mark.parametrize("path", [path for path in SOURCES if _name(path).startswith(PURE)], ids=_name)
def test_a_core_reads_no_clock_and_no_chance(path: Path) -> None:
    """Time and randomness are arguments in the cores."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if isinstance(owner, ast.Name):
                assert (owner.id, node.func.attr) not in CLOCK_CALLS, f"line {node.lineno}"
        assert not isinstance(node, ast.AsyncFunctionDef | ast.Await), f"line {node.lineno}: async in a core"


@pytest.mark.parametrize("path", [path for path in SOURCES if not _name(path).startswith("tests")], ids=_name)
def test_every_file_says_what_it_is_for(path: Path) -> None:
    """A module docstring stands at the top of every source."""
    assert ast.get_docstring(ast.parse(path.read_text())), "no module docstring"
