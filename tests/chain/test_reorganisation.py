"""Plans of head moves."""

from hypothesis import given
from hypothesis import strategies as st

from chain.block import ChainedHeader
from chain.reorganisation import plan
from tests.helpers.chained import root_header, run_of

ROOT = root_header()


@given(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5))
def test_a_plan_leads_over_the_last_common_ancestor(common: int, left: int, right: int) -> None:
    trunk = [ROOT, *run_of(ROOT, common)]
    old, new = (run_of(trunk[-1], count, extra=name) for count, name in ((left, b"old"), (right, b"new")))
    by_id = {block.id: block for block in (*trunk, *old, *new)}

    def parent_of(block: ChainedHeader) -> ChainedHeader:
        return by_id[block.header.parent_id]

    move = plan((trunk + old)[-1], (trunk + new)[-1], parent_of)
    assert move.undo == tuple(block.id for block in reversed(old))
    assert move.apply == tuple(block.id for block in new)
    assert move.head == (trunk + new)[-1].id
