"""The bounded set of recent blocks that the fork choice compares."""

from chain.block import ChainedHeader
from chain.branches import AHEAD_MAX, RECENT_DEPTH, RECENT_MAX, UNRIPE_MAX, Branches
from chain.fork_choice import Candidate
from chain.primitives.units import Millis
from tests.helpers.chained import ROOT_TIME, child_header, root_header, run_of

ROOT = root_header()


def _add(branches: Branches, block: ChainedHeader, now: Millis = ROOT_TIME) -> None:
    branches.add(Candidate(block, now), now)


def test_a_block_ripens_at_its_time() -> None:
    branches = Branches()
    block = child_header(ROOT)
    _add(branches, block)
    assert (branches.counts, branches.deadline()) == ((0, 1), block.time)
    assert not branches.ripen(Millis(block.time - 1))
    assert branches.ripen(block.time)
    assert (branches.counts, branches.deadline()) == ((1, 0), None)
    assert block.id in branches


def test_room_ends_far_ahead_and_behind_two_better_siblings() -> None:
    branches = Branches()
    assert branches.has_room(child_header(ROOT, interval=AHEAD_MAX), ROOT_TIME)
    assert not branches.has_room(child_header(ROOT, interval=AHEAD_MAX + 1), ROOT_TIME)
    for interval in (10, 20):
        _add(branches, child_header(ROOT, interval=interval))
    third = child_header(ROOT, interval=30)
    assert not branches.has_room(third, ROOT_TIME)
    assert branches.has_room(third, third.time)
    better = child_header(ROOT, interval=15)
    assert branches.has_room(better, ROOT_TIME)
    _add(branches, better)
    assert [block.time - ROOT_TIME for block in branches.unripe_children(ROOT.id)] == [10, 15]


def test_unripe_blocks_are_bounded_the_furthest_goes() -> None:
    branches = Branches()
    chain = run_of(ROOT, UNRIPE_MAX + 3, interval=10)
    for block in chain:
        _add(branches, block)
    assert branches.counts == (0, UNRIPE_MAX)
    assert chain[0].id in branches
    assert chain[-1].id not in branches


def test_ripe_blocks_far_below_the_head_are_forgotten() -> None:
    branches = Branches()
    chain = run_of(ROOT, RECENT_DEPTH + 5)
    for block in chain:
        _add(branches, block, block.time)
    branches.prune(chain[-1])
    assert branches.counts == (RECENT_DEPTH + 1, 0)
    assert chain[-1].id in branches


def test_ripe_blocks_are_bounded_the_lightest_goes_never_the_head() -> None:
    branches = Branches()
    head = child_header(ROOT, work=1)
    others = [child_header(ROOT, work=100 + index) for index in range(RECENT_MAX + 3)]
    for block in (head, *others):
        _add(branches, block, block.time)
    branches.prune(head)
    assert branches.counts == (RECENT_MAX, 0)
    assert head.id in branches
    assert others[0].id not in branches
    assert others[-1].id in branches
    branches.discard(head.id)
    assert branches.candidate(head.id) is None
