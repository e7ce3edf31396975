"""Order, bounds, and what each class does when it is full."""

from hypothesis import given
from hypothesis import strategies as st

from net.core.effects import Priority
from net.core.wire.frame import FrameKind
from net.transport.queues import LIMITS, RELAYED_LIMIT, QueueLimit, SendQueues, WhenFull

SMALL = {priority: QueueLimit(3, 30, LIMITS[priority].when_full) for priority in Priority}


def drain(queues: SendQueues) -> list[bytes]:
    out = []
    while queues.peek() is not None:
        frame, _ = queues.pop()
        out.append(frame)
    return out


def test_priorities_go_first_and_keep_their_order() -> None:
    queues = SendQueues()
    for number, priority in enumerate(reversed(Priority)):
        queues.push(bytes((number, 0)), priority)
        queues.push(bytes((number, 1)), priority)
    assert drain(queues) == [bytes((n, i)) for n in (4, 3, 2, 1, 0) for i in (0, 1)]


def test_a_full_control_queue_ends_the_link() -> None:
    queues = SendQueues(SMALL)
    assert all(queues.push(b"c", Priority.CONTROL) for _ in range(3))
    assert not queues.push(b"d", Priority.CONTROL)
    assert drain(queues) == [b"c"] * 3


def test_state_is_superseded_and_bulk_is_finished() -> None:
    queues = SendQueues(SMALL)
    for number in range(5):
        assert queues.push(bytes((number,)), Priority.RECORD)
        assert queues.push(bytes((10 + number,)), Priority.BULK)
    assert drain(queues) == [bytes((n,)) for n in (2, 3, 4, 10, 11, 12)]
    assert queues.dropped() == (0, 0, 0, 2, 2)


def test_bytes_bound_a_queue_as_frames_do() -> None:
    queues = SendQueues(SMALL)
    queues.push(b"a" * 20, Priority.BLOCK)
    queues.push(b"b" * 20, Priority.BLOCK)
    assert queues.waiting() == (0, 20, 0, 0, 0)
    queues.push(b"c" * 40, Priority.BLOCK)
    assert queues.waiting() == (0, 0, 0, 0, 0)
    assert queues.dropped()[Priority.BLOCK] == 3  # the two before, and the one that fits nowhere


@given(st.lists(st.tuples(st.sampled_from(Priority), st.integers(1, 40), st.booleans()), max_size=60))
def test_the_bounds_hold_whatever_comes(steps: list[tuple[Priority, int, bool]]) -> None:
    queues = SendQueues(SMALL)
    pushed = popped = refused = 0
    for priority, size, take in steps:
        kept = queues.push(bytes(size), priority)
        pushed += 1
        refused += not kept
        assert kept or SMALL[priority].when_full is WhenFull.CLOSE
        if take and queues.peek() is not None:
            queues.pop()
            popped += 1
        assert all(size <= 30 for size in queues.waiting())
    left = len(drain(queues))
    assert left <= 3 * len(Priority)
    assert pushed == popped + refused + left + sum(queues.dropped())
    assert queues.waiting() == (0,) * len(Priority)


def test_a_burst_that_is_passed_on_to_another_peer_does_not_end_its_link() -> None:
    """As many as one neighbour may send at once (net.core.guard.limits), each with a body of 4 KiB."""
    queues = SendQueues()
    message, receipt = bytes((FrameKind.DIRECT,)) + bytes(4_500), bytes((FrameKind.DIRECT_ACK,)) + bytes(24)
    assert all(queues.push(message, Priority.CONTROL) for _ in range(200))
    assert all(queues.push(receipt, Priority.CONTROL) for _ in range(1_000))
    assert all(queues.push(bytes((FrameKind.EQUIVOCATION,)) + bytes(1_600), Priority.CONTROL) for _ in range(64))
    assert queues.push(b"ping", Priority.CONTROL)
    assert queues.push(b"block", Priority.BLOCK)
    control = queues.waiting()[Priority.CONTROL]
    assert control <= LIMITS[Priority.CONTROL].bytes_max + RELAYED_LIMIT.bytes_max
    assert queues.dropped()[Priority.CONTROL] > 0
    assert queues.pop() == (b"ping", Priority.CONTROL)
    assert queues.pop() == (message, Priority.CONTROL)
    assert drain(queues)[-1] == b"block"
    assert queues.waiting() == (0,) * len(Priority)
