"""The node's own record: when it is signed, what it says, what a second one of the same id means."""

from dataclasses import replace

from chain.primitives.errors import Penalty
from chain.primitives.units import Millis
from net.core.effects import Alarm, MapEvent, Persist
from net.core.map.own import OWN_BLOB, RECORD_REFRESH, SEQ_AHEAD, SETTLE, OwnLink
from net.core.wire.record import Direction, Flags, decode_record
from tests.helpers.gossip_node import A, faults, give, node, sent, signing_node
from tests.helpers.map_world import START, Node, identity, record, remembering_checks


def test_nothing_is_signed_before_the_time_is_agreed_on() -> None:
    one = node(A)
    one.gossip.own_links_changed({A: OwnLink(Direction.OUT, 3)}, START)
    assert one.gossip.tick(Millis(START + 60_000)) == []
    one.gossip.allow_signing(Millis(START + 60_000))
    effects = one.gossip.tick(Millis(START + 60_000 + SETTLE))
    assert isinstance(effects[0], Persist)
    assert effects[0].name == OWN_BLOB
    own = one.archive.get(one.peer)
    assert own is not None
    assert decode_record(own).seq == START + 60_000 + SETTLE
    assert one.gossip.unconfirmed() == [(A, START + 60_000 + SETTLE)]


def test_changes_settle_into_one_record_and_seq_is_written_ahead() -> None:
    one = signing_node(A)
    for number in range(5):
        one.gossip.own_links_changed({identity(n).peer: OwnLink(Direction.OUT, 0) for n in range(1, 2 + number)}, START)
    persists, signed = 0, 0
    for second in range(1, SEQ_AHEAD // 1000, 20):
        now = Millis(START + second * 1000)
        links = {identity(n).peer: OwnLink(Direction.OUT, 0) for n in range(1, 2 + second % 7)}
        one.gossip.own_links_changed(links, now)
        effects = one.gossip.tick(Millis(now + SETTLE))
        persists += sum(isinstance(effect, Persist) for effect in effects)
    signed = one.gossip.statistics().signed
    assert signed >= 20
    assert persists == 1


def test_an_unchanged_record_is_refreshed_but_not_signed_for_nothing() -> None:
    one = signing_node(A)
    one.gossip.tick(Millis(START + SETTLE))
    assert one.gossip.statistics().signed == 1
    one.gossip.own_links_changed({}, Millis(START + 2000))
    one.gossip.tick(Millis(START + RECORD_REFRESH * 8 // 10))
    assert one.gossip.statistics().signed == 1
    one.gossip.tick(Millis(START + RECORD_REFRESH * 12 // 10))
    assert one.gossip.statistics().signed == 2


def test_links_are_confirmed_and_unconfirmed() -> None:
    one = signing_node(A)
    one.gossip.own_links_changed({A: OwnLink(Direction.OUT, 0)}, START)
    one.gossip.tick(Millis(START + SETTLE))
    assert [peer for peer, _ in one.gossip.unconfirmed()] == [A]
    events = give(one, A, record(identity(101), {one.peer: Direction.IN}, seq=START + SETTLE), now=START + SETTLE)
    assert MapEvent(connected=True, origin=one.peer, target=A, at=Millis(START + SETTLE)) in events
    assert one.gossip.unconfirmed() == []
    give(one, A, record(identity(101), {}, seq=START + 9000), now=START + 9000)
    assert one.gossip.unconfirmed() == [(A, START + 9000)]
    one.gossip.own_links_changed({}, Millis(START + 9000))
    assert one.gossip.unconfirmed() == []


def test_a_newer_own_record_stops_the_node() -> None:
    one = signing_node(A)
    one.gossip.tick(Millis(START + SETTLE))
    foreign = record(identity(0), seq=START + 100_000, born=START + SETTLE, uplink=9)
    effects = give(one, A, foreign, now=START + 100_000)
    assert [effect.kind for effect in effects if isinstance(effect, Alarm)] == ["duplicate_identity"]
    assert one.gossip.halted
    one.gossip.own_links_changed({A: OwnLink(Direction.OUT, 0)}, Millis(START + 100_001))
    one.gossip.tick(Millis(START + 10**6))
    assert one.gossip.statistics().signed == 1
    assert give(one, A, record(identity(0), seq=START + 100_001, born=START + SETTLE), now=START + 100_001)[1:] == []


def test_a_forged_own_record_stops_nobody() -> None:
    one = signing_node(A)
    one.gossip.tick(Millis(START + SETTLE))
    forged = replace(record(identity(0), seq=START + 50_000, uplink=9), signature=bytes(64))
    assert faults(give(one, A, forged, now=START + 50_000)) == [Penalty.BAN]
    assert not one.gossip.halted


def test_after_a_crash_the_last_record_of_the_earlier_run_is_taken_up() -> None:
    first = signing_node(A)
    blob = next(e.blob for e in first.gossip.tick(Millis(START + SETTLE)) if isinstance(e, Persist))
    last = record(identity(0), seq=START + 8000, born=START + SETTLE, uplink=9)
    second = Node(identity(0), remembering_checks(), stored=blob)
    second.gossip.start(Millis(START + 9000))
    second.gossip.link_up(A, Millis(START + 9000))
    give(second, A, last, now=START + 9000)
    second.gossip.allow_signing(Millis(START + 4000))  # the clock went back by five seconds
    second.gossip.own_facts_changed(Flags.PUBLIC, 3, (0, 0, 0), Millis(START + 4000))
    second.gossip.tick(Millis(START + 4000 + SETTLE))
    raw = second.archive.get(second.peer)
    assert raw is not None
    assert decode_record(raw).seq == START + 8001
    assert decode_record(raw).born == START + SETTLE
    assert not second.gossip.halted


def test_the_last_record_lists_no_links_and_says_so() -> None:
    one = signing_node(A)
    one.gossip.own_links_changed({A: OwnLink(Direction.OUT, 0)}, START)
    one.gossip.tick(Millis(START + SETTLE))
    effects = one.gossip.stop(Millis(START + 7000))
    ((_, last),) = [item for item in sent(effects) if item[1].seq == START + 7000]
    assert last.links == ()
    assert last.flags == Flags.PUBLIC | Flags.LEAVING
    (blob,) = [effect for effect in effects if isinstance(effect, Persist)]
    again = Node(identity(0), remembering_checks(), stored=blob.blob)
    assert again.gossip._own._ahead == START + 7000
