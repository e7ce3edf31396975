"""Who is chosen, admitted, evicted, left alone: the small parts of the overlay on plain values."""

from itertools import pairwise
from random import Random

import numpy as np
import pytest

from chain.primitives.errors import ConfigError, Malformed
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.config import MeshConfig
from net.core.effects import LinkId, LinkKind, LinkTransport, Role
from net.core.guard.guard import LINKS_MAX
from net.core.map.view import MapTable, MapView
from net.core.overlay.admission import EVICT_EVERY, Admission
from net.core.overlay.anchors import OWNED_FOR, Anchors
from net.core.overlay.candidates import Situation, candidates
from net.core.overlay.confirm import ConfirmWatch
from net.core.overlay.domains import Domains, prefix_of
from net.core.overlay.doorstep import PREFIXES_MAX, Doorstep
from net.core.overlay.link import Link, LinkTable, Signalled, Stage
from net.core.overlay.slots import AVOIDED_MAX, Slots
from net.core.overlay.walk import BACKOFF_LONGEST, Walk, parse_bootstrap
from net.core.wire.record import Flags
from net.core.wire.signal import Refusal

CONFIG = MeshConfig(network_id=bytes(32), id_difficulty=1)
NOW = Millis(1_750_000_000_000)
PEERS = [PeerId(n.to_bytes(2, "big") * 16) for n in range(1, 41)]


class Sketch:
    """A map of peers with given facts, all that candidate choice reads."""

    def __init__(
        self, *, listed: int = 0, first_seen: int = 0, links: dict[PeerId, list[PeerId]] | None = None
    ) -> None:
        count = len(PEERS)
        self._links = links or {}
        self._table = MapTable(
            ids=np.frombuffer(b"".join(PEERS), dtype=np.uint8).reshape(count, 32),
            born=np.zeros(count, dtype=np.int64),
            seq=np.zeros(count, dtype=np.int64),
            flags=np.full(count, int(Flags.PUBLIC), dtype=np.uint8),
            uplink=np.zeros(count, dtype=np.uint8),
            tags=np.zeros((count, 3), dtype=np.uint16),
            listed=np.full(count, listed, dtype=np.uint8),
            own=np.zeros(count, dtype=np.uint8),
            confirmed=np.zeros(count, dtype=np.uint8),
            first_seen=np.full(count, first_seen, dtype=np.int64),
            checked=np.ones(count, dtype=np.bool_),
        )

    def table(self) -> MapTable:
        return self._table

    def confirmed_neighbours(self, peer: PeerId) -> list[PeerId]:
        return self._links.get(peer, [])


def choose(sketch: Sketch, *, wanted: int = 4, **changes: object) -> list[PeerId]:
    situation = Situation(
        me=PeerId(bytes(32)),
        neighbours=changes.get("neighbours", ()),  # type: ignore[arg-type]
        taken=changes.get("taken", ()),  # type: ignore[arg-type]
        full_domains=changes.get("full_domains", ()),  # type: ignore[arg-type]
        hard=changes.get("hard", False),  # type: ignore[arg-type]
        punchable=changes.get("punchable", False),  # type: ignore[arg-type]
        cap=24,
        cap_heal=24,
        own_core=6,
        min_age=Millis(600_000),
        now=NOW,
    )
    view: MapView = sketch  # type: ignore[assignment]
    return candidates(view, situation, wanted=wanted, unwanted=lambda peer: peer == PEERS[0])


def test_unwanted_and_taken_peers_are_never_candidates() -> None:
    assert choose(Sketch(), taken=PEERS[1:3]) == PEERS[3:]
    assert choose(Sketch(), taken=PEERS[1:3], wanted=1_000) == PEERS[3:]


def test_full_peers_are_never_candidates() -> None:
    assert choose(Sketch(listed=14)) == []
    assert choose(Sketch(listed=13)) == PEERS[1:]


def test_a_network_of_young_peers_is_chosen_from_all_the_same() -> None:
    assert choose(Sketch(first_seen=NOW)) == PEERS[1:]


def test_age_goes_first_then_domains_then_overlap() -> None:
    old = Sketch()
    old._table.first_seen[10:] = NOW
    assert choose(old) == PEERS[1:10]
    assert choose(old, full_domains=PEERS[1:8], wanted=4) == [*PEERS[8:]]
    assert choose(old, full_domains=PEERS[1:], wanted=4) == PEERS[1:]


