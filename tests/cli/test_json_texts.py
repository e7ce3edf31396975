"""No text crashes the parser, whatever the limit of recursion is."""

import json
import sys
from collections.abc import Iterator

import pytest

from cli.json_texts import MAX_DEPTH, parse_json


@pytest.fixture
def lifted() -> Iterator[None]:
    """Lift the limit as `py_ecc` does, which opens key files."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, 100_000))
    yield
    sys.setrecursionlimit(before)


@pytest.mark.usefixtures("lifted")
@pytest.mark.parametrize("begin", [b"[", b'{"a":', b'["\\"",', b"[ \n", '["é",'.encode()])
def test_a_text_of_brackets_is_refused(begin: bytes) -> None:
    for raw in (begin * 90_000, (begin * 90_000).decode().encode("utf-16")):
        with pytest.raises(ValueError, match=r"deep|utf-8"):
            parse_json(raw)


def test_brackets_in_texts_are_no_nesting() -> None:
    value = {"a": "[" * 1_000 + '\\"{', "b": [[1, 2.5, None]]}
    assert parse_json(json.dumps(value).encode()) == value
    deep: object = 1
    for _ in range(MAX_DEPTH):
        deep = [deep]
    assert parse_json(json.dumps(deep).encode()) == deep
