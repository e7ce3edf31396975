"""A map settled at once against the same one taken record by record: strangers, twins, tombs, rows taken up before."""

from random import Random

import numpy as np
import pytest

from chain.primitives.peer import PeerId
from net.core.effects import MapEvent
from net.core.map import _waiting
from net.core.map._rows import ALIVE, Rows
from net.core.map.peer_map import PeerMap
from net.core.wire.record import Direction, Record
from tests.helpers.map_world import START
from tests.net.core.map.test_peer_map import peer, unsigned

PEERS = 40
ABSENT = 6
"""Of the peers, how many are listed and never come."""


def _twin(who: PeerId) -> PeerId:
    return PeerId(who[:12] + bytes(20))


def _records(rng: Random) -> dict[PeerId, Record]:
    ids = [peer(number) for number in range(1, PEERS + 1)]
    listed: dict[PeerId, dict[PeerId, Direction]] = {who: {} for who in ids}
    for who in ids:
        for other in rng.sample(ids, 5):
            if other != who and other not in listed[who]:
                listed[who][other] = Direction.OUT
                if rng.random() < 0.8:  # the other claims are one-sided, some go the wrong way
                    listed[other].setdefault(who, Direction.IN if rng.random() < 0.9 else Direction.OUT)
    capped = {who: dict(list(links.items())[:8]) for who, links in listed.items()}
    records = {who: unsigned(who, capped[who], START + rng.randrange(50)) for who in ids[ABSENT:]}
    twin = _twin(ids[-1])
    return records | {twin: unsigned(twin, capped[ids[-1]], START)}


def _seen(real: PeerMap) -> dict[PeerId, tuple[list[PeerId], int]]:
    return {who: (sorted(real.confirmed_neighbours(who)), real.degree(who)) for who in real.ids()}


@pytest.mark.parametrize("waiting_max", [0, 3, 1000])
@pytest.mark.parametrize("seed", range(8))
def test_settled_at_once_or_taken_one_by_one(seed: int, waiting_max: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_waiting, "WAITING_MAX", waiting_max)
    rng = Random(seed)
    records = _records(rng)
    one_by_one, at_once = PeerMap(rng.randbytes(8), records.get), PeerMap(rng.randbytes(8), records.get)
    linked: set[tuple[PeerId, PeerId]] = set()

    def take(events: list[MapEvent]) -> None:
        for event in events:
            assert ((event.origin, event.target) in linked) is not event.connected
            (linked.add if event.connected else linked.discard)((event.origin, event.target))

    order = rng.sample(sorted(records), len(records))
    for place, who in enumerate(order):
        one_by_one.apply(records[who], START)
        later = rng.random() < 0.8  # the others came by gossip meanwhile
        take(at_once.apply(records[who], START, settle_later=later).events)
        if rng.random() < 0.05:
            gone = order[rng.randrange(place + 1)]
            one_by_one.remove([gone], START)
            take(at_once.remove([gone], START))
        if place in (10, 25):
            take(at_once.settle())
    take(at_once.settle())
    assert _seen(at_once) == _seen(one_by_one)
    assert at_once.confirmed_links == one_by_one.confirmed_links == len(linked)
    assert at_once.fingerprint == one_by_one.fingerprint
    if waiting_max == 1000:  # else one-sided entries may be left out
        assert [at_once.neighbours(who) for who in at_once.ids()] == [
            one_by_one.neighbours(who) for who in one_by_one.ids()
        ]
    for who in sorted(records):  # cells and confirmations stay in step when newer records come
        newer = unsigned(who, {}, START + 100)
        records[who] = newer
        one_by_one.apply(newer, START)
        take(at_once.apply(newer, START).events)
    assert not linked
    assert at_once.confirmed_links == 0


def test_rows_of_many_prefixes_are_those_of_each() -> None:
    rng = Random(5)
    rows = Rows(rng.randbytes(8))
    ids = [PeerId(rng.randbytes(32)) for _ in range(900)]
    for who in [*ids[:700], _twin(ids[3])]:
        row, _ = rows.add(who)
        rows.flags_view[row] = ALIVE
    asked = [who[:12] for who in rng.sample(ids, 900)]
    assert rows.by_prefixes(b"".join(asked)).tolist() == [rows.by_prefix(prefix) for prefix in asked]
    assert rows.by_prefixes(b"").tolist() == []
    assert np.count_nonzero(rows.by_prefixes(b"".join(asked)) < 0) == 200
