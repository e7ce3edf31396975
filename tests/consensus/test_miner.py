from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.block import ChainedHeader, Header, SealedHeader, encode_header
from chain.primitives.units import ZERO_HASH, Hash32, Millis
from consensus.miner import (
    REFRESH,
    REFUSED_WAIT,
    STAMP_EVERY,
    BuildTemplate,
    Candidate,
    Found,
    Miner,
    MinerState,
    SetWork,
    Stop,
)
from consensus.ripening import pre_relay
from consensus.rules import ConsensusRules
from consensus.shares import SHARE_LOG_TARGET, ShareVerdict
from tests.consensus.blocks import make_draw, make_header
from tests.consensus.networks import DEVNET, epoch_stake, key, place

PARENT = place(DEVNET, 40)
OTHER = replace(place(DEVNET, 41), id=Hash32(b"\x77" * 32))
STAKE = epoch_stake({1: 300, 2: 300, 3: 300})
START = Millis(PARENT.time + 10)
GOOD, BETTER, POOR = 1 << 243, 1 << 240, 1 << 250


def candidate(parent: ChainedHeader = PARENT) -> Candidate:
    return Candidate(make_header(DEVNET, parent, STAKE), None, ())


def mining(seed: int = 0) -> tuple[Miner, SetWork]:
    miner = Miner(DEVNET, Random(seed))
    assert miner.parent(PARENT, None, START) == [Stop(), BuildTemplate(PARENT, None)]
    return miner, work_of(miner.candidate(candidate(), START))


def work_of(effects: object) -> SetWork:
    assert isinstance(effects, list)
    (work,) = [effect for effect in effects if isinstance(effect, SetWork)]
    return work


def placed(pow_hash: int, header: Header | None = None) -> ChainedHeader:
    sealed = SealedHeader(header or make_header(DEVNET, PARENT, STAKE), pow_hash, None)
    return ConsensusRules(DEVNET).chain(sealed, PARENT)


def test_work_is_the_header_without_its_nonce() -> None:
    _, work = mining()
    assert encode_header(candidate().header) == work.prefix + bytes(8)


def test_two_nodes_that_pay_one_account_do_not_hash_the_same() -> None:
    works = sorted((mining(seed)[1] for seed in range(8)), key=lambda work: work.first_nonce)
    assert {work.prefix for work in works} == {works[0].prefix}, "one header"
    for work, following in pairwise(works):
        assert following.first_nonce - work.first_nonce > 1 << 50, "a thread makes 2^50 hashes in 70,000 years"
    assert works[-1].first_nonce + works[-1].nonce_count <= 1 << 63, "the upper half is for external workers"


def test_all_templates_of_a_miner_begin_at_the_same_nonce() -> None:
    # A job that comes again with a lower limit goes on where it was: its range must not move.
    miner, work = mining()
    lower = work_of(miner.found(work.job_id, bytes(8), GOOD, START))
    other = replace(candidate(), header=replace(candidate().header, extra=b"more"))
    assert work_of(miner.candidate(other, START)).first_nonce == lower.first_nonce == work.first_nonce


def test_the_best_is_kept_shown_in_time_and_ends_the_search() -> None:
    miner, work = mining()
    effects = miner.found(work.job_id, bytes(8), GOOD, START)
    time = placed(GOOD).time
    assert work_of(effects).limit == GOOD - 1
    assert miner.deadline() == time - pre_relay(DEVNET)
    assert miner.tick(Millis(time - pre_relay(DEVNET) - 1)) == []
    (found,) = miner.tick(Millis(time - pre_relay(DEVNET)))
    assert isinstance(found, Found)
    assert (found.time, found.block.sealed.pow) == (time, GOOD)
    assert miner.deadline() == time
    assert miner.tick(time) == [Stop()]
    assert miner.statistics().state is MinerState.DONE


def test_a_worse_hash_changes_nothing_and_a_better_one_replaces() -> None:
    miner, work = mining()
    miner.found(work.job_id, bytes(8), GOOD, START)
    assert miner.found(work.job_id, bytes(8), POOR, START) == []
    miner.found(work.job_id, b"\x01" * 8, BETTER, START)
    assert miner.statistics().best_time == placed(BETTER).time


