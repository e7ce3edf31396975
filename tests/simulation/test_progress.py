"""What whoever waits for a story sees: something that moves from its beginning on, and is full at its end."""

from collections.abc import Callable
from itertools import pairwise

import pytest

from net.sim.progress import Progress
from net.sim.scenarios import churn, crash, growth, settled
from net.sim.world import World

STORIES: dict[str, Callable[[Progress], object]] = {
    "growth": lambda progress: growth.grow(6, 1, progress=progress),
    "settled": lambda progress: settled.run(30, 1, progress=progress),
    "churn": lambda progress: churn.run(settled.begin(6, 1), duration=30_000, progress=progress),
    "crash": lambda progress: crash.run(settled.begin(6, 1), progress=progress),
}


@pytest.mark.slow
@pytest.mark.parametrize("story", STORIES)
def test_a_bar_is_full_at_the_end_of_its_story(story: str) -> None:
    """That of `settled` ended at an eighth, of growth at two thirds, the others before their message."""
    heard: list[tuple[int, int, str]] = []

    def progress(done: int, total: int, doing: str) -> bool:
        heard.append((done, total, doing))
        return False

    STORIES[story](progress)
    assert heard[0][0] == 0, "something is seen before the first virtual second is over"
    assert all(early[0] <= late[0] for early, late in pairwise(heard))
    assert all(done <= total for done, total, _ in heard)
    assert heard[-1][0] == heard[-1][1]
    first = heard[0][1]
    assert heard[-1][1] == pytest.approx(first, rel=0.15), "what was expected at first is about what it took"


def test_a_network_that_is_made_at_once_tells_how_far_it_is() -> None:
    """Nothing moved for minutes while thousands of peers were linked."""
    heard: dict[str, list[tuple[int, int]]] = {}

    def steps(done: int, total: int, what: str) -> None:
        heard.setdefault(what, []).append((done, total))

    settled.build(World(1), 6, steps)
    assert list(heard) == ["making peers", "choosing links", "opening links", "spreading the map"]
    for told in heard.values():
        assert all(early[0] <= late[0] for early, late in pairwise(told))
        assert told[-1][0] == told[-1][1]
        assert len(told) >= 6
