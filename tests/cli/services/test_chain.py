"""The chain on the event loop: what the pool is told when the writer is ahead of it."""

from collections.abc import Callable
from functools import partial

from chain.verified import ImportResult
from cli.services.chain import ChainService
from cli.workers import Lane, Result, Workers
from tests.helpers.chain_builder import Built
from tests.helpers.networks import payment, small_genesis
from tests.helpers.rpc_world import World


class LateLoop(Workers):
    """Runs jobs at once and their continuations when the test says: a busy event loop."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting_continuations: list[Callable[[], None]] = []

    def do(self, lane: Lane, job: Callable[[], Result], then: Callable[[Result], None]) -> None:
        self._waiting_continuations.append(partial(then, job()))

    def catch_up(self) -> None:
        """Run the continuations in their order."""
        waiting, self._waiting_continuations = self._waiting_continuations, []
        for then in waiting:
            then()


class Node:
    """A chain service that takes a world's blocks."""

    def __init__(self) -> None:
        self.world = World(genesis=small_genesis())
        self.loop = LateLoop()
        world = self.world
        self.service = ChainService(world.params, world.importer, world.view, world.pool, self.loop, world.clock)

    def take(self, built: Built) -> None:
        self.world.now = built.chained.time
        self.service.add(built.verified(), self._expect)

    def _expect(self, outcome: object) -> None:
        assert isinstance(outcome, ImportResult)


async def test_the_pool_follows_one_block_after_the_other_when_the_writer_is_ahead() -> None:
    node = Node()
    world, genesis = node.world, node.world.builder.genesis
    own = [payment(genesis, 0, nonce) for nonce in range(2)]
    for signed in own:
        world.pool.add(signed, world.now, local=True)
    first = world.builder.extend(None, own[:1])
    second = world.builder.extend(first.chained, own[1:])
    node.take(first)
    node.take(second)
    node.loop.catch_up()
    statistics = world.pool.statistics()
    assert (statistics.mined, statistics.expired) == (2, 0)
    assert statistics.journalled == 2, "both can still be undone"
    assert world.pool.next_nonce(own[0].sender) == 2