def test_a_better_hash_after_showing_is_shown_at_once() -> None:
    miner, work = mining()
    miner.found(work.job_id, bytes(8), GOOD, START)
    near = Millis(placed(GOOD).time - 10)
    miner.tick(near)
    effects = miner.found(work.job_id, b"\x01" * 8, GOOD - 1, near)
    assert [type(effect) for effect in effects] == [SetWork, Found]
    assert miner.statistics().published == 2


def test_a_new_template_keeps_the_best() -> None:
    miner, work = mining()
    miner.found(work.job_id, bytes(8), GOOD, START)
    second = replace(candidate(), header=replace(candidate().header, state_root=ZERO_HASH))
    again = work_of(miner.candidate(second, START))
    assert again.job_id != work.job_id
    assert again.limit == GOOD - 1
    assert miner.statistics().best_time == placed(GOOD).time
    # a hash of the older template still counts
    miner.found(work.job_id, b"\x02" * 8, BETTER, START)
    assert miner.statistics().best_time == placed(BETTER).time


def test_a_better_ticket_asks_for_a_template_whose_limit_is_higher() -> None:
    miner, work = mining()
    miner.found(work.job_id, bytes(8), GOOD, START)
    draws = [make_draw(DEVNET, key(number), PARENT, STAKE) for number in (1, 2, 3)]
    draw = min(draws, key=lambda entry: (entry.handicap, entry.beta))
    assert miner.ticket(PARENT.id, draw) == [BuildTemplate(PARENT, draw)]
    assert miner.ticket(PARENT.id, draw) == []
    assert miner.ticket(OTHER.id, draw) == []
    ticketed = Candidate(make_header(DEVNET, PARENT, STAKE, draw), draw.ticket, ())
    assert work_of(miner.candidate(ticketed, START)).limit > GOOD


def test_a_rival_must_be_beaten() -> None:
    miner, work = mining()
    miner.found(work.job_id, bytes(8), GOOD, START)
    effects = miner.rival(placed(BETTER), START)
    assert work_of(effects).limit == BETTER - 1
    assert miner.statistics().state is MinerState.SEARCHING
    assert miner.rival(placed(POOR), START) == []
    assert miner.tick(placed(BETTER).time) == [Stop()]


def test_own_block_seen_again_is_no_rival() -> None:
    miner, work = mining()
    miner.found(work.job_id, bytes(8), GOOD, START)
    assert miner.rival(placed(GOOD), START) == []
    assert miner.statistics().state is MinerState.HOLDING


def test_stale_work_is_dropped_on_a_new_parent() -> None:
    miner, work = mining()
    assert miner.parent(OTHER, None, START)[0] == Stop()
    assert miner.found(work.job_id, bytes(8), BETTER, START) == []
    assert miner.candidate(candidate(), START) == []
    assert miner.share("rig", work.job_id, bytes(8), BETTER, START) == (ShareVerdict.STALE, [])
    assert miner.statistics().workers["rig"].stale == 1


def test_the_same_parent_again_changes_nothing() -> None:
    miner, _ = mining()
    assert miner.parent(PARENT, None, START) == []


def test_shares_are_accounted_for() -> None:
    miner, work = mining()
    share = (1 << (SHARE_LOG_TARGET >> 16)) - 1
    assert miner.share("rig", work.job_id, b"00000001", BETTER, START)[0] is ShareVerdict.BEST
    assert miner.share("rig", work.job_id, b"00000001", BETTER, START)[0] is ShareVerdict.REPEATED
    assert miner.share("rig", work.job_id, b"00000002", share, START)[0] is ShareVerdict.SHARE
    assert miner.share("rig", work.job_id, b"00000003", share + 1, START)[0] is ShareVerdict.WEAK
    account = miner.statistics().workers["rig"]
    assert (account.shares, account.blocks, account.refused) == (2, 1, 2)


