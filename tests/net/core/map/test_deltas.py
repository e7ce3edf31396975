"""Deltas between machines: who is sent one, who gets the record in full, what a receiver makes of each."""

from dataclasses import replace

import pytest

from chain.primitives.errors import Penalty
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.map._pulls import WANTED_PER_LINK
from net.core.map._spread import BASE_HELD
from net.core.map.effects import MapEffect
from net.core.map.refusal import Refusal
from net.core.wire.delta import delta_between, is_delta
from net.core.wire.frame import FrameKind
from net.core.wire.gossip import decode_records, decode_want, encode_records, name_prefix, record_name
from net.core.wire.record import Direction, Record, encode_record
from tests.helpers.gossip_node import A, B, C, faults, frames, give, node
from tests.helpers.map_world import START, Node, identity, record

BORN = START - 3_600_000
MINUTE = 60_000
WHO = identity(1)
PEERS = [identity(number).peer for number in range(40, 60)]


def signed(step: int, *, number: int = 1) -> Record:
    """Return the record of a peer that it signs after so many minutes, with one link more each time."""
    links = dict.fromkeys(PEERS[: 3 + step], Direction.IN)
    return record(identity(number), links, seq=START + step * MINUTE, born=BORN)


def delta(old: Record, new: Record) -> bytes:
    raw = delta_between(encode_record(old), encode_record(new))
    assert raw is not None
    return raw


def give_raw(one: Node, sender: PeerId, *entries: bytes, now: int) -> list[MapEffect]:
    return one.gossip.receive(sender, FrameKind.RECORDS, encode_records(entries), Millis(now))


def entries(effects: list[MapEffect]) -> dict[PeerId, list[bytes]]:
    return {frame.peer: decode_records(frame.body) for frame in frames(effects, FrameKind.RECORDS)}


def pushed(one: Node, now: int) -> dict[PeerId, list[bytes]]:
    return entries(one.gossip.tick(Millis(now + 500)))


def asked(effects: list[MapEffect]) -> dict[PeerId, list[bytes]]:
    wants = [(frame.peer, decode_want(frame.body)) for frame in frames(effects, FrameKind.RECORDS_WANT)]
    return {peer: [name_prefix(name) for name in want.names] for peer, want in wants if want.names}


def test_the_first_record_goes_in_full_and_the_next_as_a_delta() -> None:
    one = node(A, B)
    for step in range(3):
        now = START + step * MINUTE
        give(one, B, signed(step), now=now)
        ((raw,),) = pushed(one, now).values()
        assert raw == (encode_record(signed(0)) if step == 0 else delta(signed(step - 1), signed(step)))


def test_a_delta_is_taken_and_passed_on_as_the_record_itself() -> None:
    one = node(A, B)
    give(one, B, signed(0))
    pushed(one, START)
    now = START + MINUTE
    give_raw(one, B, delta(signed(0), signed(1)), now=now)
    assert one.archive.get(WHO.peer) == encode_record(signed(1))
    assert pushed(one, now) == {A: [delta(signed(0), signed(1))]}
    statistics = one.gossip.statistics()
    assert (statistics.applied, statistics.deltas, statistics.baseless) == (2, 1, 0)


def test_a_link_for_which_the_base_still_waits_gets_the_next_record_in_full() -> None:
    one = node(A, B)
    give(one, B, signed(0))
    pushed(one, START)
    give(one, B, signed(1), now=START + MINUTE)
    give(one, B, signed(2), now=START + 2 * MINUTE)  # nobody has called `tick` in between
    assert pushed(one, START + 2 * MINUTE) == {A: [encode_record(signed(2))]}


def test_a_link_that_was_told_the_base_by_name_gets_the_next_record_in_full_for_a_while() -> None:
    for wait, in_full in ((BASE_HELD - 1_000, True), (BASE_HELD + 1_000, False)):
        one = node(A, B)
        old = record(WHO, dict.fromkeys(PEERS[:3], Direction.IN), seq=START, born=BORN)
        new = record(WHO, dict.fromkeys(PEERS[:4], Direction.IN), seq=START + wait, born=BORN)
        give(one, B, old)
        pushed(one, START)
        for at in range(START + 1_000, START + wait, 1_000):
            one.gossip.tick(Millis(at))
        one.gossip.link_up(C, Millis(START + wait))
        give(one, B, new, now=START + wait)
        assert pushed(one, START + wait)[C] == [encode_record(new) if in_full else delta(old, new)]


def test_a_forged_record_held_unchecked_is_no_base() -> None:
    one = node(A, B)
    forged = replace(signed(0), signature=bytes(64))
    for number in range(1, 200):  # one in a hundred is checked at once
        one.gossip._rng.seed(number)
        if one.gossip._rng.randrange(100):
            one.gossip._rng.seed(number)
            break
    assert one.gossip.take_ranged(B, [encode_record(forged)], (0, (1 << 64) - 1), START)[1]
    now = START + MINUTE
    give(one, B, signed(1), now=now)
    assert pushed(one, now) == {A: [encode_record(signed(1))]}


