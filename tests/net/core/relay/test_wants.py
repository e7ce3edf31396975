"""When wanted messages are due: the same as if all were looked at each time, at a cost that does not grow with them."""

from hypothesis import given, settings
from hypothesis import strategies as st

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.relay.wants import PULL_DELAY, Wants

ANNA = PeerId(b"a" * 32)
START = 1_000

steps = st.lists(
    st.tuples(st.sampled_from(("note", "arrived", "due")), st.integers(0, 5), st.integers(0, 90)), max_size=60
)


@settings(max_examples=200, deadline=None)
@given(steps)
def test_what_is_due_is_what_a_look_at_all_would_find(taken: list[tuple[str, int, int]]) -> None:
    wants, expected, now = Wants(), dict[bytes, int](), START
    for step, which, wait in taken:
        key = bytes((which,))
        now += wait
        if step == "note":
            wants.note(ANNA, 1, key, size=0, wait=which % 2 == 0, now=Millis(now))
            expected.setdefault(key, now + (0 if which % 2 else PULL_DELAY))
        elif step == "arrived":
            wants.arrived(key)
            expected.pop(key, None)
        else:
            found = wants.due(Millis(now))
            assert {one for one, _ in found} == {one for one, at in expected.items() if at <= now}
            for number, (one, want) in enumerate(found):
                if number % 2:
                    wants.arrived(one)
                    del expected[one]
                else:
                    wants.put_off(one, want, Millis(now + 50))
                    expected[one] = now + 50
        assert wants.deadline() == min(expected.values(), default=None)
        assert len(wants._queue) <= 2 * len(expected) + 64


def test_what_came_and_went_leaves_nothing_in_the_queue() -> None:
    wants = Wants()
    for number in range(10_000):
        key = number.to_bytes(16, "big")
        wants.note(ANNA, 1, key, size=100_000, wait=True, now=Millis(START))
        wants.arrived(key)
    assert len(wants._queue) <= 65
    assert wants.deadline() is None
