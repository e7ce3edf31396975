"""Mining on the event loop: when a node rests, and that it does not rest on a block that nobody takes."""

import asyncio
import logging
from collections.abc import Callable
from random import Random

import pytest

from chain.exchange.effects import OwnRefused, SyncPhase
from chain.exchange.messages import Headers, Status, decode_response, encode_response
from chain.primitives.units import Hash32, Millis
from chain.rules import InvalidBlock, Rule
from cli.services.mining import MiningService, is_behind
from cli.workers import Lane, Result, Workers
from consensus.miner import REFUSED_WAIT, MinerState
from tests.helpers.exchange_chain import GENESIS, PARAMS, grow
from tests.helpers.exchange_world import Node, World, small
from tests.helpers.networks import address_of, payment, small_genesis
from tests.helpers.rpc_world import World as RpcWorld


class AtOnce(Workers):
    """Runs each job where it is asked for."""

    def do(self, lane: Lane, job: Callable[[], Result], then: Callable[[Result], None]) -> None:
        then(job())


def one_behind(seed: int) -> tuple[World, Node, Node]:
    """Return a world with a node of 40 blocks and, linked with it an hour later, one that has none yet."""
    world = World(seed)
    ahead, late = world.node(), world.node()
    grow(small(ahead), 40)
    world.now = Millis(world.now + 3_600_000)
    world.link(late, ahead)
    return world, ahead, late


def rested(node: Node) -> set[bool]:
    """Return what a miner would have been told at each report of a node's catch-ups, while its head was new."""
    now = Millis(node.head.time + PARAMS.block_time)
    return {is_behind(PARAMS, report, node.head, now) for report in node.progress if report.phase is not SyncPhase.DONE}


def test_a_catch_up_on_true_seals_makes_a_miner_rest() -> None:
    world, ahead, late = one_behind(1)
    world.run(5_000)
    assert late.head.id == ahead.head.id
    assert True in rested(late)
    assert not is_behind(PARAMS, None, late.head, world.now)


def test_a_claim_that_shows_no_work_makes_no_miner_rest() -> None:
    world = World(2)
    liar, node = world.node(), world.node()
    grow(small(node), 3)
    world.now = Millis(node.head.time + 1_000)

    def boast(payload: bytes) -> bytes:
        if isinstance(decode_response(payload), Status):
            return encode_response(Status(Hash32(b"\x01" * 32), 10_000, 1 << 100))
        return encode_response(Headers(()))

    liar.rewrite = boast
    world.link(node, liar)
    world.run(30_000)
    assert {report.phase for report in node.progress} >= {SyncPhase.HEADERS}
    assert rested(node) == {False}


def test_a_node_whose_head_is_old_rests_on_the_claim_alone() -> None:
    world, _, fresh = one_behind(3)
    world.run(300)
    report = next(report for report in fresh.progress if report.phase is SyncPhase.HEADERS)
    assert is_behind(PARAMS, report, GENESIS, Millis(GENESIS.time + PARAMS.gap))
    assert not is_behind(PARAMS, report, GENESIS, Millis(GENESIS.time + PARAMS.gap - 1))


async def test_after_an_own_block_that_is_refused_a_template_without_transactions_is_mined(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = RpcWorld(genesis=small_genesis())
    world.pool.add(payment(world.builder.genesis, 0, 0, to=address_of(1)), world.now, local=True)
    changed = asyncio.Event()
    service = MiningService(
        world.params,
        importer=world.importer,
        view=world.view,
        pool=world.pool,
        workers=AtOnce(),
        clock=world.clock,
        reward_address=address_of(2),
        extra=b"",
        rng=Random(0),
        found=lambda _block: None,
        work_changed=changed.set,
    )
    service.activate(active=True)
    first = service.miner.current_job()
    assert first is not None
    assert len(first.candidate.transactions) == 1
    parent = world.view.head()
    with caplog.at_level(logging.ERROR, logger="mining"):
        service.refused(OwnRefused(parent.id, parent.height + 1, InvalidBlock(Rule.STATE_ROOT)))
    assert [record.message for record in caplog.records] == [
        "own block 1 is invalid, mining goes on without it: " + Rule.STATE_ROOT.value
    ]
    assert service.current() is None
    assert service.miner.current_job() is None
    world.now = Millis(world.now + REFUSED_WAIT)
    service.transactions_changed()  # looks at the timer, whose time has come
    changed.clear()
    await changed.wait()
    second = service.miner.current_job()
    assert second is not None
    assert second.candidate.transactions == ()
    assert service.statistics().state is MinerState.SEARCHING
    service.activate(active=False)
