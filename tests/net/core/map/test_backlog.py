"""Records checked in the background: how many wait, and who is blamed for a forged one."""

from dataclasses import replace

from chain.primitives.errors import Penalty
from chain.primitives.units import Millis
from net.core.map._backlog import CHECK_BATCH, CHECK_EVERY, Backlog
from net.core.wire.fault import Fault
from net.core.wire.record import encode_record
from tests.helpers.gossip_node import A, B, node
from tests.helpers.map_world import START, Node, identity, record, remembering_checks


def put(one: Node, number: int, seq: int, *, true: bool = True) -> None:
    """Have a node hold an unchecked record of a test peer."""
    made = record(identity(number), seq=seq, born=START - 100_000)
    made = made if true else replace(made, signature=bytes(64))
    assert one.map.apply(made, START, checked=False).refusal is None
    one.archive.put(made.peer, encode_record(made))


def test_each_origin_waits_once_however_many_records_of_it_come() -> None:
    one = node(A)
    for step in range(200):
        for number in range(1, 6):
            put(one, number, START - 10_000 + step)
            one.gossip.backlog.add(identity(number).peer, A, START)
    assert len(one.gossip.backlog) == 5
    assert one.gossip.backlog.tick(Millis(START + CHECK_EVERY)) == []
    assert len(one.gossip.backlog) == 0
    assert all(one.map.checked(identity(number).peer) for number in range(1, 6))


def test_whoever_delivered_the_record_that_is_held_is_blamed_for_it() -> None:
    """A delivered a true one before, B a newer one that nobody signed."""
    one = node(A, B)
    put(one, 1, START - 10_000)
    one.gossip.backlog.add(identity(1).peer, A, START)
    put(one, 2, START - 10_000)
    one.gossip.backlog.add(identity(2).peer, A, START)
    put(one, 1, START, true=False)
    one.gossip.backlog.add(identity(1).peer, B, START)
    effects = one.gossip.backlog.tick(Millis(START + CHECK_EVERY))
    assert [(fault.peer, fault.penalty) for fault in effects if isinstance(fault, Fault)] == [(B, Penalty.BAN)]
    assert one.map.ids() == [identity(2).peer]
    assert list(one.archive.records) == [identity(2).peer]


def test_a_few_are_checked_at_a_time() -> None:
    one = Node(identity(0), remembering_checks())
    backlog = Backlog(one.map, one.archive, remembering_checks())
    for number in range(1, 2 * CHECK_BATCH):
        put(one, number, START)
        backlog.add(identity(number).peer, None, START)
    assert backlog.tick(START) == []
    assert len(backlog) == 2 * CHECK_BATCH - 1
    backlog.tick(Millis(START + CHECK_EVERY))
    assert len(backlog) == CHECK_BATCH - 1
    backlog.tick(Millis(START + 2 * CHECK_EVERY))
    assert backlog.deadline() is None