def test_a_share_counts_once_however_many_weak_nonces_come_between(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consensus.shares.MAX_NONCES", 4)
    miner, work = mining()
    share = (1 << (SHARE_LOG_TARGET >> 16)) - 1
    miner.share("rig", work.job_id, bytes(8), GOOD, START)
    assert miner.share("rig", work.job_id, b"\xff" * 8, share, START)[0] is ShareVerdict.SHARE
    for number in range(1, 6):
        miner.share("rig", work.job_id, number.to_bytes(8, "big"), share + 1, START)
    assert miner.share("rig", work.job_id, b"\xff" * 8, share, START)[0] is ShareVerdict.REPEATED
    assert miner.statistics().workers["rig"].shares == 2


def test_a_share_counts_once_though_the_same_header_is_mined_again() -> None:
    miner, work = mining()
    assert miner.share("rig", work.job_id, bytes(8), BETTER, START)[0] is ShareVerdict.BEST
    miner.halt()
    miner.parent(OTHER, None, START)
    miner.parent(PARENT, None, START)
    again = work_of(miner.candidate(candidate(), START))
    assert again.job_id == work.job_id
    assert miner.refused_share("rig", work.job_id, bytes(8), START) is ShareVerdict.REPEATED
    assert miner.share("rig", work.job_id, bytes(8), BETTER, START)[0] is ShareVerdict.REPEATED
    assert miner.statistics().workers["rig"].shares == 1


def test_the_first_hash_for_a_parent_is_the_best_but_no_share() -> None:
    miner, work = mining()
    assert miner.share("rig", work.job_id, bytes(8), POOR, START)[0] is ShareVerdict.BEST
    account = miner.statistics().workers["rig"]
    assert (account.shares, account.blocks, account.recent) == (0, 1, ())


def test_what_need_not_be_hashed_is_refused_before() -> None:
    miner, work = mining()
    assert miner.refused_share("rig", work.job_id, bytes(8), START) is None
    miner.share("rig", work.job_id, bytes(8), BETTER, START)
    assert miner.refused_share("rig", work.job_id, bytes(8), START) is ShareVerdict.REPEATED
    assert miner.refused_share("rig", OTHER.id, bytes(8), START) is ShareVerdict.STALE
    account = miner.statistics().workers["rig"]
    assert (account.stale, account.refused) == (1, 1)


def test_better_transactions_wait_for_the_refresh() -> None:
    miner, _ = mining()
    miner.transactions_changed(START)
    assert miner.deadline() == START + REFRESH
    assert miner.tick(Millis(START + REFRESH - 1)) == []
    assert miner.tick(Millis(START + REFRESH)) == [BuildTemplate(PARENT, None)]
    assert miner.deadline() == PARENT.time + DEVNET.gap


def test_after_the_gap_headers_are_stamped() -> None:
    miner, _ = mining()
    gap = Millis(PARENT.time + DEVNET.gap)
    assert miner.deadline() == gap
    work = work_of(miner.tick(gap))
    assert miner.deadline() == gap + STAMP_EVERY
    effects = miner.found(work.job_id, bytes(8), (1 << 256) - 2, Millis(gap + 5))
    (found,) = [effect for effect in effects if isinstance(effect, Found)]
    assert found.block.sealed.header.mined_at == gap
    assert found.time == gap
    assert effects[-1] == Stop()


def test_after_a_refusal_the_miner_starts_afresh_with_growing_pauses() -> None:
    miner, work = mining()
    draw = make_draw(DEVNET, key(1), PARENT, STAKE)
    assert miner.ticket(PARENT.id, draw) == [BuildTemplate(PARENT, draw)]
    now, pauses, asked = START, [], []
    for _ in range(9):
        miner.found(work.job_id, bytes(8), GOOD, now)
        now = Millis(max(now, placed(GOOD).time))
        miner.tick(now)
        assert miner.statistics().state is MinerState.DONE
        assert miner.refused(PARENT.id, now) == [Stop()]
        assert miner.candidate(candidate(), now) == [], "a template asked for before the refusal has the same fault"
        due = miner.deadline()
        assert due is not None
        miner.transactions_changed(now)
        assert miner.tick(Millis(due - 1)) == []
        asked += miner.tick(due)
        pauses.append(due - now)
        now = due
        work = work_of(miner.candidate(candidate(), now))
    assert pauses == [REFUSED_WAIT << min(number, 6) for number in range(9)]
    bare = BuildTemplate(PARENT, None, with_transactions=False)
    assert asked == [BuildTemplate(PARENT, draw, with_transactions=False)] + [bare] * 8
    assert miner.parent(OTHER, None, now) == [Stop(), BuildTemplate(OTHER, None)]


def test_a_refusal_that_concerns_nothing_under_way_changes_nothing() -> None:
    miner, _ = mining()
    assert miner.refused(OTHER.id, START) == []
    rival = placed(GOOD)
    miner.rival(rival, START)
    miner.tick(rival.time)
    assert miner.refused(PARENT.id, rival.time) == [], "another's block is ripe"
    miner.halt()
    assert miner.refused(PARENT.id, START) == []
    assert Miner(DEVNET, Random(0)).refused(PARENT.id, START) == []


def test_a_rival_that_is_told_again_after_a_refusal_must_be_beaten() -> None:
    miner, work = mining()
    miner.found(work.job_id, bytes(8), BETTER, START)
    assert miner.rival(placed(GOOD), START) == []
    miner.refused(PARENT.id, START)
    assert miner.rival(placed(GOOD), START) == []
    assert miner.statistics().best_time == placed(GOOD).time
    due = Millis(START + REFUSED_WAIT)
    assert miner.tick(due) == [BuildTemplate(PARENT, None, with_transactions=False)]
    assert work_of(miner.candidate(candidate(), due)).limit == GOOD - 1


def test_a_halted_miner_rests() -> None:
    miner, work = mining()
    assert miner.halt() == [Stop()]
    assert miner.found(work.job_id, bytes(8), BETTER, START) == []
    assert miner.deadline() is None
    assert miner.current_job() is None


@pytest.mark.parametrize("meanwhile", ["rest", "other head", "both"])
def test_what_was_found_is_shown_after_a_pause_or_when_the_head_goes_back(meanwhile: str) -> None:
    miner, work = mining()
    miner.found(work.job_id, bytes(8), BETTER, START)
    if meanwhile != "other head":
        miner.halt()
    if meanwhile != "rest":
        miner.parent(OTHER, None, START)
    assert miner.parent(PARENT, None, START) == [Stop(), BuildTemplate(PARENT, None)]
    time = placed(BETTER).time
    assert miner.deadline() == time - pre_relay(DEVNET)
    work = work_of(miner.candidate(candidate(), START))
    assert work.limit == BETTER - 1
    assert miner.found(work.job_id, bytes(8), GOOD, START) == []
    (found,) = miner.tick(Millis(time - pre_relay(DEVNET)))
    assert isinstance(found, Found)
    assert found.block.sealed.pow == BETTER


def test_what_became_ripe_in_a_pause_is_shown_at_its_end() -> None:
    miner, work = mining()
    miner.found(work.job_id, bytes(8), GOOD, START)
    time = placed(GOOD).time
    miner.halt()
    assert miner.tick(time) == []
    effects = miner.parent(PARENT, None, Millis(time + 1))
    assert [effect.time for effect in effects if isinstance(effect, Found)] == [time]
    assert (effects[-1], miner.statistics().state) == (Stop(), MinerState.DONE)


def test_a_block_that_was_refused_or_beaten_does_not_come_back() -> None:
    miner, work = mining()
    miner.found(work.job_id, bytes(8), GOOD, START)
    miner.refused(PARENT.id, START)
    miner.halt()
    miner.parent(PARENT, None, START)
    assert miner.statistics().best_time is None
    work = work_of(miner.candidate(candidate(), START))
    miner.found(work.job_id, bytes(8), GOOD, START)
    miner.rival(placed(BETTER), START)
    miner.halt()
    miner.parent(PARENT, None, START)
    assert miner.statistics().best_time is None, "the caller tells of the rivals again"


def test_the_hash_rate_is_that_of_the_last_minute() -> None:
    miner, _ = mining()
    miner.hashed(0, Millis(0))
    miner.hashed(5_000, Millis(10_000))
    assert miner.statistics().hash_rate == pytest.approx(500)


@settings(max_examples=60)
@given(st.lists(st.integers(1 << 235, (1 << 256) - 1), min_size=1, max_size=12))
def test_what_is_kept_is_the_lowest(hashes: list[int]) -> None:
    miner, work = mining()
    for number, pow_hash in enumerate(hashes):
        miner.found(work.job_id, number.to_bytes(8, "big"), pow_hash, START)
    assert miner.statistics().best_time == placed(min(hashes)).time
