from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from chain.primitives.units import LogTarget, Millis
from consensus.ripening import seal_passes_floor
from consensus.search import Rank, Terms, highest_useful
from tests.consensus.networks import MAINNET

TERMS = Terms(Millis(1_000_000), LogTarget(230 << 16), Millis(4_000), Millis(0))


@settings(max_examples=40)
@given(st.integers(0, 2**245), st.integers(0, 30_000))
def test_the_highest_useful_hash_is_the_last_that_beats_the_rank(pow_hash: int, handicap: int) -> None:
    beat = replace(TERMS, handicap=Millis(handicap)).rank(MAINNET, pow_hash)
    limit = highest_useful(MAINNET, TERMS, beat)
    if limit is None:
        assert TERMS.rank(MAINNET, 0) >= beat
        return
    assert TERMS.rank(MAINNET, limit) < beat
    above = limit + 1
    assert TERMS.rank(MAINNET, above) >= beat or not seal_passes_floor(MAINNET, above, TERMS.log_target)


def test_without_a_rank_the_floor_decides() -> None:
    limit = highest_useful(MAINNET, TERMS, None)
    assert limit is not None
    assert seal_passes_floor(MAINNET, limit, TERMS.log_target)
    assert not seal_passes_floor(MAINNET, limit + 1, TERMS.log_target)


def test_nothing_beats_the_lowest_rank() -> None:
    assert highest_useful(MAINNET, TERMS, Rank(Millis(0), 0)) is None
