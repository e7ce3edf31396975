"""Seeds and stake snapshots on each branch of its own."""

from dataclasses import replace

import pytest

from chain.epochs import KEPT, EpochStakes
from chain.importer import Importer
from chain.primitives.units import COIN, ZERO_HASH, Millis
from chain.rules import InvalidBlock, Rule
from chain.staking_snapshot import snapshot
from chain.state import State
from chain.verified import ImportStatus, VerifiedBlock
from storage.chain_store import ChainStore
from storage.memory import MemoryStore
from tests.helpers.forge import FakeRules, Forge
from tests.helpers.networks import small_genesis
from tests.helpers.stakes import deposit, validator_key

GENESIS = small_genesis(epoch_length=3)
FORGE = Forge(GENESIS)


def _branch(name: bytes, length: int, *stakes: int) -> list[VerifiedBlock]:
    """A branch whose first block holds a deposit of each amount."""
    deposits = [deposit(GENESIS, number, 0, value=amount * COIN) for number, amount in enumerate(stakes)]
    first = FORGE.block(FORGE.root, *deposits, extra=name)
    return [first, *FORGE.run(FORGE.chained(first), length - 1, extra=name)]


def _importer() -> tuple[Importer, ChainStore]:
    store = ChainStore(MemoryStore())
    return Importer(GENESIS.params, GENESIS, store, FakeRules()), store


def _add_all(importer: Importer, blocks: list[VerifiedBlock]) -> None:
    for block in blocks:
        importer.add(block, block.arrived)


def test_snapshot_and_seed_stand_where_rule_8_says() -> None:
    importer, store = _importer()
    blocks = _branch(b"", 13, 5)
    chained = [GENESIS.chained, *(FORGE.chained(block) for block in blocks)]
    _add_all(importer, blocks)

    def snapshot_at(height: int) -> bytes:
        return snapshot(State(store, chained[height].header.state_root)).commitment

    for height in range(1, 14):
        stake = importer.epoch_stake(chained[height - 1])
        epoch = height // 3
        assert stake.commitment == snapshot_at({3: 2, 4: 5}.get(epoch, 0))
        assert stake.seed == (ZERO_HASH if epoch < 2 else chained[3 * epoch - 4].header.mix)
    first = importer.epoch_stake(chained[8])
    assert (first.total, dict(first.stakes)) == (5 * COIN, {validator_key(0).public_key.format(): 5 * COIN})


def test_a_reorganisation_across_epochs_judges_each_branch_by_its_own_stakes() -> None:
    importer, store = _importer()
    poor, rich = _branch(b"poor", 13), _branch(b"rich", 14, 5, 7)
    _add_all(importer, poor)
    for block in rich[:-1]:
        assert importer.add(block, block.arrived).status is ImportStatus.SIDE
    result = importer.add(rich[-1], Millis(rich[-1].arrived))
    assert result.move is not None
    assert (len(result.move.undo), len(result.move.apply)) == (13, 14)
    on_side, on_head = importer.epoch_stake(FORGE.chained(poor[-1])), importer.epoch_stake(importer.head())
    assert (on_side.total, on_head.total) == (0, 12 * COIN)
    head = importer.head()
    assert State(store, head.header.state_root).balance(head.header.miner) > 14 * 50 * COIN


def test_a_block_with_the_other_branchs_stakes_is_refused() -> None:
    poor, rich = _branch(b"poor", 9), _branch(b"rich", 9, 5)
    importer, _ = _importer()
    _add_all(importer, poor)
    foreign = FORGE.block(FORGE.chained(rich[-1])).sealed.header.stakes
    block = FORGE.block(FORGE.chained(poor[-1]), munge=lambda header: replace(header, stakes=foreign))
    with pytest.raises(InvalidBlock) as refused:
        importer.add(block, block.arrived)
    assert refused.value.rule is Rule.BAD_STAKES


def test_records_are_read_once_and_few_are_kept() -> None:
    importer, store = _importer()
    blocks = _branch(b"", 20)
    _add_all(importer, blocks)
    stakes = EpochStakes(GENESIS.params, store)
    chained = [GENESIS.chained, *(FORGE.chained(block) for block in blocks)]
    for parent in chained:
        stakes.after(parent)
    assert len(stakes._kept) == KEPT
    assert stakes.after(chained[20]) is stakes.after(chained[20])
    assert stakes.after(chained[18]) is stakes.after(chained[19])


def test_the_record_after_a_new_head_is_there_before_anybody_asks() -> None:
    importer, _ = _importer()
    blocks = _branch(b"", 12, 5)
    _add_all(importer, blocks)
    for block in blocks[-3:]:
        parent = FORGE.chained(block)
        kept = importer._stakes._kept
        assert importer.epoch_stake(parent) in kept.values()
