"""Rule 7: which branch is ours."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from chain.block import ChainedHeader
from chain.fork_choice import Candidate, choose, marks, outweighs
from chain.primitives.units import Hash32, Millis
from tests.helpers.chained import child_header, root_header, run_of
from tests.helpers.networks import small_genesis

LATE = Millis(50)
ROOT = Candidate(root_header(), Millis(0))


def _early(chained: ChainedHeader) -> Candidate:
    return Candidate(chained, chained.time)


def _late(chained: ChainedHeader) -> Candidate:
    return Candidate(chained, Millis(chained.time + LATE + 1))


def _choose(head: Candidate, *ripe: Candidate) -> Hash32:
    return choose(head, ripe, LATE).chained.id


def test_a_child_is_adopted_however_little_it_weighs() -> None:
    heavy = _early(child_header(ROOT.chained, work=1000))
    feather = _late(child_header(heavy.chained, work=1))
    assert _choose(heavy, feather) == feather.chained.id


def test_a_branch_must_lead_by_more_than_half_a_block() -> None:
    tip = _early(child_header(ROOT.chained, work=100))
    fork = child_header(ROOT.chained, work=60, extra=b"fork")
    even, ahead = (_late(child_header(fork, work=work)) for work in (90, 91))
    assert _choose(tip, _late(fork), even) == tip.chained.id
    assert _choose(tip, _late(fork), ahead) == ahead.chained.id


def test_the_heaviest_of_several_leading_branches_wins() -> None:
    tip = _early(child_header(ROOT.chained))
    branches = [run_of(ROOT.chained, length, extra=bytes((length,))) for length in (3, 5, 4)]
    ripe = [_late(block) for branch in branches for block in branch]
    assert _choose(tip, *ripe) == branches[1][-1].id


def test_a_better_sibling_of_the_tip_wins_in_time_and_only_then() -> None:
    tip = _early(child_header(ROOT.chained, interval=1000, pow_hash=7))
    by_time = child_header(ROOT.chained, interval=999, pow_hash=9)
    by_pow = child_header(ROOT.chained, interval=1000, pow_hash=6)
    for better in (by_time, by_pow):
        assert _choose(tip, _early(better)) == better.id
        assert _choose(tip, _late(better)) == tip.chained.id
        assert _choose(tip, Candidate(better, None)) == tip.chained.id
        assert _choose(_early(better), tip) == better.id


def test_siblings_are_not_compared_by_work() -> None:
    earlier = _early(child_header(ROOT.chained, interval=900, work=1))
    heavier = _early(child_header(ROOT.chained, interval=1000, work=1000))
    assert _choose(heavier, earlier) == earlier.chained.id
    assert _choose(earlier, heavier) == earlier.chained.id
    child = _early(child_header(heavier.chained))
    assert _choose(earlier, heavier, child) == child.chained.id


def test_an_uncle_with_a_lower_time_does_not_displace_a_longer_chain() -> None:
    parent = child_header(ROOT.chained, interval=1000)
    tip = _early(child_header(parent))
    uncle = _early(child_header(ROOT.chained, interval=900))
    assert _choose(tip, _early(parent), uncle) == tip.chained.id


def test_a_branch_of_weak_blocks_does_not_come_back_as_a_sibling() -> None:
    weak = [_early(block) for block in run_of(ROOT.chained, 3, work=1)]
    heavy = _early(child_header(ROOT.chained, interval=3000, work=1000))
    assert _choose(weak[-1], *weak, heavy) == heavy.chained.id
    assert _choose(heavy, *weak, heavy) == heavy.chained.id


def test_several_ripe_children_are_followed_by_time_the_late_ones_last() -> None:
    soon, sooner = (_early(child_header(ROOT.chained, interval=interval)) for interval in (1000, 990))
    latecomer = _late(child_header(ROOT.chained, interval=980))
    assert _choose(ROOT, soon, latecomer, sooner) == sooner.chained.id
    assert _choose(ROOT, latecomer) == latecomer.chained.id


_siblings = st.lists(
    st.tuples(st.integers(900, 1000), st.integers(0, 3), st.integers(1, 300), st.integers(-100, 100)),
    min_size=1,
    max_size=6,
)


@given(_siblings, st.randoms(use_true_random=False))
def test_the_choice_among_siblings_does_not_depend_on_their_order(
    numbers: list[tuple[int, int, int, int]], rng: Random
) -> None:
    blocks = [
        Candidate(block, Millis(block.time + min(lag, LATE)))
        for index, (interval, pow_hash, work, lag) in enumerate(numbers)
        for block in (
            child_header(ROOT.chained, interval=interval, pow_hash=pow_hash, work=work, extra=bytes((index,))),
        )
    ]
    best = min(block.rank for block in blocks)
    for _ in range(3):
        rng.shuffle(blocks)
        head, seen = ROOT, list[Candidate]()
        for block in blocks:
            seen.append(block)
            head = choose(head, seen, LATE)
        assert head.rank == best


@st.composite
def _trees(draw: st.DrawFn) -> list[Candidate]:
    blocks = [ROOT]
    for index in range(draw(st.integers(1, 14))):
        parent = draw(st.sampled_from(blocks)).chained
        block = child_header(
            parent, interval=draw(st.integers(1, 50)), work=draw(st.integers(1, 100)), extra=bytes((index,))
        )
        blocks.append(Candidate(block, Millis(block.time + draw(st.sampled_from((0, LATE, LATE + 1))))))
    return blocks[1:]


@settings(max_examples=60)
@given(_trees(), st.data())
def test_the_choice_is_a_leaf_and_does_not_depend_on_listing(blocks: list[Candidate], data: st.DataObject) -> None:
    head = data.draw(st.sampled_from([ROOT, *blocks]))
    chosen = choose(head, blocks, LATE)
    assert choose(head, list(reversed(blocks)), LATE) == chosen
    assert choose(head, [*blocks, head], LATE) == chosen
    assert not any(block.chained.header.parent_id == chosen.chained.id for block in blocks), "a ripe child is followed"


@given(_trees())
def test_equal_works_make_the_choice_stable(blocks: list[Candidate]) -> None:
    level = {ROOT.chained.id: ROOT.chained}
    even: list[Candidate] = []
    for block in blocks:
        old = block.chained
        parent = level[old.header.parent_id]
        made = child_header(parent, interval=old.time - old.header.parent_time, extra=old.header.extra)
        level[old.id] = made
        even.append(Candidate(made, made.time))
    chosen = choose(ROOT, even, LATE)
    assert choose(chosen, even, LATE) == chosen
    assert chosen.chained.height == max(block.chained.height for block in even)
    assert not any(outweighs(block.chained, chosen.chained) for block in even)


def test_safe_and_finalized_count_work_not_blocks() -> None:
    params = small_genesis(stake_start=10, stake_ramp=10).params
    chain = [ROOT.chained, *run_of(ROOT.chained, 60)]
    by_id = {block.id: block for block in chain}

    def parent_of(block: ChainedHeader) -> ChainedHeader:
        return by_id[block.header.parent_id]

    def heights(tip: ChainedHeader, unit: int) -> tuple[int, int]:
        found = marks(params, tip, unit, parent_of)
        assert found.head is tip
        return found.safe.height, found.finalized.height

    assert heights(chain[60], 100) == (50, 40)  # after the ramp: 10 and 20
    assert heights(chain[60], 101) == (49, 39)
    assert heights(chain[19], 50) == (9, 4)  # before its end: 20 and 30, of half blocks here
    assert heights(chain[5], 100) == (0, 0)
    weak = run_of(chain[40], 15, work=1)
    by_id.update((block.id, block) for block in weak)
    assert heights(weak[-1], 100) == (30, 20)