def test_overlap_is_widened_to_the_lower_half_never_to_the_smallest() -> None:
    near = {PEERS[1]: PEERS[5:], PEERS[2]: PEERS[5:], PEERS[3]: PEERS[25:]}
    pool = choose(Sketch(links=near), neighbours=PEERS[1:4], taken=PEERS[1:4])
    assert pool == PEERS[4:25]
    assert choose(Sketch(links=near), neighbours=PEERS[1:4], taken=PEERS[1:5], wanted=30) == PEERS[5:]


def test_pairs_that_cannot_meet_are_not_dialled() -> None:
    sketch = Sketch()
    sketch._table.flags[10:20] = int(Flags.PUNCHABLE)
    sketch._table.flags[20:] = 0
    assert choose(sketch) == PEERS[1:]
    assert choose(sketch, punchable=True) == PEERS[1:20]
    assert choose(sketch, hard=True) == PEERS[1:10]


def test_a_slot_chooses_by_its_own_keyed_hash() -> None:
    slots = Slots(CONFIG, Random(1).randbytes)
    chosen = {slots.best(slot, PEERS, 1)[0] for slot in range(12)}
    assert len(chosen) > 6
    best = slots.best(0, PEERS, 3)
    assert best == slots.best(0, PEERS[::-1], 3)
    slots.reseed(0)
    assert slots.best(0, [], 3) == []


@pytest.mark.parametrize(
    ("listed", "own", "age", "wanted"),
    [
        (0, 0, 0, 12),
        (12, 0, 0, 6),
        (12, 6, 0, 0),
        (20, 2, 0, 4),
        (23, 0, 0, 1),
        (8, 6, 7_200_000, 2),
        (4, 8, 7_200_000, 0),
    ],
)
def test_how_many_own_links_are_wanted(listed: int, own: int, age: int, wanted: int) -> None:
    assert Slots(CONFIG, Random(1).randbytes).wanted(listed=listed, own=own, age=Millis(age)) == wanted


def test_the_young_allowance_is_gone_before_the_hour_is() -> None:
    slots = Slots(CONFIG, Random(1).randbytes)
    limits = [slots.limit(Millis(minute * 60_000)) for minute in range(62)]
    assert limits[0] == 12
    assert limits[59] == limits[61] == 8
    assert all(left - right in (0, 1) for left, right in pairwise(limits))


def test_refusals_move_a_slot_eight_times_a_minute_and_raise_the_alarm() -> None:
    slots = Slots(CONFIG, Random(1).randbytes)
    for number in range(8):
        assert slots.may_move(0, NOW)
        slots.failed(0, PEERS[number], Refusal.FULL, NOW)
    assert not slots.may_move(0, NOW)
    assert slots.may_move(1, NOW)
    assert slots.may_move(0, Millis(NOW + 60_000))
    assert not slots.exhausted()
    for number in range(9):
        slots.failed(1, PEERS[10 + number], Refusal.FULL, NOW)
    assert slots.exhausted()


def test_a_refusing_peer_is_left_out_longer_each_time_and_the_list_is_bounded() -> None:
    slots = Slots(CONFIG, Random(1).randbytes)
    slots.failed(0, PEERS[0], Refusal.FAILED, NOW)
    assert slots.avoided(NOW) == [PEERS[0]]
    assert slots.avoided(Millis(NOW + 5_000)) == []
    slots.failed(0, PEERS[0], Refusal.FAILED, NOW)
    assert slots.avoided(Millis(NOW + 9_999)) == [PEERS[0]]
    for number in range(AVOIDED_MAX + 10):
        slots.failed(0, PeerId(number.to_bytes(32, "big")), Refusal.FULL, NOW)
    assert len(slots.avoided(NOW)) == AVOIDED_MAX


def link(
    table: LinkTable,
    number: int,
    *,
    outbound: bool,
    stage: Stage = Stage.UP,
    since: int = 0,
    address: str = "10.0.0.1",
) -> Link:
    made = Link(
        number=LinkId(number),
        kind=LinkKind.LISTED,
        outbound=outbound,
        peer=PEERS[number],
        signalled=Signalled.RELAYED,
        stage=stage,
        started=Millis(0),
        deadline=Millis(0),
        transport=LinkTransport(Role.ANSWERER, bytes(32), bytes(32), address),
        since=Millis(since),
    )
    table.add(made)
    if stage is Stage.UP:
        table.rise(made)
    return made


