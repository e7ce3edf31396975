from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from chain.primitives.units import Hash32, Millis
from cli.mining_client.orders import Order, Verdict
from cli.mining_client.session import (
    ADRIFT,
    BATCH,
    FIRST_NONCE,
    FIRST_RETRY,
    LONGEST_RETRY,
    MAX_UNSENT,
    NONCE_COUNT,
    AskAgain,
    Session,
    SessionState,
)
from consensus.hashing import Solution
from consensus.miner import SetWork, Stop

SHARE = 1 << 40


def order(number: int = 1, *, parent: int = 1, limit: int = 1 << 60) -> Order:
    return Order(Hash32(bytes([number]) * 32), b"header", parent + 1, Hash32(bytes([parent]) * 32), limit, SHARE)


def solved(pow_hash: int, of: Order) -> Solution:
    return Solution(of.id, pow_hash.to_bytes(8, "big"), pow_hash)


def working(of: Order) -> Session:
    session = Session(Random(1))
    (effect,) = session.work(of)
    assert isinstance(effect, SetWork)
    return session


def test_work_starts_at_a_random_nonce_of_the_upper_half() -> None:
    starts = set()
    for seed in range(20):
        (effect,) = Session(Random(seed)).work(order())
        assert isinstance(effect, SetWork)
        assert (effect.job_id, effect.prefix, effect.limit, effect.share_limit) == (
            order().id,
            b"header",
            1 << 60,
            SHARE,
        )
        assert effect.first_nonce >= FIRST_NONCE
        assert effect.first_nonce + NONCE_COUNT <= 1 << 64
        starts.add(effect.first_nonce)
    assert len(starts) == 20


def test_new_work_replaces_the_old_at_once() -> None:
    session = working(order(1))
    (effect,) = session.work(order(2, parent=2))
    assert isinstance(effect, SetWork)
    assert effect.job_id == order(2).id == session.known
    session.found(solved(5, order(1)))
    assert not session.has_finds, "a hash of the old work came too late"


def test_finds_for_another_parent_are_dropped_those_for_another_template_kept() -> None:
    first = order(1)
    session = working(first)
    session.found(solved(50, first))
    session.work(order(2))
    assert session.statistics().unsent == 1
    session.work(order(3, parent=2))
    assert (session.statistics().unsent, session.statistics().lost) == (0, 1)


def test_nothing_to_do_makes_the_threads_rest() -> None:
    session = working(order())
    assert session.work(None) == [Stop()]
    assert session.work(None) == []
    assert (session.known, session.statistics().state) == (None, SessionState.RESTING)


def test_only_what_the_node_wants_is_handed_in() -> None:
    of = order(limit=1 << 50)
    session = working(of)
    session.found(solved((1 << 50) + 1, of))
    assert not session.has_finds
    session.found(solved(1 << 49, of))
    session.found(solved((1 << 49) + 1, of))  # beaten by the one before, and no share
    session.found(solved(1 << 48, of))
    session.found(solved(SHARE, of))
    session.found(solved(SHARE - 1, of))
    session.found(solved(SHARE, of))
    assert [find.pow for find in session.take_finds()] == [SHARE, SHARE - 1, SHARE]


def test_a_best_seal_replaces_what_it_beats() -> None:
    of = order()
    session = working(of)
    for pow_hash in (1 << 59, 1 << 58, 1 << 57):
        session.found(solved(pow_hash, of))
    assert [find.pow for find in session.take_finds()] == [1 << 57]


def test_verdicts_are_counted_and_shares_by_the_share_target() -> None:
    of = order()
    session = working(of)
    session.found(solved(1 << 50, of))
    (best,) = session.take_finds()
    assert session.answered(best, Verdict.BEST) == []
    assert (session.statistics().best, session.statistics().shares) == (1, 0)
    session.found(solved(SHARE, of))
    (share,) = session.take_finds()
    session.answered(share, Verdict.SHARE)
    assert session.statistics().shares == 1
    assert session.answered(share, Verdict.REPEATED) == []
    assert session.statistics().refused == 1


def test_a_beaten_find_asks_for_the_lower_limit() -> None:
    of = order()
    session = working(of)
    session.found(solved(1 << 50, of))
    (find,) = session.take_finds()
    assert session.answered(find, Verdict.WEAK) == [AskAgain()]
    (effect,) = session.lower_limit(replace(of, limit=1 << 45))
    assert isinstance(effect, SetWork)
    assert (effect.job_id, effect.limit) == (of.id, 1 << 45)
    assert session.lower_limit(of) == [], "the own finds lowered it further"
    assert session.lower_limit(order(9)) == [], "other work comes by the long poll alone"
    assert session.known == of.id


def test_a_stale_find_ends_its_work() -> None:
    of = order()
    session = working(of)
    session.found(solved(5, of))
    (find,) = session.take_finds()
    assert session.answered(find, Verdict.STALE) == [Stop()]
    assert session.answered(find, Verdict.STALE) == []
    assert session.statistics().stale == 2


def test_a_silent_node_is_worked_for_a_while() -> None:
    session = working(order())
    session.silent(Millis(1_000))
    assert session.statistics().state is SessionState.ADRIFT
    assert session.tick(Millis(1_000 + ADRIFT - 1)) == []
    session.silent(Millis(5_000))
    assert session.tick(Millis(1_000 + ADRIFT)) == [Stop()]
    assert session.tick(Millis(1_000 + 2 * ADRIFT)) == []
    assert (session.statistics().state, session.statistics().breaks) == (SessionState.CALLING, 1)
    assert session.work(order()), "it is taken up again when the node is back"


def test_waits_double_and_are_spread() -> None:
    session = Session(Random(3))
    waits = [session.silent(Millis(0)) for _ in range(12)]
    for index, wait in enumerate(waits):
        full = min(LONGEST_RETRY, FIRST_RETRY << index)
        assert full // 2 <= wait <= full
    session.work(None)
    assert session.silent(Millis(0)) <= FIRST_RETRY


def test_unsent_finds_are_kept_for_the_next_attempt() -> None:
    of = order()
    session = working(of)
    for pow_hash in (30, 20, 10):
        session.found(solved(pow_hash, of))
    finds = session.take_finds()
    session.put_back(finds)
    assert session.take_finds() == finds
    session.work(order(2, parent=2))
    session.put_back(finds)
    assert (session.statistics().unsent, session.statistics().lost) == (0, 3)


@given(st.lists(st.integers(0, SHARE), min_size=1, max_size=2 * MAX_UNSENT))
def test_the_queue_is_bounded_and_keeps_the_strongest(hashes: list[int]) -> None:
    of = order()
    session = working(of)
    for pow_hash in hashes:
        session.found(solved(pow_hash, of))
    kept = []
    while batch := session.take_finds():
        assert len(batch) <= BATCH
        kept += [find.pow for find in batch]
    assert sorted(kept) == sorted(hashes)[:MAX_UNSENT]
