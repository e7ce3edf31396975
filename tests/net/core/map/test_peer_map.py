"""The map against a plain model, its refusals, its limits, snapshots."""

from collections import deque
from random import Random

import numpy as np
import pytest

from chain.primitives.errors import Malformed
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.effects import MapEvent
from net.core.identity.proof import ID_EPOCH, epoch_end, epoch_of
from net.core.map import _waiting, peer_map
from net.core.map._linking import FindChanges
from net.core.map.changes import changes_between
from net.core.map.peer_map import EXPELLED_MAX, RECORD_LIFETIME, SEQ_FUTURE, TOMBSTONE, PeerMap, item_fingerprint
from net.core.map.refusal import Refusal
from net.core.wire.record import Direction, Flags, Link, Record
from tests.helpers.map_world import NETWORK, START

OUT, IN = Direction.OUT, Direction.IN
Links = dict[PeerId, Direction]


def peer(number: int) -> PeerId:
    return PeerId(number.to_bytes(2, "big") * 16)


def unsigned(who: PeerId, links: Links, seq: int, born: int = START, **facts: object) -> Record:
    base: dict[str, object] = {"flags": Flags.PUBLIC, "uplink": 4, "tags": (1, 2, 3), "nonce": 5}
    fields = base | facts
    epoch = fields.pop("epoch", epoch_of(who, Millis(seq)))
    return Record(
        network=NETWORK,
        peer=who,
        born=Millis(born),
        seq=Millis(seq),
        epoch=epoch,  # type: ignore[arg-type]  # facts are free-form here
        links=tuple(Link(other[:12], links[other], seq % 3) for other in sorted(links)),
        signature=bytes(64),
        **fields,  # type: ignore[arg-type]
    )


class Model:
    """The map as its definition has it: records in a dictionary."""

    def __init__(self) -> None:
        self.records: dict[PeerId, Record] = {}

    def confirmed(self) -> set[tuple[PeerId, PeerId]]:
        """Return (chooser, chosen) of every link listed by both ends."""
        listed = {(who, link.prefix, link.direction) for who, one in self.records.items() for link in one.links}
        return {
            (who, other)
            for who in self.records
            for other in self.records
            if (who, other[:12], OUT) in listed and (other, who[:12], IN) in listed
        }


def hops_in(pairs: set[tuple[PeerId, PeerId]], peers: list[PeerId]) -> list[int]:
    """Return how many links lead to each of these peers from the smallest id with links, or that they reach."""
    around: dict[PeerId, set[PeerId]] = {who: set() for who in peers}
    for left, right in pairs:
        around.setdefault(left, set()).add(right)
        around.setdefault(right, set()).add(left)

    def hops(starts: list[PeerId]) -> dict[PeerId, int]:
        found, waiting = dict.fromkeys(starts, 0), deque(starts)
        while waiting:
            here = waiting.popleft()
            for other in around[here] - found.keys():
                found[other] = found[here] + 1
                waiting.append(other)
        return found

    linked = {end for pair in pairs for end in pair}
    found = hops([min(linked)]) if linked else {}
    if linked and not found.keys() & set(peers) and peers:
        found = hops([min(hops(peers))])
    return [found.get(who, -1) for who in peers]


def check(real: PeerMap, model: Model, *, complete: bool) -> None:
    assert real.ids() == sorted(model.records)
    assert len(real) == len(model.records)
    pairs = model.confirmed()
    for who, one in model.records.items():
        expected = sorted({b for a, b in pairs if a == who} | {a for a, b in pairs if b == who})
        assert sorted(real.confirmed_neighbours(who)) == expected
        assert real.degree(who) == len([p for p in pairs if who in p])
        facts = real.facts(who)
        assert facts is not None
        known = [link for link in one.links if any(other[:12] == link.prefix for other in model.records)]
        assert (facts.seq, facts.born, facts.epoch) == (one.seq, one.born, one.epoch)
        assert (facts.flags, facts.uplink, facts.tags) == (one.flags, one.uplink, one.tags)
        neighbours = {(link.peer[:12], link.direction, link.rtt) for link in real.neighbours(who)}
        assert neighbours <= {(link.prefix, link.direction, link.rtt) for link in known}
        assert facts.listed == len(neighbours)
        assert facts.own == sum(direction is OUT for _, direction, _ in neighbours)
        if complete:  # else one-sided entries may be left out where the table of those that wait was full
            assert len(neighbours) == len(known)
    total = sum(item_fingerprint(who, one.seq) for who, one in model.records.items())
    assert real.fingerprint == total % (1 << 128)
    matrix = real.adjacency().toarray()
    ids = real.ids()
    edges = {(ids[row], ids[column]) for row, column in zip(*np.nonzero(matrix), strict=True)}
    assert edges == pairs | {(b, a) for a, b in pairs}
    assert real.confirmed_links == len(pairs)
    for start in ([], ids[:1], ids[:3], ids):
        reached, waiting = set(start), list(start)
        while waiting:
            fresh = {other for other in real.confirmed_neighbours(waiting.pop()) if other not in reached}
            reached |= fresh
            waiting += fresh
        linked = {end for pair in pairs for end in pair}
        assert real.out_of_reach([*start, peer(999)]) == (len(linked), len(linked - reached))
        assert real.hops_from_root(0, [*start, peer(999)]) == [*hops_in(pairs, start), -1]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("waiting_max", "changes"), [(0, None), (3, None), (1000, None), (1000, changes_between)])