def refusal(admission: Admission, peer: PeerId, kind: LinkKind = LinkKind.LISTED) -> Refusal | None:
    return admission.refusal(peer, kind, NOW, unwanted=lambda one: one == PEERS[39], hard=False, cap=24)


def test_a_full_node_refuses_and_evicts_one_a_minute_from_the_largest_prefix() -> None:
    table = LinkTable()
    admission = Admission(CONFIG, table, Random(1))
    for number in range(14):
        link(table, number, outbound=False, since=number, address="10.0.1.1" if number == 13 else "10.0.0.1")
    assert refusal(admission, PEERS[30]) is Refusal.FULL
    victim = admission.evict(NOW)
    assert victim is not None
    assert victim.transport is not None
    assert victim.transport.address == "10.0.0.1"
    assert admission.evict(NOW) is None
    assert admission.evict(Millis(NOW + EVICT_EVERY)) is not None


def test_links_of_every_kind_are_taken_up_to_their_limit() -> None:
    """However fast they come: what is being set up counts."""
    table = LinkTable()
    admission = Admission(CONFIG, table, Random(1))
    names = iter(range(1_000, 9_999))

    def taken(kind: LinkKind, stage: Stage) -> int:
        count = 0
        while admission.refusal(PEERS[38], kind, NOW, unwanted=lambda one: False, hard=True, cap=CONFIG.cap) is None:
            made = link(table, count % 30, outbound=False)
            table.remove(made)
            made.number, made.kind, made.stage = LinkId(next(names)), kind, stage
            table.add(made)
            count += 1
        return count

    up = {kind: taken(kind, Stage.UP) for kind in (LinkKind.GUEST, LinkKind.UNLISTED)}
    assert up == {LinkKind.GUEST: CONFIG.guests, LinkKind.UNLISTED: CONFIG.unlisted_accepted}
    assert taken(LinkKind.LISTED, Stage.CONNECTING) == CONFIG.inbound_pending
    for one in table.of_kind(LinkKind.LISTED):
        one.stage = Stage.UP
        table.rise(one)
    assert taken(LinkKind.LISTED, Stage.UP) == CONFIG.cap - CONFIG.own_core - CONFIG.inbound_pending
    for one in table.of_kind(LinkKind.GUEST):
        table.remove(one)
    assert taken(LinkKind.GUEST, Stage.ANSWERING) == CONFIG.setups_guests
    assert len(table.setups()) <= CONFIG.setups
    assert CONFIG.cap_heal + CONFIG.guests + CONFIG.unlisted_accepted + CONFIG.unlisted_own + 3 <= LINKS_MAX


def test_linked_banned_and_too_many_at_once_are_refused() -> None:
    table = LinkTable()
    admission = Admission(CONFIG, table, Random(1))
    up = link(table, 1, outbound=True)
    assert refusal(admission, PEERS[1]) is Refusal.LINKED
    up.ping_sent = Millis(NOW - 3_000)
    assert refusal(admission, PEERS[1]) is None
    assert refusal(admission, PEERS[39]) is Refusal.UNWANTED
    for number in range(4):
        link(table, 10 + number, outbound=False, stage=Stage.ANSWERING)
    assert refusal(admission, PEERS[30]) is Refusal.BUSY
    assert refusal(admission, PEERS[30], LinkKind.GUEST) is None


def test_an_id_that_does_not_confirm_is_left_alone_ten_minutes_then_twenty() -> None:
    watch = ConfirmWatch(timeout=Millis(30_000), quarantine=Millis(600_000))
    assert watch.timed_out([(PEERS[0], NOW)], Millis(NOW + 29_999)) == []
    assert watch.timed_out([(PEERS[0], NOW)], Millis(NOW + 30_000)) == [PEERS[0]]
    assert watch.quarantined(PEERS[0], Millis(NOW + 629_999))
    assert not watch.quarantined(PEERS[0], Millis(NOW + 630_000))
    later = Millis(NOW + 2_000_000)
    watch.timed_out([(PEERS[0], NOW)], later)
    assert watch.quarantined(PEERS[0], Millis(later + 1_199_999))


