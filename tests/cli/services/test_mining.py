"""Mining on the event loop: when a node rests."""

from chain.exchange.effects import SyncPhase
from chain.exchange.messages import Headers, Status, decode_response, encode_response
from chain.primitives.units import Hash32, Millis
from cli.services.mining import is_behind
from tests.helpers.exchange_chain import GENESIS, PARAMS, grow
from tests.helpers.exchange_world import Node, World, small


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
