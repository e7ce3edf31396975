"""Records that nobody needs: true ones cost their bringer nothing, inventions the link."""

from dataclasses import replace

import pytest

from chain.primitives.errors import Penalty
from chain.primitives.units import Millis
from net.core.identity.records import sign_record
from net.core.map._recent import SAMPLE
from net.core.wire.record import Record
from tests.helpers.gossip_node import A, B, faults, give, node
from tests.helpers.map_world import START, Node, identity, record

BORN = START - 13 * 3_600_000
COUNT = 6 * SAMPLE
"""All of so many inventions pass once in 490 times; the secrets of a test node are fixed."""


def holding() -> Node:
    """Return a node that holds a record of a peer, and one more that waits for its origin's turn."""
    one = node(A, B)
    give(one, B, record(identity(1), seq=START, born=BORN))
    for step in range(5):
        give(one, B, record(identity(2), seq=START + step, born=BORN))
    assert one.gossip._origins.held_seq(identity(2).peer) == START + 4
    return one


def useless(kind: str, number: int) -> Record:
    """Return a true record, another one for each number, that `holding` has no use for."""
    known = identity(2 if kind == "waiting" else 1)
    at = {
        "older": START - 1 - number,
        "future": START + 10**6 + number,
        "expired": BORN + number,
        "waiting": START + 4,
        "copy": START,
    }[kind]
    made = record(known, seq=at, born=BORN)
    return sign_record(known, made, number.to_bytes(32, "big"))  # another signature of the same, for those that agree


KINDS = ("older", "future", "expired", "waiting", "copy")


@pytest.mark.parametrize("kind", KINDS)
def test_true_records_of_no_use_cost_nothing(kind: str) -> None:
    one = holding()
    before = one.gossip.statistics().signatures
    effects = [effect for number in range(COUNT) for effect in give(one, A, useless(kind, number))]
    assert faults(effects) == []
    assert 0 < one.gossip.statistics().signatures - before < COUNT // 4
    assert one.map.seq(identity(1).peer) == START


@pytest.mark.parametrize("kind", KINDS)
def test_inventions_of_no_use_end_in_a_ban(kind: str) -> None:
    one = holding()
    found = [
        penalty
        for number in range(COUNT)
        for penalty in faults(give(one, A, replace(useless(kind, number), signature=number.to_bytes(64, "big"))))
    ]
    assert Penalty.BAN in found
    assert set(found) == {Penalty.BAN}
    assert one.map.seq(identity(1).peer) == START
    one.gossip.tick(Millis(START + 10_000))
    assert one.map.seq(identity(2).peer) == START + 4