def test_a_delta_whose_base_is_not_here_is_asked_for_at_once() -> None:
    one = node(A, B)
    give(one, B, signed(0))
    now = START + 2 * MINUTE
    assert faults(give_raw(one, A, delta(signed(1), signed(2)), now=now)) == []
    assert one.gossip.pulls.deadline() == now
    assert asked(one.gossip.tick(Millis(now))) == {A: [WHO.peer[:12]]}
    assert one.map.seq(WHO.peer) == START
    give(one, A, signed(2), now=now + 100)
    assert one.map.seq(WHO.peer) == signed(2).seq
    assert len(one.gossip.pulls) == 0
    assert one.gossip.statistics().baseless == 1


def test_so_is_one_of_a_peer_that_is_not_on_the_map() -> None:
    one = node(A, B)
    give_raw(one, A, delta(signed(0), signed(1)), now=START + MINUTE)
    assert asked(one.gossip.tick(Millis(START + MINUTE))) == {A: [WHO.peer[:12]]}


def test_a_record_named_before_is_asked_of_whom_its_delta_came_from() -> None:
    one = node(A, B)
    now = START + 2 * MINUTE
    give(one, B, signed(0))
    one.gossip.tick(Millis(START + 500))
    lost = delta(signed(1), signed(2))
    one.gossip._have(B, [one.gossip._deltas.open([lost]).baseless[0]], Millis(now))
    give_raw(one, A, lost, now=now)
    assert asked(one.gossip.tick(Millis(now))) == {A: [WHO.peer[:12]]}


def test_whoever_is_asked_for_a_base_at_once_is_asked_for_what_it_named_last() -> None:
    one, names = node(A, B, C, *PEERS[:2]), [record_name(WHO.peer[:12], START + step) for step in range(2)]
    for peer in (B, C, A):
        one.gossip.pulls.heard(peer, names[:1], one.map, START)
    one.gossip.pulls.heard(A, names[1:], one.map, START, patience=0)
    assert one.gossip.pulls.due(START) == {A: names[1:]}
    one.gossip.pulls.heard(PEERS[0], names[:1], one.map, START)
    waiting = one.gossip.pulls._wanted[WHO.peer[:12]].announcers
    assert list(waiting) == [B, C, PEERS[0]], "three at most"


def test_a_delta_to_the_record_held_is_a_repetition_and_an_older_one_stale() -> None:
    one = node(A, B)
    for step in range(2):
        give(one, B, signed(step), now=START + step * MINUTE)
    again = delta(signed(0), signed(1))
    assert give_raw(one, A, again, again, now=START + MINUTE) == []
    assert one.gossip.statistics().repeated == 2
    assert one.gossip.statistics().signatures == 2
    assert pushed(one, START + MINUTE) == {}, "who brought it need not be sent it"
    give(one, B, signed(2), now=START + 2 * MINUTE)
    give_raw(one, A, again, now=START + 3 * MINUTE)
    assert one.gossip.statistics().refused == {Refusal.STALE: 1}
    assert one.gossip.spread.flows.conduct(A)[1] == 1, "all have had a newer one for long"


def test_an_origin_that_signs_twice_is_convicted_though_its_records_come_as_deltas() -> None:
    one = node(A, B)
    give(one, B, signed(0))
    now = START + MINUTE
    twin = record(WHO, dict.fromkeys(PEERS[:9], Direction.IN), seq=now, born=BORN)
    give(one, B, signed(1), now=now)
    effects = give_raw(one, A, delta(signed(0), twin), now=now)
    assert asked(effects) == {A: [WHO.peer[:12]]}
    effects = give(one, A, twin, now=now + 100)
    assert {frame.peer for frame in frames(effects, FrameKind.EQUIVOCATION)} == {B}
    assert WHO.peer not in one.map


@pytest.mark.parametrize("kind", ["signature", "gone"])
def test_a_delta_that_makes_no_record_is_its_bringers_fault(kind: str) -> None:
    one = node(A, B)
    give(one, B, signed(0))
    later = signed(1)
    if kind == "signature":
        effects = give_raw(one, A, delta(signed(0), replace(later, signature=bytes(64))), now=START + MINUTE)
        assert faults(effects) == [Penalty.BAN]
    else:
        raw = delta(signed(0), record(WHO, seq=later.seq, born=BORN)).replace(b"\xc4\x03\0\1\2", b"\xc4\x03\0\1\3")
        effects = give_raw(one, A, raw, now=START + MINUTE)
        assert len(faults(effects)) == 1
    assert one.map.seq(WHO.peer) == START
    assert one.archive.get(WHO.peer) == encode_record(signed(0))


def test_a_flood_of_deltas_without_base_fills_no_more_than_its_share() -> None:
    one = node(A, B)
    for number in range(WANTED_PER_LINK + 100):
        prefix = number.to_bytes(12, "big")
        raw = delta(signed(0), signed(1)).replace(WHO.peer[:12], prefix)
        assert is_delta(raw)
        give_raw(one, A, raw, now=START)
    assert len(one.gossip.pulls) == WANTED_PER_LINK
    assert one.gossip.statistics().signatures == 0


def test_a_chain_of_deltas_leads_all_machines_to_the_same_bytes() -> None:
    """Down a line of nodes, each of which hears of the records by the one before it alone."""
    line = [node(A, B) for _ in range(4)]
    for step in range(6):
        now = START + step * MINUTE
        incoming = [encode_record(signed(step))]
        for one in line:
            give_raw(one, B, *incoming, now=now)
            (incoming,) = pushed(one, now).values()
            assert is_delta(incoming[0]) is (step > 0)
    assert {one.archive.get(WHO.peer) for one in line} == {encode_record(signed(5))}
