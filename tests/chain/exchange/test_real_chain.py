"""The exchange over the real importer, the real rules and the real seal: what the node runs, but for the network."""

import pytest

from chain.block import ChainedHeader
from chain.exchange.effects import SyncPhase
from chain.importer import Importer
from chain.ports import EpochStake
from chain.primitives.units import Hash32, Millis
from chain.transaction import SignedTransaction
from chain.verified import ImportResult, ImportStatus, VerifiedBlock
from chain.views import ChainView
from consensus.rules import ConsensusRules
from storage.chain_store import ChainStore
from storage.memory import MemoryStore
from tests.helpers.chain_builder import ChainBuilder
from tests.helpers.exchange_world import World
from tests.helpers.transactions import DEVNET_KEYS, sign


class RealChain:
    """Importer and view over a store in memory, as the world's nodes see a chain."""

    def __init__(self, builder: ChainBuilder) -> None:
        store = ChainStore(MemoryStore())
        self.rules = ConsensusRules(builder.params)
        self.importer = Importer(builder.params, builder.genesis, store, self.rules)
        self.view = ChainView(store, builder.params, self.importer)
        self.applied: list[SignedTransaction] = []
        self.undone: list[SignedTransaction] = []

    def head(self) -> ChainedHeader:
        return self.view.head()

    def chained(self, block_id: Hash32) -> ChainedHeader | None:
        return self.view.chained(block_id)

    def canonical_id(self, height: int) -> Hash32 | None:
        return self.view.canonical_id(height)

    def state_floor(self) -> int:
        return self.view.state_floor()

    def body(self, block_id: Hash32) -> bytes | None:
        return self.view.body(block_id)

    def epoch_stake(self, parent: ChainedHeader) -> EpochStake:
        return self.importer.epoch_stake(parent)

    def add(self, block: VerifiedBlock, now: Millis) -> ImportStatus:
        result = self.importer.add(block, now)
        self._note(result)
        assert result.status is not None
        return result.status

    def ripen(self, now: Millis) -> bool:
        result = self.importer.ripen(now)
        self._note(result)
        return result.move is not None

    def deadline(self) -> Millis | None:
        return self.importer.deadline()

    def _note(self, result: ImportResult) -> None:
        self.applied = [signed for block in result.applied for signed in block.transactions]
        self.undone = [signed for block in result.undone for signed in block.transactions]


@pytest.mark.slow
def test_real_blocks_spread_and_a_late_node_and_a_lost_branch_catch_up() -> None:
    builder = ChainBuilder()
    world = World(1, start=Millis(builder.root.time))
    one, other = world.node(RealChain(builder)), world.node(RealChain(builder))
    world.link(one, other)
    receiver = builder.root.header.miner
    parent = builder.root
    for height in range(1, 23):
        payment = sign(DEVNET_KEYS[0], to=receiver, nonce=height - 1, value=height, max_fee=10**11)
        one.send(payment)
        world.run(3_500)
        built = builder.extend(parent, (payment,))
        parent = built.chained
        one.found(built.block)
        world.run(max(0, parent.time - world.now) + 200)
        assert one.head.id == other.head.id == parent.id
    assert not world.faults
    assert other.exchange.statistics().parts_from_pool > 0

    lost = world.node(RealChain(builder))
    for built in builder.chain(12, extra=b"lost"):
        lost.chain.add(built.verified(), world.now)
    assert lost.head.height == 12
    late = world.node(RealChain(builder))
    for newcomer in (late, lost):
        world.link(newcomer, one)
        world.link(newcomer, other)
    world.run(10_000)
    assert late.head.id == lost.head.id == parent.id
    assert late.progress[-1].phase is SyncPhase.DONE
    assert not world.faults
