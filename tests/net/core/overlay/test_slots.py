"""The own slots on plain values: whom a slot prefers, which links a node has no need of."""

from random import Random

import pytest

from chain.primitives.peer import PeerId
from net.core.config import MeshConfig
from net.core.overlay.slots import Slots

PEERS = [PeerId(number.to_bytes(32, "big")) for number in range(1, 200)]


def slots() -> Slots:
    return Slots(MeshConfig(network_id=bytes(32), id_difficulty=1), Random(1).randbytes)


def test_only_a_smaller_hash_is_better_than_the_holder() -> None:
    some = slots()
    order = some.best(3, PEERS, len(PEERS))
    assert some.better(3, order[0], PEERS) is None
    assert some.better(3, order[7], PEERS) == order[0]
    assert some.better(3, order[7], order[8:]) is None
    assert some.better(3, order[7], []) is None


@pytest.mark.parametrize(
    ("listed", "own", "spare"), [(12, 8, 0), (13, 8, 1), (16, 8, 2), (20, 6, 0), (13, 12, 1), (24, 12, 6)]
)
def test_own_links_beyond_the_core_are_spare_over_twelve(listed: int, own: int, spare: int) -> None:
    assert slots().spare(listed=listed, own=own) == spare


@pytest.mark.slow
def test_following_the_hash_leaves_ids_that_never_leave_no_advantage() -> None:
    """A slot that always holds the smallest hash among those present holds the immortal with their share of the ids."""
    rng, some, rounds = Random(5), slots(), 150
    immortal, mortal = PEERS[:30], list(PEERS[30:100])
    names = iter(range(1_000, 100_000))
    held = {slot: some.best(slot, [*immortal, *mortal], 1)[0] for slot in range(12)}
    theirs = 0
    for _ in range(rounds):
        for at in rng.sample(range(len(mortal)), 10):
            mortal[at] = PeerId(next(names).to_bytes(32, "big"))
        for slot, holder in held.items():
            there = [*immortal, *mortal]
            kept = holder if holder in there else some.best(slot, there, 1)[0]
            held[slot] = some.better(slot, kept, there) or kept
        if rng.random() < 0.2:
            some.reseed(rng.randrange(12))
        theirs += sum(holder in immortal for holder in held.values())
    assert theirs / (12 * rounds) == pytest.approx(0.30, abs=0.08)