def test_against_the_model(
    seed: int, waiting_max: int, changes: FindChanges | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_waiting, "WAITING_MAX", waiting_max)
    monkeypatch.setattr(_waiting, "_PURGE_AFTER", 5)
    rng, model, archive = Random(seed), Model(), dict[PeerId, Record]()
    real = PeerMap(rng.randbytes(8), archive.get, changes=changes)
    complete = True
    now, held = START, set[tuple[PeerId, PeerId]]()
    for step in range(220):
        now = Millis(now + rng.choice([1, 1, 1, 50_000, RECORD_LIFETIME // 30]))
        events: list[MapEvent] = []
        who = peer(rng.randrange(24))
        action = rng.random()
        if action < 0.85:
            others = rng.sample(range(24), rng.randrange(12))
            links = {peer(other): rng.choice([OUT, IN]) for other in others if peer(other) != who}
            own = [other for other, direction in links.items() if direction is OUT]
            for other in own[8:]:
                links[other] = IN
            born = model.records[who].born if who in model.records else archive[who].born if who in archive else now
            one = unsigned(who, links, now - rng.randrange(40), int(min(born, now - 40)), uplink=rng.randrange(16))
            outcome = real.apply(one, Millis(now))
            known = archive.get(who)
            if outcome.refusal is None:
                assert known is None or one.seq > known.seq
                model.records[who] = archive[who] = one
            events = outcome.events
        elif action < 0.93 and who in model.records:
            del model.records[who]
            events = real.remove([who], Millis(now))
        else:
            gone, events = real.expire(Millis(now))
            for dead in gone:
                assert model.records[dead].seq <= now - RECORD_LIFETIME
                del model.records[dead]
            for dead in [p for p, one in archive.items() if one.seq <= now - TOMBSTONE and p not in model.records]:
                del archive[dead]
        for event in events:
            pair = (event.origin, event.target)
            assert (pair in held) is not event.connected
            (held.add if event.connected else held.discard)(pair)
        assert held == model.confirmed(), step
        complete = complete and waiting_max >= 1000
        if step % 20 == 0 and (step >= 100 or waiting_max < 1000):
            check(real, model, complete=complete)
            real = PeerMap(rng.randbytes(8), archive.get, snapshot=real.snapshot(), changes=changes)
            complete = False
            check(real, model, complete=False)
    check(real, model, complete=complete)


def blank(**limits: int) -> PeerMap:
    return PeerMap(bytes(8), lambda _: None, **limits)  # type: ignore[arg-type]  # only max_peers is given


def test_one_sided_claims_change_nothing() -> None:
    real = blank()
    real.apply(unsigned(peer(1), {peer(2): OUT}, START), START)
    outcome = real.apply(unsigned(peer(2), {peer(1): OUT}, START), START)
    assert outcome.events == []
    assert not real.linked(peer(1), peer(2))
    outcome = real.apply(unsigned(peer(2), {peer(1): IN}, START + 5), START)
    assert outcome.events == [MapEvent(connected=True, origin=peer(1), target=peer(2), at=Millis(START + 5))]
    assert real.linked(peer(1), peer(2))
    assert real.overlap(peer(1), {peer(2), peer(3)}) == 1


def test_refusals() -> None:
    real = blank(max_peers=2)
    assert real.apply(unsigned(peer(1), {}, START), START).refusal is None
    assert real.refusal(unsigned(peer(1), {}, START), START) is Refusal.DUPLICATE
    assert real.refusal(unsigned(peer(1), {}, START - 1, START - 1), START) is Refusal.BORN
    assert real.refusal(unsigned(peer(1), {}, START + 1, START - 1), START) is Refusal.BORN
    assert real.refusal(unsigned(peer(2), {}, START + SEQ_FUTURE), START) is None
    assert real.refusal(unsigned(peer(2), {}, START + SEQ_FUTURE + 1), START) is Refusal.FUTURE
    old = START - RECORD_LIFETIME
    assert real.refusal(unsigned(peer(2), {}, old, old), START) is Refusal.EXPIRED
    assert real.refusal(unsigned(peer(2), {}, old + 1, old), START) is None
    epoch = epoch_of(peer(2), START)
    assert real.refusal(unsigned(peer(2), {}, START, epoch=epoch + 1), START) is Refusal.EPOCH
    assert real.refusal(unsigned(peer(2), {}, START, epoch=epoch - 1), START) is None
    assert real.refusal(unsigned(peer(2), {}, START, epoch=epoch - 2), START) is Refusal.EPOCH
    assert real.apply(unsigned(peer(2), {}, START), START).refusal is None
    assert real.apply(unsigned(peer(3), {}, START), START).refusal is Refusal.FULL
    assert real.apply(unsigned(peer(2), {}, START + 1), START).refusal is None
    assert real.refusal(unsigned(peer(2), {}, START), START) is Refusal.STALE


def test_a_tombstone_keeps_old_records_out_and_then_goes() -> None:
    real = blank(max_peers=1)
    real.apply(unsigned(peer(1), {}, START), START)
    later = Millis(START + RECORD_LIFETIME)
    assert real.expire(later)[0] == [peer(1)]
    assert len(real) == 0
    assert peer(1) not in real
    assert real.refusal(unsigned(peer(1), {}, START), Millis(later - 1000)) is Refusal.DUPLICATE
    assert real.refusal(unsigned(peer(2), {}, later, later), later) is Refusal.FULL
    end = Millis(START + TOMBSTONE)
    real.expire(end)
    assert real.apply(unsigned(peer(2), {}, end, end), end).refusal is None


def test_expulsion_ends_with_the_id_epoch_and_is_bounded() -> None:
    real = blank()
    real.apply(unsigned(peer(1), {}, START), START)
    real.expel(peer(1), START)
    assert peer(1) not in real
    end = epoch_end(peer(1), epoch_of(peer(1), START))
    just = Millis(end - 1)
    assert real.refusal(unsigned(peer(1), {}, just), just) is Refusal.EXPELLED
    assert real.apply(unsigned(peer(1), {}, end), end).refusal is None
    for number in range(EXPELLED_MAX + 10):
        real.expel(peer(number), START)
    assert sum(real.expelled(peer(number), START) for number in range(EXPELLED_MAX + 10)) == EXPELLED_MAX
    real.expire(Millis(START + 2 * ID_EPOCH))
    assert not any(real.expelled(peer(number), START) for number in range(EXPELLED_MAX + 10))


def test_ids_with_one_prefix_confirm_nothing() -> None:
    real = blank()
    one, twin = PeerId(bytes(12) + b"\x01" * 20), PeerId(bytes(12) + b"\x02" * 20)
    real.apply(unsigned(peer(9), {one: OUT}, START), START)
    assert real.apply(unsigned(one, {peer(9): IN}, START), START).events[0].connected
    assert real.by_prefix(bytes(12)) == one
    outcome = real.apply(unsigned(twin, {peer(9): IN}, START), START)
    assert [event.connected for event in outcome.events] == [False]
    assert real.by_prefix(bytes(12)) is None
    assert real.apply(unsigned(peer(9), {one: OUT}, START + 1), START).events == []
    facts = [real.facts(who) for who in (one, twin)]
    assert all(fact is not None for fact in facts)
    real.forget([one], START)
    assert twin in real
    assert one not in real
    assert real.apply(unsigned(twin, {}, START + 2), START).refusal is None


def test_rows_are_used_again() -> None:
    real = blank()
    for turn in range(5):
        now = Millis(START + turn * 2 * TOMBSTONE)
        real.expire(now)
        for number in range(300):
            links = {peer((number + 1) % 300): OUT, peer((number - 1) % 300): IN}
            real.apply(unsigned(peer(number), links, now, now), now)
        assert len(real.adjacency().data) == 600
    assert real._rows.used == 300
    assert real._edges.used <= 600 + 600 // 16 + 4096


def test_the_waiting_table_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_waiting, "WAITING_MAX", 10)
    monkeypatch.setattr(_waiting, "_PURGE_AFTER", 3)
    archive: dict[PeerId, Record] = {}
    real = PeerMap(bytes(8), archive.get)
    for number in range(20):
        strangers = {peer(1000 + 24 * number + other): IN for other in range(24)}
        one = archive[peer(number)] = unsigned(peer(number), strangers, START)
        real.apply(one, START)
        assert len(real._waiting) <= 10
    late = peer(1000 + 24 * 19)  # named by the last record, which found the table full: read again
    outcome = real.apply(unsigned(late, {peer(19): OUT}, START), START)
    assert [event.connected for event in outcome.events] == [True]


def test_a_map_applied_at_once_and_settled_is_the_same_as_one_applied_record_by_record() -> None:
    rng = Random(11)
    chosen = {who: [other for other in rng.sample(range(40), 5) if other != who] for who in range(40)}
    links: dict[int, Links] = {who: {peer(other): OUT for other in others} for who, others in chosen.items()}
    for who, others in chosen.items():
        for other in others:
            links[other].setdefault(peer(who), IN)
    records = {peer(who): unsigned(peer(who), listed, START) for who, listed in links.items()}
    one_by_one, at_once = PeerMap(bytes(8), records.get), PeerMap(bytes(8), records.get)
    reported: list[MapEvent] = []
    for record in records.values():
        one_by_one.apply(record, START)
        reported += at_once.apply(record, START, settle_later=True).events
    assert not len(at_once._waiting), "nothing waits while a map is applied at once"
    reported += at_once.settle()
    assert (at_once.adjacency() != one_by_one.adjacency()).nnz == 0
    assert len(reported) == one_by_one.adjacency().nnz // 2
    assert not at_once.settle(), "each record is read again once"


def test_unchecked_records_say_so() -> None:
    real = blank()
    real.apply(unsigned(peer(1), {}, START), START, checked=False)
    assert peer(1) in real
    assert not real.checked(peer(1))
    assert real.proof(peer(1)) is None
    real.mark_checked(peer(1))
    assert real.checked(peer(1))
    assert real.proof(peer(1)) == (5, epoch_of(peer(1), START) & 0xFF)


def test_damaged_snapshots() -> None:
    real = blank()
    real.apply(unsigned(peer(1), {peer(2): OUT}, START), START)
    raw = real.snapshot()
    for broken in (b"", raw[:-1], raw + b"x", raw[:40] + bytes((raw[40] ^ 1,)) + raw[41:]):
        with pytest.raises(Malformed):
            PeerMap(bytes(8), lambda _: None, snapshot=broken)


def test_unknown_peers() -> None:
    real = blank()
    stranger = peer(7)
    assert real.facts(stranger) is None
    assert real.neighbours(stranger) == []
    assert real.confirmed_neighbours(stranger) == []
    assert real.degree(stranger) == 0
    assert real.seq(stranger) is None
    assert not real.linked(stranger, peer(8))
    assert "text" not in real
    assert real.by_prefix(b"short") is None
    assert real.ids() == []
    assert real.adjacency().shape == (0, 0)
    assert peer_map.MAX_PEERS == 1_000_000


def test_pages_are_the_ids_in_order() -> None:
    rng = Random(5)
    ground = [PeerId(bytes(8) + rng.randbytes(24)) for _ in range(9)]  # begin alike, as only grinding can make them
    peers = sorted({*ground, *(PeerId(rng.randbytes(32)) for _ in range(200))})
    shown = PeerMap(bytes(8), lambda _: None)
    for who in rng.sample(peers, len(peers)):
        shown.apply(unsigned(who, {}, START), Millis(START))
    shown.remove([peers[3], peers[50]], Millis(START))
    ids = shown.ids()
    assert len(ids) == len(peers) - 2
    for limit in (1, 7, 64, 500):
        after, walked = None, list[PeerId]()
        while page := shown.ids_after(after, limit):
            assert len(page) <= limit
            walked += page
            after = page[-1]
        assert walked == ids
    for after in (peers[3], peers[5], PeerId(bytes(32)), PeerId(b"\xff" * 32)):
        assert shown.ids_after(after, 5) == [who for who in ids if who > after][:5]


def test_any_number_of_peers_that_name_one_absent_peer_cost_no_more_than_few() -> None:
    absent = peer(999)
    archive = {peer(number): unsigned(peer(number), {absent: OUT}, START) for number in range(200)}
    real = PeerMap(bytes(8), archive.get)
    for one in archive.values():
        assert real.apply(one, START).refusal is None
    assert max(len(entries) for entries in real._waiting._entries.values()) <= _waiting.LISTERS_MAX
    late = [peer(number) for number in (3, 197, 198, 199)]  # the last found no place: their records are read again
    assert real.apply(unsigned(absent, dict.fromkeys(late, IN), START), START).refusal is None
    assert sorted(real.confirmed_neighbours(absent)) == sorted(late)
