"""What the pages say that a machine can check: links lead somewhere; commands, options and metrics they name exist."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from cli.main import cli
from net.rpc.metrics import families
from net.rpc.metrics.exposition import Group, Kind

ROOT = Path(__file__).resolve().parent.parent
HIDDEN = {".venv", ".git", ".tools", "node_modules"}
PAGES = sorted(
    path for path in ROOT.rglob("*.md") if not HIDDEN & set(path.relative_to(ROOT).parts) and "." not in path.stem
)
FENCE = re.compile(r"^ *```.*?^ *```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
METRIC = re.compile(r"\bmappemonde_[a-z]+_[a-z_]*[a-z]\b(?!\w)")
HISTOGRAM = "mappemonde_chain_interval_seconds"


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _anchors(page: Path) -> set[str]:
    """Return what the headings of a page are called in links, as GitHub makes it."""
    found: dict[str, int] = {}
    names = set()
    for line in FENCE.sub("", page.read_text()).splitlines():
        heading = re.match(r"#+ +(.*)", line)
        if heading is None:
            continue
        text = LINK.sub(lambda link: link[0][1 : link[0].index("]")], heading[1]).lower()
        slug = re.sub(r"[^\w\- ]", "", text).strip().replace(" ", "-")
        again = found[slug] = found.get(slug, -1) + 1
        names.add(f"{slug}-{again}" if again else slug)
    return names


def _links(page: Path) -> Iterator[str]:
    for link in LINK.finditer(CODE.sub("", FENCE.sub("", page.read_text()))):
        if not re.match(r"[a-z]+:", link[1]):
            yield link[1]


def _calls(page: Path) -> Iterator[str]:
    """Yield the command lines of a page, without `mappemonde`, from code blocks and from code within the text."""
    text = page.read_text()
    for fence in FENCE.findall(text):
        for line in fence.splitlines():
            if called := re.match(r"(?:\S*/)?mappemonde +([a-z].*)", line.strip()):
                yield called[1].split(" #")[0]
    for code in CODE.findall(FENCE.sub("", text)):
        if called := re.match(r"mappemonde +([a-z].*)", code.replace("\\|", "|")):  # in tables bars are escaped
            yield called[1]


def _check_call(call: str) -> None:
    """Assert that the words of a call are commands, then options of the last of them."""
    commands: list[click.Command] = [cli]
    for word in call.split():
        parents = [command for command in commands if isinstance(command, click.Group)]
        if word.startswith("-"):
            for flag in word.split("|"):
                known = {name for command in commands for parameter in command.params for name in parameter.opts}
                assert flag.rstrip("`,.;)=") in known | {"--help"}, f"{call!r}: no option {flag}"
        elif parents and re.fullmatch(r"[a-z|]+", word):
            parent = parents[0]
            context = click.Context(parent)
            commands = []
            for name in word.split("|"):
                found = parent.get_command(context, name)
                assert found is not None, f"{call!r}: no command {name}"
                commands.append(found)


def _metric_names() -> set[str]:
    groups = [value for value in vars(families).values() if isinstance(value, Group)]
    names = {HISTOGRAM}
    for group in groups:
        for family in group.families:
            total = "_total" if family.kind is Kind.COUNTER else ""
            names.add(f"mappemonde_{group.name}_{family.name}{total}")
    return names


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_lead_somewhere(page: Path) -> None:
    """A file that is there, and a heading that it has."""
    for link in _links(page):
        place, _, anchor = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        assert target.exists(), f"{link}: no such file"
        assert target.is_relative_to(ROOT), f"{link} leads out of the repository"
        if anchor:
            assert anchor in _anchors(target), f"{link}: no such heading"


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_commands_and_options_exist(page: Path) -> None:
    """Whoever copies a line from a page gets no usage error."""
    for call in _calls(page):
        _check_call(call)


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_metrics_exist(page: Path) -> None:
    """By the names under which the metrics page serves them."""
    assert set(METRIC.findall(page.read_text())) <= _metric_names()


@pytest.mark.parametrize(
    "call", ["sync", "db prun --keep 5", "db prune --kept 5", "show block|txs X", "run --mine --rcp"]
)
def test_a_wrong_call_is_found(call: str) -> None:
    """The check itself is of use."""
    with pytest.raises(AssertionError, match=r"no (command|option)"):
        _check_call(call)


def test_headings_are_linked_as_github_names_them(tmp_path: Path) -> None:
    """Marks go, spaces become dashes, and the second heading of a name gets a number."""
    page = tmp_path / "page.md"
    page.write_text("# Ports & `run`\n## Old states\n```\n# no heading\n```\n## Old states\n### [A link](x.md), and\n")
    assert _anchors(page) == {"ports--run", "old-states", "old-states-1", "a-link-and"}


def test_the_changelog_names_every_command() -> None:
    """What a user can call stands in the list of what there is."""
    text = (ROOT / "CHANGELOG.md").read_text() + (ROOT / "docs" / "operator.md").read_text()
    context = click.Context(cli)
    for name in cli.list_commands(context):
        assert re.search(rf"\b{name}\b", text), name
