"""Visits at neighbours' pools in any order of events: the table of their states lacks nothing, and no visit lasts."""

from random import Random

import pytest

from chain.exchange import reconcile
from chain.exchange.messages import Picked, Response, Status, Waiting
from chain.exchange.reconcile import TRANSITIONS, VISIT_LIFETIME, ReconcileEvent, ReconcileState
from chain.primitives.units import Millis
from tests.helpers.exchange_chain import GENESIS, next_block
from tests.helpers.exchange_world import Node, World
from tests.helpers.pool_world import fill, payments, rewriting

Step = tuple[ReconcileState, ReconcileEvent]


def spoilt(answer: Response, rng: Random) -> Response:
    """Return what a neighbour makes of its answer that means ill, or is only busy, slow or behind."""
    match answer, rng.randrange(8):
        case Waiting(salt, names), 0 | 1:
            return Waiting(salt, names[: rng.randrange(3)])
        case Waiting(salt, names), 2:
            return Waiting(salt, tuple(rng.randbytes(6) for _ in names))
        case Picked(raws), 0 | 1 | 2 | 3 if raws:
            return Picked(raws[: rng.randrange(len(raws))])
        case Picked(raws), 4 if raws:
            return Picked((None, *raws[1:]))
        case Picked(), 5:
            return Picked(None)
        case Waiting() | Picked(), 6:
            return Status(GENESIS.id, 0, 0)
        case _:
            return answer


def act(world: World, rng: Random) -> None:
    """Let anything happen once."""
    one, other = rng.sample(world.nodes, 2)
    match rng.randrange(10):
        case 0 | 1 | 2 | 3 if other.peer not in one.links:
            world.link(one, other)
        case 4 if other.peer in one.links:
            world.unlink(one, other)
        case 5:
            for neighbour in one.exchange._neighbours.all():
                neighbour.bytes.charge(rng.choice((5_000_000, 30_000_000)), world.now)
        case 6:
            one.is_silent = rng.random() < 0.2
        case 7:
            taken = [signed for signed in one.pool.by_merit() if one.pool.is_pending(signed.tx.hash)]
            one.found(next_block(one.head, taken[: rng.randrange(20)], extra=bytes((one.number,))))
        case 8:
            one.send(payments(1, first_key=1_000 + rng.randrange(10_000))[0])
        case _:
            pass


def settled(node: Node) -> bool:
    return node.exchange._reconciler.state is ReconcileState.IDLE


def run(seed: int) -> set[Step]:
    """Play one world and return the steps that its nodes have made."""
    rng, world, seen = Random(f"pools/{seed}"), World(seed, loss=0.02), set[Step]()

    class Table(dict[Step, ReconcileState]):
        def __getitem__(self, step: Step) -> ReconcileState:
            seen.add(step)
            return super().__getitem__(step)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reconcile, "TRANSITIONS", Table(TRANSITIONS))
        patch.setattr(reconcile, "PICKS_PER_ASK", 4)
        patch.setattr(reconcile, "VISITS_MAX", 1_000)
        patch.setattr(reconcile, "ROUNDS", 1_000)
        for number in range(4):
            node = world.node()
            fill(node, payments(40, first_key=1 + 25 * number))
            node.rewrite = rewriting(lambda answer: spoilt(answer, rng))
        for _ in range(60):
            act(world, rng)
            world.run(rng.choice((1, 30, 400, 3_000, 12_000)))
        for node in world.nodes:
            node.is_silent = False
        patch.setattr(reconcile, "VISITS_MAX", 0)
        world.run(Millis(VISIT_LIFETIME + 60_000))
        assert all(map(settled, world.nodes))
    return seen


@pytest.mark.slow
def test_no_order_of_events_leaves_the_table_or_a_visit_open() -> None:
    seen = set[Step]().union(*(run(seed) for seed in range(8)))
    assert seen <= set(TRANSITIONS)
    assert len(seen) >= 10, "the worlds are eventful"
