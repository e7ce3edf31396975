"""Every number of a story has words and a unit, and docs/simulator.md says what it is."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from net.sim.scenarios import churn, crash, growth, reach, settled
from net.sim.scenarios.numbers import NUMBERS, SHARE, Number
from net.sim.scenarios.outcome import Outcome

PAGE = Path(__file__).parents[2] / "docs" / "simulator.md"

STORIES: dict[str, Callable[[], Outcome]] = {
    "growth": lambda: growth.grow(4, 1)[0],
    "reach": lambda: reach.run(4, 1)[0],
    "settled": lambda: settled.run(4, 1)[0],
    "churn": lambda: churn.run(settled.begin(4, 1), duration=30_000)[0],
    "crash": lambda: crash.run(settled.begin(4, 1)),
}


@pytest.mark.slow
@pytest.mark.parametrize("story", STORIES)
def test_every_number_has_words_and_is_documented(story: str) -> None:
    outcome = STORIES[story]()
    assert set(outcome.numbers) <= set(NUMBERS)
    told = re.findall(r"`(\w+)`", PAGE.read_text().partition("## The numbers")[2])
    assert set(json.loads(outcome.to_json())) <= set(told)
    labels = [line[:34].strip() for line in outcome.table().splitlines()]
    assert len(labels) == 3 + len(outcome.numbers)


@pytest.mark.parametrize(
    ("number", "value", "shown"),
    [
        (Number("", SHARE), 1.0, "100 %"),
        (Number("", SHARE), 0.999999, "99.999 %"),
        (Number("", SHARE), 0.9987, "99.87 %"),
        (Number("", SHARE), 1, "100 %"),
        (Number("", "B/s"), 33_712.4, "33,712 B/s"),
        (Number("", "B/s"), 3_371.24, "3371 B/s"),
        (Number("", "ms"), 18_000, "18,000 ms"),
        (Number("", "ms", "not in time"), None, "not in time"),
        (Number(""), 0.99694, "0.9969"),
        (Number(""), "ab12", "ab12"),
    ],
)
def test_numbers_are_shown_with_units_and_without_exponents(
    number: Number, value: float | str | None, shown: str
) -> None:
    """0.99997 was told as 1, 33,712 as 3.371e+04."""
    assert number.show(value) == shown
