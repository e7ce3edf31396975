"""Forged records by the thousand: the link ends at once, honest records pass."""

import pytest

from bench.forged_records import LATER, flood


@pytest.mark.slow
@pytest.mark.parametrize("ids", [0, 10])
def test_a_flood_of_forgeries_delays_nobody(ids: int) -> None:
    outcome = flood(6, ids)
    assert outcome.forged == 60_000
    assert 0 <= outcome.closed_after < 5_000
    assert outcome.checked == max(1, 6 * ids)  # one signature a link
    assert outcome.taken >= 24
    assert outcome.worst_delay < 2_000


@pytest.mark.slow
@pytest.mark.parametrize("kind", LATER)
def test_forgeries_that_nobody_needs_end_the_link_too(kind: str) -> None:
    outcome = flood(6, 0, kind)
    assert 0 <= outcome.closed_after < 5_000
    assert outcome.checked < 1_000
    assert outcome.taken >= 24
    assert outcome.worst_delay < 2_000
