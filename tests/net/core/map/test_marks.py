"""The fingerprint as of a mark: what was signed later, what is on its way and what expires make no difference."""

from hypothesis import given
from hypothesis import strategies as st

from chain.primitives.units import Millis
from net.core.map._marks import AGEING, MARK_EVERY, NEAR, SETTLED
from net.core.map.peer_map import RECORD_LIFETIME, PeerMap, item_fingerprint
from tests.helpers.map_world import START, identity, record

IDS = [identity(number) for number in range(1, 6)]
SWEEP = 60_000
WHOLE = 1 << 128

NEWS = st.lists(st.tuples(st.sampled_from(range(len(IDS))), st.integers(0, 12_000)), max_size=40)
"""Who signs, and how many ms after the one before."""


def blank() -> PeerMap:
    return PeerMap(bytes(8), lambda _: None)


def take(peer_map: PeerMap, who: int, seq: int, now: int) -> None:
    peer_map.apply(record(IDS[who], seq=seq), Millis(now))


def limit(now: int, near: int) -> int:
    return (now // MARK_EVERY - SETTLED + near) * MARK_EVERY


@given(NEWS)
def test_each_peer_counts_with_what_it_had_signed_before_the_mark(news: list[tuple[int, int]]) -> None:
    peer_map, now = blank(), int(START)
    signed: dict[int, list[int]] = {}
    for who, later in news:
        now += later
        take(peer_map, who, now, now)
        signed.setdefault(who, []).append(now)
        for near in NEAR:
            counted = {who: [seq for seq in seqs if seq < limit(now, near)] for who, seqs in signed.items()}
            total = sum(item_fingerprint(IDS[who].peer, Millis(seqs[-1])) for who, seqs in counted.items() if seqs)
            assert peer_map.fingerprint_at(Millis(now), near) == total % WHOLE


@given(NEWS, st.integers(0, 9_000))
def test_two_maps_agree_though_news_come_to_one_of_them_late(news: list[tuple[int, int]], late: int) -> None:
    early, behind, now = blank(), blank(), int(START)
    waiting: list[tuple[int, int]] = []
    for who, later in news:
        now += later
        take(early, who, now, now)
        waiting.append((who, now))
        while waiting and waiting[0][1] + late <= now:
            take(behind, *waiting.pop(0), now)
        assert early.fingerprint_at(Millis(now)) == behind.fingerprint_at(Millis(now))
    assert waiting or early.fingerprint == behind.fingerprint


def test_neighbours_agree_while_records_reach_the_end_of_their_lives_and_are_swept_at_other_moments() -> None:
    maps = [blank(), blank()]
    for number in range(len(IDS)):
        for peer_map in maps:
            take(peer_map, number, START + number * 25_000, START + number * 25_000)
    end = START + RECORD_LIFETIME
    sizes = set()
    for now in range(end - 5 * SWEEP, end + 5 * SWEEP, 1_000):
        for peer_map, phase in zip(maps, (0, 37_000), strict=True):
            if now % SWEEP == phase:
                peer_map.expire(Millis(now))
        assert maps[0].fingerprint_at(Millis(now)) == maps[1].fingerprint_at(Millis(now))
        sizes.add((len(maps[0]), len(maps[1])))
    assert {(5, 5), (0, 0)} < sizes
    assert any(left != right for left, right in sizes), "they did not sweep at one moment"


def test_a_record_renewed_shortly_before_its_end_counts_as_the_new_one_everywhere() -> None:
    maps = [blank(), blank()]
    for peer_map in maps:
        take(peer_map, 0, START, START)
    now = START + RECORD_LIFETIME - AGEING // 2
    now -= now % SWEEP
    maps[0].expire(Millis(now))
    for peer_map in maps:
        take(peer_map, 0, now, now)
    maps[1].expire(Millis(now))
    for later in range(0, 5 * SWEEP, 5_000):
        assert len({peer_map.fingerprint_at(Millis(now + later)) for peer_map in maps}) == 1
    assert maps[0].fingerprint_at(Millis(now + SWEEP)) == item_fingerprint(IDS[0].peer, Millis(now))


def test_what_is_kept_for_marks_stays_small() -> None:
    """Signing times reach from the past to SEQ_FUTURE ahead: one sum for each mark of them."""
    peer_map = blank()
    for step in range(2_000):
        now = START + step * 1_000
        take(peer_map, step % 5, now + step % 60_000, now)
        assert len(peer_map._marks._news) <= 11