def test_prefixes_and_their_quota() -> None:
    assert prefix_of("10.0.0.1") == prefix_of("10.0.0.200") == prefix_of("::ffff:10.0.0.7") != prefix_of("10.0.1.1")
    assert prefix_of("2001:db8:1:2::3") == prefix_of("2001:db8:1:ffff::") != prefix_of("2001:db8:2::")
    domains = Domains()
    for number in range(30):
        domains.saw(PEERS[number], f"10.0.{number}.1")
    for number in range(30, 34):
        domains.saw(PEERS[number], "10.9.9.9")
    assert domains.full(PEERS[30:32], 6) == set()
    assert domains.full(PEERS[30:33], 6) == set(PEERS[30:34])


def test_one_address_prefix_may_ask_twenty_times_a_second() -> None:
    door = Doorstep(20)
    assert sum(door.admit("203.0.113.1", NOW) for _ in range(1_000)) == 20
    assert door.admit("203.0.114.1", NOW)
    for number in range(PREFIXES_MAX + 100):
        door.admit(f"{number >> 8 & 255}.{number & 255}.7.7", NOW)
    assert len(door._buckets) == PREFIXES_MAX


def test_anchors_survive_bounded_and_damage_is_noticed() -> None:
    anchors = Anchors(64, b"")
    for number in range(200):
        anchors.learn(PEERS[number % 40], (f"ws://host{number}:6369",), Millis(NOW + number))
    anchors.learn(PEERS[1], ("ws://host150:1", "ws://host150:2", "ws://host150:3"), NOW)
    again = Anchors(64, anchors.snapshot())
    walk = again.walk(("ws://boot:1",), Random(1))
    assert len(walk) == 65
    assert walk[-1] == "ws://boot:1"
    with pytest.raises(Malformed):
        Anchors(64, b"\x93garbage")


def test_the_walk_backs_off_and_leaves_itself_out() -> None:
    walk = Walk(("ws://me:1", "ws://a:1", "ws://b:1"), "ws://me:1", Anchors(64, b""), Random(1))
    now, calls = NOW, []
    for _ in range(3_000):
        place = walk.next_place(now)
        if place is not None:
            calls.append((now, place.url))
        now = Millis(now + 100)
    assert {url for _, url in calls} == {"ws://a:1", "ws://b:1"}
    assert 4 <= len(calls) <= 24
    assert calls[-1][0] - calls[-2][0] <= 2 * BACKOFF_LONGEST
    before = len(calls)
    walk.reached()
    assert walk.next_place(Millis(now + 2 * BACKOFF_LONGEST)) is not None
    assert before


@pytest.mark.parametrize("text", ["", "http://a", "ws://", "ws://12@a:1", f"ws://{'zz' * 32}@a:1"])
def test_a_wrong_bootstrap_is_refused_by_name(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_bootstrap(text)


def test_a_pinned_bootstrap_is_parted_from_its_id() -> None:
    place = parse_bootstrap(f"ws://{'ab' * 32}@host:6369")
    assert (place.url, place.pinned) == ("ws://host:6369", bytes.fromhex("ab" * 32))


def test_one_neighbour_cannot_fill_the_anchors_with_its_own() -> None:
    anchors = Anchors(8, b"")
    for number in range(6):
        anchors.learn(PEERS[number], (f"ws://host{number}:6369",), NOW)
    for turn in range(3):
        for number in range(40):
            anchors.learn(PEERS[9], (f"ws://mine{number}:6369",), Millis(NOW + 5_000_000 * turn))
    assert all(anchors.url_of(PEERS[number]) == f"ws://host{number}:6369" for number in range(6))
    anchors.learn(PEERS[9], ("ws://moved:6369",), Millis(NOW + 20_000_000))
    assert anchors.peer_at("ws://moved:6369") == PEERS[9]


def test_an_anchor_stays_its_owners_when_another_peer_tells_its_url() -> None:
    anchors, url = Anchors(8, b""), "ws://host:6369"
    anchors.learn(PEERS[0], (url,), NOW)
    anchors.learn(PEERS[1], (url,), Millis(NOW + 3_600_000))
    assert anchors.peer_at(url) == PEERS[0]
    anchors.learn(PEERS[1], (url,), Millis(NOW + OWNED_FOR + 1))
    assert anchors.peer_at(url) == PEERS[1]
